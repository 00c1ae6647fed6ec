//! A coupon's uses: each is taken once and given back once.

use crate::{
    db::{DbError, Tx},
    execute, fetch_optional,
    kernel::{CouponId, OrderId, TenantId},
};

/// Takes one use of the coupon for an order that is being written; the caller has inserted the order. False, and nothing
/// taken, if another order took the last one, the customer's uses are taken, or the coupon does not count any more.
pub async fn redeem_coupon(tx: &mut Tx, coupon: CouponId, order: OrderId, tenant: TenantId) -> Result<bool, DbError> {
    let now = tx.now();
    // The update locks the coupon's row: whoever redeems it at the same time waits here, so that what is counted below
    // is still true at the commit.
    let taken = execute!(
        tx,
        sqlx::query(
            "UPDATE coupons SET used = used + 1
             WHERE id = $1 AND active AND (max_uses IS NULL OR used < max_uses)
                   AND (starts_at IS NULL OR starts_at <= $2) AND (ends_at IS NULL OR ends_at > $2)"
        )
        .bind(coupon)
        .bind(now)
    )?;
    if taken == 0 {
        return Ok(false);
    }
    let redeemed = execute!(
        tx,
        sqlx::query(
            "INSERT INTO coupon_redemptions (order_id, coupon_id, tenant_id, created_at)
             SELECT $1, c.id, $3, $4 FROM coupons c
             WHERE c.id = $2 AND (c.max_uses_per_customer IS NULL OR c.max_uses_per_customer >
                   (SELECT COUNT(*) FROM coupon_redemptions r WHERE r.coupon_id = c.id AND r.tenant_id = $3))
             ON CONFLICT (order_id) DO NOTHING"
        )
        .bind(order)
        .bind(coupon)
        .bind(tenant)
        .bind(now)
    )?;
    if redeemed == 0 {
        give_back(tx, coupon).await?;
    }
    Ok(redeemed == 1)
}

/// Gives back the use that an order took which is not going to be paid; once, however often it is called.
pub async fn release_coupon(tx: &mut Tx, order: OrderId) -> Result<(), DbError> {
    let released: Option<CouponId> = fetch_optional!(
        tx,
        sqlx::query_scalar("DELETE FROM coupon_redemptions WHERE order_id = $1 RETURNING coupon_id").bind(order)
    )?;
    match released {
        Some(coupon) => give_back(tx, coupon).await,
        None => Ok(()),
    }
}

async fn give_back(tx: &mut Tx, coupon: CouponId) -> Result<(), DbError> {
    execute!(tx, sqlx::query("UPDATE coupons SET used = used - 1 WHERE id = $1 AND used > 0").bind(coupon))?;
    Ok(())
}
