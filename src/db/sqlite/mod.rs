//! SQLite: one writer whose transactions share commits, many readers, and what keeps the disk out of the writer's way.

mod checkpoint;
mod conn;
mod flush;
mod group;
mod turn;
mod tx;

use std::{path::Path, time::Duration};

use sqlx::{
    ConnectOptions, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

pub use group::GroupLimits;
pub use tx::SqliteTx;

use super::{DbError, DbOptions, OpenError};

#[derive(Debug, Clone)]
pub(super) struct SqliteDb {
    writer: group::Writer,
    readers: SqlitePool,
    options: SqliteConnectOptions,
}

impl SqliteDb {
    pub(super) async fn open(file: &Path, options: &DbOptions) -> Result<Self, OpenError> {
        let directory = match file.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let unwritable = |error| OpenError::Directory { directory: directory.to_owned(), error };
        std::fs::create_dir_all(directory).map_err(unwritable)?;
        let failed = |error: DbError| OpenError::Connect { url: options.url.clone(), error };
        let connect = connect_options(file, options);
        // The writer neither waits for the disk nor copies from the log: that is done beside it.
        let beside = connect.clone().pragma("wal_autocheckpoint", "0");
        let writer = group::Writer::open(beside.clone().synchronous(SqliteSynchronous::Normal), beside, options.group)
            .await
            .map_err(failed)?;
        let readers = SqlitePoolOptions::new()
            .max_connections(options.read_connections)
            .acquire_timeout(options.patience)
            .test_before_acquire(false)
            .connect_with(connect.clone().pragma("query_only", "ON"))
            .await
            .map_err(|error| failed(error.into()))?;
        Ok(Self { writer, readers, options: connect })
    }

    pub(super) const fn readers(&self) -> &SqlitePool {
        &self.readers
    }

    pub(super) fn begin(&self) -> SqliteTx {
        SqliteTx::new(self.writer.clone())
    }

    /// Answers when all that was read so far is durable.
    pub(super) async fn settled(&self) -> Result<(), DbError> {
        self.writer.settled().await
    }

    /// Refuses when nothing more can be written.
    pub(super) fn sound(&self) -> Result<(), DbError> {
        self.writer.sound()
    }

    /// A connection beside the writer's, for what cannot share a transaction with others.
    pub(super) async fn ordinary_connection(&self) -> Result<SqliteConnection, sqlx::Error> {
        self.options.connect().await
    }

    pub(super) async fn close(&self) {
        self.writer.close().await;
        self.readers.close().await;
    }
}

fn connect_options(file: &Path, options: &DbOptions) -> SqliteConnectOptions {
    let connect = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(options.patience.max(Duration::from_millis(1)))
        .pragma("temp_store", "MEMORY")
        .pragma("cache_size", "-16384")
        .pragma("journal_size_limit", "67108864")
        .pragma("wal_autocheckpoint", "4000")
        .statement_cache_capacity(512)
        .disable_statement_logging();
    match options.max_pages {
        Some(pages) => connect.pragma("max_page_count", pages.to_string()),
        None => connect,
    }
}
