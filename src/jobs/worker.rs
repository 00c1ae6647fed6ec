//! This process as a worker: it is registered, its beat shows that it lives, and it claims what the dead left behind.
//!
//! The lease is on the worker, not on each job, so renewing it costs one small update however many jobs it holds. A
//! worker whose beat stands still for the whole lease, measured on the observer's own monotonic clock (so that no clock
//! jump ends a lease), is dead: its row goes, and its running jobs wait again, their attempt spent.

use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, RwLock, RwLockReadGuard, RwLockWriteGuard, Semaphore},
    task::JoinHandle,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Claimed, Consumer, JobId, WorkerId, cron, due,
    feed::{Claimer, QueueOptions},
    lease,
    queue::Queue,
    recorder::Recorder,
};
use crate::db::{Db, DbError};

/// How a worker behaves.
#[derive(Debug, Clone)]
pub struct WorkerOptions {
    /// What operators call it, e.g. the host's name; need not be unique.
    pub name: String,
    /// How long it may be silent before its jobs are claimed again.
    pub lease: Duration,
    /// How often it looks for what nobody told it of.
    pub poll_interval: Duration,
    /// Whether no other worker can be alive: it holds the only lock on the database, so what others left is claimed at once.
    pub sole: bool,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        Self {
            name: "mintreu".to_owned(),
            lease: Duration::from_secs(30),
            poll_interval: Duration::from_secs(1),
            sole: false,
        }
    }
}

/// The jobs that this process holds, from their claim until what became of them is recorded.
///
/// They are known by the token of their claim too: a job whose lease was lost may come back while its old attempt still
/// runs.
#[derive(Debug, Clone, Default)]
pub(super) struct Running {
    jobs: Arc<Mutex<HashMap<(JobId, i64), CancellationToken>>>,
    /// Held by whoever claims until the claimed jobs are here, so that the database and this list can be compared.
    claiming: Arc<RwLock<()>>,
}

impl Running {
    fn jobs(&self) -> MutexGuard<'_, HashMap<(JobId, i64), CancellationToken>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn claiming(&self) -> RwLockReadGuard<'_, ()> {
        self.claiming.read().await
    }

    /// Waits until no claim is under way, and keeps others from beginning.
    pub(super) async fn between_claims(&self) -> RwLockWriteGuard<'_, ()> {
        self.claiming.write().await
    }

    pub(super) fn add(&self, job: &Claimed) {
        self.jobs().insert((job.id, job.token), job.cancel.clone());
    }

    pub(super) fn remove(&self, job: &Claimed) {
        self.jobs().remove(&(job.id, job.token));
    }

    pub(super) fn holds(&self, job: &Claimed) -> bool {
        self.jobs().contains_key(&(job.id, job.token))
    }

    pub(super) fn cancel(&self, job: JobId, token: i64) {
        if let Some(cancel) = self.jobs().get(&(job, token)) {
            cancel.cancel();
        }
    }

    pub(super) fn cancel_all(&self) {
        self.jobs().values().for_each(CancellationToken::cancel);
    }
}

/// This process as a worker.
#[derive(Debug)]
pub struct Worker {
    db: Db,
    id: WorkerId,
    options: WorkerOptions,
    running: Running,
    recorder: Recorder,
    recording: JoinHandle<()>,
    /// Ends the claiming, first.
    stop_claiming: CancellationToken,
    /// Ends the beat, last.
    stop_beating: CancellationToken,
    queues: TaskTracker,
    tasks: TaskTracker,
}

impl Worker {
    /// Registers this process and starts what keeps the queue going.
    pub async fn start(db: Db, options: WorkerOptions, schedules: Vec<cron::Schedule>) -> Result<Self, DbError> {
        let id = lease::register(&db, &options).await?;
        if options.sole {
            lease::reclaim_all_but(&db, id).await?;
        }
        let running = Running::default();
        let (recorder, recording) = Recorder::start(db.clone(), running.clone());
        let worker = Self {
            db,
            id,
            options,
            running,
            recorder,
            recording,
            stop_claiming: CancellationToken::new(),
            stop_beating: CancellationToken::new(),
            queues: TaskTracker::new(),
            tasks: TaskTracker::new(),
        };
        worker.start_tasks(schedules);
        Ok(worker)
    }

