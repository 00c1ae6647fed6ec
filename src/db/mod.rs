//! The only room that knows of two databases.
//!
//! SQLite (embedded) and PostgreSQL are both first-class: [`on!`](crate::on) runs the same statement, with the same
//! Rust types, against whichever is open. A write transaction is a closure handed to [`Db::write`]: it commits when the
//! closure returns `Ok`, rolls back when it returns `Err`, and in both cases answers only when everything that the
//! closure saw is durable.

mod append;
mod error;
mod listing;
pub mod migrate;
mod postgres;
mod signals;
mod sqlite;
mod tx;

use std::{future::Future, path::PathBuf, sync::Arc, time::Duration};

use sqlx::{PgPool, SqlitePool};

pub use append::{AppendTable, Column, RowWriter};
pub use error::DbError;
pub use listing::{Compared, conditions, page_by_time, page_of, place_of};
pub use migrate::{SchemaError, SchemaState};
pub use postgres::TxConn;
pub use signals::Signals;
pub use sqlite::{GroupLimits, SqliteTx};
pub use tx::Tx;

use crate::kernel::{Clock, IdSource, Time};

/// Which of two things the open database calls for.
#[derive(Debug)]
pub enum On<S, P> {
    /// SQLite is open.
    Sqlite(S),
    /// PostgreSQL is open.
    Postgres(P),
}

/// Runs one expression against whichever database is open.
///
/// The target is anything with a method `on()`: a [`Tx`] to write, a [`Db`] to read committed state. The body is
/// compiled once for each database, with the executor bound to the name given.
#[macro_export]
macro_rules! on {
    ($target:expr, $executor:ident => $body:expr) => {
        match $target.on() {
            $crate::db::On::Sqlite($executor) => $body,
            $crate::db::On::Postgres($executor) => $body,
        }
    };
}

/// Runs a statement for its effect: `execute!(tx, sqlx::query("…").bind(x))` gives the number of rows it changed.
#[macro_export]
macro_rules! execute {
    ($target:expr, $query:expr) => {
        $crate::on!($target, c => $query.execute(c).await.map(|done| done.rows_affected()))
            .map_err($crate::db::DbError::from)
    };
}

/// Fetches exactly one row.
#[macro_export]
macro_rules! fetch_one {
    ($target:expr, $query:expr) => {
        $crate::on!($target, c => $query.fetch_one(c).await).map_err($crate::db::DbError::from)
    };
}

/// Fetches one row or none.
#[macro_export]
macro_rules! fetch_optional {
    ($target:expr, $query:expr) => {
        $crate::on!($target, c => $query.fetch_optional(c).await).map_err($crate::db::DbError::from)
    };
}

/// Fetches all rows.
#[macro_export]
macro_rules! fetch_all {
    ($target:expr, $query:expr) => {
        $crate::on!($target, c => $query.fetch_all(c).await).map_err($crate::db::DbError::from)
    };
}

/// The SQL dialect, for the few texts that differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite, as bundled.
    Sqlite,
    /// PostgreSQL 14 or later.
    Postgres,
}

impl Dialect {
    /// The text for this dialect.
    #[must_use]
    pub const fn pick(self, sqlite: &'static str, postgres: &'static str) -> &'static str {
        match self {
            Self::Sqlite => sqlite,
            Self::Postgres => postgres,
        }
    }
}

/// How to open a database.
#[derive(Debug, Clone)]
pub struct DbOptions {
    /// `sqlite://path/to/file.db` or `postgres://user:password@host/name`.
    pub url: String,
    /// PostgreSQL: how many connections at most.
    pub max_connections: u32,
    /// SQLite: how many connections read beside the one writer.
    pub read_connections: u32,
    /// SQLite: when a commit group is full.
    pub group: GroupLimits,
    /// SQLite: how large the file may grow, in pages of 4 KiB (`max_page_count`).
    pub max_pages: Option<u32>,
    /// How long to wait for a connection or for another process's write lock.
    pub patience: Duration,
}

impl DbOptions {
    /// The defaults for a database at `url`.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            max_connections: 24,
            read_connections: 4,
            group: GroupLimits::default(),
            max_pages: None,
            patience: Duration::from_secs(5),
        }
    }

    /// The file of a SQLite database.
    #[must_use]
    pub fn sqlite_file(&self) -> Option<PathBuf> {
        let path = self.url.strip_prefix("sqlite://").or_else(|| self.url.strip_prefix("sqlite:"))?;
        Some(PathBuf::from(path.split('?').next().unwrap_or(path)))
    }
}

/// Why a database cannot be opened: one line that names the thing and the mend.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL names no database that is known here.
    #[error("database.url: `{0}` is neither `sqlite://FILE` nor `postgres://USER:PASSWORD@HOST/NAME`")]
    Url(String),
    /// The directory of the SQLite file cannot be made or written to.
    #[error("database.url: cannot write to the directory {directory}: {error}; create it or make it writable")]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// The database answers with an error, or not at all.
    #[error("database.url: cannot open {url}: {error}")]
    Connect {
        /// The URL, without its password.
        url: String,
        /// What the database says.
        error: DbError,
    },
}

/// An open database; clones share it.
#[derive(Debug, Clone)]
pub struct Db {
    engine: Engine,
    ids: IdSource,
    signals: Signals,
}

