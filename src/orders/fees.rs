//! Fees: what providers keep, often told long after the sale.

use serde::{Deserialize, Serialize};

use super::{event::Handled, locked};
use crate::{
    db::{Db, DbError, Tx},
    execute, fetch_all, fetch_optional,
    jobs::{Failure, Job},
    kernel::{Money, OrderId, OrderItemId, PaymentId, SubscriptionId, Time},
    payments::ProviderName,
};

/// Asks providers what they kept of payments whose fee is not known.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FetchFees {}

impl Job for FetchFees {
    const KIND: &'static str = "payments.fetch_fees";
    const QUEUE: &'static str = "payments";
    // What is left undone is found again by the next one.
    const PRIORITY: i32 = 4;
}

/// Payments of the last days whose fee nobody told: payment, provider, charge.
pub async fn fees_wanted(db: &Db) -> Result<Vec<(PaymentId, ProviderName, String)>, DbError> {
    let since: Time = db.now().plus_days(-30);
    fetch_all!(
        db,
        sqlx::query_as(
            "SELECT id, provider, charge_ref FROM payments
             WHERE fee IS NULL AND state = 'succeeded' AND settled_at > $1 AND charge_ref IS NOT NULL AND amount > 0
             ORDER BY settled_at LIMIT 200"
        )
        .bind(since)
    )
}

/// An event told a charge's fee.
pub(super) async fn told(tx: &mut Tx, provider: ProviderName, charge: &str, fee: Money) -> Result<Handled, Failure> {
    let payment: Option<PaymentId> = fetch_optional!(
        tx,
        sqlx::query_scalar(
            "SELECT id FROM payments WHERE provider = $1 AND charge_ref = $2 AND state = 'succeeded' LIMIT 1"
        )
        .bind(provider)
        .bind(charge)
    )?;
    match payment {
        Some(payment) if record_fee(tx, payment, fee).await? => Ok(Handled::FeeBooked),
        Some(_) => Ok(Handled::NoChange),
        None => Err(Failure::retry("the payment is not known yet")),
    }
}

/// Books a payment's fee, once. Whether this was the time. A provider may keep it in another currency than the sale's.
pub async fn record_fee(tx: &mut Tx, payment: PaymentId, fee: Money) -> Result<bool, Failure> {
    type Row = (OrderId, ProviderName, bool, Option<SubscriptionId>);
    let row: Option<Row> = fetch_optional!(
        tx,
        sqlx::query_as("SELECT order_id, provider, unmatched, subscription_id FROM payments WHERE id = $1")
            .bind(payment)
    )?;
    let Some((order, provider, unmatched, subscription)) = row else { return Ok(false) };
    let Some(order) = locked::lock(tx, order).await? else { return Ok(false) };
    let told = execute!(
        tx,
        sqlx::query("UPDATE payments SET fee = $2 WHERE id = $1 AND fee IS NULL AND state = 'succeeded'")
            .bind(payment)
            .bind(fee.amount)
    )?;
    if told == 0 {
        return Ok(false);
    }
    let item: Option<OrderItemId> = fetch_optional!(
        tx,
        sqlx::query_scalar("SELECT order_item_id FROM subscriptions WHERE id = $1").bind(subscription)
    )?;
    let now = tx.now();
    let mut sale = order.sale_of(provider, subscription.zip(item));
    if unmatched {
        // No vendor sold anything for it.
        sale.lines.clear();
    }
    let mut posting = sale.fee(format!("fee:{payment}"), fee.amount, now);
    posting.currency = fee.currency;
    posting.book(tx)?;
    Ok(true)
}
