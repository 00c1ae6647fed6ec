//! Payments: what providers tell us, kept once and handled once.

mod event;
mod inbox;
pub mod ledger;
mod provider;
pub mod sandbox;

pub use event::{DisputeNews, Event, Paid, Refunded, Renewed};
pub use inbox::{
    Arrived, EventRow, HandleEvent, Received, WebhookId, receive, record, record_with, reject, take, take_arrived,
};
pub use provider::{
    Checkout, Period, Provider, ProviderError, ProviderName, Providers, RefundAccepted, RefundRequest, Reply, Session,
    SessionState, SubscriptionEnd, UnreadableEvent,
};
