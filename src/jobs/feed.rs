//! A queue as apalis sees it: a backend that yields claimed jobs, and a sink that enqueues.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use apalis_core::{
    backend::{Backend, BackendConfig, finalize::Ephemeral},
    task::{Task, builder::TaskBuilder, task_id::TaskId},
    worker::context::WorkerContext,
};
use futures::{Sink, SinkExt};
use tokio::{
    sync::{
        Notify, Semaphore,
        mpsc::{
            self,
            error::TrySendError::{Closed, Full},
        },
        watch,
    },
    task::JoinHandle,
    time::{Instant, sleep, sleep_until, timeout},
};
use tower::layer::util::Identity;

use super::{
    Claimed, Gate, WorkerId,
    claim::{Claim, claim, has_work},
    sink::JobSink,
    worker::Running,
};
use crate::db::{Db, DbError};

/// How a queue is fed.
#[derive(Debug, Clone)]
pub struct QueueOptions {
    /// Its name.
    pub queue: &'static str,
    /// How many of its jobs this process holds at once, at most.
    pub concurrency: usize,
    /// How often it looks for work although nobody woke it.
    pub poll_interval: Duration,
    /// How long after a claim the next one comes at the earliest, unless more waits than the first could take: jobs that
    /// can wait a moment are then claimed many at a time. Nothing for jobs that somebody waits for.
    pub spacing: Duration,
    /// Whether it may claim: a kill switch closes it.
    pub gate: watch::Receiver<bool>,
}

/// How many jobs one statement claims at most.
const CLAIM_BATCH: usize = 256;

/// An apalis backend over the `jobs` table: one queue, one process.
#[derive(Debug)]
pub struct Feed {
    claimer: Claimer,
    claimed: mpsc::Receiver<Claimed>,
    claiming: JoinHandle<()>,
    sink: JobSink,
}

/// What the claiming task of a queue works with.
#[derive(Debug, Clone)]
pub(super) struct Claimer {
    pub(super) db: Db,
    pub(super) worker: WorkerId,
    pub(super) options: QueueOptions,
    pub(super) slots: Arc<Semaphore>,
    pub(super) running: Running,
    /// Notified when the consumer gave a job back: it cannot work now.
    pub(super) refused: Arc<Notify>,
}

impl Feed {
    pub(super) fn start(claimer: Claimer) -> Self {
        let (sender, received) = mpsc::channel(claimer.options.concurrency.max(1));
        let claiming = tokio::spawn(claimer.clone().run(sender));
        let sink = JobSink::new(claimer.db.clone());
        Self { claimer, claimed: received, claiming, sink }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.claiming.abort();
        self.claimed.close();
        // What was claimed but never taken up is given back: this process no longer knows of it.
        while let Ok(job) = self.claimed.try_recv() {
            self.claimer.let_go(&job);
        }
    }
}

impl Claimer {
    async fn run(mut self, sender: mpsc::Sender<Claimed>) {
        let woken = self.db.signals().topic(self.options.queue);
        let (mut more, mut spaced) = (true, Instant::now());
        loop {
            if !more {
                sleep_until(spaced).await;
            }
            if !self.wait(&woken, more).await {
                return;
            }
            spaced = Instant::now() + self.options.spacing;
            let free = self.slots.available_permits().min(CLAIM_BATCH);
            // The gate may have closed while a slot was waited for.
            if free == 0 || !*self.options.gate.borrow() {
                more = true;
                continue;
            }
            match self.claim(free).await {
                Ok(claim) => {
                    more = claim.more;
                    if !self.deliver(claim.jobs, &sender) {
                        return;
                    }
                }
                Err(error) => {
                    tracing::warn!(queue = self.options.queue, %error, "could not claim jobs");
                    metrics::counter!("mintreu_jobs_claim_errors_total", "queue" => self.options.queue).increment(1);
                    sleep(self.options.poll_interval).await;
                    more = true;
                }
            }
        }
    }

