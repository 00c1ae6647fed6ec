//! Stripe's objects, as far as they are read: <https://docs.stripe.com/api>. Whatever may be absent, or an identifier in
//! place of an object, is so in some version of the API.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::currency::from_stripe;
use crate::kernel::{Currency, OrderId, Time};

/// A reference that may have been expanded.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Ref<T> {
    Id(String),
    Object(Box<T>),
}

/// An object of which nothing but its name is wanted.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Named {
    pub(super) id: String,
}

impl<T: HasId> Ref<T> {
    pub(super) fn id(&self) -> &str {
        match self {
            Self::Id(id) => id,
            Self::Object(object) => object.id(),
        }
    }

    pub(super) fn object(&self) -> Option<&T> {
        match self {
            Self::Id(_) => None,
            Self::Object(object) => Some(object),
        }
    }
}

pub(super) trait HasId {
    fn id(&self) -> &str;
}

macro_rules! has_id {
    ($($type:ty),*) => {$(
        impl HasId for $type {
            fn id(&self) -> &str {
                &self.id
            }
        }
    )*};
}
has_id!(Named, Intent, Charge, BalanceTransaction, Invoice);

#[derive(Debug, Clone, Deserialize)]
pub(super) struct List<T> {
    pub(super) data: Vec<T>,
}

/// `checkout.session`
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Session {
    pub(super) id: String,
    pub(super) url: Option<String>,
    pub(super) status: Option<String>,
    pub(super) payment_status: Option<String>,
    pub(super) client_reference_id: Option<String>,
    pub(super) metadata: Option<BTreeMap<String, String>>,
    pub(super) amount_total: Option<i64>,
    pub(super) currency: Option<String>,
    pub(super) payment_intent: Option<Ref<Intent>>,
    pub(super) subscription: Option<Ref<Named>>,
    pub(super) invoice: Option<Ref<Invoice>>,
    pub(super) expires_at: Option<i64>,
}

/// `payment_intent`
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Intent {
    pub(super) id: String,
    pub(super) metadata: Option<BTreeMap<String, String>>,
    pub(super) latest_charge: Option<Ref<Charge>>,
    pub(super) last_payment_error: Option<PaymentError>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct PaymentError {
    pub(super) code: Option<String>,
    pub(super) message: Option<String>,
}

/// `charge`
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Charge {
    pub(super) id: String,
    pub(super) payment_intent: Option<Ref<Intent>>,
    pub(super) metadata: Option<BTreeMap<String, String>>,
    pub(super) currency: Option<String>,
    pub(super) amount_refunded: Option<i64>,
    pub(super) refunds: Option<List<Refund>>,
    pub(super) balance_transaction: Option<Ref<BalanceTransaction>>,
}

impl Charge {
    /// What we know the money by: its intent, or itself where there is none.
    pub(super) fn reference(&self) -> String {
        self.payment_intent.as_ref().map_or(&*self.id, Ref::id).to_owned()
    }
}

/// `balance_transaction`
#[derive(Debug, Clone, Deserialize)]
pub(super) struct BalanceTransaction {
    pub(super) id: String,
    pub(super) fee: i64,
    pub(super) currency: String,
}

/// `refund`
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Refund {
    pub(super) id: String,
    pub(super) amount: i64,
    pub(super) currency: Option<String>,
    pub(super) status: Option<String>,
    pub(super) charge: Option<Ref<Charge>>,
    pub(super) payment_intent: Option<Ref<Intent>>,
    pub(super) metadata: Option<BTreeMap<String, String>>,
}

/// `dispute`
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Dispute {
    pub(super) id: String,
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) reason: Option<String>,
    pub(super) status: Option<String>,
    pub(super) charge: Option<Ref<Charge>>,
    pub(super) payment_intent: Option<Ref<Intent>>,
    pub(super) metadata: Option<BTreeMap<String, String>>,
}

