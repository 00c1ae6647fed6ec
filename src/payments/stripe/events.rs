//! Stripe's events in our words: <https://docs.stripe.com/api/events/types>. The sandbox's have the same shape.

use serde::{Deserialize, de::DeserializeOwned};

use super::{
    currency::from_stripe,
    objects::{Charge, Dispute, Intent, Invoice, Ref, Refund, Session, Subscription, order_in},
};
use crate::{
    kernel::Currency,
    payments::{DisputeNews, Event, Paid, Refunded, Renewed, UnreadableEvent},
};

#[derive(Deserialize)]
struct Envelope<T> {
    data: Data<T>,
}

#[derive(Deserialize)]
struct Data<T> {
    object: T,
}

type Read = Result<Event, UnreadableEvent>;

/// Objects of others, when one account with Stripe serves several programs.
const NOT_OURS: Event = Event::Ignored("not ours");

fn object<T: DeserializeOwned>(payload: &str) -> Result<T, UnreadableEvent> {
    let read: Result<Envelope<T>, _> = serde_json::from_str(payload);
    read.map(|envelope| envelope.data.object).map_err(|error| UnreadableEvent(error.to_string()))
}

fn lacks<T>(what: &str) -> Result<T, UnreadableEvent> {
    Err(UnreadableEvent(format!("it has no {what}")))
}

fn currency(code: Option<&str>) -> Result<Currency, UnreadableEvent> {
    let Some(code) = code else { return lacks("currency") };
    code.parse().map_err(|_| UnreadableEvent(format!("`{code}` is no currency that is known here")))
}

fn amount(amount: Option<i64>, currency: Currency) -> Result<i64, UnreadableEvent> {
    let Some(amount) = amount.filter(|amount| *amount >= 0) else { return lacks("amount") };
    from_stripe(amount, currency).ok_or_else(|| UnreadableEvent(format!("{amount} is no amount of {currency}")))
}

/// Reads the payload of a verified event.
pub fn read(event_type: &str, payload: &str) -> Read {
    match event_type {
        "checkout.session.completed" | "checkout.session.async_payment_succeeded" => completed(&object(payload)?),
        "checkout.session.async_payment_failed" => Ok(session_failed(&object(payload)?)),
        "checkout.session.expired" => Ok(session_expired(&object(payload)?)),
        "payment_intent.payment_failed" => Ok(intent_failed(&object(payload)?)),
        "payment_intent.succeeded" | "customer.subscription.created" => Ok(Event::Ignored("its session tells")),
        "charge.refunded" => charge_refunded(&object(payload)?),
        "charge.updated" | "charge.succeeded" => Ok(charge_updated(&object(payload)?)),
        "refund.created" | "refund.updated" | "charge.refund.updated" | "refund.failed" => refund(&object(payload)?),
        "charge.dispute.created" => dispute_opened(&object(payload)?),
        "charge.dispute.closed" => dispute_closed(&object(payload)?),
        "customer.subscription.updated" => Ok(subscription_changed(&object(payload)?)),
        "customer.subscription.deleted" => {
            Ok(Event::SubscriptionEnded { subscription: object::<Subscription>(payload)?.id })
        }
        "invoice.paid" => invoice_paid(&object(payload)?),
        // The same news under an older name.
        "invoice.payment_succeeded" => Ok(Event::Ignored("invoice.paid tells")),
        "invoice.payment_failed" => Ok(invoice_failed(&object(payload)?)),
        _ => Ok(Event::Ignored("of no interest")),
    }
}

fn completed(session: &Session) -> Read {
    if session.order().is_none() {
        return Ok(NOT_OURS);
    }
    match session.payment_status.as_deref() {
        Some("paid" | "no_payment_required") => paid(session).map(Event::Paid),
        // A bank transfer is on its way: a later event tells when it is there.
        Some("unpaid") => Ok(Event::Ignored("unpaid")),
        _ => lacks("payment_status"),
    }
}

/// A session that is paid, as an event or an answer shows it.
pub(super) fn paid(session: &Session) -> Result<Paid, UnreadableEvent> {
    let Some(order) = session.order() else { return lacks("order of ours") };
    let currency = currency(session.currency.as_deref())?;
    let invoice = session.invoice.as_ref().and_then(Ref::object);
    let intent = session.payment_intent.as_ref().or_else(|| invoice?.payment_intent.as_ref());
    let fee = intent.and_then(Ref::object).and_then(|intent| intent.latest_charge.as_ref()?.object()?.fee());
    Ok(Paid {
        order,
        session: session.id.clone(),
        charge: intent.map(|intent| intent.id().to_owned()).or_else(|| invoice?.charge()),
        amount: amount(session.amount_total, currency)?,
        currency,
        // In the currency of the account, which may be another.
        fee: fee.filter(|fee| fee.currency == currency).map(|fee| fee.amount),
        subscription: session.subscription.as_ref().map(|subscription| subscription.id().to_owned()),
    })
}

fn session_failed(session: &Session) -> Event {
    let Some(order) = session.order() else { return NOT_OURS };
    Event::PaymentFailed { order, session: Some(session.id.clone()), reason: "the transfer did not arrive".to_owned() }
}

fn session_expired(session: &Session) -> Event {
    let Some(order) = session.order() else { return NOT_OURS };
    Event::SessionExpired { order, session: session.id.clone() }
}

