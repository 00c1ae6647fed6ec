//! The timeline: every change of an order, for its buyer and for operators.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, value::RawValue};

use crate::{
    db::{AppendTable, Column, Tx},
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

/// As its statement writes it: what, the particulars as text, and when in microseconds.
impl<'de> Deserialize<'de> for TimelineEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (event, detail, at) = <(String, String, i64)>::deserialize(deserializer)?;
        let detail = RawValue::from_string(detail).unwrap_or_else(|_| RawValue::NULL.to_owned());
        Ok(Self { event, detail, at: Time::from_micros(at) })
    }
}
