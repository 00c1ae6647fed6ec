//! What a provider's event does to orders: every kind of event, and what became of it.

use std::collections::{HashMap, HashSet};

use serde_json::json;

use super::{
    Policy, capture, dispute, fees, fulfil, refund,
    settle::{self, Received, settle_waiting},
    subscriptions, timeline,
};
use crate::{
    db::Tx,
    jobs::Failure,
    kernel::OrderId,
    licenses::KeyMaker,
    payments::{Event, ProviderName},
    text_enum,
};

text_enum! {
    /// What became of an event.
    pub enum Handled {
        /// The order is paid now.
        Settled = "settled",
        /// It was paid before, by the same payment.
        AlreadyPaid = "already_paid",
        /// The amount or the currency is another than the order's: kept for an operator, nothing settled.
        WrongAmount = "wrong_amount",
        /// The money goes back: paid twice, or too late.
        GivenBack = "given_back",
        /// The event names no order of ours.
        UnknownOrder = "unknown_order",
        /// Approved by the buyer; the money is being captured.
        Capturing = "capturing",
        /// Approved by the buyer, but nothing is owed any more: the money is not taken.
        NotCaptured = "not_captured",
        /// The payment failed; the buyer may try again.
        Failed = "payment_failed",
        /// The session ended unpaid.
        SessionEnded = "session_ended",
        /// Money went back.
        Refunded = "refunded",
        /// A refund did not reach the buyer.
        RefundFailed = "refund_failed",
        /// Kept until the payment that it refunds is known.
        Waiting = "waiting_for_payment",
        /// A dispute began.
        Disputed = "disputed",
        /// A dispute ended well.
        DisputeWon = "dispute_won",
        /// A dispute ended badly.
        DisputeLost = "dispute_lost",
        /// The provider's fee is in the ledger.
        FeeBooked = "fee_booked",
        /// A subscription goes on.
        Renewed = "renewed",
        /// A subscription's period is unpaid.
        PastDue = "past_due",
        /// A subscription was changed.
        SubscriptionChanged = "subscription_changed",
        /// A subscription ended.
        SubscriptionEnded = "subscription_ended",
        /// Known already.
        NoChange = "no_change",
        /// The event is of a type that changes nothing here.
        Ignored = "ignored",
    }
}

/// Does what events say, in the transaction that marks them handled; what became of each. With `keys` it may also give what
/// was bought.
pub async fn handle_all(
    tx: &mut Tx,
    events: Vec<(ProviderName, Event)>,
    policy: &Policy,
    keys: Option<&KeyMaker>,
) -> Result<Vec<Handled>, Failure> {
    // Most events say that an order was paid, and most of those settle it: that is done for all at once.
    let mut first: HashMap<OrderId, usize> = HashMap::new();
    for (index, (_, event)) in events.iter().enumerate() {
        if let Event::Paid(paid) = event {
            first.entry(paid.order).or_insert(index);
        }
    }
    let received: Vec<_> = events
        .iter()
        .enumerate()
        .filter_map(|(index, (provider, event))| match event {
            Event::Paid(paid) if first.get(&paid.order) == Some(&index) => Some(Received { provider: *provider, paid }),
            _ => None,
        })
        .collect();
    let settled = if received.is_empty() { None } else { Some(settle_waiting(tx, &received, policy).await?) };
    first.retain(|order, _| settled.as_ref().is_some_and(|settled| settled.orders.contains(order)));
    let done: HashSet<usize> = first.into_values().collect();
    let mut handled = Vec::with_capacity(events.len());
    for (index, (provider, event)) in events.into_iter().enumerate() {
        handled.push(if done.contains(&index) {
            Handled::Settled
        } else {
            handle(tx, provider, event, policy).await?
        });
    }
    // Last: another of these events may have taken the money back.
    if let Some(settled) = settled {
        fulfil::owe(tx, settled, keys).await?;
    }
    Ok(handled)
}

/// Does what an event says.
pub async fn handle(tx: &mut Tx, provider: ProviderName, event: Event, policy: &Policy) -> Result<Handled, Failure> {
    match event {
        Event::Paid(paid) => settle::settle(tx, provider, &paid, policy).await,
        Event::Approved { order, session } => capture::approved(tx, order, provider, session, policy).await,
        Event::PaymentFailed { order, session, reason } => {
            if let Some(session) = session {
                settle::session_ended(tx, provider, &session, "failed").await?;
            }
            // The provider's words are for its own page; here it is enough that it failed.
            tracing::info!(%order, %provider, reason, "a payment failed");
            if super::expire::exists(tx, order).await? {
                timeline::note(tx, order, "payment_failed", json!({ "provider": provider }));
            }
            Ok(Handled::Failed)
        }
        Event::SessionExpired { session, .. } => {
            let ended = settle::session_ended(tx, provider, &session, "cancelled").await?;
            Ok(if ended { Handled::SessionEnded } else { Handled::NoChange })
        }
        Event::Refunded(refunded) => refund::refunded(tx, provider, &refunded, policy).await,
        Event::RefundFailed { order, refund } => refund::failed(tx, provider, order, &refund).await,
        Event::DisputeOpened(news) => dispute::opened(tx, provider, &news).await,
        Event::DisputeClosed { dispute, won: true } => dispute::won(tx, provider, &dispute).await,
        Event::DisputeClosed { dispute, won: false } => dispute::lost(tx, provider, &dispute).await,
        Event::FeeKnown { charge, fee } => fees::told(tx, provider, &charge, fee).await,
        Event::Renewed(renewed) => subscriptions::renewed(tx, provider, &renewed, policy).await,
        Event::RenewalFailed { subscription, invoice } => {
            subscriptions::renewal_failed(tx, provider, &subscription, &invoice).await
        }
        Event::SubscriptionChanged { subscription, cancel_at_period_end, .. } => {
            subscriptions::changed(tx, provider, &subscription, cancel_at_period_end).await
        }
        Event::SubscriptionEnded { subscription } => {
            subscriptions::ended_by_provider(tx, provider, &subscription).await
        }
        Event::Ignored(why) => {
            tracing::debug!(why, %provider, "an event that concerns nothing here");
            Ok(Handled::Ignored)
        }
    }
}
