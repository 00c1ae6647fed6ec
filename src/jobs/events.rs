//! Domain events: what happened, written with what happened.

use serde::Serialize;

use crate::db::{AppendTable, Column, DbError, Tx};

crate::id_type!(EventId, Event, "evt", "Something that happened in the domain.");

/// A kind of domain event, e.g. `order.paid`.
pub trait DomainEvent: Serialize + Send + Sync {
    /// Its name.
    const NAME: &'static str;
}

static DOMAIN_EVENTS: AppendTable = AppendTable::new(
    "domain_events",
    &[("id", Column::Uuid), ("name", Column::Text), ("payload", Column::Text), ("occurred_at", Column::Time)],
);

/// Woken when events were written.
pub const EVENTS_TOPIC: &str = "events";

impl Tx {
    /// Records that something happened; followers read it once the transaction is durable.
    pub fn emit<E: DomainEvent>(&mut self, event: &E) -> Result<EventId, DbError> {
        let payload = serde_json::to_string(event).map_err(|error| sqlx::Error::Encode(error.into()))?;
        let (id, now): (EventId, _) = (self.new_id(), self.now());
        self.append(&DOMAIN_EVENTS, |row| {
            row.uuid(id.uuid()).text(E::NAME).text(payload.as_str()).time(now);
        });
        self.wake(EVENTS_TOPIC);
        Ok(id)
    }
}
