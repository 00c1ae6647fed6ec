//! Refunds: asked for by an operator or a rule, made by the provider, told by its event, taken from order and ledger.
//!
//! A refund is a row from the moment it is wanted or heard of. It is *applied* once: when it succeeded and the payment
//! that it refunds is known, in whichever order the two were told.

use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::FromRow;

use super::{
    Policy,
    event::Handled,
    locked::{self, ACTOR, Locked},
    order::PaymentState,
    subscriptions, timeline,
};
use crate::{
    audit::{Actor, Entry},
    db::{Db, DbError, Tx},
    execute, fetch_optional,
    jobs::{DomainEvent, Failure, Job},
    kernel::{Currency, Money, OrderId, OrderItemId, PaymentId, RefundId, SubscriptionId},
    licenses,
    notifications::Notice,
    payments::{
        ProviderName, RefundAccepted, RefundRequest, Refunded,
        ledger::{Account, LedgerEntry, Posting},
    },
};

/// Money went back.
#[derive(Debug, Serialize)]
pub struct OrderRefunded {
    /// Of which order.
    pub order: OrderId,
    /// How much.
    pub amount: Money,
    /// Whether nothing of the order's price is left.
    pub full: bool,
}

impl DomainEvent for OrderRefunded {
    const NAME: &'static str = "order.refunded";
}

/// Asks the provider to make a refund.
#[derive(Debug, Serialize, Deserialize)]
pub struct MakeRefund {
    /// Which one.
    pub refund: RefundId,
}

impl Job for MakeRefund {
    const KIND: &'static str = "payments.make_refund";
    const QUEUE: &'static str = "payments";
}

/// Why a refund is not made.
#[derive(Debug, thiserror::Error)]
pub enum RefundError {
    /// No such order, or none of its payments has arrived.
    #[error("the order has no payment that could be refunded")]
    NothingPaid,
    /// More than is left.
    #[error("at most {0} can be refunded")]
    TooMuch(Money),
    /// Nothing, or less.
    #[error("the amount must be at least 1")]
    NotPositive,
    /// The database did not take it.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// A payment whose money can go back.
#[derive(FromRow)]
struct Refundable {
    id: PaymentId,
    provider: ProviderName,
    charge_ref: Option<String>,
    currency: Currency,
    /// What is neither refunded nor on its way.
    remaining: i64,
}

/// Wants `amount` of an order's payment back for its buyer; all that is left if nothing is said. Of several payments the
/// one that settled the order is meant unless `payment` names another.
pub async fn request_refund(
    tx: &mut Tx,
    order: OrderId,
    payment: Option<PaymentId>,
    amount: Option<i64>,
    reason: &str,
) -> Result<(RefundId, Money), RefundError> {
    // Two requests for one order take turns, so that together they want no more than there is.
    locked::lock(tx, order).await?.ok_or(RefundError::NothingPaid)?;
    let found: Option<Refundable> = fetch_optional!(
        tx,
        sqlx::query_as(
            "SELECT p.id, p.provider, p.charge_ref, p.currency,
                    p.amount - p.refunded - CAST(COALESCE((SELECT SUM(r.amount) FROM refunds r WHERE r.payment_id = p.id
                        AND r.applied_at IS NULL AND r.state <> 'failed'), 0) AS BIGINT) AS remaining
             FROM payments p
             WHERE p.order_id = $1 AND p.state = 'succeeded' AND ($2 IS NULL OR p.id = $2)
             ORDER BY p.unmatched, p.id LIMIT 1"
        )
        .bind(order)
        .bind(payment)
    )?;
    let found = found.ok_or(RefundError::NothingPaid)?;
    let amount = amount.unwrap_or(found.remaining);
    if amount > found.remaining || found.remaining == 0 {
        return Err(RefundError::TooMuch(Money::new(found.remaining, found.currency)));
    }
    if amount < 1 {
        return Err(RefundError::NotPositive);
    }
    let money = Money::new(amount, found.currency);
    let id = want(tx, order, &found, money, reason).await?;
    Ok((id, money))
}

async fn want(
    tx: &mut Tx,
    order: OrderId,
    payment: &Refundable,
    money: Money,
    reason: &str,
) -> Result<RefundId, DbError> {
    let (id, now): (RefundId, _) = (tx.new_id(), tx.now());
    execute!(
        tx,
        sqlx::query(
            "INSERT INTO refunds (id, order_id, payment_id, provider, charge_ref, amount, currency, state, reason,
                                  created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, 'requested', $8, $9)"
        )
        .bind(id)
        .bind(order)
        .bind(payment.id)
        .bind(payment.provider)
        .bind(&payment.charge_ref)
        .bind(money.amount)
        .bind(money.currency)
        .bind(reason)
        .bind(now)
    )?;
    timeline::note(tx, order, "refund_requested", json!({ "amount": money }));
    tx.enqueue(&MakeRefund { refund: id }).await?;
    Ok(id)
}

