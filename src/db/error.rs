//! What can go wrong in the database, in terms that both engines share.

use std::sync::Arc;

/// An error of the database.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DbError {
    /// A unique or primary key is taken.
    #[error("unique constraint violated: {0}")]
    Unique(String),
    /// A referenced row is missing, or a row is still referenced.
    #[error("foreign key violated: {0}")]
    ForeignKey(String),
    /// A value breaks a `CHECK` or `NOT NULL`.
    #[error("check violated: {0}")]
    Check(String),
    /// Another writer held the lock, or a deadlock was broken; the same transaction may succeed when tried again.
    #[error("the database is busy: {0}")]
    Busy(String),
    /// The disk, the quota or `max_page_count` is exhausted.
    #[error("the database has no room left: {0}")]
    Full(String),
    /// The database cannot be reached, or not now.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// The transaction shared a commit with one whose failure ended it; nothing of it was kept.
    #[error("the commit failed and nothing of it was kept: {0}")]
    Aborted(String),
    /// Anything else: a defect in a statement, or a value that cannot be decoded.
    #[error("database error: {0}")]
    Other(Arc<sqlx::Error>),
}

impl DbError {
    /// Whether trying the same again later may succeed.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Busy(_) | Self::Full(_) | Self::Unavailable(_) | Self::Aborted(_))
    }
}

impl From<sqlx::Error> for DbError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(database) => {
                let message = database.message().to_owned();
                let code = database.code().unwrap_or_default().into_owned();
                if database.is_unique_violation() {
                    return Self::Unique(database.constraint().map_or(message, str::to_owned));
                }
                if database.is_foreign_key_violation() {
                    return Self::ForeignKey(database.constraint().map_or(message, str::to_owned));
                }
                if database.is_check_violation() || code == SQLITE_CONSTRAINT_NOTNULL || code == PG_NOT_NULL {
                    return Self::Check(database.constraint().map_or(message, str::to_owned));
                }
                if let Some(primary) = sqlite_primary_code(&error) {
                    return match primary {
                        5 | 6 => Self::Busy(message),
                        13 => Self::Full(message),
                        7 | 8 | 10 | 14 | 26 => Self::Unavailable(message),
                        _ => Self::Other(Arc::new(error)),
                    };
                }
                match code.as_str() {
                    // serialization_failure, deadlock_detected, lock_not_available
                    "40001" | "40P01" | "55P03" => Self::Busy(message),
                    // disk_full
                    "53100" => Self::Full(message),
                    // too_many_connections, and the server going away or coming back
                    code if code == "53300" || code.starts_with("57P") || code.starts_with("08") => {
                        Self::Unavailable(message)
                    }
                    // idle_in_transaction_session_timeout
                    "25P03" => Self::Unavailable(message),
                    _ => Self::Other(Arc::new(error)),
                }
            }
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Self::Unavailable(error.to_string()),
            _ => Self::Other(Arc::new(error)),
        }
    }
}

const SQLITE_CONSTRAINT_NOTNULL: &str = "1299";
const PG_NOT_NULL: &str = "23502";

/// The primary result code of an error that SQLite reported, e.g. 13 for `SQLITE_FULL`.
pub(super) fn sqlite_primary_code(error: &sqlx::Error) -> Option<i32> {
    let sqlx::Error::Database(database) = error else { return None };
    database.try_downcast_ref::<sqlx::sqlite::SqliteError>()?;
    database.code()?.parse::<i32>().ok().map(|code| code & 0xff)
}
