//! What providers tell us, in our words.

use crate::kernel::{Currency, Money, OrderId, Time};

/// What an event says happened. References are the provider's own names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Money of a checkout arrived (a card was charged, a transfer came in).
    Paid(Paid),
    /// The buyer approved; the money must still be captured (PayPal).
    Approved {
        /// Our reference.
        order: OrderId,
        /// The provider's session.
        session: String,
    },
    /// The buyer's payment was declined or failed; they may try again.
    PaymentFailed {
        /// Our reference.
        order: OrderId,
        /// The provider's session, if the event names it.
        session: Option<String>,
        /// The provider's words.
        reason: String,
    },
    /// The provider's session ended unpaid.
    SessionExpired {
        /// Our reference.
        order: OrderId,
        /// The provider's session.
        session: String,
    },
    /// Money went back.
    Refunded(Refunded),
    /// A refund did not reach the buyer, or came back.
    RefundFailed {
        /// Our reference, if the event carries it.
        order: Option<OrderId>,
        /// The provider's name of it.
        refund: String,
    },
    /// The buyer's bank took money back, for now.
    DisputeOpened(DisputeNews),
    /// A dispute ended.
    DisputeClosed {
        /// Which one.
        dispute: DisputeNews,
        /// Whether the money stays ours.
        won: bool,
    },
    /// The provider told what it kept of a charge.
    FeeKnown {
        /// The charge, as in [`Paid::charge`].
        charge: String,
        /// What it kept.
        fee: Money,
    },
    /// A subscription's further period was paid.
    Renewed(Renewed),
    /// A subscription's further period could not be charged.
    RenewalFailed {
        /// The provider's subscription.
        subscription: String,
        /// The provider's invoice.
        invoice: String,
    },
    /// A subscription was changed at the provider.
    SubscriptionChanged {
        /// The provider's subscription.
        subscription: String,
        /// Whether it ends with its period.
        cancel_at_period_end: bool,
        /// When its period ends, if told.
        period_end: Option<Time>,
    },
    /// A subscription ended at the provider.
    SubscriptionEnded {
        /// The provider's subscription.
        subscription: String,
    },
    /// Nothing that concerns us; why not.
    Ignored(&'static str),
}

/// A paid checkout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paid {
    /// Our reference.
    pub order: OrderId,
    /// The provider's session or order.
    pub session: String,
    /// The money itself: payment intent, capture. None where a subscription's first invoice is not told.
    pub charge: Option<String>,
    /// How much.
    pub amount: i64,
    /// Of what.
    pub currency: Currency,
    /// What the provider kept, if told already.
    pub fee: Option<i64>,
    /// The provider's subscription that began.
    pub subscription: Option<String>,
}

/// A refund that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refunded {
    /// Our reference, if the event carries it.
    pub order: Option<OrderId>,
    /// The charge that it is of.
    pub charge: String,
    /// Each refund by name and amount, where the event lists them.
    pub refunds: Vec<(String, i64)>,
    /// All that was refunded of the charge so far, where the event tells; the truth when the list is cut off.
    pub total: Option<i64>,
    /// Of what.
    pub currency: Currency,
}

/// A dispute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisputeNews {
    /// The provider's name of it.
    pub reference: String,
    /// Our reference, if the event carries it.
    pub order: Option<OrderId>,
    /// The charge that it is of.
    pub charge: String,
    /// How much is disputed.
    pub amount: i64,
    /// Of what.
    pub currency: Currency,
    /// The bank's reason.
    pub reason: String,
}

/// A paid further period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renewed {
    /// The provider's subscription.
    pub subscription: String,
    /// The provider's invoice.
    pub invoice: String,
    /// The money itself, if told.
    pub charge: Option<String>,
    /// How much.
    pub amount: i64,
    /// Of what.
    pub currency: Currency,
    /// When the paid period ends.
    pub period_end: Time,
}
