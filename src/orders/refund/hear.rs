//! Hearing of a refund: from the answer of the provider that made it, and from events, whichever comes first.

use serde_json::json;
use sqlx::FromRow;

use super::apply::apply_waiting;
use crate::{
    audit::{Actor, Entry},
    db::{DbError, Tx},
    execute, fetch_optional,
    jobs::Failure,
    kernel::{Currency, Money, OrderId, RefundId},
    orders::{Policy, event::Handled, locked, timeline},
    payments::{ProviderName, RefundAccepted, Refunded},
};

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

/// A refund as an event tells it.
struct Told<'a> {
    order: OrderId,
    provider: ProviderName,
    charge: Option<&'a str>,
    amount: i64,
    currency: Currency,
}

/// An event says that money went back.
pub(in crate::orders) async fn refunded(
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

#[derive(FromRow)]
struct Failed {
    id: RefundId,
    amount: i64,
    currency: Currency,
    applied: bool,
}

/// An event says that a refund did not reach the buyer: for a person to look at. What it took from the order stays taken;
/// the money is back at the provider and waits in suspense.
pub(in crate::orders) async fn failed(
    tx: &mut Tx,
    provider: ProviderName,
    named: Option<OrderId>,
    reference: &str,
) -> Result<Handled, Failure> {
    let order: Option<OrderId> = fetch_optional!(
        tx,
        sqlx::query_scalar("SELECT order_id FROM refunds WHERE provider = $1 AND provider_ref = $2")
            .bind(provider)
            .bind(reference)
    )?;
    let Some(order) = order else {
        // The answer that names it may be on its way; one that nobody here wanted and that never succeeded changes nothing.
        let awaited: Option<i32> = fetch_optional!(
            tx,
            sqlx::query_scalar(
                "SELECT 1 FROM refunds WHERE order_id = $1 AND state = 'requested' AND provider_ref IS NULL LIMIT 1"
            )
            .bind(named)
        )?;
        return if awaited.is_some() {
            Err(Failure::retry("the refund is not known yet"))
        } else {
            Ok(Handled::NoChange)
        };
    };
    let Some(order) = locked::lock(tx, order).await? else { return Ok(Handled::UnknownOrder) };
    let failed: Option<Failed> = fetch_optional!(
        tx,
        sqlx::query_as(
            "UPDATE refunds SET state = 'failed' WHERE provider = $1 AND provider_ref = $2 AND state <> 'failed'
             RETURNING id, amount, currency, applied_at IS NOT NULL AS applied"
        )
        .bind(provider)
        .bind(reference)
    )?;
    let Some(failed) = failed else { return Ok(Handled::NoChange) };
    let money = Money::new(failed.amount, failed.currency);
    timeline::note(tx, order.id, "refund_failed", json!({ "amount": money }));
    let entry = Entry::new(Actor::provider(provider.as_str()), "refund.failed", "order", order.id.to_string());
    tx.audit(entry.change(json!(money), None));
    if failed.applied {
        let cause = format!("refund_failed:{}", failed.id);
        order.sale(provider).unmatched(cause, money.amount, money.currency).book(tx)?;
    }
    locked::flag(tx, order.id, if failed.applied { "refund_came_back" } else { "refund_refused" }).await?;
    Ok(Handled::RefundFailed)
}