#[derive(Debug, Clone)]
enum Engine {
    Sqlite(Arc<sqlite::SqliteDb>),
    Postgres(Arc<postgres::PostgresDb>),
}

impl Db {
    /// Opens a database; a SQLite file and its directory are created when missing.
    pub async fn open(options: &DbOptions, ids: IdSource) -> Result<Self, OpenError> {
        let engine = if let Some(file) = options.sqlite_file() {
            Engine::Sqlite(Arc::new(sqlite::SqliteDb::open(&file, options).await?))
        } else if options.url.starts_with("postgres://") || options.url.starts_with("postgresql://") {
            Engine::Postgres(Arc::new(postgres::PostgresDb::open(options).await?))
        } else {
            return Err(OpenError::Url(redact(&options.url)));
        };
        Ok(Self { engine, ids, signals: Signals::default() })
    }

    /// The pool that reads committed state; for [`on!`](crate::on).
    #[must_use]
    pub fn on(&self) -> On<&SqlitePool, &PgPool> {
        metrics::counter!("mintreu_db_statements_total", "kind" => "read").increment(1);
        match &self.engine {
            Engine::Sqlite(db) => On::Sqlite(db.readers()),
            Engine::Postgres(db) => On::Postgres(db.readers()),
        }
    }

    /// The dialect of the open database.
    #[must_use]
    pub const fn dialect(&self) -> Dialect {
        match &self.engine {
            Engine::Sqlite(_) => Dialect::Sqlite,
            Engine::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Where identifiers come from.
    #[must_use]
    pub const fn ids(&self) -> &IdSource {
        &self.ids
    }

    /// Who is woken after a commit.
    #[must_use]
    pub const fn signals(&self) -> &Signals {
        &self.signals
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        &**self.ids.clock()
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Time {
        self.clock().now()
    }

    /// Runs `work` in a transaction.
    ///
    /// `Ok` commits, `Err` rolls back. On SQLite transactions share one writer and, when they queue up, one `COMMIT`;
    /// a refusal may rest on a neighbour's row that is not committed yet, so it too is answered only after that commit.
    /// Await nothing but the database inside.
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: AsyncFnOnce(&mut Tx) -> Result<T, E>,
        E: From<DbError>,
    {
        let mut tx = self.begin().await?;
        match work(&mut tx).await {
            Ok(value) => {
                tx.commit().await?;
                Ok(value)
            }
            Err(error) => {
                tx.rollback().await?;
                Err(error)
            }
        }
    }

    async fn begin(&self) -> Result<Tx, DbError> {
        let conn = match &self.engine {
            Engine::Sqlite(db) => tx::Conn::Sqlite(db.begin()),
            Engine::Postgres(db) => tx::Conn::Postgres(db.begin().await?),
        };
        Ok(Tx::new(conn, self.ids.clone(), self.signals.clone()))
    }

    /// Answers when all that was read so far is durable. On SQLite a reader sees what is committed a moment before it is:
    /// whoever tells others that something *is done* because it was read there asks this first.
    pub async fn settled(&self) -> Result<(), DbError> {
        match &self.engine {
            Engine::Sqlite(db) => db.settled().await,
            Engine::Postgres(_) => Ok(()),
        }
    }

    /// Closes all connections, after what is being committed.
    pub async fn close(&self) {
        match &self.engine {
            Engine::Sqlite(db) => db.close().await,
            Engine::Postgres(db) => db.close().await,
        }
    }

    /// Answers when the database does: for readiness. Connections that the server ended are replaced.
    pub async fn ping(&self) -> Result<(), DbError> {
        match &self.engine {
            Engine::Sqlite(db) => {
                sqlx::query("SELECT 1").execute(db.readers()).await?;
                db.sound()
            }
            Engine::Postgres(db) => db.ping().await,
        }
    }

    /// Looks for damage in the files of the database: what is damaged, or `None`. Only SQLite's files are ours to check.
    pub async fn check_integrity(&self) -> Result<Option<String>, DbError> {
        match &self.engine {
            Engine::Sqlite(db) => {
                let found: String = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(db.readers()).await?;
                Ok((found != "ok").then_some(found))
            }
            Engine::Postgres(_) => Ok(None),
        }
    }

    /// Calls `handle` with the payload of every message on `channel`, for as long as the future is polled.
    ///
    /// Only PostgreSQL carries messages between processes; on SQLite this never resolves and callers poll. Resolves
    /// when the connection is lost, so that the caller can look for what it missed before it listens again.
    pub async fn listen(&self, channel: &str, handle: impl FnMut(&str) + Send) -> Result<(), DbError> {
        match &self.engine {
            Engine::Sqlite(_) => std::future::pending().await,
            Engine::Postgres(db) => db.listen(channel, handle).await,
        }
    }

    /// Sends a message to all processes that listen on `channel`. Does nothing on SQLite.
    pub async fn notify(&self, channel: &str, payload: &str) -> Result<(), DbError> {
        match &self.engine {
            Engine::Sqlite(_) => Ok(()),
            Engine::Postgres(db) => db.notify(channel, payload).await,
        }
    }
}

/// The URL without its password.
#[must_use]
pub fn redact(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let Some((credentials, host)) = rest.rsplit_once('@') else { return url.to_owned() };
    let user = credentials.split(':').next().unwrap_or_default();
    format!("{scheme}://{user}:***@{host}")
}

/// A future that is boxed and may move between threads.
pub(crate) type Boxed<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;