    fn start_tasks(&self, schedules: Vec<cron::Schedule>) {
        let beat = lease::Beat {
            db: self.db.clone(),
            worker: self.id,
            name: self.options.name.clone(),
            lease: self.options.lease,
            running: self.running.clone(),
        };
        let stop = self.stop_beating.clone();
        self.tasks.spawn(async move { until(stop, beat.run()).await });
        let (db, lease, worker) = (self.db.clone(), self.options.lease, self.id);
        let stop = self.stop_claiming.clone();
        self.tasks.spawn(async move { until(stop, lease::reclaim_dead(db, worker, lease)).await });
        let (db, lease, worker, running) = (self.db.clone(), self.options.lease, self.id, self.running.clone());
        let stop = self.stop_claiming.clone();
        self.tasks.spawn(async move { until(stop, lease::return_forgotten(db, worker, running, lease)).await });
        let (db, poll) = (self.db.clone(), self.options.poll_interval);
        let stop = self.stop_claiming.clone();
        self.tasks.spawn(async move { until(stop, due::run(db, poll)).await });
        let (db, poll) = (self.db.clone(), self.options.poll_interval);
        let stop = self.stop_claiming.clone();
        self.tasks.spawn(async move { until(stop, cron::run(db, schedules, poll)).await });
        let (db, running, worker) = (self.db.clone(), self.running.clone(), self.id);
        let (poll, stop) = (self.options.poll_interval, self.stop_beating.clone());
        self.tasks.spawn(async move { until(stop, lease::watch_cancellations(db, worker, running, poll)).await });
        let (db, stop) = (self.db.clone(), self.stop_beating.clone());
        self.tasks.spawn(async move { db.signals().clone().run(&db, stop).await });
    }

    /// Its identity, new at every start.
    #[must_use]
    pub const fn id(&self) -> WorkerId {
        self.id
    }

    /// Feeds a queue's jobs to `consumer` until shutdown. An apalis worker that ends with an error is started again.
    pub fn consume(&self, options: QueueOptions, consumer: Arc<dyn Consumer>) {
        let queue = Queue {
            claimer: Claimer {
                db: self.db.clone(),
                worker: self.id,
                slots: Arc::new(Semaphore::new(options.concurrency)),
                options,
                running: self.running.clone(),
                refused: Arc::new(Notify::new()),
            },
            consumer,
            recorder: self.recorder.clone(),
        };
        self.queues.spawn(queue.run(self.stop_claiming.clone()));
    }

    /// Stops claiming, waits until `deadline` for what runs, records it, and takes leave. What still runs then is told to
    /// stop, and runs again elsewhere.
    pub async fn shutdown(self, deadline: Duration) {
        self.stop_claiming.cancel();
        self.queues.close();
        if tokio::time::timeout(deadline, self.queues.wait()).await.is_err() {
            tracing::warn!("jobs are still running at the deadline; they run again elsewhere");
            self.running.cancel_all();
        }
        let recorded = self.recorder.flush(FLUSH_PATIENCE).await;
        self.stop_beating.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.recording.abort();
        // Signing off gives back what this worker still holds; an outcome that is not recorded must not be given back
        // by mistake, so then the lease decides.
        if recorded && let Err(error) = lease::sign_off(&self.db, self.id).await {
            tracing::warn!(%error, "could not sign off; what this worker left is claimed after its lease");
        }
    }
}

/// How long the last outcomes may take to be recorded at shutdown.
const FLUSH_PATIENCE: Duration = Duration::from_secs(1);

/// Runs `work` until `stop`.
async fn until(stop: CancellationToken, work: impl Future<Output = ()>) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = work => {}
    }
}
