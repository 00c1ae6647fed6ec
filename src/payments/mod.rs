//! Payments: what providers tell us, kept once and handled once.

mod inbox;
pub mod sandbox;

pub use inbox::{EventRow, HandleEvent, Received, WebhookId, receive, record, reject, take};
