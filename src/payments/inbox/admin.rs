//! The inbox as operators see it, and replaying what is in it.

use schemars::JsonSchema;
use serde::Serialize;
use sqlx::FromRow;

use super::{HandleEvent, WebhookId};
use crate::{
    audit::{Actor, Entry},
    db::{Db, DbError, Tx, conditions, page_by_time, place_of},
    execute, fetch_all, fetch_optional,
    kernel::{ByTime, Page, PageRequest, Sort, Time, ids_between},
};

/// Which events; everything that is given must fit.
#[derive(Debug, Clone, Default)]
pub struct InboxFilter {
    /// Sent by this provider.
    pub provider: Option<String>,
    /// Of this type.
    pub event_type: Option<String>,
    /// With this outcome.
    pub outcome: Option<String>,
    /// Only those that nobody has handled yet.
    pub unhandled: bool,
    /// The provider's own identifier.
    pub event_id: Option<String>,
    /// Came at this time or later.
    pub from: Option<Time>,
    /// Came before this time.
    pub until: Option<Time>,
    /// In which order.
    pub sort: Option<Sort<ByTime>>,
}

/// A stored event.
#[derive(Debug, Clone, Serialize, FromRow, JsonSchema)]
#[schemars(rename = "WebhookEvent")]
pub struct InboxView {
    /// Which one.
    pub id: WebhookId,
    /// Who sent it.
    pub provider: String,
    /// The provider's own identifier.
    pub event_id: String,
    /// E.g. `checkout.session.completed`; empty if it could not be read.
    pub event_type: String,
    /// When it came.
    pub received_at: Time,
    /// When it was handled.
    pub handled_at: Option<Time>,
    /// What became of it.
    pub outcome: Option<String>,
    /// What else there is to say about that.
    pub detail: Option<String>,
    /// How often an operator had it handled again.
    pub replays: i64,
    /// The body as it was sent; not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<String>,
}

/// A page of the inbox, the newest event first, without payloads.
pub async fn list(db: &Db, filter: &InboxFilter, request: &PageRequest<WebhookId>) -> Result<Page<InboxView>, DbError> {
    let (first, last) = ids_between(filter.from, filter.until);
    let conditions = conditions(&[
        (filter.provider.is_some(), "provider = $1"),
        (filter.event_type.is_some(), "event_type = $2"),
        (filter.outcome.is_some(), "outcome = $3"),
        (filter.unhandled, "handled_at IS NULL"),
        (filter.event_id.is_some(), "event_id = $4"),
        (filter.from.is_some(), "received_at >= $5 AND id >= $7"),
        (filter.until.is_some(), "received_at < $6 AND id < $8"),
    ]);
    let text = format!("{LIST}{conditions}{}", page_by_time(request, filter.sort, "id", 9));
    let rows = fetch_all!(
        db,
        sqlx::query_as(sqlx::AssertSqlSafe(text.as_str()))
            .bind(filter.provider.as_deref())
            .bind(filter.event_type.as_deref())
            .bind(filter.outcome.as_deref())
            .bind(filter.event_id.as_deref())
            .bind(filter.from)
            .bind(filter.until)
            .bind(first)
            .bind(last)
            .bind(place_of(request))
            .bind(request.fetch())
    )?;
    Ok(Page::of(rows, request, |row: &InboxView| row.id))
}

const LIST: &str = "SELECT id, provider, event_id, event_type, received_at, handled_at, outcome, detail, replays,
    CAST(NULL AS TEXT) AS payload FROM webhook_inbox WHERE TRUE";

/// One event, with its payload.
pub async fn show(db: &Db, id: WebhookId) -> Result<Option<InboxView>, DbError> {
    fetch_optional!(
        db,
        sqlx::query_as(
            "SELECT id, provider, event_id, event_type, received_at, handled_at, outcome, detail, replays, payload
             FROM webhook_inbox WHERE id = $1"
        )
        .bind(id)
    )
}

/// Why an event is not handled again.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// There is none of this name.
    #[error("there is no such event")]
    Unknown,
    /// The database does not do it.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Has an event handled again, whatever became of it before: its effects guard themselves.
pub async fn replay(tx: &mut Tx, id: WebhookId, by: Actor) -> Result<(), ReplayError> {
    again(tx, id).await?;
    tx.audit(Entry::new(by, "webhook.replayed", "webhook", id.to_string()));
    Ok(())
}

/// The same, by somebody who says why.
pub async fn replay_because(
    tx: &mut Tx,
    id: WebhookId,
    reason: &str,
    (by, request): (Actor, Option<String>),
) -> Result<(), ReplayError> {
    again(tx, id).await?;
    tx.audit(Entry::new(by, "webhook.replayed", "webhook", id.to_string()).reason(reason).request(request));
    Ok(())
}

async fn again(tx: &mut Tx, id: WebhookId) -> Result<(), ReplayError> {
    let found = execute!(
        tx,
        sqlx::query(
            "UPDATE webhook_inbox SET handled_at = NULL, outcome = NULL, detail = NULL, replays = replays + 1
             WHERE id = $1"
        )
        .bind(id)
    )?;
    if found == 0 {
        return Err(ReplayError::Unknown);
    }
    tx.enqueue(&HandleEvent { event: id }).await?;
    Ok(())
}
