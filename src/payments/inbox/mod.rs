//! The webhook inbox: an event is durable before it is acknowledged, and handled once however often it comes.
//!
//! Storing an event costs its transaction no statement of its own: the row and its job are appended with the commit. So
//! nobody knows at that moment whether the event was there already: a duplicate's row is left out, and its job finds
//! none and ends.

mod admin;
mod purge;

pub use admin::{InboxFilter, InboxView, ReplayError, list, replay, replay_because, show};
pub use purge::{PurgeInbox, purge};

use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::FromRow;

use crate::{
    db::{AppendTable, Column, DbError, Tx},
    fetch_all,
    jobs::Job,
    kernel::seal,
};

crate::id_type!(WebhookId, Webhook, "whk", "An event that a payment provider sent.");

/// Handles a stored event. One whose event was there before finds no row of its name, and has nothing to do.
#[derive(Debug, Serialize, Deserialize)]
pub struct HandleEvent {
    /// Which one.
    pub event: WebhookId,
}

impl Job for HandleEvent {
    const KIND: &'static str = "payments.handle_event";
    const QUEUE: &'static str = "payments";
}

static INBOX: AppendTable = AppendTable::new(
    "webhook_inbox",
    &[
        ("id", Column::Uuid),
        ("provider", Column::Text),
        ("event_id", Column::Text),
        ("event_type", Column::Text),
        ("payload", Column::Text),
        ("outcome", Column::Text),
        ("received_at", Column::Time),
        ("handled_at", Column::Time),
    ],
)
.ignoring_duplicates();

static OUTCOMES: AppendTable =
    AppendTable::new("webhook_inbox", &[("id", Column::Uuid), ("outcome", Column::Text), ("detail", Column::Text)])
        .updating();

/// An event as the provider sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    /// The provider's own identifier.
    pub event_id: String,
    /// E.g. `checkout.session.completed`.
    pub event_type: String,
    /// The body, byte for byte.
    pub payload: String,
}

/// A stored event that is being handled.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Arrived {
    /// Which one.
    pub id: WebhookId,
    /// Who sent it.
    pub provider: String,
    /// E.g. `checkout.session.completed`.
    pub event_type: String,
    /// The body, byte for byte.
    pub payload: String,
}

/// Stores a verified event and queues its handling. The identifier is that of no row if the event was there already.
pub async fn receive(tx: &mut Tx, provider: &str, event: &EventRow) -> Result<WebhookId, DbError> {
    let (id, now): (WebhookId, _) = (tx.new_id(), tx.now());
    tx.append(&INBOX, |row| {
        row.uuid(id.uuid())
            .text(provider)
            .text(event.event_id.as_str())
            .text(event.event_type.as_str())
            .text(event.payload.as_str())
            .text(None)
            .time(now)
            .time(None);
    });
    tx.enqueue(&HandleEvent { event: id }).await?;
    Ok(id)
}

/// Keeps a body that its provider signed and nobody can read, once, for an operator to look at. Nothing is queued.
pub fn reject(tx: &mut Tx, provider: &str, body: &[u8]) {
    let (id, now): (WebhookId, _) = (tx.new_id(), tx.now());
    // Without an identifier of the provider's, equal bodies are the same event.
    let event_id = format!("unread:{}", seal::to_hex(&seal::hmac_sha256(b"unread webhook", body)));
    let payload = String::from_utf8_lossy(body);
    tx.append(&INBOX, |row| {
        row.uuid(id.uuid())
            .text(provider)
            .text(event_id.as_str())
            .text("")
            .text(&*payload)
            .text("rejected")
            .time(now)
            .time(now);
    });
}

const TAKE_SQLITE: &str = "UPDATE webhook_inbox SET handled_at = $2
    WHERE id IN (SELECT unhex(value) FROM json_each($1)) AND handled_at IS NULL
    RETURNING id, provider, event_type, payload";
const TAKE_POSTGRES: &str = "UPDATE webhook_inbox SET handled_at = $2
    WHERE id = ANY (ARRAY(SELECT r::uuid FROM jsonb_array_elements_text($1::jsonb) r)) AND handled_at IS NULL
    RETURNING id, provider, event_type, payload";

/// Takes those of the stored events that nobody has handled yet, in the order in which they came. Whoever takes the same
/// ones at the same time waits, and finds none.
pub async fn take(tx: &mut Tx, events: &[WebhookId]) -> Result<Vec<Arrived>, DbError> {
    let (text, now) = (tx.dialect().pick(TAKE_SQLITE, TAKE_POSTGRES), tx.now());
    let ids: Vec<_> = events.iter().map(|event| event.uuid().simple().to_string()).collect();
    let mut arrived: Vec<Arrived> = fetch_all!(tx, sqlx::query_as(text).bind(json!(ids).to_string()).bind(now))?;
    arrived.sort_unstable_by_key(|event| event.id);
    let duplicates = events.len().saturating_sub(arrived.len());
    metrics::counter!("mintreu_webhooks_duplicates_total").increment(duplicates as u64);
    Ok(arrived)
}

/// In characters: what cannot be read may repeat as much of the body as it likes.
const LONGEST_DETAIL: usize = 500;

/// Notes what became of an event that this transaction has taken, and what else there is to say about it.
pub fn record(tx: &mut Tx, id: WebhookId, outcome: &str, detail: Option<&str>) {
    let detail: Option<String> = detail.map(|detail| detail.chars().take(LONGEST_DETAIL).collect());
    tx.append(&OUTCOMES, |row| {
        row.uuid(id.uuid()).text(outcome).text(detail.as_deref());
    });
}
