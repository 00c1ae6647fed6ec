//! Applying a refund: what it takes from its payment, its order and the ledger, once.

use serde_json::json;
use sqlx::FromRow;

use super::OrderRefunded;
use crate::{
    audit::{Actor, Entry},
    db::{DbError, Tx},
    execute, fetch_optional,
    jobs::Failure,
    kernel::{Currency, Money, OrderItemId, PaymentId, RefundId, SubscriptionId},
    licenses,
    notifications::Notice,
    orders::{
        Policy,
        due::Due,
        locked::{self, Locked},
        order::PaymentState,
        subscriptions, timeline,
    },
    payments::{
        ProviderName,
        ledger::{Account, LedgerEntry, Posting},
    },
};

/// A refund that succeeded, beside the payment that it takes from.
#[derive(FromRow)]
struct Waiting {
    refund_id: RefundId,
    amount: i64,
    reason: String,
    payment_id: PaymentId,
    provider: ProviderName,
    paid: i64,
    currency: Currency,
    refunded: i64,
    unmatched: bool,
    subscription_id: Option<SubscriptionId>,
    order_item_id: Option<OrderItemId>,
}

/// Takes from the order and the ledger what succeeded and is not taken yet; how many refunds that were.
pub(in crate::orders) async fn apply_waiting(
    tx: &mut Tx,
    mut order: Locked,
    policy: &Policy,
) -> Result<usize, Failure> {
    let mut applied = 0;
    // One after the other: each changes what the next one finds.
    loop {
        let next: Option<Waiting> = fetch_optional!(
            tx,
            sqlx::query_as(
                "SELECT r.id AS refund_id, r.amount, r.reason, p.id AS payment_id, p.provider, p.amount AS paid, p.currency,
                        p.refunded, p.unmatched, p.subscription_id, s.order_item_id
                 FROM refunds r JOIN payments p ON p.provider = r.provider AND p.charge_ref = r.charge_ref
                      LEFT JOIN subscriptions s ON s.id = p.subscription_id
                 WHERE r.order_id = $1 AND r.state = 'succeeded' AND r.applied_at IS NULL AND p.order_id = r.order_id
                       AND p.state = 'succeeded'
                 ORDER BY r.id LIMIT 1"
            )
            .bind(order.id)
        )?;
        let Some(refund) = next else { return Ok(applied) };
        apply(tx, &mut order, &refund, policy).await?;
        applied += 1;
    }
}

async fn apply(tx: &mut Tx, order: &mut Locked, refund: &Waiting, policy: &Policy) -> Result<(), Failure> {
    let now = tx.now();
    execute!(
        tx,
        sqlx::query("UPDATE refunds SET applied_at = $2, payment_id = $3 WHERE id = $1 AND applied_at IS NULL")
            .bind(refund.refund_id)
            .bind(now)
            .bind(refund.payment_id)
    )?;
    let money = Money::new(refund.amount, refund.currency);
    let cause = format!("refund:{}", refund.refund_id);
    let clearing = Account::Clearing(refund.provider);
    timeline::note(tx, order.id, "refunded", json!({ "amount": money }));
    let actor = Actor::provider(refund.provider.as_str());
    tx.audit(Entry::new(actor, "order.refunded", "order", order.id.to_string()).change(None, json!(money)));
    let room = refund.paid - refund.refunded;
    if refund.unmatched || refund.amount > room {
        if refund.amount > room {
            locked::flag(tx, order.id, "refund_exceeds_payment").await?;
        }
        let entries =
            vec![LedgerEntry::new(clearing, -refund.amount), LedgerEntry::new(Account::Suspense, refund.amount)];
        Posting { kind: "refund", cause, order: order.id, currency: refund.currency, entries }.book(tx)?;
        return take_from_payment(tx, refund.payment_id, refund.amount.min(room)).await.map_err(Failure::from);
    }
    take_from_payment(tx, refund.payment_id, refund.amount).await?;
    let sale = order.sale_of(refund.provider, refund.subscription_id.zip(refund.order_item_id));
    let due = Due { order: order.id, payment: refund.payment_id, cause: &cause, amount: refund.amount };
    due.credit_note(tx, refund.refunded, &refund.reason);
    sale.reversed(cause, clearing, refund.refunded, refund.amount, now).book(tx)?;
    match refund.order_item_id {
        Some(item) if refund.subscription_id.is_some() => {
            if refund.amount == room {
                licenses::end_item(tx, item, "its renewal was refunded").await?;
                subscriptions::end_of_order(tx, order.id).await?;
            }
        }
        _ => {
            let rule = if policy.partial_refund_revokes { Entitlements::Revoked } else { Entitlements::Kept };
            take_from_order(tx, order, refund.amount, rule).await?;
        }
    }
    let full = order.payment_state == PaymentState::Refunded;
    tx.emit(&OrderRefunded { order: order.id, amount: money, full })?;
    tx.enqueue(&Notice::OrderRefunded { order: order.id, amount: refund.amount }).await?;
    Ok(())
}

async fn take_from_payment(tx: &mut Tx, payment: PaymentId, amount: i64) -> Result<(), DbError> {
    execute!(tx, sqlx::query("UPDATE payments SET refunded = refunded + $2 WHERE id = $1").bind(payment).bind(amount))?;
    Ok(())
}

/// What becomes of what an order gave while some of its price is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::orders) enum Entitlements {
    Kept,
    Revoked,
}

/// Money of the order's own price is gone: what it gave goes too, when all of it went or the rule says so.
pub(in crate::orders) async fn take_from_order(
    tx: &mut Tx,
    order: &mut Locked,
    amount: i64,
    rule: Entitlements,
) -> Result<(), DbError> {
    order.refunded = (order.refunded + amount).min(order.total);
    let full = order.refunded == order.total;
    order.payment_state = if full { PaymentState::Refunded } else { PaymentState::PartiallyRefunded };
    let revokes = full || rule == Entitlements::Revoked;
    execute!(
        tx,
        sqlx::query(
            "UPDATE orders SET refunded = $2, payment_state = $3,
                    fulfilment_state = CASE WHEN $4 THEN 'revoked' ELSE fulfilment_state END
             WHERE id = $1"
        )
        .bind(order.id)
        .bind(order.refunded)
        .bind(order.payment_state)
        .bind(revokes)
    )?;
    if revokes {
        licenses::revoke_order(tx, order.id, "refunded").await?;
        subscriptions::end_of_order(tx, order.id).await?;
        timeline::note(tx, order.id, "revoked", json!({}));
    }
    Ok(())
}
