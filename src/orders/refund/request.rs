//! Asking for a refund, by an operator or by a rule.

use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::FromRow;

use crate::{
    audit::Entry,
    db::{Db, DbError, Tx},
    execute, fetch_optional,
    jobs::Job,
    kernel::{Currency, Money, OrderId, PaymentId, RefundId},
    orders::{
        locked::{self, ACTOR},
        timeline,
    },
    payments::{ProviderName, RefundRequest},
};

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
pub(in crate::orders) async fn give_back(
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

/// What is to be done about a wanted refund.
#[derive(Debug)]
pub enum Planned {
    /// The provider is asked for it.
    Ask(ProviderName, RefundRequest),
    /// The provider has not told yet what it calls the money of this payment.
    ChargeUnknown(PaymentId),
}

#[derive(FromRow)]
struct Wanted {
    order_id: OrderId,
    payment_id: PaymentId,
    provider: ProviderName,
    charge_ref: Option<String>,
    amount: i64,
    currency: Currency,
}

/// A wanted refund as the provider is asked for it; none if it is made already.
pub async fn planned(db: &Db, refund: RefundId) -> Result<Option<Planned>, DbError> {
    let wanted: Option<Wanted> = fetch_optional!(
        db,
        sqlx::query_as(
            "SELECT r.order_id, r.payment_id, r.provider, r.charge_ref, r.amount, r.currency FROM refunds r
             WHERE r.id = $1 AND r.state = 'requested' AND r.provider_ref IS NULL AND r.payment_id IS NOT NULL"
        )
        .bind(refund)
    )?;
    Ok(wanted.map(|wanted| {
        let Wanted { order_id: order, payment_id, provider, charge_ref, amount, currency } = wanted;
        let Some(charge) = charge_ref else { return Planned::ChargeUnknown(payment_id) };
        let amount = Money::new(amount, currency);
        Planned::Ask(provider, RefundRequest { order, charge, amount, idempotency_key: refund.to_string() })
    }))
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
