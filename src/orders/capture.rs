//! Capturing: takes the money that a buyer approved, where a provider leaves that to us (PayPal).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Policy, event::Handled, locked, order::PaymentState, settle, timeline};
use crate::{
    db::{DbError, Tx},
    jobs::{Failure, Job},
    kernel::OrderId,
    payments::ProviderName,
};

/// Takes the money of a session that the buyer approved.
#[derive(Debug, Serialize, Deserialize)]
pub struct CapturePayment {
    /// Of which order.
    pub order: OrderId,
    /// With whom.
    pub provider: ProviderName,
    /// The provider's session.
    pub session: String,
}

impl Job for CapturePayment {
    const KIND: &'static str = "payments.capture";
    const QUEUE: &'static str = "payments";

    /// The event and the buyer's return both tell of an approval.
    fn unique_key(&self) -> Option<Cow<'_, str>> {
        Some(format!("{}:{}", Self::KIND, self.session).into())
    }
}

/// The buyer approved a session. The money is taken while it is owed: an order that is paid already is not paid twice, and
/// one that ended is paid only if the rule for late payments says so.
pub(super) async fn approved(
    tx: &mut Tx,
    order: OrderId,
    provider: ProviderName,
    session: String,
    policy: &Policy,
) -> Result<Handled, Failure> {
    let Some(locked) = locked::lock(tx, order).await? else { return Ok(Handled::UnknownOrder) };
    let owed = match locked.payment_state {
        PaymentState::Pending | PaymentState::AwaitingPayment => true,
        PaymentState::Expired | PaymentState::Cancelled => !policy.late_payment_refunds,
        PaymentState::Paid | PaymentState::PartiallyRefunded | PaymentState::Refunded => false,
    };
    if owed {
        tx.enqueue(&CapturePayment { order, provider, session }).await?;
        return Ok(Handled::Capturing);
    }
    if settle::session_ended(tx, provider, &session, "cancelled").await? {
        timeline::note(tx, order, "payment_not_captured", json!({ "provider": provider }));
        return Ok(Handled::NotCaptured);
    }
    Ok(Handled::NoChange)
}

/// The provider will not take the money: a declined card, an approval that ran out. The buyer may try again.
pub async fn capture_refused(tx: &mut Tx, capture: &CapturePayment) -> Result<(), DbError> {
    if settle::session_ended(tx, capture.provider, &capture.session, "failed").await? {
        timeline::note(tx, capture.order, "payment_failed", json!({ "provider": capture.provider }));
    }
    Ok(())
}
