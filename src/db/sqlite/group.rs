//! Group commit: transactions that queue up for the one writer share its `COMMIT`, and so one fsync.
//!
//! A transaction holds the writer while its statements run, guarded by a savepoint. When it ends, the next in line goes
//! on in the same SQLite transaction; whoever ends last, or fills the group, starts the commit. Nobody is answered
//! before it: not those who keep their work, and not those who were refused because of a neighbour's uncommitted row.
//! An error that ends the SQLite transaction fails every member, and the connection is opened anew.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use sqlx::{ConnectOptions, Connection, sqlite::SqliteConnectOptions};
use tokio::{
    runtime::Handle,
    sync::{Mutex, OwnedMutexGuard, oneshot},
};

use super::{
    super::{
        Dialect,
        append::Appends,
        error::DbError,
        tx::{AfterCommit, run_hook},
    },
    conn::GroupConn,
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
struct Shared {
    core: Arc<Mutex<Core>>,
    /// How many are waiting for the writer: while there is one, the group stays open for it.
    waiting: AtomicUsize,
    limits: GroupLimits,
    options: SqliteConnectOptions,
    runtime: Handle,
}

/// What only the holder of the writer touches.
#[derive(Debug, Default)]
struct Core {
    conn: Option<GroupConn>,
    members: Vec<Member>,
    /// How many of them have work to keep.
    kept: usize,
    opened: Option<Instant>,
    appends: Appends,
    closed: bool,
}

/// A transaction that ended and waits for the commit.
struct Member {
    durable: oneshot::Sender<Result<(), DbError>>,
    after_commit: Vec<AfterCommit>,
}

impl std::fmt::Debug for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Member").finish_non_exhaustive()
    }
}

impl Writer {
    pub(super) async fn open(options: SqliteConnectOptions, limits: GroupLimits) -> Result<Self, DbError> {
        let conn = GroupConn::new(options.connect().await?);
        let core = Core { conn: Some(conn), ..Core::default() };
        Ok(Self {
            shared: Arc::new(Shared {
                core: Arc::new(Mutex::new(core)),
                waiting: AtomicUsize::new(0),
                limits,
                options,
                runtime: Handle::current(),
            }),
        })
    }

    pub(super) async fn begin(&self) -> Result<SqliteTx, DbError> {
        let waiter = Waiter::new(&self.shared);
        let mut core = Arc::clone(&self.shared.core).lock_owned().await;
        waiter.served();
        if core.closed {
            return Err(DbError::Unavailable("the database is closed".into()));
        }
        if core.conn.is_none() {
            core.conn = Some(GroupConn::new(self.shared.options.connect().await?));
        }
        core.opened.get_or_insert_with(Instant::now);
        Ok(SqliteTx { turn: Some(Turn { core, shared: Arc::clone(&self.shared) }) })
    }

    pub(super) async fn close(&self) {
        let mut core = Arc::clone(&self.shared.core).lock_owned().await;
        core.closed = true;
        let mut core = commit(core).await;
        if let Some(conn) = core.conn.take() {
            // The file is left as it is when closing fails; the next start recovers from the write-ahead log.
            if let Err(error) = conn.into_inner().close().await {
                tracing::warn!(%error, "closing the database's writer");
            }
        }
    }
}

/// Counts one who waits for the writer, also when it stops waiting.
struct Waiter<'a> {
    shared: &'a Arc<Shared>,
    served: bool,
}

impl<'a> Waiter<'a> {
    fn new(shared: &'a Arc<Shared>) -> Self {
        shared.waiting.fetch_add(1, Ordering::SeqCst);
        Self { shared, served: false }
    }

    fn served(mut self) {
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
                Turn { core, shared }.finish();
            });
        }
    }
}

/// Possession of the writer.
struct Turn {
    core: OwnedMutexGuard<Core>,
    shared: Arc<Shared>,
}

impl Turn {
    /// Ends this member's part: commits the group, or leaves it to the next in line.
    fn finish(self) {
        let Self { core, shared } = self;
        let broken = core.conn.as_ref().is_none_or(|conn| conn.broken().is_some());
        let idle = core.members.is_empty() && core.conn.as_ref().is_some_and(|conn| !conn.in_transaction());
        if idle && !broken {
            let mut core = core;
            core.opened = None;
            return;
        }
        let full = core.members.len() >= shared.limits.members
            || core.opened.is_some_and(|opened| opened.elapsed() >= shared.limits.age);
        if broken || full || shared.waiting.load(Ordering::SeqCst) == 0 {
            // In a task of its own: the commit goes on when the caller is cancelled.
            shared.runtime.spawn(commit(core));
        }
    }
}

