//! The sandbox's events, in Stripe's shape.

use serde_json::{Value, json};

use super::sessions::{Charge, SandboxSession, name};
use crate::{
    db::Tx,
    kernel::{Money, OrderId, Time},
    payments::{ProviderError, stripe::currency::to_stripe},
};

use super::SandboxError;

/// An amount as Stripe counts it.
fn wire(money: Money) -> Result<i64, SandboxError> {
    to_stripe(money).map_err(|error| match error {
        ProviderError::Refused(_)
        | ProviderError::Unavailable(_)
        | ProviderError::NotFound
        | ProviderError::Unsupported => SandboxError::Amount,
    })
}

fn code(money: Money) -> String {
    money.currency.code().to_ascii_lowercase()
}

/// An event that tells of `object`.
fn event(tx: &Tx, kind: &str, object: &Value) -> Value {
    json!({
        "id": name(tx, "evt"),
        "object": "event",
        "api_version": crate::payments::stripe::VERSION,
        "created": tx.now().as_secs(),
        "livemode": false,
        "type": kind,
        "data": { "object": object },
    })
}

/// What a session's event says beside the session.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Told<'a> {
    pub(super) status: &'a str,
    pub(super) payment_status: &'a str,
    pub(super) charge: Option<&'a Charge>,
    pub(super) subscription: Option<&'a str>,
}

/// `checkout.session.*`
pub(super) fn session(tx: &Tx, kind: &str, session: &SandboxSession, told: Told<'_>) -> Result<Value, SandboxError> {
    let money = told.charge.map_or(session.total(), |charge| Money::new(charge.amount, charge.currency));
    // Of a subscription's first charge Stripe's session tells the invoice alone.
    let charge = told.charge.filter(|_| told.subscription.is_none());
    let object = json!({
        "id": session.id,
        "object": "checkout.session",
        "mode": if session.recurring.is_some() { "subscription" } else { "payment" },
        "client_reference_id": session.order,
        "metadata": { "order_id": session.order },
        "customer_email": session.email,
        "amount_total": wire(money)?,
        "currency": code(money),
        "status": told.status,
        "payment_status": told.payment_status,
        "payment_intent": charge.map(|charge| &charge.id),
        "invoice": told.charge.and_then(|charge| charge.invoice.as_ref()),
        "subscription": told.subscription,
        "success_url": session.success_url,
        "cancel_url": session.cancel_url,
        "created": session.created_at.as_secs(),
        "expires_at": session.expires_at.as_secs(),
    });
    Ok(event(tx, kind, &object))
}

/// `payment_intent.succeeded`
pub(super) fn intent_succeeded(tx: &Tx, order: OrderId, charge: &Charge) -> Result<Value, SandboxError> {
    let money = Money::new(charge.amount, charge.currency);
    let object = json!({
        "id": charge.id,
        "object": "payment_intent",
        "amount": wire(money)?,
        "currency": code(money),
        "status": "succeeded",
        "metadata": { "order_id": order },
    });
    Ok(event(tx, "payment_intent.succeeded", &object))
}

/// `payment_intent.payment_failed`
pub(super) fn intent_failed(tx: &Tx, session: &SandboxSession) -> Result<Value, SandboxError> {
    let object = json!({
        "id": name(tx, "pi"),
        "object": "payment_intent",
        "amount": wire(session.total())?,
        "currency": code(session.total()),
        "status": "requires_payment_method",
        "last_payment_error": { "code": "card_declined", "message": "Your card was declined." },
        "metadata": { "order_id": session.order },
    });
    Ok(event(tx, "payment_intent.payment_failed", &object))
}

fn charge_object(order: OrderId, charge: &Charge) -> Result<Value, SandboxError> {
    let money = |amount| Money::new(amount, charge.currency);
    Ok(json!({
        "id": charge.id.replacen("pi_", "ch_", 1),
        "object": "charge",
        "payment_intent": charge.id,
        "amount": wire(money(charge.amount))?,
        "amount_refunded": wire(money(charge.refunded))?,
        "currency": code(money(charge.amount)),
        "status": "succeeded",
        "refunded": charge.refunded == charge.amount,
        "metadata": { "order_id": order },
    }))
}