fn intent_failed(intent: &Intent) -> Event {
    let Some(order) = order_in(intent.metadata.as_ref()) else { return NOT_OURS };
    let error = intent.last_payment_error.as_ref();
    let reason = error.and_then(|error| error.message.as_deref().or(error.code.as_deref()));
    let reason: String = reason.unwrap_or("the payment failed").chars().take(LONGEST_REASON).collect();
    Event::PaymentFailed { order, session: None, reason: reason.replace('\0', "") }
}

/// Of reasons in others' words, in characters.
const LONGEST_REASON: usize = 500;

fn charge_refunded(charge: &Charge) -> Read {
    let currency = currency(charge.currency.as_deref())?;
    let mut refunds = Vec::new();
    for refund in charge.refunds.iter().flat_map(|list| &list.data) {
        if went_back(refund) {
            refunds.push((refund.id.clone(), amount(Some(refund.amount), currency)?));
        }
    }
    let total = charge.amount_refunded.map(|total| amount(Some(total), currency)).transpose()?;
    if total.is_none() && refunds.is_empty() {
        return lacks("amount_refunded");
    }
    let order = order_in(charge.metadata.as_ref());
    Ok(Event::Refunded(Refunded { order, charge: charge.reference(), refunds, total, currency }))
}

fn went_back(refund: &Refund) -> bool {
    matches!(refund.status.as_deref(), Some("succeeded") | None)
}

fn refund(refund: &Refund) -> Read {
    match refund.status.as_deref() {
        Some("succeeded") | None => {}
        Some("failed" | "canceled") => {
            return Ok(Event::RefundFailed { order: order_in(refund.metadata.as_ref()), refund: refund.id.clone() });
        }
        Some(_) => return Ok(Event::Ignored("the refund is pending")),
    }
    let charge = refund.payment_intent.as_ref().map(Ref::id).or_else(|| refund.charge.as_ref().map(Ref::id));
    let Some(charge) = charge else { return lacks("charge") };
    let currency = currency(refund.currency.as_deref())?;
    Ok(Event::Refunded(Refunded {
        order: order_in(refund.metadata.as_ref()),
        charge: charge.to_owned(),
        refunds: vec![(refund.id.clone(), amount(Some(refund.amount), currency)?)],
        total: None,
        currency,
    }))
}

fn charge_updated(charge: &Charge) -> Event {
    match charge.fee() {
        Some(fee) => Event::FeeKnown { charge: charge.reference(), fee },
        None => Event::Ignored("its fee is not told"),
    }
}

/// A bank's question, which takes no money.
fn is_inquiry(dispute: &Dispute) -> bool {
    dispute.status.as_deref().is_some_and(|status| status.starts_with("warning_"))
}

fn news(dispute: &Dispute) -> Result<DisputeNews, UnreadableEvent> {
    let charge = dispute.payment_intent.as_ref().map(Ref::id).or_else(|| dispute.charge.as_ref().map(Ref::id));
    let Some(charge) = charge else { return lacks("charge") };
    let currency = currency(Some(&dispute.currency))?;
    let reason: String = dispute.reason.as_deref().unwrap_or("general").chars().take(LONGEST_REASON).collect();
    Ok(DisputeNews {
        reference: dispute.id.clone(),
        order: order_in(dispute.metadata.as_ref()),
        charge: charge.to_owned(),
        amount: amount(Some(dispute.amount), currency)?,
        currency,
        reason: reason.replace('\0', ""),
    })
}

fn dispute_opened(dispute: &Dispute) -> Read {
    if is_inquiry(dispute) {
        return Ok(Event::Ignored("an inquiry"));
    }
    news(dispute).map(Event::DisputeOpened)
}

fn dispute_closed(dispute: &Dispute) -> Read {
    if is_inquiry(dispute) {
        return Ok(Event::Ignored("an inquiry"));
    }
    let won = match dispute.status.as_deref() {
        Some("won") => true,
        Some("lost") => false,
        status => return Err(UnreadableEvent(format!("a closed dispute is not {status:?}"))),
    };
    Ok(Event::DisputeClosed { dispute: news(dispute)?, won })
}

fn subscription_changed(subscription: &Subscription) -> Event {
    Event::SubscriptionChanged {
        subscription: subscription.id.clone(),
        cancel_at_period_end: subscription.cancel_at_period_end.unwrap_or(false),
        period_end: subscription.period_end(),
    }
}

fn invoice_paid(invoice: &Invoice) -> Read {
    let Some(subscription) = invoice.subscription() else { return Ok(Event::Ignored("of no subscription")) };
    match invoice.billing_reason.as_deref() {
        Some("subscription_cycle") => {}
        Some("subscription_create") => return Ok(Event::Ignored("its session tells")),
        _ => return Ok(Event::Ignored("of no further period")),
    }
    let currency = currency(invoice.currency.as_deref())?;
    let Some(period_end) = invoice.period_end() else { return lacks("period") };
    Ok(Event::Renewed(Renewed {
        subscription: subscription.to_owned(),
        invoice: invoice.id.clone(),
        charge: invoice.charge(),
        amount: amount(invoice.amount_paid, currency)?,
        currency,
        period_end,
    }))
}

fn invoice_failed(invoice: &Invoice) -> Event {
    let Some(subscription) = invoice.subscription() else { return Event::Ignored("of no subscription") };
    if invoice.billing_reason.as_deref() != Some("subscription_cycle") {
        return Event::Ignored("of no further period");
    }
    Event::RenewalFailed { subscription: subscription.to_owned(), invoice: invoice.id.clone() }
}
