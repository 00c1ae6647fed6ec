//! What a payment provider can do for us.

use std::{fmt, sync::Arc};

use futures::future::BoxFuture;

use super::event::{Event, Paid};
use crate::{
    kernel::{Currency, Money, OrderId, Time},
    text_enum,
};

text_enum! {
    /// A payment provider.
    pub enum ProviderName {
        /// <https://stripe.com>
        Stripe = "stripe",
        /// <https://paypal.com>
        Paypal = "paypal",
        /// Pretends, for development.
        Sandbox = "sandbox",
    }
}

/// A checkout to be opened. The provider charges exactly `total`; a subscription charges it again every period.
#[derive(Debug, Clone)]
pub struct Checkout {
    /// Our reference, which comes back in every event.
    pub order: OrderId,
    /// What the buyer sees, e.g. `Pro plan of Ink × 2`.
    pub description: String,
    /// What is to be paid now.
    pub total: Money,
    /// How often it is charged again.
    pub recurring: Option<Period>,
    /// Whom the receipt goes to.
    pub email: String,
    /// Where the provider sends the buyer afterwards.
    pub success_url: String,
    /// Where it sends one who turns back.
    pub cancel_url: String,
    /// When the session shall end.
    pub expires_at: Time,
    /// Sent as the provider's idempotency key.
    pub idempotency_key: String,
}

/// A subscription's period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// A month.
    Month,
    /// A year.
    Year,
}

/// A checkout that was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The provider's name of it.
    pub reference: String,
    /// Where the buyer pays.
    pub url: String,
    /// When it ends.
    pub expires_at: Option<Time>,
}

/// What a provider says about a session when asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionState {
    /// The buyer has not paid.
    Open,
    /// Paid: as the event says it that may have been lost.
    Paid(Paid),
    /// Approved and to be captured.
    Approved,
    /// It ended unpaid, or the provider does not know it.
    Ended,
}

/// A refund to be made.
#[derive(Debug, Clone)]
pub struct RefundRequest {
    /// Our reference.
    pub order: OrderId,
    /// The charge.
    pub charge: String,
    /// How much of it.
    pub amount: Money,
    /// Sent as the provider's idempotency key.
    pub idempotency_key: String,
}

/// A refund that a provider accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundAccepted {
    /// The provider's name of it.
    pub reference: String,
    /// Whether the money is on its way back; else an event tells when it is.
    pub succeeded: bool,
}

/// Why a provider did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum ProviderError {
    /// It cannot be reached or fails; whether it did the thing is not known. Ask again with the same key.
    #[error("the provider is not reachable: {0}")]
    Unavailable(String),
    /// It refuses, and would again.
    #[error("the provider refuses: {0}")]
    Refused(String),
    /// It does not know what is asked about.
    #[error("the provider knows no such thing")]
    NotFound,
    /// It cannot do this at all.
    #[error("the provider does not offer this")]
    Unsupported,
}

/// An answer of a provider that is on its way.
pub type Reply<'a, T> = BoxFuture<'a, Result<T, ProviderError>>;

/// A payment provider. Every call may be repeated with the same idempotency key and then has one effect.
pub trait Provider: fmt::Debug + Send + Sync {
    /// Which one.
    fn name(&self) -> ProviderName;
    /// Opens a checkout.
    fn open<'a>(&'a self, checkout: &'a Checkout) -> Reply<'a, Session>;
    /// Takes the money of an approved session (PayPal); for others the same as asking.
    fn capture<'a>(&'a self, session: &'a str) -> Reply<'a, SessionState>;
    /// Asks what became of a session.
    fn look_up<'a>(&'a self, session: &'a str) -> Reply<'a, SessionState>;
    /// Gives money back.
    fn refund<'a>(&'a self, request: &'a RefundRequest) -> Reply<'a, RefundAccepted>;
    /// What it calls the money of a payment, which it knows by its session or a renewal's invoice; none if it has no name.
    fn charge<'a>(&'a self, payment: &'a str) -> Reply<'a, Option<String>> {
        Box::pin(async move {
            Ok(match self.look_up(payment).await? {
                SessionState::Paid(paid) => paid.charge,
                SessionState::Open | SessionState::Approved | SessionState::Ended => None,
            })
        })
    }
    /// What the provider kept of a charge, once it knows.
    fn fee<'a>(&'a self, charge: &'a str) -> Reply<'a, Option<Money>>;
    /// Ends a subscription: with its period, or at once.
    fn cancel_subscription<'a>(&'a self, subscription: &'a str, end: SubscriptionEnd) -> Reply<'a, ()>;
    /// Tries to charge an unpaid invoice again.
    fn retry_invoice<'a>(&'a self, invoice: &'a str) -> Reply<'a, ()>;
    /// Reads the payload of a verified event.
    fn read(&self, event_type: &str, payload: &str) -> Result<Event, UnreadableEvent>;
    /// Whether it can charge again every period.
    fn subscribes(&self) -> bool;
    /// Whether it can charge in this currency.
    fn accepts(&self, currency: Currency) -> bool;
    /// Whether it can charge exactly this much: some count more coarsely than the currency does.
    fn charges(&self, total: Money) -> bool;
}

/// When a cancelled subscription ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubscriptionEnd {
    /// With the period that is paid.
    PeriodEnd,
    /// At once.
    Now,
}

/// A payload that lacks what its type promises.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[error("the event cannot be read: {0}")]
pub struct UnreadableEvent(pub String);

/// The providers that are switched on.
#[derive(Debug, Clone, Default)]
pub struct Providers(Vec<Arc<dyn Provider>>);

impl Providers {
    /// These.
    #[must_use]
    pub fn new(providers: Vec<Arc<dyn Provider>>) -> Self {
        Self(providers)
    }

    /// The one of this name, if it is on.
    #[must_use]
    pub fn get(&self, name: ProviderName) -> Option<&Arc<dyn Provider>> {
        self.0.iter().find(|provider| provider.name() == name)
    }

    /// All that are on, the preferred first.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn Provider>> {
        self.0.iter()
    }
}