/// `subscription`
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Subscription {
    pub(super) id: String,
    pub(super) cancel_at_period_end: Option<bool>,
    /// Until 2025; its items have it since.
    pub(super) current_period_end: Option<i64>,
    pub(super) items: Option<List<SubscriptionItem>>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct SubscriptionItem {
    pub(super) current_period_end: Option<i64>,
}

impl Subscription {
    pub(super) fn period_end(&self) -> Option<Time> {
        let items = self.items.iter().flat_map(|items| &items.data).filter_map(|item| item.current_period_end);
        self.current_period_end.or_else(|| items.max()).map(seconds)
    }
}

/// `invoice`
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Invoice {
    pub(super) id: String,
    pub(super) billing_reason: Option<String>,
    pub(super) amount_paid: Option<i64>,
    pub(super) currency: Option<String>,
    /// Until 2025.
    pub(super) subscription: Option<Ref<Named>>,
    /// Since 2025.
    pub(super) parent: Option<InvoiceParent>,
    /// Until 2025.
    pub(super) payment_intent: Option<Ref<Intent>>,
    /// Until 2025.
    pub(super) charge: Option<Ref<Charge>>,
    /// Since 2025.
    pub(super) payments: Option<List<InvoicePayment>>,
    pub(super) lines: Option<List<InvoiceLine>>,
    pub(super) period_end: Option<i64>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct InvoiceParent {
    pub(super) subscription_details: Option<SubscriptionDetails>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct SubscriptionDetails {
    pub(super) subscription: Option<Ref<Named>>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct InvoicePayment {
    pub(super) payment: Option<PaidBy>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct PaidBy {
    pub(super) payment_intent: Option<Ref<Intent>>,
    pub(super) charge: Option<Ref<Charge>>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct InvoiceLine {
    pub(super) period: Option<LinePeriod>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct LinePeriod {
    pub(super) end: i64,
}

impl Invoice {
    pub(super) fn subscription(&self) -> Option<&str> {
        let since = || self.parent.as_ref()?.subscription_details.as_ref()?.subscription.as_ref();
        self.subscription.as_ref().or_else(since).map(Ref::id)
    }

    /// What we know the money by.
    pub(super) fn charge(&self) -> Option<String> {
        let paid = || self.payments.iter().flat_map(|list| &list.data).find_map(|payment| payment.payment.as_ref());
        let intent = self.payment_intent.as_ref().or_else(|| paid()?.payment_intent.as_ref());
        let charge = || self.charge.as_ref().or_else(|| paid()?.charge.as_ref()).map(Ref::id);
        intent.map(Ref::id).or_else(charge).map(str::to_owned)
    }

    /// When the period ends that was paid. The invoice's own period is the one before, of what is counted.
    pub(super) fn period_end(&self) -> Option<Time> {
        let lines = self.lines.iter().flat_map(|lines| &lines.data).filter_map(|line| line.period.as_ref());
        lines.map(|period| period.end).max().or(self.period_end).map(seconds)
    }
}

/// Our reference, where an object carries it.
pub(super) fn order_in(metadata: Option<&BTreeMap<String, String>>) -> Option<OrderId> {
    metadata?.get("order_id")?.parse().ok()
}

impl Session {
    pub(super) fn order(&self) -> Option<OrderId> {
        let named = self.client_reference_id.as_deref().and_then(|id| id.parse().ok());
        named.or_else(|| order_in(self.metadata.as_ref()))
    }
}

impl Charge {
    /// What Stripe kept, where that is told.
    pub(super) fn fee(&self) -> Option<crate::kernel::Money> {
        let booked = self.balance_transaction.as_ref()?.object()?;
        let currency: Currency = booked.currency.parse().ok()?;
        Some(crate::kernel::Money::new(from_stripe(booked.fee, currency)?, currency))
    }
}

pub(super) fn seconds(time: i64) -> Time {
    Time::from_micros(time.saturating_mul(1_000_000))
}
