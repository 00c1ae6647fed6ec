//! The webhook inbox: an event is durable before it is acknowledged, and handled once however often it comes.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use sqlx::FromRow;

use crate::{
    db::{DbError, Tx},
    execute, fetch_one, fetch_optional,
    jobs::Job,
    kernel::seal,
};

crate::id_type!(WebhookId, Webhook, "whk", "An event that a payment provider sent.");

/// Handles a stored event.
#[derive(Debug, Serialize, Deserialize)]
pub struct HandleEvent {
    /// Which one.
    pub event: WebhookId,
}

impl Job for HandleEvent {
    const KIND: &'static str = "payments.handle_event";
    const QUEUE: &'static str = "payments";

    fn unique_key(&self) -> Option<Cow<'_, str>> {
        Some(format!("{}:{}", Self::KIND, self.event).into())
    }
}

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// Stored, and its handling is queued.
    New(WebhookId),
    /// Known already.
    Duplicate,
}

/// Stores a verified event and queues its handling.
pub async fn receive(tx: &mut Tx, provider: &str, event: &EventRow) -> Result<Received, DbError> {
    let (id, now): (WebhookId, _) = (tx.new_id(), tx.now());
    let stored = execute!(
        tx,
        sqlx::query(
            "INSERT INTO webhook_inbox (id, provider, event_id, event_type, payload, received_at)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (provider, event_id) DO NOTHING"
        )
        .bind(id)
        .bind(provider)
        .bind(&event.event_id)
        .bind(&event.event_type)
        .bind(&event.payload)
        .bind(now)
    )?;
    if stored == 0 {
        return Ok(Received::Duplicate);
    }
    tx.enqueue(&HandleEvent { event: id }).await?;
    Ok(Received::New(id))
}

/// Keeps a body that its provider signed and nobody can read, once, for an operator to look at. Nothing is queued.
pub async fn reject(tx: &mut Tx, provider: &str, body: &[u8]) -> Result<(), DbError> {
    let (id, now): (WebhookId, _) = (tx.new_id(), tx.now());
    // Without an identifier of the provider's, equal bodies are the same event.
    let event_id = format!("unread:{}", seal::to_hex(&seal::hmac_sha256(b"unread webhook", body)));
    // PostgreSQL keeps no NUL in a text.
    let payload = String::from_utf8_lossy(body).replace('\0', "\u{fffd}");
    execute!(
        tx,
        sqlx::query(
            "INSERT INTO webhook_inbox (id, provider, event_id, event_type, payload, outcome, received_at, handled_at)
             VALUES ($1, $2, $3, '', $4, 'rejected', $5, $5) ON CONFLICT (provider, event_id) DO NOTHING"
        )
        .bind(id)
        .bind(provider)
        .bind(event_id)
        .bind(payload)
        .bind(now)
    )?;
    Ok(())
}

/// An event as the provider sent it.
#[derive(Debug, Clone, FromRow)]
pub struct EventRow {
    /// The provider's own identifier.
    pub event_id: String,
    /// E.g. `checkout.session.completed`.
    pub event_type: String,
    /// The body, byte for byte.
    pub payload: String,
}

/// A stored event that nobody has handled yet.
pub async fn take(tx: &mut Tx, id: WebhookId) -> Result<Option<EventRow>, DbError> {
    fetch_optional!(
        tx,
        sqlx::query_as("SELECT event_id, event_type, payload FROM webhook_inbox WHERE id = $1 AND handled_at IS NULL")
            .bind(id)
    )
}

/// Notes what became of an event.
pub async fn record(tx: &mut Tx, id: WebhookId, outcome: &str) -> Result<(), DbError> {
    let now = tx.now();
    let _: i32 = fetch_one!(
        tx,
        sqlx::query_scalar("UPDATE webhook_inbox SET outcome = $2, handled_at = $3 WHERE id = $1 RETURNING 1")
            .bind(id)
            .bind(outcome)
            .bind(now)
    )?;
    Ok(())
}

/// Stand-in.
#[derive(Debug, Clone, FromRow)]
#[expect(missing_docs, reason = "stand-in")]
pub struct Arrived {
    pub provider: String,
    pub event_type: String,
    pub payload: String,
}

/// Stand-in.
pub async fn take_arrived(tx: &mut Tx, id: WebhookId) -> Result<Option<Arrived>, DbError> {
    fetch_optional!(
        tx,
        sqlx::query_as("SELECT provider, event_type, payload FROM webhook_inbox WHERE id = $1 AND handled_at IS NULL")
            .bind(id)
    )
}

/// Stand-in.
pub async fn record_with(tx: &mut Tx, id: WebhookId, outcome: &str, detail: Option<&str>) -> Result<(), DbError> {
    let _ = detail;
    record(tx, id, outcome).await
}
