//! Expiring: an order that nobody pays gives its coupon back.

use serde_json::json;

use super::{
    locked::{self, ACTOR},
    order::PaymentState,
    timeline,
};
use crate::{
    audit::Entry,
    catalog,
    db::{DbError, Tx},
    execute, fetch_optional,
    kernel::OrderId,
};

/// Ends an order that is past its time and has no session that could still be paid. Whether it ended.
pub async fn expire_unpaid(tx: &mut Tx, id: OrderId) -> Result<bool, DbError> {
    let now = tx.now();
    end_unpaid(tx, id, PaymentState::Expired, Some(now)).await
}

/// Ends an unpaid order; when a time is given, only if it is past it.
pub(super) async fn end_unpaid(
    tx: &mut Tx,
    id: OrderId,
    state: PaymentState,
    past: Option<crate::kernel::Time>,
) -> Result<bool, DbError> {
    if locked::lock(tx, id).await?.is_none() {
        return Ok(false);
    }
    let ended = execute!(
        tx,
        sqlx::query(
            "UPDATE orders SET payment_state = $2
             WHERE id = $1 AND payment_state IN ('pending', 'awaiting_payment') AND ($3 IS NULL OR expires_at <= $3)"
        )
        .bind(id)
        .bind(state)
        .bind(past)
    )?;
    if ended == 1 {
        catalog::release_coupon(tx, id).await?;
        timeline::note(tx, id, state.as_str(), json!({}));
        if state == PaymentState::Expired {
            tx.audit(Entry::new(ACTOR, "order.expired", "order", id.to_string()));
        }
    }
    Ok(ended == 1)
}

/// Whether there is such an order.
pub(super) async fn exists(tx: &mut Tx, id: OrderId) -> Result<bool, DbError> {
    let found: Option<i32> = fetch_optional!(tx, sqlx::query_scalar("SELECT 1 FROM orders WHERE id = $1").bind(id))?;
    Ok(found.is_some())
}
