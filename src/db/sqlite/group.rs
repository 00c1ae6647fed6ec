//! Group commit: transactions that queue up for the one writer share its `COMMIT`, and so one flush of the log.
//!
//! A transaction holds the writer from its first statement to its end, guarded by a savepoint. When it ends, the next in
//! line goes on in the same SQLite transaction; whoever ends last, or fills the group, starts the commit. One without a
//! statement, which only appends rows, holds nothing: it leaves them for the next commit. Nobody is answered before that is
//! durable (`flush.rs`): not those who keep their work, and not those who were refused because of a neighbour's row. An error
//! that ends the SQLite transaction fails every member, and the connection is opened anew.

use std::{
    sync::{
        Arc, Mutex as StdMutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use sqlx::{ConnectOptions, Connection, sqlite::SqliteConnectOptions};
use tokio::{runtime::Handle, sync::Mutex, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{
    super::{Dialect, append::Appends, error::DbError, tx::AfterCommit},
    checkpoint::{self, Committed},
    conn::GroupConn,
    flush::{self, Flusher, Member},
    turn::Turn,
};

/// When a group commits although others are waiting to join it.
#[derive(Debug, Clone, Copy)]
pub struct GroupLimits {
    /// How many transactions it holds at most.
    pub members: usize,
    /// How long after its first transaction began no other may join.
    pub age: Duration,
}

impl Default for GroupLimits {
    fn default() -> Self {
        Self { members: 256, age: Duration::from_millis(5) }
    }
}

/// The one writer; clones share it.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) core: Arc<Mutex<Core>>,
    /// How many are waiting for the writer: while there is one, the group stays open for it.
    pub(super) waiting: AtomicUsize,
    /// Transactions that go with the next commit and never hold the writer.
    arrivals: StdMutex<Vec<Arrival>>,
    pub(super) flusher: Flusher,
    /// What was committed since the log was looked after.
    pub(super) committed: Arc<Committed>,
    pub(super) limits: GroupLimits,
    pub(super) options: SqliteConnectOptions,
    pub(super) runtime: Handle,
    /// What looks after the log, and what ends it.
    checkpoints: StdMutex<Option<JoinHandle<()>>>,
    stop: CancellationToken,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// What only the holder of the writer touches.
#[derive(Debug, Default)]
pub(super) struct Core {
    pub(super) conn: Option<GroupConn>,
    pub(super) members: Vec<Member>,
    /// How many of them have work to keep.
    pub(super) kept: usize,
    pub(super) opened: Option<Instant>,
    pub(super) appends: Appends,
    pub(super) closed: bool,
}

/// A transaction of rows alone.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) rows: Appends,
    pub(super) member: Member,
}

impl Writer {
    /// `options` open the writer's connection, `beside` the one that copies from the log.
    pub(super) async fn open(
        options: SqliteConnectOptions,
        beside: SqliteConnectOptions,
        limits: GroupLimits,
    ) -> Result<Self, DbError> {
        let conn = GroupConn::new(options.connect().await?);
        let core = Core { conn: Some(conn), ..Core::default() };
        let (runtime, stop) = (Handle::current(), CancellationToken::new());
        let flusher = Flusher::start(flush::of_log(options.get_filename()), runtime.clone())
            .map_err(|error| DbError::Unavailable(format!("no thread for what flushes its log: {error}")))?;
        let shared = Arc::new(Shared {
            core: Arc::new(Mutex::new(core)),
            waiting: AtomicUsize::new(0),
            arrivals: StdMutex::default(),
            flusher,
            committed: Arc::default(),
            limits,
            options,
            runtime,
            checkpoints: StdMutex::default(),
            stop: stop.clone(),
        });
        let checkpoints = shared.runtime.spawn(checkpoint::run(Arc::downgrade(&shared), beside, stop));
        shared.checkpoints.lock().unwrap_or_else(PoisonError::into_inner).replace(checkpoints);
        Ok(Self { shared })
    }

    /// Waits for the writer.
    pub(super) async fn turn(&self) -> Result<Turn, sqlx::Error> {
        Turn::take(&self.shared).await
    }

    /// Leaves rows to the next commit, and answers when they are durable.
    pub(super) async fn arrive(&self, rows: Appends, after_commit: Vec<AfterCommit>) -> Result<(), DbError> {
        let (member, durable) = Member::new(after_commit);
        self.shared.arrivals().push(Arrival { rows, member });
        self.shared.attend();
        durable.wait().await
    }

    pub(super) async fn close(&self) {
        let core = Arc::clone(&self.shared.core).lock_owned().await;
        let mut turn = Turn::new(core, &self.shared);
        turn.commit().await;
        turn.core.closed = true;
        if let Err(error) = self.shared.flusher.settled().await {
            tracing::error!(%error, "closing the database");
        }
        if let Some(conn) = turn.core.conn.take() {
            // The file is left as it is when closing fails; the next start recovers from the write-ahead log.
            if let Err(error) = conn.into_inner().close().await {
                tracing::warn!(%error, "closing the database's writer");
            }
        }
        self.shared.stop.cancel();
        turn.give_up();
        let checkpoints = self.shared.checkpoints.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(checkpoints) = checkpoints
            && let Err(error) = checkpoints.await
        {
            tracing::warn!(%error, "ending what looks after the log");
        }
    }

    /// Answers when all that was read so far is durable.
    pub(super) async fn settled(&self) -> Result<(), DbError> {
        self.shared.flusher.flushed().await
    }

    /// Refuses when nothing more can be written.
    pub(super) fn sound(&self) -> Result<(), DbError> {
        self.shared.flusher.sound()
    }
}

/// Counts one who waits for the writer, also when it stops waiting.
pub(super) struct Waiter<'a> {
    shared: &'a Arc<Shared>,
    served: bool,
}

impl<'a> Waiter<'a> {
    pub(super) fn new(shared: &'a Arc<Shared>) -> Self {
        shared.waiting.fetch_add(1, Ordering::SeqCst);
        Self { shared, served: false }
    }

    pub(super) fn served(mut self) {
        self.served = true;
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let before = self.shared.waiting.fetch_sub(1, Ordering::SeqCst);
        if !self.served && before == 1 {
            // A group may have stayed open for this one alone.
            let shared = Arc::clone(self.shared);
            self.shared.runtime.spawn(async move {
                let core = Arc::clone(&shared.core).lock_owned().await;
                Turn::new(core, &shared).finish();
            });
        }
    }
}

impl Shared {
    pub(super) fn arrivals(&self) -> MutexGuard<'_, Vec<Arrival>> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a commit for those who have arrived, unless somebody has the writer or waits for it: these see them when
    /// they end.
    pub(super) fn attend(self: &Arc<Self>) {
        if !self.arrivals().is_empty()
            && self.waiting.load(Ordering::SeqCst) == 0
            && let Ok(core) = Arc::clone(&self.core).try_lock_owned()
        {
            Turn::new(core, self).finish();
        }
    }
}

impl Core {
    /// Writes the appended rows and commits.
    pub(super) async fn write(&mut self) -> Result<(), DbError> {
        let inserts: Vec<_> = self
            .appends
            .take()
            .into_iter()
            .enumerate()
            .map(|(index, (table, rows))| {
                let mut statement = table.statement(Dialect::Sqlite, index + 1);
                if let Some(proof) = table.proof(Dialect::Sqlite, index + 1, "") {
                    let statement = statement.to_mut();
                    statement.push_str("; SELECT ");
                    statement.push_str(&proof);
                }
                (statement, rows)
            })
            .collect();
        match self.conn.as_mut() {
            None => Err(DbError::Unavailable("the database's writer is closed".into())),
            Some(conn) => match conn.broken().cloned() {
                Some(error) => Err(error),
                None => conn.commit(inserts).await,
            },
        }
    }
}
