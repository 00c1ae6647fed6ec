//! Files that belong to messages. A file comes first and belongs to nothing; the message that it is for takes it. What
//! no message took within a day is deleted.

use std::time::Duration;

use bytes::Bytes;
use schemars::JsonSchema;
use serde::Serialize;
use sqlx::FromRow;

use super::{Agent, Unwelcome, content};
use crate::{
    db::{Db, DbError, Tx},
    execute, fetch_all, fetch_optional, id_type,
    kernel::{TenantId, TicketId, TicketMessageId, UserId},
    storage::{ByteStream, ObjectKey, StorageError, Stores},
};

id_type!(AttachmentId, AttachmentMarker, "att", "A file that belongs to a message, or will.");

/// How many files of one account may wait for their message.
const MOST_WAITING: i64 = 20;
/// How long they wait.
pub(super) const WAIT: Duration = Duration::from_hours(24);

/// A file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromRow, JsonSchema)]
pub struct Attachment {
    /// Which one.
    pub id: AttachmentId,
    /// What it is called.
    pub name: String,
    /// What it was found to be.
    pub media_type: String,
    /// In bytes.
    pub size: i64,
}

/// Why a file is not kept.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// It is none that is taken.
    #[error(transparent)]
    Unwelcome(#[from] Unwelcome),
    /// Too many wait already.
    #[error("{MOST_WAITING} files wait for their message already; send it, or wait a day")]
    TooMany,
    /// The storage does not take it.
    #[error("the file could not be kept: {0}")]
    Storage(#[from] StorageError),
    /// The database did not take it.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Where the bytes of a file are.
pub(super) fn key(id: AttachmentId) -> ObjectKey {
    ObjectKey::private("attachments", id.uuid())
}

/// Keeps a file. Its row is there before its bytes, so that no bytes are ever without a row that leads to them.
pub async fn upload(
    db: &Db,
    files: &Stores,
    uploader: UserId,
    (name, bytes): (&str, Bytes),
) -> Result<Attachment, UploadError> {
    let content = content::judge(name, &bytes).inspect_err(|why| {
        metrics::counter!("mintreu_attachments_refused_total", "reason" => why.name()).increment(1);
    })?;
    let file = Attachment {
        id: db.ids().next(),
        name: content.name,
        media_type: content.media_type.to_owned(),
        size: i64::try_from(bytes.len()).unwrap_or(i64::MAX),
    };
    if !db.write(async |tx| announce(tx, uploader, &file).await).await? {
        return Err(UploadError::TooMany);
    }
    files.keep(&key(file.id), bytes).await?;
    db.write(async |tx| {
        execute!(tx, sqlx::query("UPDATE ticket_attachments SET stored = $2 WHERE id = $1").bind(file.id).bind(true))
    })
    .await?;
    Ok(file)
}

async fn announce(tx: &mut Tx, uploader: UserId, file: &Attachment) -> Result<bool, DbError> {
    let now = tx.now();
    let made = execute!(
        tx,
        sqlx::query(
            "INSERT INTO ticket_attachments (id, uploader_id, name, media_type, size, stored, created_at)
             SELECT $1, u.id, $3, $4, $5, $6, $7 FROM users u
             WHERE u.id = $2 AND (SELECT COUNT(*) FROM ticket_attachments w
                                  WHERE w.uploader_id = u.id AND w.message_id IS NULL) < $8"
        )
        .bind(file.id)
        .bind(uploader)
        .bind(&file.name)
        .bind(&file.media_type)
        .bind(file.size)
        .bind(false)
        .bind(now)
        .bind(MOST_WAITING)
    )?;
    Ok(made == 1)
}

/// Gives a waiting file to its message. False if there is none of this uploader's.
pub(super) async fn give_to(
    tx: &mut Tx,
    file: AttachmentId,
    uploader: UserId,
    message: TicketMessageId,
) -> Result<bool, DbError> {
    let given = execute!(
        tx,
        sqlx::query(
            "UPDATE ticket_attachments SET message_id = $3
             WHERE id = $1 AND uploader_id = $2 AND message_id IS NULL AND stored = $4"
        )
        .bind(file)
        .bind(uploader)
        .bind(message)
        .bind(true)
    )?;
    Ok(given == 1)
}

#[derive(FromRow)]
struct OfMessage {
    message_id: TicketMessageId,
    #[sqlx(flatten)]
    file: Attachment,
}

/// The files of a ticket's messages from `first` to `last`, in either order.
pub(super) async fn between(
    db: &Db,
    ticket: TicketId,
    first: TicketMessageId,
    last: TicketMessageId,
) -> Result<Vec<(TicketMessageId, Attachment)>, DbError> {
    let rows: Vec<OfMessage> = fetch_all!(
        db,
        sqlx::query_as(
            "SELECT f.message_id, f.id, f.name, f.media_type, f.size FROM ticket_attachments f
             JOIN ticket_messages m ON m.id = f.message_id
             WHERE m.ticket_id = $1 AND m.id >= $2 AND m.id <= $3 ORDER BY f.id"
        )
        .bind(ticket)
        .bind(first.min(last))
        .bind(first.max(last))
    )?;
    Ok(rows.into_iter().map(|row| (row.message_id, row.file)).collect())
}

/// Who wants to read a file.
#[derive(Debug, Clone, Copy)]
pub enum FileReader {
    /// Whoever uploaded it, or whose ticket it stands on, unless on a note.
    Customer(UserId, TenantId),
    /// Whoever answers the ticket.
    Agent(Agent),
}

/// The bytes of a file that there is.
pub async fn read_attachment(files: &Stores, file: &Attachment) -> Result<ByteStream, StorageError> {
    files.read(&key(file.id)).await
}

/// A file that the reader may have.
pub async fn find_attachment(db: &Db, id: AttachmentId, reader: FileReader) -> Result<Option<Attachment>, DbError> {
    let (user, tenant, agent) = match reader {
        FileReader::Customer(user, tenant) => (user, Some(tenant), None),
        FileReader::Agent(agent) => (agent.user, None, Some(agent)),
    };
    fetch_optional!(
        db,
        sqlx::query_as(
            "SELECT f.id, f.name, f.media_type, f.size FROM ticket_attachments f
             LEFT JOIN ticket_messages m ON m.id = f.message_id LEFT JOIN tickets t ON t.id = m.ticket_id
             WHERE f.id = $1 AND f.stored = $2 AND ((f.message_id IS NULL AND f.uploader_id = $3)
                 OR (t.tenant_id = $4 AND m.internal <> $2)
                 OR ($5 = 1 AND t.id IS NOT NULL AND ($6 IS NULL
                     OR (t.developer_id = $6 AND (t.requester_id IS NULL OR t.requester_id <> $3)))))"
        )
        .bind(id)
        .bind(true)
        .bind(user)
        .bind(tenant)
        .bind(i64::from(agent.is_some()))
        .bind(agent.and_then(|agent| agent.developer))
    )
}
