//! The sandbox: a provider that only pretends, for development and tests.
//!
//! It keeps sessions, charges, refunds and subscriptions of its own, as a real provider does, and tells of them in events
//! of Stripe's shape and signature, which go through the same intake and the same reader. An event is stored in the
//! transaction of what it tells, so none is lost; one that shall come late waits as a job.

mod control;
mod deliver;
mod dispute;
mod events;
mod pay;
mod refund;
mod sessions;
mod subscription;

use std::{fmt, sync::Arc};

pub use control::{Completion, Delivering, PayOutcome, SandboxError};
pub use deliver::{DeliverSandboxEvent, SettleSandboxTransfer};
pub use dispute::DisputeMove;
pub use sessions::SandboxSession;
pub use subscription::RenewalOutcome;

use super::{
    Checkout, Event, Intake, Provider, ProviderError, ProviderName, RefundAccepted, RefundRequest, Reply, Session,
    SessionState, SubscriptionEnd, UnreadableEvent, stripe,
};
use crate::{
    db::{Db, DbError},
    kernel::{Currency, Money},
};

/// The sandbox of this installation; clones share it.
#[derive(Clone)]
pub struct Sandbox {
    db: Db,
    intake: Intake,
    public_url: Arc<str>,
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox").field("public_url", &self.public_url).finish_non_exhaustive()
    }
}

impl Sandbox {
    /// With its pages under `public_url` and its events delivered to `intake`.
    #[must_use]
    pub fn new(db: Db, intake: Intake, public_url: &str) -> Self {
        Self { db, intake, public_url: Arc::from(public_url.trim_end_matches('/')) }
    }

    /// Where a session is paid.
    fn page(&self, session: &str) -> String {
        format!("{}/sandbox/pay/{session}", self.public_url)
    }
}

/// What the database does not do, a provider that is down does not.
fn down(error: &DbError) -> ProviderError {
    ProviderError::Unavailable(error.to_string())
}

impl Provider for Sandbox {
    fn name(&self) -> ProviderName {
        ProviderName::Sandbox
    }

    fn open<'a>(&'a self, checkout: &'a Checkout) -> Reply<'a, Session> {
        Box::pin(self.open_session(checkout))
    }

    /// It takes the money itself.
    fn capture<'a>(&'a self, session: &'a str) -> Reply<'a, SessionState> {
        Box::pin(self.session_state(session))
    }

    fn look_up<'a>(&'a self, session: &'a str) -> Reply<'a, SessionState> {
        Box::pin(self.session_state(session))
    }

    fn refund<'a>(&'a self, request: &'a RefundRequest) -> Reply<'a, RefundAccepted> {
        Box::pin(self.give_back(request))
    }

    fn fee<'a>(&'a self, charge: &'a str) -> Reply<'a, Option<Money>> {
        Box::pin(self.fee_of(charge))
    }

    fn cancel_subscription<'a>(&'a self, subscription: &'a str, end: SubscriptionEnd) -> Reply<'a, ()> {
        Box::pin(async move { Ok(self.end_subscription(subscription, end).await?) })
    }

    fn retry_invoice<'a>(&'a self, invoice: &'a str) -> Reply<'a, ()> {
        Box::pin(async move { Ok(self.pay_invoice(invoice).await?) })
    }

    fn read(&self, event_type: &str, payload: &str) -> Result<Event, UnreadableEvent> {
        stripe::read(event_type, payload)
    }

    fn subscribes(&self) -> bool {
        true
    }

    fn accepts(&self, _: Currency) -> bool {
        true
    }

    fn charges(&self, total: Money) -> bool {
        // Its events have Stripe's shape, so it charges what Stripe can say.
        stripe::currency::to_stripe(total).is_ok()
    }
}