    /// Waits until a claim is worth its statement; `false` when the gate is gone for good.
    async fn wait(&mut self, woken: &Notify, more: bool) -> bool {
        if self.options.gate.wait_for(|open| *open).await.is_err() {
            return false;
        }
        if more {
            // Under load jobs are claimed many at a time: half the slots must be free.
            let enough = u32::try_from(self.options.concurrency.div_ceil(2).min(CLAIM_BATCH)).unwrap_or(1);
            // Not for ever: jobs that take long must not keep the slots beside them empty.
            if let Ok(acquired) = timeout(self.options.poll_interval, self.slots.acquire_many(enough)).await {
                return acquired.is_ok();
            }
            return self.slots.acquire().await.is_ok();
        }
        loop {
            tokio::select! {
                () = woken.notified() => break,
                () = self.refused.notified() => sleep(self.options.poll_interval).await,
                () = sleep(self.options.poll_interval) => {
                    // An idle queue costs a look, not a write; a database that does not answer is asked by the claim.
                    if has_work(&self.db, self.options.queue).await.unwrap_or(true) {
                        break;
                    }
                }
            }
        }
        self.slots.acquire().await.is_ok()
    }

    async fn claim(&self, free: usize) -> Result<Claim, DbError> {
        let _claiming = self.running.claiming().await;
        let mut claim = claim(&self.db, self.options.queue, self.worker, free).await?;
        claim.jobs.iter_mut().for_each(|job| job.gate = Gate::new(self.options.gate.clone()));
        let count = claim.jobs.len();
        if count > 0 {
            #[expect(clippy::cast_precision_loss, reason = "at most some hundred")]
            metrics::histogram!("mintreu_jobs_claim_batch_size", "queue" => self.options.queue).record(count as f64);
            // The slots come back one by one, as the jobs are recorded.
            self.slots.forget_permits(count);
            claim.jobs.iter().for_each(|job| self.running.add(job));
        }
        Ok(claim)
    }

    /// `false` when nobody takes jobs any more.
    fn deliver(&self, jobs: Vec<Claimed>, sender: &mpsc::Sender<Claimed>) -> bool {
        for job in jobs {
            // There is room for as many as there are slots, so only a closed channel refuses.
            if let Err(Full(job) | Closed(job)) = sender.try_send(job) {
                self.let_go(&job);
            }
        }
        !sender.is_closed()
    }

    /// This process has nothing to do with the job any more; its slot is free.
    pub(super) fn let_go(&self, job: &Claimed) {
        self.running.remove(job);
        self.slots.add_permits(1);
    }
}

impl Backend for Feed {
    type Task = Task<Claimed>;
    type Error = DbError;

    fn poll_ready(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), DbError>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, _: &WorkerContext) -> Poll<Option<Result<Self::Task, DbError>>> {
        let job = ready!(self.claimed.poll_recv(cx));
        Poll::Ready(job.map(|job| {
            let id = TaskId::from_uuid(job.id.uuid());
            let attempt = usize::try_from(job.attempt - 1).unwrap_or(0);
            Ok(TaskBuilder::new(job).task_id(id).attempt(attempt).build())
        }))
    }

    fn poll_close(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), DbError>> {
        self.claiming.abort();
        Poll::Ready(Ok(()))
    }
}

impl BackendConfig for Feed {
    type Args = Claimed;
    type Id = TaskId;
    type Kind = Ephemeral;
    type Config = ();
    type Layer = Identity;

    fn config(&self) -> &() {
        &()
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> Identity {
        Identity::new()
    }
}

/// So that an apalis `TaskSink` can be had of a feed.
impl Sink<Task<Claimed>> for Feed {
    type Error = DbError;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), DbError>> {
        self.get_mut().sink.poll_ready_unpin(cx)
    }

    fn start_send(self: Pin<&mut Self>, task: Task<Claimed>) -> Result<(), DbError> {
        self.get_mut().sink.start_send_unpin(task)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), DbError>> {
        self.get_mut().sink.poll_flush_unpin(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), DbError>> {
        self.get_mut().sink.poll_close_unpin(cx)
    }
}
