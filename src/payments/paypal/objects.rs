//! PayPal's objects, as far as they are read.

use serde::Deserialize;

use super::amount::from_text;
use crate::kernel::{Currency, Money, OrderId};

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Link {
    pub(super) href: String,
    pub(super) rel: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Amount {
    pub(super) currency_code: String,
    pub(super) value: String,
}

impl Amount {
    pub(super) fn money(&self) -> Option<Money> {
        let currency: Currency = self.currency_code.parse().ok()?;
        Some(Money::new(from_text(&self.value, currency)?, currency))
    }
}

/// An order: <https://developer.paypal.com/docs/api/orders/v2/#orders_get>
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Order {
    pub(super) id: String,
    pub(super) status: Option<String>,
    #[serde(default)]
    pub(super) purchase_units: Vec<PurchaseUnit>,
    #[serde(default)]
    pub(super) links: Vec<Link>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct PurchaseUnit {
    pub(super) custom_id: Option<String>,
    pub(super) invoice_id: Option<String>,
    pub(super) payments: Option<Payments>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Payments {
    #[serde(default)]
    pub(super) captures: Vec<Capture>,
}

/// A capture: <https://developer.paypal.com/docs/api/payments/v2/#captures_get>
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Capture {
    pub(super) id: String,
    pub(super) status: Option<String>,
    pub(super) status_details: Option<StatusDetails>,
    pub(super) amount: Option<Amount>,
    pub(super) custom_id: Option<String>,
    pub(super) invoice_id: Option<String>,
    pub(super) seller_receivable_breakdown: Option<Breakdown>,
    pub(super) supplementary_data: Option<Supplement>,
    #[serde(default)]
    pub(super) links: Vec<Link>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct StatusDetails {
    pub(super) reason: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Breakdown {
    pub(super) paypal_fee: Option<Amount>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Supplement {
    pub(super) related_ids: Option<RelatedIds>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct RelatedIds {
    pub(super) order_id: Option<String>,
    pub(super) capture_id: Option<String>,
}

/// A refund: <https://developer.paypal.com/docs/api/payments/v2/#refunds_get>
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Refund {
    pub(super) id: String,
    pub(super) status: Option<String>,
    pub(super) amount: Option<Amount>,
    pub(super) custom_id: Option<String>,
    pub(super) invoice_id: Option<String>,
    pub(super) seller_payable_breakdown: Option<PayableBreakdown>,
    pub(super) supplementary_data: Option<Supplement>,
    #[serde(default)]
    pub(super) links: Vec<Link>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct PayableBreakdown {
    pub(super) total_refunded_amount: Option<Amount>,
}

/// A dispute: <https://developer.paypal.com/docs/api/customer-disputes/v1/#disputes_get>
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Dispute {
    #[serde(rename = "dispute_id")]
    pub(super) id: String,
    #[serde(default)]
    pub(super) disputed_transactions: Vec<DisputedTransaction>,
    pub(super) reason: Option<String>,
    #[serde(rename = "dispute_amount")]
    pub(super) amount: Option<Amount>,
    #[serde(rename = "dispute_outcome")]
    pub(super) outcome: Option<DisputeOutcome>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct DisputedTransaction {
    pub(super) seller_transaction_id: Option<String>,
    pub(super) custom: Option<String>,
    pub(super) invoice_number: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct DisputeOutcome {
    pub(super) outcome_code: Option<String>,
}

/// Our reference, whichever of the two fields has it.
pub(super) fn order_in(custom: Option<&str>, invoice: Option<&str>) -> Option<OrderId> {
    [custom, invoice].into_iter().flatten().find_map(|id| id.parse().ok())
}

/// What follows `/<collection>/` in the link of this relation.
pub(super) fn linked(links: &[Link], rel: &str, collection: &str) -> Option<String> {
    let link = links.iter().find(|link| link.rel == rel && link.href.contains(&format!("/{collection}/")))?;
    let (_, rest) = link.href.rsplit_once(&format!("/{collection}/"))?;
    let id = rest.split(['/', '?', '#']).next().unwrap_or_default();
    (!id.is_empty()).then(|| id.to_owned())
}
