//! Mails coming in: kept once, whoever delivers them how often, and then handled by a job.

use std::time::Duration;

use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::FromRow;

use super::mail;
use crate::{
    db::{Db, DbError, Tx},
    execute, fetch_all, fetch_optional, id_type,
    jobs::Job,
    kernel::{Page, PageFrom, PageRequest, TicketId, Time, seal},
    storage::{ObjectKey, StorageError, Stores},
    text_enum,
};

id_type!(InboundMailId, InboundMailMarker, "eml", "A mail that came in.");

/// Handle a mail that is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReceiveMail {
    /// Which one.
    pub mail: InboundMailId,
}

impl Job for ReceiveMail {
    const KIND: &'static str = "support.receive_mail";
    const QUEUE: &'static str = super::QUEUE;
    const TIMEOUT: Duration = Duration::from_mins(1);
}

text_enum! {
    /// What became of a mail.
    pub enum MailOutcome {
        /// It is a message now.
        Accepted = "accepted",
        /// Its ticket was closed: it opened another.
        FollowUp = "follow_up",
        /// It names no ticket.
        NoTicket = "no_ticket",
        /// It does not come from whom its address was made for.
        Stranger = "stranger",
        /// A program wrote it by itself.
        Automatic = "automatic",
        /// Too many came to one ticket.
        TooMany = "too_many",
        /// It cannot be read, or nothing is in it.
        Unreadable = "unreadable",
    }
}

/// What a delivery came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivered {
    /// It is kept and will be handled.
    Kept(InboundMailId),
    /// It had come before.
    Again(InboundMailId),
}

/// Why a mail is not kept. Whoever delivers it may try again.
#[derive(Debug, thiserror::Error)]
pub enum DeliverError {
    /// There is nothing.
    #[error("the mail is empty")]
    Empty,
    /// It could not be written.
    #[error("the mail could not be kept: {0}")]
    Storage(#[from] StorageError),
    /// The database did not take it.
    #[error(transparent)]
    Db(#[from] DbError),
}

#[derive(FromRow)]
struct Known {
    id: InboundMailId,
    stored: bool,
    handled: bool,
}

/// Where a mail is until it is handled.
pub(super) fn key(id: InboundMailId) -> ObjectKey {
    ObjectKey::private("mails", id.uuid())
}

/// Keeps a mail. Once this returns it will be handled, whatever falls; the same mail again has no effect.
pub async fn deliver(db: &Db, files: &Stores, raw: Bytes) -> Result<Delivered, DeliverError> {
    if raw.is_empty() {
        return Err(DeliverError::Empty);
    }
    let known = db.write(async |tx| announce(tx, &raw).await).await?;
    if known.stored || known.handled {
        return Ok(Delivered::Again(known.id));
    }
    files.keep(&key(known.id), raw).await?;
    let mine = db
        .write(async |tx| {
            let stored = execute!(
                tx,
                sqlx::query(
                    "UPDATE inbound_mails SET stored = $2 WHERE id = $1 AND stored <> $2 AND handled_at IS NULL"
                )
                .bind(known.id)
                .bind(true)
            )?;
            if stored == 1 {
                tx.enqueue(&ReceiveMail { mail: known.id }).await?;
            }
            Ok::<_, DbError>(stored == 1)
        })
        .await?;
    Ok(if mine { Delivered::Kept(known.id) } else { Delivered::Again(known.id) })
}

/// The row of a mail, made when it comes first.
async fn announce(tx: &mut Tx, raw: &[u8]) -> Result<Known, DbError> {
    let envelope = mail::envelope(raw).unwrap_or_default();
    let sender = envelope.from.as_ref().map_or("", |from| from.as_str());
    // Without an id a mail is what it says.
    let fingerprint = match (&envelope.message_id, &envelope.token) {
        (Some(id), Some(token)) => {
            seal::hmac_sha256(b"inbound mail", format!("{sender}\n{}\n{id}", token.ticket).as_bytes())
        }
        (None, _) | (_, None) => seal::hmac_sha256(b"inbound mail, whole", raw),
    };
    let fingerprint = seal::to_hex(&fingerprint);
    let (id, now): (InboundMailId, _) = (tx.new_id(), tx.now());
    execute!(
        tx,
        sqlx::query(
            "INSERT INTO inbound_mails (id, fingerprint, sender, size, stored, received_at)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (fingerprint) DO NOTHING"
        )
        .bind(id)
        .bind(&fingerprint)
        .bind(sender)
        .bind(i64::try_from(raw.len()).unwrap_or(i64::MAX))
        .bind(false)
        .bind(now)
    )?;
    let known: Option<Known> = fetch_optional!(
        tx,
        sqlx::query_as(
            "SELECT id, stored, handled_at IS NOT NULL AS handled FROM inbound_mails WHERE fingerprint = $1"
        )
        .bind(&fingerprint)
    )?;
    // It is there: it was put there a statement ago, or before.
    known.ok_or_else(|| DbError::Aborted("the mail's row is gone".to_owned()))
}

/// A mail as operators see it.
#[derive(Debug, Clone, Serialize, FromRow, JsonSchema)]
pub struct InboundMail {
    /// Which one.
    pub id: InboundMailId,
    /// Who it says that it is from.
    pub sender: String,
    /// In bytes.
    pub size: i64,
    /// Which ticket it became part of.
    #[serde(rename = "ticket")]
    pub ticket_id: Option<TicketId>,
    /// What became of it; nothing yet if it waits.
    pub outcome: Option<MailOutcome>,
    /// When it came.
    pub received_at: Time,
    /// When it was handled.
    pub handled_at: Option<Time>,
}

/// What came in, the last first.
pub async fn inbound_mails(
    db: &Db,
    outcome: Option<MailOutcome>,
    page: PageRequest<InboundMailId>,
) -> Result<Page<InboundMail>, DbError> {
    let (sign, order, cursor) = match page.from {
        PageFrom::Start => ("<", "DESC", None),
        PageFrom::After(id) => ("<", "DESC", Some(id)),
        PageFrom::Before(id) => (">", "ASC", Some(id)),
    };
    let text = format!(
        "SELECT id, sender, size, ticket_id, outcome, received_at, handled_at FROM inbound_mails
         WHERE ($1 IS NULL OR outcome = $1) AND ($2 IS NULL OR id {sign} $2) ORDER BY id {order} LIMIT $3"
    );
    let rows = fetch_all!(
        db,
        sqlx::query_as(sqlx::AssertSqlSafe(text.as_str()))
            .bind(outcome.map(MailOutcome::as_str))
            .bind(cursor)
            .bind(page.fetch())
    )?;
    Ok(Page::of(rows, &page, |mail: &InboundMail| mail.id))
}
