//! PayPal's orders: opened, approved by the buyer, captured by us, refunded.

use serde_json::json;

use super::{
    Paypal,
    amount::to_text,
    api::Refusal,
    events::reason,
    objects::{Capture, Order, Refund, order_in},
};
use crate::{
    kernel::Money,
    payments::{Checkout, Paid, ProviderError, RefundAccepted, RefundRequest, Session, SessionState},
};

/// What PayPal takes at most, in characters.
const LONGEST_DESCRIPTION: usize = 127;

impl Paypal {
    pub(super) async fn open_order(&self, checkout: &Checkout) -> Result<Session, ProviderError> {
        if checkout.recurring.is_some() {
            return Err(ProviderError::Unsupported);
        }
        let value = written(checkout.total)?;
        let description: String = checkout.description.chars().take(LONGEST_DESCRIPTION).collect();
        let body = json!({
            "intent": "CAPTURE",
            "purchase_units": [{
                "reference_id": "default",
                // Both come back in every event. PayPal takes no second payment for an invoice that is paid.
                "custom_id": checkout.order,
                "invoice_id": checkout.order,
                "description": description,
                "amount": { "currency_code": checkout.total.currency, "value": value },
            }],
            "payment_source": { "paypal": {
                "email_address": checkout.email,
                "experience_context": {
                    "brand_name": self.options.shop_name,
                    "shipping_preference": "NO_SHIPPING",
                    "user_action": "PAY_NOW",
                    "return_url": checkout.success_url,
                    "cancel_url": checkout.cancel_url,
                },
            }},
        });
        let order: Order = self.post("v2/checkout/orders", &key(&checkout.idempotency_key), body).await?;
        let page = order.links.iter().find(|link| matches!(link.rel.as_str(), "payer-action" | "approve"));
        let Some(page) = page else {
            return Err(ProviderError::Refused("the order has no page to pay on any more".to_owned()));
        };
        // PayPal says how long orders live only in its documentation, and not for all accounts alike.
        Ok(Session { url: page.href.clone(), reference: order.id, expires_at: None })
    }

    pub(super) async fn capture_order(&self, id: &str) -> Result<SessionState, ProviderError> {
        let path = format!("v2/checkout/orders/{}/capture", segment(id)?);
        match self.post::<Order>(&path, &key(&format!("capture-{id}")), json!({})).await {
            Ok(order) => state(&order),
            Err(Refusal::Issue(issue)) => match issue.as_str() {
                "ORDER_ALREADY_CAPTURED" => self.order_state(id).await,
                "ORDER_NOT_APPROVED" => Ok(SessionState::Open),
                _ => Err(ProviderError::Refused(issue)),
            },
            Err(Refusal::Error(error)) => Err(error),
        }
    }

    pub(super) async fn order_state(&self, id: &str) -> Result<SessionState, ProviderError> {
        match self.get::<Order>(&format!("v2/checkout/orders/{}", segment(id)?)).await {
            Ok(order) => state(&order),
            // Orders that nobody approves are forgotten after some hours.
            Err(Refusal::Error(ProviderError::NotFound)) => Ok(SessionState::Ended),
            Err(refusal) => Err(refusal.into()),
        }
    }

    pub(super) async fn refund_capture(&self, request: &RefundRequest) -> Result<RefundAccepted, ProviderError> {
        let value = written(request.amount)?;
        let body = json!({
            "amount": { "currency_code": request.amount.currency, "value": value },
            "custom_id": request.order,
        });
        let path = format!("v2/payments/captures/{}/refund", segment(&request.charge)?);
        let refund: Refund = self.post(&path, &key(&request.idempotency_key), body).await?;
        match refund.status.as_deref() {
            Some("FAILED" | "CANCELLED") => Err(ProviderError::Refused("the refund failed".to_owned())),
            status => Ok(RefundAccepted { succeeded: status == Some("COMPLETED"), reference: refund.id }),
        }
    }

    pub(super) async fn fee_of(&self, capture: &str) -> Result<Option<Money>, ProviderError> {
        let capture: Capture = self.get(&format!("v2/payments/captures/{}", segment(capture)?)).await?;
        Ok(fee(&capture))
    }
}

/// What PayPal kept of a capture, if it is told.
pub(super) fn fee(capture: &Capture) -> Option<Money> {
    capture.seller_receivable_breakdown.as_ref()?.paypal_fee.as_ref()?.money()
}

fn state(order: &Order) -> Result<SessionState, ProviderError> {
    match order.status.as_deref() {
        Some("APPROVED") => Ok(SessionState::Approved),
        Some("VOIDED") => Ok(SessionState::Ended),
        Some("COMPLETED") => captured(order),
        _ => Ok(SessionState::Open),
    }
}

fn captured(order: &Order) -> Result<SessionState, ProviderError> {
    let unreadable = |what: &str| ProviderError::Unavailable(format!("its completed order has no {what}"));
    let unit = order.purchase_units.first().ok_or_else(|| unreadable("purchase"))?;
    let captures = unit.payments.iter().flat_map(|payments| &payments.captures);
    let capture = captures.last().ok_or_else(|| unreadable("capture"))?;
    match capture.status.as_deref() {
        Some("COMPLETED" | "PARTIALLY_REFUNDED" | "REFUNDED") => {}
        Some("DECLINED" | "FAILED") => return Err(ProviderError::Refused(reason(capture))),
        // Taken but held back: an event tells when it is there. To capture again changes nothing.
        _ => return Ok(SessionState::Approved),
    }
    let named = order_in(capture.custom_id.as_deref(), capture.invoice_id.as_deref());
    let ours = named.or_else(|| order_in(unit.custom_id.as_deref(), unit.invoice_id.as_deref()));
    let money = capture.amount.as_ref().and_then(super::objects::Amount::money).ok_or_else(|| unreadable("amount"))?;
    Ok(SessionState::Paid(Paid {
        order: ours.ok_or_else(|| unreadable("order of ours"))?,
        session: order.id.clone(),
        charge: Some(capture.id.clone()),
        amount: money.amount,
        currency: money.currency,
        fee: fee(capture).filter(|fee| fee.currency == money.currency).map(|fee| fee.amount),
        subscription: None,
    }))
}

fn written(money: Money) -> Result<String, ProviderError> {
    to_text(money).ok_or_else(|| ProviderError::Refused(format!("{money} cannot be charged")))
}

/// `PayPal-Request-Id` is no longer than this.
const LONGEST_KEY: usize = 108;

fn key(key: &str) -> String {
    if key.len() <= LONGEST_KEY {
        return key.to_owned();
    }
    crate::kernel::seal::to_hex(&crate::kernel::seal::hmac_sha256(b"paypal request", key.as_bytes()))
}

/// A path's part, if it is a name that PayPal gives.
fn segment(name: &str) -> Result<&str, ProviderError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if !name.is_empty() && name.len() <= 64 && name.bytes().all(plain) {
        Ok(name)
    } else {
        Err(ProviderError::NotFound)
    }
}
