//! A write transaction, on either database.

use std::{borrow::Cow, panic::AssertUnwindSafe};

use super::{
    AppendTable, DbError, Dialect, On, RowWriter,
    append::Appends,
    postgres::{PostgresTx, TxConn},
    signals::Signals,
    sqlite,
};
use crate::kernel::{Id, IdSource, Time};

/// What runs once the transaction is durable, and never if it is not.
pub(super) type AfterCommit = Box<dyn FnOnce() + Send>;

/// Runs one transaction's hook; its panic must not keep others' answers from them.
pub(super) fn run_hook(hook: AfterCommit) {
    if std::panic::catch_unwind(AssertUnwindSafe(hook)).is_err() {
        tracing::error!("what was to run after a commit panicked; the transaction is durable");
    }
}

/// A write transaction; made by [`Db::write`](super::Db::write).
pub struct Tx {
    conn: Conn,
    ids: IdSource,
    signals: Signals,
    topics: Vec<Cow<'static, str>>,
    pub(super) appends: Appends,
    after_commit: Vec<AfterCommit>,
    statements: u64,
}

pub(super) enum Conn {
    Sqlite(sqlite::SqliteTx),
    Postgres(PostgresTx),
}

impl std::fmt::Debug for Tx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tx").field("dialect", &self.dialect()).finish_non_exhaustive()
    }
}

impl Tx {
    pub(super) fn new(conn: Conn, ids: IdSource, signals: Signals) -> Self {
        Self {
            conn,
            ids,
            signals,
            topics: Vec::new(),
            appends: Appends::default(),
            after_commit: Vec::new(),
            statements: 0,
        }
    }

    /// The connection; for [`on!`](crate::on).
    pub fn on(&mut self) -> On<&mut sqlite::SqliteTx, &mut TxConn> {
        self.statements += 1;
        match &mut self.conn {
            Conn::Sqlite(tx) => On::Sqlite(tx),
            Conn::Postgres(tx) => On::Postgres(tx.conn()),
        }
    }

    /// The dialect of the database.
    #[must_use]
    pub const fn dialect(&self) -> Dialect {
        match &self.conn {
            Conn::Sqlite(_) => Dialect::Sqlite,
            Conn::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Time {
        self.ids.clock().now()
    }

    /// Where identifiers come from.
    #[must_use]
    pub const fn ids(&self) -> &IdSource {
        &self.ids
    }

    /// A new identifier.
    #[must_use]
    pub fn new_id<P>(&self) -> Id<P> {
        self.ids.next()
    }

    /// Adds a row to `table` with the commit. This transaction's own reads do not see it.
    pub fn append(&mut self, table: &'static AppendTable, fill: impl FnOnce(&mut RowWriter<'_>)) {
        self.appends.push(table, fill);
    }

    /// Writes now what was appended to `table`: from here on this transaction finds it, and so do those which share its commit
    /// on SQLite.
    pub async fn write_appended(&mut self, table: &'static AppendTable) -> Result<(), DbError> {
        let Some(rows) = self.appends.take_of(table) else { return Ok(()) };
        let text = table.statement(self.dialect(), 1);
        crate::execute!(self, sqlx::query(sqlx::AssertSqlSafe(text.as_ref())).bind(&rows)).map(drop)
    }

    /// Runs `hook` once the transaction is durable.
    pub fn after_commit(&mut self, hook: impl FnOnce() + Send + 'static) {
        self.after_commit.push(Box::new(hook));
    }

    /// Wakes whoever waits for `topic`, here and in other processes, once the transaction is durable.
    pub fn wake(&mut self, topic: impl Into<Cow<'static, str>>) {
        let topic = topic.into();
        if !self.topics.contains(&topic) {
            self.topics.push(topic);
        }
    }

    pub(super) async fn commit(mut self) -> Result<(), DbError> {
        metrics::counter!("mintreu_db_statements_total", "kind" => "transaction").increment(self.statements);
        if !self.topics.is_empty() {
            let (signals, topics) = (self.signals.clone(), std::mem::take(&mut self.topics));
            self.after_commit(move || signals.raise(topics));
        }
        let result = match self.conn {
            Conn::Sqlite(tx) => tx.commit(self.appends, self.after_commit).await,
            Conn::Postgres(tx) => tx.commit(self.appends, self.after_commit).await,
        };
        metrics::counter!("mintreu_db_transactions_total", "outcome" => if result.is_ok() { "committed" } else { "failed" })
            .increment(1);
        result
    }

    pub(super) async fn rollback(self) -> Result<(), DbError> {
        metrics::counter!("mintreu_db_transactions_total", "outcome" => "rolled_back").increment(1);
        match self.conn {
            Conn::Sqlite(tx) => tx.rollback().await,
            Conn::Postgres(tx) => tx.rollback().await,
        }
    }
}
