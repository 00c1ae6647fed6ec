//! Payments: the providers, and what they tell us, kept once and handled once.
//!
//! [`Provider`] is what the rest of the house knows of Stripe, PayPal and the sandbox; [`Event`] is what they say, in our
//! words. [`Intake`] verifies what comes in and puts it into the inbox.

mod breaker;
mod client;
mod event;
mod guarded;
mod inbox;
mod intake;
pub mod ledger;
pub mod paypal;
mod provider;
pub mod sandbox;
pub mod signature;
pub mod stripe;

pub use breaker::{Breaker, BreakerOptions, BreakerState, Permit};
pub use client::{Answer, Body, Call, Client, ClientError, ClientOptions, Method};
pub use event::{DisputeNews, Event, Paid, Refunded, Renewed};
pub use guarded::Guarded;
pub use inbox::{
    Arrived, EventRow, HandleEvent, InboxFilter, InboxView, PurgeInbox, ReplayError, WebhookId, list, purge, receive,
    record, reject, replay, replay_because, show, take,
};
pub use intake::{Accepted, Delivery, Intake, IntakeError};
pub use provider::{
    Checkout, Period, Provider, ProviderError, ProviderName, Providers, RefundAccepted, RefundRequest, Reply, Session,
    SessionState, SubscriptionEnd, UnreadableEvent,
};
