//! Stripe: checkouts on its pages, cards and whatever else it takes, subscriptions.
//!
//! The version of the API is pinned, so that answers keep their shape; events have the shape that the account's webhook
//! endpoint was made with, and all shapes since 2024 are read.

mod api;
mod checkout;
pub mod currency;
mod events;
mod objects;

use std::{fmt, sync::Arc};

pub use events::read;

use super::{
    Checkout, Client, Event, Provider, ProviderError, ProviderName, RefundAccepted, RefundRequest, Reply, Session,
    SessionState, SubscriptionEnd, UnreadableEvent,
};
use crate::kernel::{Clock, Currency, Money, Secret};

/// The version of the API that answers are read in: <https://docs.stripe.com/changelog>.
pub const VERSION: &str = "2024-06-20";

/// How to reach Stripe.
#[derive(Debug, Clone)]
pub struct StripeOptions {
    /// `https://api.stripe.com`, without a slash at its end.
    pub api_base: String,
    /// `sk_…`
    pub secret_key: Secret<String>,
}

/// An account with Stripe.
#[derive(Clone)]
pub struct Stripe {
    client: Client,
    options: StripeOptions,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Stripe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stripe").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Stripe {
    /// Reached through `client`.
    #[must_use]
    pub fn new(client: Client, options: StripeOptions, clock: Arc<dyn Clock>) -> Self {
        Self { client, options, clock }
    }
}

impl Provider for Stripe {
    fn name(&self) -> ProviderName {
        ProviderName::Stripe
    }

    fn open<'a>(&'a self, checkout: &'a Checkout) -> Reply<'a, Session> {
        Box::pin(self.open_session(checkout))
    }

    /// Stripe takes the money itself.
    fn capture<'a>(&'a self, session: &'a str) -> Reply<'a, SessionState> {
        Box::pin(self.session_state(session))
    }

    fn look_up<'a>(&'a self, session: &'a str) -> Reply<'a, SessionState> {
        Box::pin(self.session_state(session))
    }

    fn refund<'a>(&'a self, request: &'a RefundRequest) -> Reply<'a, RefundAccepted> {
        Box::pin(self.make_refund(request))
    }

    fn charge<'a>(&'a self, payment: &'a str) -> Reply<'a, Option<String>> {
        Box::pin(self.charge_of(payment))
    }

    fn fee<'a>(&'a self, charge: &'a str) -> Reply<'a, Option<Money>> {
        Box::pin(self.fee_of(charge))
    }

    fn cancel_subscription<'a>(&'a self, subscription: &'a str, end: SubscriptionEnd) -> Reply<'a, ()> {
        Box::pin(self.end_subscription(subscription, end))
    }

    fn retry_invoice<'a>(&'a self, invoice: &'a str) -> Reply<'a, ()> {
        Box::pin(self.pay_invoice(invoice))
    }

    fn read(&self, event_type: &str, payload: &str) -> Result<Event, UnreadableEvent> {
        events::read(event_type, payload)
    }

    fn subscribes(&self) -> bool {
        true
    }

    fn accepts(&self, currency: Currency) -> bool {
        currency::is_offered(currency)
    }

    fn charges(&self, total: Money) -> bool {
        currency::to_stripe(total).is_ok()
    }
}

/// A path's part, if it is a name that Stripe gives.
fn segment(name: &str) -> Result<&str, ProviderError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if !name.is_empty() && name.len() <= 255 && name.bytes().all(plain) {
        Ok(name)
    } else {
        Err(ProviderError::NotFound)
    }
}