/// Sends money back that settles nothing.
pub(super) async fn give_back(
    tx: &mut Tx,
    order: OrderId,
    payment: PaymentId,
    money: Money,
    why: &str,
) -> Result<(), DbError> {
    let found: Option<Refundable> = fetch_optional!(
        tx,
        sqlx::query_as("SELECT id, provider, charge_ref, currency, amount AS remaining FROM payments WHERE id = $1")
            .bind(payment)
    )?;
    if let Some(payment) = found {
        want(tx, order, &payment, money, why).await?;
    }
    Ok(())
}

/// A wanted refund as the provider is asked for it; none if it is made already or no provider could.
pub async fn planned(db: &Db, refund: RefundId) -> Result<Option<(ProviderName, RefundRequest)>, DbError> {
    let row: Option<(OrderId, ProviderName, Option<String>, i64, Currency)> = fetch_optional!(
        db,
        sqlx::query_as(
            "SELECT order_id, provider, charge_ref, amount, currency FROM refunds
             WHERE id = $1 AND state = 'requested' AND provider_ref IS NULL"
        )
        .bind(refund)
    )?;
    Ok(row.and_then(|(order, provider, charge, amount, currency)| {
        let amount = Money::new(amount, currency);
        Some((provider, RefundRequest { order, charge: charge?, amount, idempotency_key: refund.to_string() }))
    }))
}

/// The provider made a refund.
pub async fn made(tx: &mut Tx, refund: RefundId, accepted: &RefundAccepted, policy: &Policy) -> Result<(), Failure> {
    let row: Option<(OrderId, ProviderName, Option<String>, i64, Currency)> = fetch_optional!(
        tx,
        sqlx::query_as("SELECT order_id, provider, charge_ref, amount, currency FROM refunds WHERE id = $1")
            .bind(refund)
    )?;
    let Some((order, provider, charge, amount, currency)) = row else { return Ok(()) };
    let Some(order) = locked::lock(tx, order).await? else { return Ok(()) };
    let known: Option<RefundId> = fetch_optional!(
        tx,
        sqlx::query_scalar("SELECT id FROM refunds WHERE provider = $1 AND provider_ref = $2")
            .bind(provider)
            .bind(&accepted.reference)
    )?;
    let state = if accepted.succeeded { "succeeded" } else { "pending" };
    if known.is_none() {
        execute!(
            tx,
            sqlx::query(
                "UPDATE refunds SET provider_ref = $2, state = $3
                 WHERE id = $1 AND provider_ref IS NULL AND state = 'requested'"
            )
            .bind(refund)
            .bind(&accepted.reference)
            .bind(state)
        )?;
    } else if accepted.succeeded {
        // Its event was faster.
        let told = Told { order: order.id, provider, charge: charge.as_deref(), amount, currency };
        hear(tx, &told, Some(&accepted.reference)).await?;
    }
    if accepted.succeeded {
        apply_waiting(tx, order, policy).await?;
    }
    Ok(())
}

/// The provider refused to make a refund: for a person to look at.
pub async fn refused(tx: &mut Tx, refund: RefundId, why: &str) -> Result<(), DbError> {
    let order: Option<OrderId> = fetch_optional!(
        tx,
        sqlx::query_scalar(
            "UPDATE refunds SET state = 'failed' WHERE id = $1 AND state = 'requested' RETURNING order_id"
        )
        .bind(refund)
    )?;
    let Some(order) = order else { return Ok(()) };
    timeline::note(tx, order, "refund_failed", json!({}));
    tx.audit(Entry::new(ACTOR, "refund.refused", "order", order.to_string()).reason(why));
    locked::flag(tx, order, "refund_refused").await
}

/// A refund as an event tells it.
struct Told<'a> {
    order: OrderId,
    provider: ProviderName,
    charge: Option<&'a str>,
    amount: i64,
    currency: Currency,
}

