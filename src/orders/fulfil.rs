//! Fulfilling: a paid order gives what was bought, exactly once.

use serde::Serialize;
use serde_json::json;

use super::{
    locked::{self, ACTOR, Locked},
    open::period_end,
    order::{FulfilmentState, PaymentState},
    timeline,
};
use crate::{
    accounts::{self, ProofOf, Purpose},
    audit::Entry,
    db::Tx,
    execute,
    jobs::{DomainEvent, Failure},
    kernel::OrderId,
    licenses::{self, Entitlement, KeyMaker},
    notifications::Notice,
};

/// What was bought is there.
#[derive(Debug, Serialize)]
pub struct OrderFulfilled {
    /// Of which order.
    pub order: OrderId,
    /// How many licences it gave.
    pub licenses: u64,
}

impl DomainEvent for OrderFulfilled {
    const NAME: &'static str = "product.purchased";
}

/// How much longer than its period a subscription's licence lasts: renewals are charged within hours of its end.
const RENEWAL_GRACE_DAYS: i64 = 1;

/// Gives what a paid order owes. An order whose money is gone again, or that was given already, owes nothing.
pub async fn fulfil(tx: &mut Tx, keys: &KeyMaker, order: OrderId) -> Result<(), Failure> {
    let Some(order) = locked::lock(tx, order).await? else { return Ok(()) };
    let owed = matches!(order.payment_state, PaymentState::Paid | PaymentState::PartiallyRefunded)
        && order.fulfilment_state == FulfilmentState::Unfulfilled;
    if !owed {
        return Ok(());
    }
    let entitlements = entitlements(&order, tx)?;
    let issued = licenses::issue(tx, keys, &entitlements).await.map_err(Failure::retry)?;
    let now = tx.now();
    execute!(
        tx,
        sqlx::query(
            "UPDATE orders SET fulfilment_state = 'fulfilled', fulfilled_at = $2
             WHERE id = $1 AND fulfilment_state = 'unfulfilled'"
        )
        .bind(order.id)
        .bind(now)
    )?;
    timeline::note(tx, order.id, "fulfilled", json!({ "licenses": issued }));
    tx.audit(Entry::new(ACTOR, "order.fulfilled", "order", order.id.to_string()).change(None, json!(issued)));
    tx.emit(&OrderFulfilled { order: order.id, licenses: issued })?;
    if order.user.is_none() {
        // The letter carries the link with which a guest takes what was bought into an account.
        accounts::issue_proof(tx, Purpose::ClaimPurchases, ProofOf::Guest(order.tenant), &order.email).await?;
    }
    tx.enqueue(&Notice::OrderFulfilled { order: order.id }).await?;
    if let Some(paid_at) = order.paid_at {
        metrics::histogram!("mintreu_orders_fulfilment_seconds").record(now.since(paid_at));
    }
    Ok(())
}

fn entitlements(order: &Locked, tx: &Tx) -> Result<Vec<Entitlement>, Failure> {
    let paid_at = order.paid_at.unwrap_or_else(|| tx.now());
    let entitlement = |item: &locked::LockedItem| {
        let grace = if item.billing_cycle.recurs() { RENEWAL_GRACE_DAYS } else { 0 };
        let end = period_end(item.billing_cycle, item.trial_days, paid_at);
        Ok(Entitlement {
            order: order.id,
            item: item.item_id,
            tenant: order.tenant,
            user: order.user,
            product: item.product_id,
            plan: item.plan_id,
            developer: item.developer_id,
            license_type: item.license_type,
            limits: item.limits()?,
            quantity: item.quantity,
            expires_at: end.map(|end| end.plus_days(grace)),
        })
    };
    order.items.iter().map(entitlement).collect()
}

/// When a licence ends whose period ends at `period_end`.
pub(super) const fn license_end(period_end: crate::kernel::Time) -> crate::kernel::Time {
    period_end.plus_days(RENEWAL_GRACE_DAYS)
}