/// Commits what the group has gathered and answers its members.
async fn commit(mut core: OwnedMutexGuard<Core>) -> OwnedMutexGuard<Core> {
    let began = Instant::now();
    let batches = core.appends.take();
    let inserts: Vec<_> = batches
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
    let result = match core.conn.as_mut() {
        None => Err(DbError::Unavailable("the database's writer is closed".into())),
        Some(conn) => match conn.broken().cloned() {
            Some(error) => Err(error),
            None => conn.commit(inserts).await,
        },
    };
    let result = result.map_err(|error| match error {
        error @ (DbError::Full(_) | DbError::Busy(_)) => error,
        other => DbError::Aborted(other.to_string()),
    });
    if let Err(error) = &result {
        tracing::warn!(%error, members = core.members.len(), "a commit failed; its transactions are rolled back");
        if let Some(conn) = core.conn.take()
            && let Err(error) = conn.into_inner().close().await
        {
            tracing::warn!(%error, "closing the database's writer after a failed commit");
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a group has at most some hundred members")]
    metrics::histogram!("mintreu_db_commit_group_size").record(core.kept as f64);
    metrics::histogram!("mintreu_db_commit_seconds").record(began.elapsed());
    core.opened = None;
    core.kept = 0;
    for member in std::mem::take(&mut core.members) {
        if result.is_ok() {
            member.after_commit.into_iter().for_each(run_hook);
        }
        // A caller that went away needs no answer.
        let _ = member.durable.send(result.clone());
    }
    core
}

/// A transaction on the writer.
pub(in crate::db) struct SqliteTx {
    /// Taken when the transaction ends.
    turn: Option<Turn>,
}

impl SqliteTx {
    pub(in crate::db) fn conn(&mut self) -> &mut GroupConn {
        let Some(conn) = self.turn.as_mut().and_then(|turn| turn.core.conn.as_mut()) else {
            unreachable!("a transaction holds its turn and the writer's connection until it is consumed by its end")
        };
        conn
    }

    pub(in crate::db) async fn commit(mut self, appends: Appends, hooks: Vec<AfterCommit>) -> Result<(), DbError> {
        let Some(mut turn) = self.turn.take() else { return Ok(()) };
        let core = &mut *turn.core;
        let Some(conn) = core.conn.as_mut() else { return Ok(()) };
        if !conn.member_began() && appends.is_empty() {
            turn.finish();
            hooks.into_iter().for_each(run_hook);
            return Ok(());
        }
        conn.keep_member();
        core.appends.merge(appends);
        core.kept += 1;
        turn.wait_durable(hooks).await
    }

    /// Undoes this transaction, and answers when what it may have seen of its neighbours is durable.
    pub(in crate::db) async fn rollback(mut self) -> Result<(), DbError> {
        let Some(mut turn) = self.turn.take() else { return Ok(()) };
        let core = &mut *turn.core;
        let Some(conn) = core.conn.as_mut() else { return Ok(()) };
        if !conn.member_began() {
            turn.finish();
            return Ok(());
        }
        let turn = undo(turn).await;
        if turn.core.kept == 0 && turn.core.conn.as_ref().is_some_and(|conn| conn.broken().is_none()) {
            turn.finish();
            return Ok(());
        }
        turn.wait_durable(Vec::new()).await
    }
}

impl Turn {
    async fn wait_durable(mut self, after_commit: Vec<AfterCommit>) -> Result<(), DbError> {
        let (durable, answer) = oneshot::channel();
        self.core.members.push(Member { durable, after_commit });
        self.finish();
        answer.await.unwrap_or_else(|_| Err(DbError::Aborted("the process is stopping".into())))
    }
}

/// Undoes the member's statements in a task of its own, so that a caller that is cancelled cannot leave them half undone.
async fn undo(turn: Turn) -> Turn {
    let runtime = turn.shared.runtime.clone();
    let undone = runtime.spawn(async move {
        let mut turn = turn;
        if let Some(conn) = turn.core.conn.as_mut() {
            conn.undo_member().await;
        }
        turn
    });
    undone.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

impl Drop for SqliteTx {
    /// A transaction that is dropped, by a cancelled caller or a panic, is rolled back.
    fn drop(&mut self) {
        let Some(mut turn) = self.turn.take() else { return };
        let runtime = turn.shared.runtime.clone();
        if turn.core.conn.as_mut().is_some_and(|conn| conn.member_began()) {
            runtime.spawn(async move {
                if let Some(conn) = turn.core.conn.as_mut() {
                    conn.undo_member().await;
                }
                turn.finish();
            });
        } else {
            turn.finish();
        }
    }
}