/// An event says that money went back.
pub(super) async fn refunded(
    tx: &mut Tx,
    provider: ProviderName,
    news: &Refunded,
    policy: &Policy,
) -> Result<Handled, Failure> {
    let of_charge: Option<OrderId> = fetch_optional!(
        tx,
        sqlx::query_scalar("SELECT order_id FROM payments WHERE provider = $1 AND charge_ref = $2 LIMIT 1")
            .bind(provider)
            .bind(&news.charge)
    )?;
    let Some(id) = of_charge.or(news.order) else {
        // Its payment may be on its way; once it is known, so is the order.
        return Err(Failure::retry("the refunded payment is not known yet"));
    };
    let Some(order) = locked::lock(tx, id).await? else { return Ok(Handled::UnknownOrder) };
    let told = |amount| Told { order: id, provider, charge: Some(&news.charge), amount, currency: news.currency };
    for (reference, amount) in &news.refunds {
        hear(tx, &told(*amount), Some(reference)).await?;
    }
    if let Some(total) = news.total {
        let known: i64 = fetch_known(tx, provider, &news.charge).await?;
        if total > known {
            hear(tx, &told(total - known), None).await?;
        }
    }
    let applied = apply_waiting(tx, order, policy).await?;
    Ok(match (applied, of_charge) {
        (0, None) => Handled::Waiting,
        (0, Some(_)) => Handled::NoChange,
        _ => Handled::Refunded,
    })
}

async fn fetch_known(tx: &mut Tx, provider: ProviderName, charge: &str) -> Result<i64, DbError> {
    let sum: Option<i64> = fetch_optional!(
        tx,
        sqlx::query_scalar(
            "SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) FROM refunds
             WHERE provider = $1 AND charge_ref = $2 AND state = 'succeeded'"
        )
        .bind(provider)
        .bind(charge)
    )?;
    Ok(sum.unwrap_or(0))
}

/// Makes sure that a refund that happened is a row: its own, one that waits for this news, or a new one. The caller holds
/// the order.
async fn hear(tx: &mut Tx, told: &Told<'_>, reference: Option<&str>) -> Result<(), DbError> {
    if let Some(reference) = reference {
        let known = execute!(
            tx,
            sqlx::query("UPDATE refunds SET state = 'succeeded' WHERE provider = $1 AND provider_ref = $2")
                .bind(told.provider)
                .bind(reference)
        )?;
        if known == 1 {
            return Ok(());
        }
    }
    let awaited = execute!(
        tx,
        sqlx::query(
            "UPDATE refunds SET state = 'succeeded', provider_ref = $1 WHERE id = (
                 SELECT id FROM refunds WHERE order_id = $2 AND provider = $3 AND charge_ref = $4 AND amount = $5
                        AND provider_ref IS NULL AND state <> 'failed' ORDER BY id LIMIT 1)"
        )
        .bind(reference)
        .bind(told.order)
        .bind(told.provider)
        .bind(told.charge)
        .bind(told.amount)
    )?;
    if awaited == 1 || told.amount < 1 {
        return Ok(());
    }
    let (id, now): (RefundId, _) = (tx.new_id(), tx.now());
    execute!(
        tx,
        sqlx::query(
            "INSERT INTO refunds (id, order_id, provider, provider_ref, charge_ref, amount, currency, state, reason,
                                  created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, 'succeeded', 'made at the provider', $8)"
        )
        .bind(id)
        .bind(told.order)
        .bind(told.provider)
        .bind(reference)
        .bind(told.charge)
        .bind(told.amount)
        .bind(told.currency)
        .bind(now)
    )?;
    Ok(())
}

/// A refund that succeeded, beside the payment that it takes from.
#[derive(FromRow)]
struct Waiting {
    refund_id: RefundId,
    amount: i64,
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
pub(super) async fn apply_waiting(tx: &mut Tx, mut order: Locked, policy: &Policy) -> Result<usize, Failure> {
    let mut applied = 0;
    // One after the other: each changes what the next one finds.
    loop {
        let next: Option<Waiting> = fetch_optional!(
            tx,
            sqlx::query_as(
                "SELECT r.id AS refund_id, r.amount, p.id AS payment_id, p.provider, p.amount AS paid, p.currency,
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
pub(super) enum Entitlements {
    Kept,
    Revoked,
}

/// Money of the order's own price is gone: what it gave goes too, when all of it went or the rule says so.
pub(super) async fn take_from_order(
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
