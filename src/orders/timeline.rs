//! The timeline: every change of an order, for its buyer and for operators.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, value::RawValue};

use crate::{
    db::{AppendTable, Column, Db, DbError, Tx},
    fetch_all,
    kernel::{OrderId, Time},
};

static EVENTS: AppendTable = AppendTable::new(
    "order_events",
    &[
        ("id", Column::Uuid),
        ("order_id", Column::Uuid),
        ("event", Column::Text),
        ("detail", Column::Text),
        ("created_at", Column::Time),
    ],
)
.referring(1);

/// A change.
#[derive(Debug, Serialize, JsonSchema)]
pub struct TimelineEvent {
    /// What happened, e.g. `paid`.
    pub event: String,
    /// The particulars.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub detail: Box<RawValue>,
    /// When.
    pub at: Time,
}

/// Adds to the timeline. The detail is shown to the buyer.
#[expect(clippy::needless_pass_by_value, reason = "callers build the value in place")]
pub(super) fn note(tx: &mut Tx, order: OrderId, event: &str, detail: Value) {
    let (id, now) = (tx.ids().next_uuid(), tx.now());
    tx.append(&EVENTS, |row| {
        row.uuid(id).uuid(order.uuid()).text(event).text(detail.to_string().as_str()).time(now);
    });
}

/// An order's timeline, from its beginning.
pub async fn timeline(db: &Db, order: OrderId) -> Result<Vec<TimelineEvent>, DbError> {
    let rows: Vec<(String, String, Time)> = fetch_all!(
        db,
        sqlx::query_as("SELECT event, detail, created_at FROM order_events WHERE order_id = $1 ORDER BY id")
            .bind(order)
    )?;
    let event = |(event, detail, at)| {
        let detail = RawValue::from_string(detail).unwrap_or_else(|_| RawValue::NULL.to_owned());
        TimelineEvent { event, detail, at }
    };
    Ok(rows.into_iter().map(event).collect())
}
