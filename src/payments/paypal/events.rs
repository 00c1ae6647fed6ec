//! PayPal's events in our words: <https://developer.paypal.com/api/rest/webhooks/event-names/>.

use serde::{Deserialize, de::DeserializeOwned};

use super::{
    objects::{Amount, Capture, Dispute, Order, Refund, Supplement, linked, order_in},
    orders::fee,
};
use crate::{
    kernel::Money,
    payments::{DisputeNews, Event, Paid, Refunded, UnreadableEvent},
};

#[derive(Deserialize)]
struct Envelope<T> {
    resource: T,
}

type Read = Result<Event, UnreadableEvent>;

/// Objects of others, when one account with PayPal serves several programs.
const NOT_OURS: Event = Event::Ignored("not ours");

fn resource<T: DeserializeOwned>(payload: &str) -> Result<T, UnreadableEvent> {
    let read: Result<Envelope<T>, _> = serde_json::from_str(payload);
    read.map(|envelope| envelope.resource).map_err(|error| UnreadableEvent(error.to_string()))
}

fn lacks<T>(what: &str) -> Result<T, UnreadableEvent> {
    Err(UnreadableEvent(format!("it has no {what}")))
}

fn money(amount: Option<&Amount>) -> Result<Money, UnreadableEvent> {
    let Some(amount) = amount else { return lacks("amount") };
    let unknown = || UnreadableEvent(format!("`{} {}` is no amount", amount.value, amount.currency_code));
    amount.money().ok_or_else(unknown)
}

/// Reads the payload of a verified event.
pub fn read(event_type: &str, payload: &str) -> Read {
    match event_type {
        "CHECKOUT.ORDER.APPROVED" => Ok(approved(&resource(payload)?)),
        "CHECKOUT.ORDER.COMPLETED" => Ok(Event::Ignored("its capture tells")),
        "PAYMENT.CAPTURE.COMPLETED" => paid(&resource(payload)?),
        "PAYMENT.CAPTURE.DENIED" | "PAYMENT.CAPTURE.DECLINED" => Ok(denied(&resource(payload)?)),
        "PAYMENT.CAPTURE.PENDING" => Ok(Event::Ignored("the capture is pending")),
        "PAYMENT.CAPTURE.REFUNDED" | "PAYMENT.CAPTURE.REVERSED" => refunded(&resource(payload)?),
        "CUSTOMER.DISPUTE.CREATED" => news(&resource(payload)?).map(|news| news.map_or(NOT_OURS, Event::DisputeOpened)),
        "CUSTOMER.DISPUTE.RESOLVED" => resolved(&resource(payload)?),
        _ => Ok(Event::Ignored("of no interest")),
    }
}

fn approved(order: &Order) -> Event {
    let named =
        order.purchase_units.iter().find_map(|unit| order_in(unit.custom_id.as_deref(), unit.invoice_id.as_deref()));
    let Some(ours) = named else { return NOT_OURS };
    Event::Approved { order: ours, session: order.id.clone() }
}

fn related(supplement: Option<&Supplement>) -> Option<&super::objects::RelatedIds> {
    supplement?.related_ids.as_ref()
}

/// The order that a capture is of.
fn session(capture: &Capture) -> Option<String> {
    let told = related(capture.supplementary_data.as_ref()).and_then(|ids| ids.order_id.clone());
    told.or_else(|| linked(&capture.links, "up", "orders"))
}

fn paid(capture: &Capture) -> Read {
    let Some(order) = order_in(capture.custom_id.as_deref(), capture.invoice_id.as_deref()) else {
        return Ok(NOT_OURS);
    };
    let Some(session) = session(capture) else { return lacks("order") };
    let money = money(capture.amount.as_ref())?;
    Ok(Event::Paid(Paid {
        order,
        session,
        charge: Some(capture.id.clone()),
        amount: money.amount,
        currency: money.currency,
        fee: fee(capture).filter(|fee| fee.currency == money.currency).map(|fee| fee.amount),
        subscription: None,
    }))
}

fn denied(capture: &Capture) -> Event {
    let Some(order) = order_in(capture.custom_id.as_deref(), capture.invoice_id.as_deref()) else { return NOT_OURS };
    Event::PaymentFailed { order, session: session(capture), reason: reason(capture) }
}

/// Why a capture failed, in PayPal's words.
pub(super) fn reason(capture: &Capture) -> String {
    let told = capture.status_details.as_ref().and_then(|details| details.reason.as_deref());
    bounded(told.unwrap_or("the payment was declined"))
}

/// Others' words have no say in how much is kept.
fn bounded(words: &str) -> String {
    words.chars().filter(|c| !c.is_control()).take(200).collect()
}

fn refunded(refund: &Refund) -> Read {
    match refund.status.as_deref() {
        Some("PENDING") => return Ok(Event::Ignored("the refund is pending")),
        Some("FAILED" | "CANCELLED") => {
            let order = order_in(refund.custom_id.as_deref(), refund.invoice_id.as_deref());
            return Ok(Event::RefundFailed { order, refund: refund.id.clone() });
        }
        _ => {}
    }
    let money = money(refund.amount.as_ref())?;
    let told = related(refund.supplementary_data.as_ref()).and_then(|ids| ids.capture_id.clone());
    let of = linked(&refund.links, "up", "captures").or(told);
    let total = refund.seller_payable_breakdown.as_ref().and_then(|sums| sums.total_refunded_amount.as_ref());
    let total = total.and_then(Amount::money).filter(|total| total.currency == money.currency).map(|sum| sum.amount);
    let (charge, refunds, total) = match of {
        Some(charge) => (charge, vec![(refund.id.clone(), money.amount)], total),
        // A reversal may show the capture itself: all of it went back.
        None => (refund.id.clone(), Vec::new(), Some(money.amount)),
    };
    let order = order_in(refund.custom_id.as_deref(), refund.invoice_id.as_deref());
    Ok(Event::Refunded(Refunded { order, charge, refunds, total, currency: money.currency }))
}

/// None for a dispute of nothing that was paid here.
fn news(dispute: &Dispute) -> Result<Option<DisputeNews>, UnreadableEvent> {
    let Some(disputed) = dispute.disputed_transactions.first() else { return Ok(None) };
    let Some(charge) = &disputed.seller_transaction_id else { return Ok(None) };
    let money = money(dispute.amount.as_ref())?;
    Ok(Some(DisputeNews {
        reference: dispute.id.clone(),
        order: order_in(disputed.custom.as_deref(), disputed.invoice_number.as_deref()),
        charge: charge.clone(),
        amount: money.amount,
        currency: money.currency,
        reason: bounded(dispute.reason.as_deref().unwrap_or("OTHER")),
    }))
}

fn resolved(dispute: &Dispute) -> Read {
    let Some(news) = news(dispute)? else { return Ok(NOT_OURS) };
    let code = dispute.outcome.as_ref().and_then(|outcome| outcome.outcome_code.as_deref());
    let won = match code {
        // With a payout PayPal pays the buyer, and the seller keeps the money.
        Some(
            "RESOLVED_SELLER_FAVOUR"
            | "RESOLVED_SELLER_FAVOR"
            | "RESOLVED_WITH_PAYOUT"
            | "CANCELED_BY_BUYER"
            | "DENIED"
            | "NONE",
        ) => true,
        Some("RESOLVED_BUYER_FAVOUR" | "RESOLVED_BUYER_FAVOR" | "ACCEPTED") => false,
        other => return Err(UnreadableEvent(format!("the outcome {other:?} is not known"))),
    };
    Ok(Event::DisputeClosed { dispute: news, won })
}
