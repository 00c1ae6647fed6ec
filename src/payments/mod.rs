//! Payments: what providers tell us, kept once and handled once.

mod event;
mod inbox;
pub mod ledger;
mod provider;
pub mod sandbox;

pub use event::{DisputeNews, Event, Paid, Refunded, Renewed};
pub use inbox::{EventRow, HandleEvent, Received, WebhookId, receive, record, reject, take};
pub use provider::{
    Checkout, Period, Provider, ProviderError, ProviderName, Providers, RefundAccepted, RefundRequest, Reply, Session,
    SessionState, SubscriptionEnd, UnreadableEvent,
};
