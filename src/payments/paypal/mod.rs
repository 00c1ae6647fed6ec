//! PayPal: one-time payments through Orders v2 (<https://developer.paypal.com/docs/api/orders/v2/>).
//!
//! The buyer approves on PayPal's pages, and then we take the money: PayPal does not do it by itself. What is charged
//! again every period is not offered here: [`Provider::subscribes`] says so, and checkouts of that kind are refused.

mod amount;
mod api;
mod certificates;
mod events;
mod objects;
mod orders;
mod verify;

use std::{fmt, sync::Arc};

use tokio::sync::Mutex;

pub use certificates::{CertificateError, CertificateOptions};
pub use events::read;
pub use verify::{Transmission, Verifier, VerifyError};

use super::{
    Checkout, Client, Event, Provider, ProviderError, ProviderName, RefundAccepted, RefundRequest, Reply, Session,
    SessionState, SubscriptionEnd, UnreadableEvent,
};
use crate::kernel::{Clock, Currency, Money, Secret};

/// How to reach PayPal.
#[derive(Debug, Clone)]
pub struct PaypalOptions {
    /// `https://api-m.paypal.com`, without a slash at its end.
    pub api_base: String,
    /// The application's name.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Secret<String>,
    /// What buyers read on PayPal's pages.
    pub shop_name: String,
}

/// An application with PayPal.
pub struct Paypal {
    client: Client,
    options: PaypalOptions,
    clock: Arc<dyn Clock>,
    token: Mutex<Option<api::Token>>,
}

impl fmt::Debug for Paypal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Paypal").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Paypal {
    /// Reached through `client`.
    #[must_use]
    pub fn new(client: Client, options: PaypalOptions, clock: Arc<dyn Clock>) -> Self {
        Self { client, options, clock, token: Mutex::new(None) }
    }
}

impl Provider for Paypal {
    fn name(&self) -> ProviderName {
        ProviderName::Paypal
    }

    fn open<'a>(&'a self, checkout: &'a Checkout) -> Reply<'a, Session> {
        Box::pin(self.open_order(checkout))
    }

    fn capture<'a>(&'a self, session: &'a str) -> Reply<'a, SessionState> {
        Box::pin(self.capture_order(session))
    }

    fn look_up<'a>(&'a self, session: &'a str) -> Reply<'a, SessionState> {
        Box::pin(self.order_state(session))
    }

    fn refund<'a>(&'a self, request: &'a RefundRequest) -> Reply<'a, RefundAccepted> {
        Box::pin(self.refund_capture(request))
    }

    fn fee<'a>(&'a self, charge: &'a str) -> Reply<'a, Option<Money>> {
        Box::pin(self.fee_of(charge))
    }

    fn cancel_subscription<'a>(&'a self, _: &'a str, _: SubscriptionEnd) -> Reply<'a, ()> {
        Box::pin(std::future::ready(Err(ProviderError::Unsupported)))
    }

    fn retry_invoice<'a>(&'a self, _: &'a str) -> Reply<'a, ()> {
        Box::pin(std::future::ready(Err(ProviderError::Unsupported)))
    }

    fn read(&self, event_type: &str, payload: &str) -> Result<Event, UnreadableEvent> {
        events::read(event_type, payload)
    }

    fn subscribes(&self) -> bool {
        false
    }

    fn accepts(&self, currency: Currency) -> bool {
        amount::is_offered(currency)
    }

    fn charges(&self, total: Money) -> bool {
        amount::to_text(total).is_some()
    }
}
