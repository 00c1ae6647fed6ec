//! Asking for an archive, and looking how it stands.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use sqlx::{AssertSqlSafe, FromRow};

use super::BuildArchive;
use crate::{
    accounts::By,
    db::{Db, DbError, Tx},
    execute, fetch_all, fetch_one, fetch_optional, id_type,
    kernel::{Page, PageFrom, PageRequest, Time, UserId},
    storage::{ByteStream, ObjectKey, StorageError, Stores},
    text_enum,
};

id_type!(DataExportId, DataExportMarker, "exp", "An archive of what is kept about somebody.");

text_enum! {
    /// How an archive stands.
    #[schemars(rename = "DataExportState")]
    pub enum ExportState {
        /// It is being written, or waits for that.
        Pending = "pending",
        /// It can be fetched.
        Ready = "ready",
        /// Its time is over; it is gone.
        Expired = "expired",
        /// It could not be written.
        Failed = "failed",
    }
}

text_enum! {
    /// Who asked for something.
    pub enum RequestedBy {
        /// The person.
        Person = "person",
        /// An operator, on the person's word.
        Operator = "operator",
    }
}

/// An archive, as its person sees it.
#[derive(Debug, Clone, Serialize, FromRow, JsonSchema)]
pub struct DataExport {
    /// Which one.
    pub id: DataExportId,
    /// Of whom.
    #[serde(rename = "user")]
    pub user_id: UserId,
    /// Who asked for it.
    pub requested_by: RequestedBy,
    /// How it stands.
    #[serde(rename = "status")]
    pub state: ExportState,
    /// In bytes, once it is ready.
    pub size: Option<i64>,
    /// In hexadecimal.
    pub sha256: Option<String>,
    /// When it was asked for.
    pub created_at: Time,
    /// When it was written.
    pub ready_at: Option<Time>,
    /// When it goes.
    pub expires_at: Option<Time>,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, user_id, requested_by, state, size, sha256, created_at, ready_at, expires_at FROM data_exports ",
            $rest
        )
    };
}

/// How many archives somebody can ask for in a day.
pub const MOST_EXPORTS: i64 = 5;
const DAY: Duration = Duration::from_hours(24);

/// Why no archive is written.
#[derive(Debug, thiserror::Error)]
pub enum ExportRequestError {
    /// There is no such account, or nothing of it is left.
    #[error("there is no such account, or it is deleted")]
    Unknown,
    /// One at a time.
    #[error("an archive is being written already; a mail comes when it is ready")]
    Pending,
    /// There were enough.
    #[error("{MOST_EXPORTS} archives a day can be asked for; fetch the last one, or ask tomorrow")]
    TooMany,
    /// The database did not take it.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Has an archive written. Of several requests at once one does.
pub async fn request_export(
    tx: &mut Tx,
    user: UserId,
    (by, requested_by): (&By, RequestedBy),
    reason: Option<&str>,
) -> Result<DataExport, ExportRequestError> {
    let (id, now): (DataExportId, _) = (tx.new_id(), tx.now());
    let made = execute!(
        tx,
        sqlx::query(
            "INSERT INTO data_exports (id, user_id, requested_by, state, created_at)
             SELECT $1, u.id, $3, 'pending', $4 FROM users u
             WHERE u.id = $2
                   AND NOT EXISTS (SELECT 1 FROM account_deletions d
                                   WHERE d.user_id = u.id AND d.state IN ('running', 'done'))
                   AND (SELECT COUNT(*) FROM data_exports e WHERE e.user_id = u.id AND e.created_at > $5) < $6
             ON CONFLICT (user_id) WHERE state = 'pending' DO NOTHING"
        )
        .bind(id)
        .bind(user)
        .bind(requested_by)
        .bind(now)
        .bind(now - DAY)
        .bind(MOST_EXPORTS)
    )?;
    if made == 0 {
        return Err(why_none(tx, user).await?);
    }
    tx.enqueue(&BuildArchive { export: id }).await?;
    let entry = by.did("account.export_requested", "user", user);
    tx.audit(match reason {
        Some(reason) => entry.reason(reason),
        None => entry,
    });
    Ok(fetch_one!(tx, sqlx::query_as(select!("WHERE id = $1")).bind(id))?)
}

async fn why_none(tx: &mut Tx, user: UserId) -> Result<ExportRequestError, DbError> {
    let found: Option<(bool,)> = fetch_optional!(
        tx,
        sqlx::query_as(
            "SELECT EXISTS (SELECT 1 FROM data_exports e WHERE e.user_id = u.id AND e.state = 'pending')
             FROM users u WHERE u.id = $1 AND NOT EXISTS (
                 SELECT 1 FROM account_deletions d WHERE d.user_id = u.id AND d.state IN ('running', 'done'))"
        )
        .bind(user)
    )?;
    Ok(match found {
        None => ExportRequestError::Unknown,
        Some((true,)) => ExportRequestError::Pending,
        Some((false,)) => ExportRequestError::TooMany,
    })
}

/// Somebody's archives, the newest first.
pub async fn exports(db: &Db, user: UserId, page: &PageRequest<DataExportId>) -> Result<Page<DataExport>, DbError> {
    let (cursor, compare, order) = match page.from {
        PageFrom::Start => (None, "<", "DESC"),
        PageFrom::After(id) => (Some(id), "<", "DESC"),
        PageFrom::Before(id) => (Some(id), ">", "ASC"),
    };
    let text = select!("WHERE user_id = $1 AND ($2 IS NULL OR id ").to_owned()
        + &format!("{compare} $2) ORDER BY id {order} LIMIT $3");
    let rows = fetch_all!(db, sqlx::query_as(AssertSqlSafe(text.as_str())).bind(user).bind(cursor).bind(page.fetch()))?;
    Ok(Page::of(rows, page, |export: &DataExport| export.id))
}

/// One of somebody's archives.
pub async fn find_export(db: &Db, user: UserId, id: DataExportId) -> Result<Option<DataExport>, DbError> {
    fetch_optional!(db, sqlx::query_as(select!("WHERE id = $1 AND user_id = $2")).bind(id).bind(user))
}

/// The archive of this id, whoever asks.
pub async fn find_any_export(db: &Db, id: DataExportId) -> Result<Option<DataExport>, DbError> {
    fetch_optional!(db, sqlx::query_as(select!("WHERE id = $1")).bind(id))
}

/// Where the bytes of an archive are.
pub(super) fn key(id: DataExportId) -> ObjectKey {
    ObjectKey::private("exports", id.uuid())
}

/// The bytes of an archive that is ready.
pub async fn read_archive(files: &Stores, id: DataExportId) -> Result<ByteStream, StorageError> {
    files.read(&key(id)).await
}
