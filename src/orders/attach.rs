//! Attaching: what a guest bought goes to the account whose address was proven.

use serde_json::json;

use super::{locked::ACTOR, timeline};
use crate::{
    accounts::AttachPurchases,
    audit::Entry,
    db::{DbError, Tx},
    execute, fetch_all,
    kernel::OrderId,
    licenses,
};

/// Moves everything of a guest's tenant. Done again, it finds nothing left.
pub async fn attach_purchases(tx: &mut Tx, work: &AttachPurchases) -> Result<(), DbError> {
    let orders: Vec<OrderId> = fetch_all!(
        tx,
        sqlx::query_scalar("UPDATE orders SET tenant_id = $2, user_id = $3 WHERE tenant_id = $1 RETURNING id")
            .bind(work.from)
            .bind(work.to)
            .bind(work.user)
    )?;
    execute!(
        tx,
        sqlx::query("UPDATE subscriptions SET tenant_id = $2 WHERE tenant_id = $1").bind(work.from).bind(work.to)
    )?;
    execute!(
        tx,
        sqlx::query("UPDATE coupon_redemptions SET tenant_id = $2 WHERE tenant_id = $1").bind(work.from).bind(work.to)
    )?;
    licenses::move_to_tenant(tx, work.from, work.to, work.user).await?;
    for order in orders {
        timeline::note(tx, order, "attached", json!({}));
        tx.audit(Entry::new(ACTOR, "order.attached", "order", order.to_string()));
    }
    Ok(())
}
