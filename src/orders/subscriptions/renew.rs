//! Renewing: a further period is paid, so its licences last longer and the ledger has another sale.

use serde_json::json;

use super::{SubscriptionStatus, dunning::Known};
use crate::{
    audit::{Actor, Entry},
    db::{DbError, Tx},
    execute, fetch_all,
    jobs::Failure,
    kernel::{Money, OrderId, OrderItemId, PaymentId, Time},
    licenses,
    orders::{LearnCharge, Policy, due::Due, event::Handled, fulfil, locked, timeline},
    payments::{ProviderName, Renewed},
};

/// A provider charged a further period.
pub(in crate::orders) async fn renewed(
    tx: &mut Tx,
    provider: ProviderName,
    news: &Renewed,
    policy: &Policy,
) -> Result<Handled, Failure> {
    let subscription = super::dunning::known(tx, provider, &news.subscription).await?;
    let Some(order) = locked::lock(tx, subscription.order_id).await? else { return Ok(Handled::UnknownOrder) };
    let as_agreed = news.amount == subscription.amount && news.currency == subscription.currency;
    let Some(payment) = record(tx, provider, &subscription, news, !as_agreed).await? else {
        return Ok(Handled::AlreadyPaid);
    };
    if news.charge.is_none() && news.amount > 0 {
        tx.enqueue(&LearnCharge { payment }).await?;
    }
    let sale = order.sale_of(provider, Some((subscription.id, subscription.order_item_id)));
    let money = Money::new(news.amount, news.currency);
    if !as_agreed {
        sale.unmatched(format!("payment:{payment}"), money.amount, money.currency).book(tx)?;
        timeline::note(tx, order.id, "payment_not_applied", json!({ "amount": money, "reason": "wrong_amount" }));
        locked::flag(tx, order.id, "renewal_of_another_amount").await?;
        return Ok(Handled::WrongAmount);
    }
    let now = tx.now();
    let cause = format!("payment:{payment}");
    Due { order: order.id, payment, cause: &cause, amount: news.amount }.invoice(tx);
    sale.settled(cause, now + policy.payout_hold).book(tx)?;
    // Events may come late: an older period never shortens what a newer one gave.
    execute!(
        tx,
        sqlx::query(
            "UPDATE subscriptions SET status = CASE WHEN status = 'past_due' THEN 'active' ELSE status END,
                    period_start = CASE WHEN period_end < $2 THEN period_end ELSE period_start END,
                    period_end = CASE WHEN period_end < $2 THEN $2 ELSE period_end END,
                    dunning_step = 0, dunning_at = NULL, unpaid_invoice = NULL, updated_at = $3
             WHERE id = $1"
        )
        .bind(subscription.id)
        .bind(news.period_end)
        .bind(now)
    )?;
    licenses::renew_item(tx, subscription.order_item_id, fulfil::license_end(news.period_end)).await?;
    timeline::note(tx, order.id, "renewed", json!({ "amount": money, "until": news.period_end }));
    let entry = Entry::new(
        Actor::provider(provider.as_str()),
        "subscription.renewed",
        "subscription",
        subscription.id.to_string(),
    );
    tx.audit(entry.change(None, json!(news.period_end)));
    Ok(Handled::Renewed)
}

/// The payment of a further period; none if it is known. Its invoice names it.
async fn record(
    tx: &mut Tx,
    provider: ProviderName,
    subscription: &Known,
    news: &Renewed,
    unmatched: bool,
) -> Result<Option<PaymentId>, Failure> {
    let (id, now): (PaymentId, _) = (tx.new_id(), tx.now());
    let new = execute!(
        tx,
        sqlx::query(
            "INSERT INTO payments (id, order_id, subscription_id, provider, provider_ref, charge_ref, state, amount,
                                   currency, unmatched, created_at, settled_at)
             VALUES ($1, $2, $3, $4, $5, $6, 'succeeded', $7, $8, $9, $10, $10)
             ON CONFLICT (provider, provider_ref) DO NOTHING"
        )
        .bind(id)
        .bind(subscription.order_id)
        .bind(subscription.id)
        .bind(provider)
        .bind(&news.invoice)
        .bind(&news.charge)
        .bind(news.amount)
        .bind(news.currency)
        .bind(unmatched)
        .bind(now)
    )?;
    Ok((new == 1).then_some(id))
}

/// Does for licences that were given just now what happened to their subscriptions before: renewals, and their end.
pub(in crate::orders) async fn catch_up(tx: &mut Tx, order: OrderId) -> Result<(), DbError> {
    let known: Vec<(OrderItemId, SubscriptionStatus, Time, bool)> = fetch_all!(
        tx,
        sqlx::query_as(
            "SELECT s.order_item_id, s.status, s.period_end,
                    EXISTS (SELECT 1 FROM payments p WHERE p.subscription_id = s.id) AS renewed
             FROM subscriptions s WHERE s.order_id = $1"
        )
        .bind(order)
    )?;
    for (item, status, period_end, renewed) in known {
        if renewed {
            licenses::renew_item(tx, item, fulfil::license_end(period_end)).await?;
        }
        if matches!(status, SubscriptionStatus::Cancelled | SubscriptionStatus::Expired) {
            licenses::end_item(tx, item, status.as_str()).await?;
        }
    }
    Ok(())
}