/// `charge.updated`, which tells the fee.
pub(super) fn charge_updated(tx: &Tx, order: OrderId, charge: &Charge) -> Result<Value, SandboxError> {
    let mut object = charge_object(order, charge)?;
    let fee = Money::new(charge.fee, charge.currency);
    object["balance_transaction"] = json!({
        "id": charge.id.replacen("pi_", "txn_", 1),
        "object": "balance_transaction",
        // A fee is no charge: it is told to the last unit.
        "fee": wire(fee).unwrap_or(charge.fee),
        "currency": code(fee),
    });
    Ok(event(tx, "charge.updated", &object))
}

/// `charge.refunded`, with all that was refunded so far.
pub(super) fn charge_refunded(tx: &Tx, order: OrderId, charge: &Charge) -> Result<Value, SandboxError> {
    Ok(event(tx, "charge.refunded", &charge_object(order, charge)?))
}

/// `refund.updated`
pub(super) fn refund_updated(
    tx: &Tx,
    order: OrderId,
    charge: &Charge,
    refund: (&str, i64),
) -> Result<Value, SandboxError> {
    let money = Money::new(refund.1, charge.currency);
    let object = json!({
        "id": refund.0,
        "object": "refund",
        "amount": wire(money)?,
        "currency": code(money),
        "payment_intent": charge.id,
        "charge": charge.id.replacen("pi_", "ch_", 1),
        "status": "succeeded",
        "metadata": { "order_id": order },
    });
    Ok(event(tx, "refund.updated", &object))
}

/// `charge.dispute.*`
pub(super) fn dispute(tx: &Tx, charge: &Charge, dispute: &str, status: &str) -> Result<Value, SandboxError> {
    let money = Money::new(charge.amount, charge.currency);
    let kind = if status == "needs_response" { "charge.dispute.created" } else { "charge.dispute.closed" };
    let object = json!({
        "id": dispute,
        "object": "dispute",
        "amount": wire(money)?,
        "currency": code(money),
        "charge": charge.id.replacen("pi_", "ch_", 1),
        "payment_intent": charge.id,
        "reason": "fraudulent",
        "status": status,
        "metadata": {},
    });
    Ok(event(tx, kind, &object))
}

/// What a subscription is at the moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct SubscriptionNow<'a> {
    pub(super) id: &'a str,
    pub(super) status: &'a str,
    pub(super) cancel_at_period_end: bool,
    pub(super) period_end: Time,
}

/// `customer.subscription.*`
pub(super) fn subscription(tx: &Tx, kind: &str, now: SubscriptionNow<'_>) -> Value {
    let object = json!({
        "id": now.id,
        "object": "subscription",
        "status": now.status,
        "cancel_at_period_end": now.cancel_at_period_end,
        "current_period_end": now.period_end.as_secs(),
    });
    event(tx, kind, &object)
}

/// What an invoice is for.
#[derive(Debug, Clone, Copy)]
pub(super) struct InvoiceOf<'a> {
    pub(super) id: &'a str,
    pub(super) subscription: &'a str,
    pub(super) first: bool,
    pub(super) total: Money,
    pub(super) charge: Option<&'a Charge>,
    pub(super) period: (Time, Time),
}

/// `invoice.paid`, or `invoice.payment_failed` where nothing was charged.
pub(super) fn invoice(tx: &Tx, of: InvoiceOf<'_>) -> Result<Value, SandboxError> {
    let (kind, status) = match of.charge {
        Some(_) => ("invoice.paid", "paid"),
        None => ("invoice.payment_failed", "open"),
    };
    let paid = of.charge.map_or(0, |charge| charge.amount);
    let object = json!({
        "id": of.id,
        "object": "invoice",
        "billing_reason": if of.first { "subscription_create" } else { "subscription_cycle" },
        "status": status,
        "amount_due": wire(of.total)?,
        "amount_paid": wire(Money::new(paid, of.total.currency))?,
        "currency": code(of.total),
        "payment_intent": of.charge.map(|charge| &charge.id),
        "parent": { "type": "subscription_details", "subscription_details": { "subscription": of.subscription } },
        "lines": { "object": "list", "data": [{
            "object": "line_item",
            "period": { "start": of.period.0.as_secs(), "end": of.period.1.as_secs() },
        }]},
    });
    Ok(event(tx, kind, &object))
}
