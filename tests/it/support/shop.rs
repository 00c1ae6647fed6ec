//! A worker as the server has it: the queue, the supervisor tree and real actors, over one database.

use std::{borrow::Cow, sync::Arc, time::Duration};

use mintreu::{
    actors::{Backoff, Capability, Handle, Policy, System},
    db::{Db, DbError, Tx},
    execute, fetch_all, fetch_one,
    jobs::{
        Attempt, Failure, Handlers, Job, QueueOptions, RetryPolicy, Schedule, Transactional, Worker, WorkerOptions,
    },
};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::eventually;

/// The queue of all test jobs.
pub(crate) const QUEUE: &str = "work";

/// How a [`Shop`] works.
pub(crate) struct ShopOptions {
    pub(crate) worker: WorkerOptions,
    pub(crate) concurrency: usize,
    pub(crate) spacing: Duration,
    pub(crate) shards: usize,
    pub(crate) mailbox: usize,
    pub(crate) schedules: Vec<Schedule>,
}

impl Default for ShopOptions {
    fn default() -> Self {
        let poll_interval = Duration::from_millis(50);
        Self {
            worker: WorkerOptions { poll_interval, ..WorkerOptions::default() },
            concurrency: 32,
            spacing: Duration::ZERO,
            shards: 8,
            mailbox: 32,
            schedules: Vec::new(),
        }
    }
}

impl ShopOptions {
    /// With this lease.
    pub(crate) fn lease(lease: Duration) -> Self {
        let mut options = Self::default();
        options.worker.lease = lease;
        options
    }
}

/// A worker with one capability that consumes [`QUEUE`].
pub(crate) struct Shop {
    pub(crate) worker: Worker,
    pub(crate) system: System,
    pub(crate) handle: Handle,
    /// Open at first; `send(false)` is the kill switch.
    pub(crate) gate: watch::Sender<bool>,
}

impl Shop {
    /// Starts a worker whose actors each own what `factory` makes.
    pub(crate) async fn start<S: Send + 'static>(
        db: &Db,
        handlers: Handlers<S>,
        factory: impl Fn() -> S + Send + Sync + 'static,
        options: ShopOptions,
    ) -> Self {
        let system = System::start(tokio::runtime::Handle::current(), db.ids().clock().clone()).expect("actors start");
        // Panics are part of what is tested: they shall cost milliseconds here.
        let backoff = Backoff { first: Duration::from_millis(1), last: Duration::from_millis(5) };
        let policy = Policy { intensity: 1_000, backoff, ..Policy::default() };
        let capability = Capability::new("bench", factory, Arc::new(handlers));
        let capability = capability.shards(options.shards).mailbox(options.mailbox).policy(policy);
        let handle = system.add(capability).await.expect("the capability starts");
        let poll_interval = options.worker.poll_interval;
        let worker = Worker::start(db.clone(), options.worker, options.schedules).await.expect("the worker starts");
        let (gate, is_open) = watch::channel(true);
        let ShopOptions { concurrency, spacing, .. } = options;
        worker.consume(
            QueueOptions { queue: QUEUE, concurrency, poll_interval, spacing, gate: is_open },
            handle.consumer(),
        );
        Self { worker, system, handle, gate }
    }

    /// Stops as the server does: what runs may take until `deadline`.
    pub(crate) async fn close(self, deadline: Duration) {
        self.worker.shutdown(deadline).await;
        self.system.drain(Duration::from_secs(1)).await;
    }
}

/// A job whose effect is a row in `effects`, in the transaction that completes it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Effect {
    pub(crate) name: String,
    pub(crate) group: Option<String>,
    pub(crate) unique: Option<String>,
    /// How long the work takes.
    pub(crate) millis: u64,
}

impl Effect {
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }
}

impl Job for Effect {
    const KIND: &'static str = "test.effect";
    const QUEUE: &'static str = QUEUE;
    const RETRY: RetryPolicy =
        RetryPolicy { max_attempts: 50, base: Duration::from_millis(5), cap: Duration::from_millis(200) };

    fn group_key(&self) -> Option<Cow<'_, str>> {
        self.group.as_deref().map(Cow::Borrowed)
    }

    fn unique_key(&self) -> Option<Cow<'_, str>> {
        self.unique.as_deref().map(Cow::Borrowed)
    }
}

impl<S: Send> Transactional<S> for Effect {
    async fn run(self, _: &mut S, tx: &mut Tx, attempt: Attempt) -> Result<(), Failure> {
        write_effect(tx, &self.name, attempt).await?;
        if self.millis > 0 {
            tokio::time::sleep(Duration::from_millis(self.millis)).await;
        }
        Ok(())
    }
}

/// Writes the row that is a job's effect. Nothing in the table stops a second one: that is for the queue to do.
pub(crate) async fn write_effect(tx: &mut Tx, name: &str, attempt: Attempt) -> Result<(), DbError> {
    execute!(
        tx,
        sqlx::query("INSERT INTO effects (name, job, attempt, process) VALUES ($1, $2, $3, $4)")
            .bind(name)
            .bind(attempt.job)
            .bind(i64::from(attempt.number))
            .bind(i64::from(std::process::id()))
    )?;
    Ok(())
}

/// Makes the table that effects go to.
pub(crate) async fn create_effects(db: &Db) {
    let text = db.dialect().pick(
        "CREATE TABLE effects (name TEXT NOT NULL, job BLOB NOT NULL, attempt INTEGER NOT NULL, process INTEGER NOT NULL)",
        "CREATE TABLE effects (name TEXT NOT NULL, job UUID NOT NULL, attempt BIGINT NOT NULL, process BIGINT NOT NULL)",
    );
    db.write(async |tx| execute!(tx, sqlx::query(text))).await.expect("the table is made");
}

/// What `SELECT COUNT(*) …` gives.
///
/// # Panics
/// If the database does not answer.
pub(crate) async fn count(db: &Db, query: &'static str) -> i64 {
    fetch_one!(db, sqlx::query_scalar(query)).expect("the database answers")
}

/// How many jobs are in `state`.
pub(crate) async fn jobs_in(db: &Db, state: &str) -> i64 {
    fetch_one!(db, sqlx::query_scalar("SELECT COUNT(*) FROM jobs WHERE state = $1").bind(state)).expect("answers")
}

/// Waits until no job waits or runs.
pub(crate) async fn settled(db: &Db) {
    const ALIVE: &str = "SELECT COUNT(*) FROM jobs WHERE state NOT IN ('completed', 'cancelled', 'discarded')";
    // A database that is away for a moment is asked again.
    eventually("every job ends", async || {
        let alive: Result<i64, DbError> = fetch_one!(db, sqlx::query_scalar(ALIVE));
        matches!(alive, Ok(0))
    })
    .await;
}

/// Asserts that exactly `names` have had their effect, each once.
///
/// # Panics
/// If one is missing, or came twice.
pub(crate) async fn effects_once(db: &Db, names: impl IntoIterator<Item = String>) {
    let mut done: Vec<String> = fetch_all!(db, sqlx::query_scalar("SELECT name FROM effects")).expect("answers");
    done.sort_unstable();
    let mut wanted: Vec<String> = names.into_iter().collect();
    wanted.sort_unstable();
    assert_eq!(done, wanted, "each effect exactly once");
}

/// For transactions that nothing but the database can refuse.
pub(crate) type NoFail<T> = Result<T, DbError>;
