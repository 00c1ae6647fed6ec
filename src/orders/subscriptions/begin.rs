//! Beginning: with the payment of an order whose plan recurs.

use crate::{
    db::{DbError, Tx},
    execute,
    kernel::SubscriptionId,
    orders::{locked::Locked, open::period_end},
    payments::ProviderName,
};

/// Records the subscription that began with an order's payment.
pub(in crate::orders) async fn begin(
    tx: &mut Tx,
    order: &Locked,
    provider: ProviderName,
    reference: &str,
) -> Result<(), DbError> {
    let now = tx.now();
    // A subscription is ordered by itself.
    let Some(item) = order.items.iter().find(|item| item.billing_cycle.recurs()) else { return Ok(()) };
    let Some(end) = period_end(item.billing_cycle, None, now) else { return Ok(()) };
    let id: SubscriptionId = tx.new_id();
    execute!(
        tx,
        sqlx::query(
            "INSERT INTO subscriptions (id, tenant_id, order_id, order_item_id, plan_id, provider, provider_ref, status,
                                        amount, currency, period_start, period_end, cancel_at_period_end, created_at,
                                        updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, 'active', $8, $9, $10, $11, $12, $10, $10)
             ON CONFLICT (order_item_id) DO NOTHING"
        )
        .bind(id)
        .bind(order.tenant)
        .bind(order.id)
        .bind(item.item_id)
        .bind(item.plan_id)
        .bind(provider)
        .bind(reference)
        .bind(order.total)
        .bind(order.currency)
        .bind(now)
        .bind(end)
        .bind(false)
    )?;
    Ok(())
}
