//! What a coupon takes off, and off which items.

use serde_json::json;
use sqlx::FromRow;

use super::CouponProblem;
use crate::{
    db::{Db, DbError},
    fetch_all,
    kernel::{CouponId, Currency, ProductId, TenantId, Time, money},
};

/// How much a coupon is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Worth {
    /// Hundredths of a percent of what is in scope.
    Percent(i64),
    /// Minor units, as far as what is in scope reaches.
    Amount(i64),
}

/// What is taken off each of `amounts`: together what the coupon is worth, from none more than it is. Amounts are not
/// negative and their sum fits.
pub(super) fn spread(worth: Worth, amounts: &[i64]) -> Vec<i64> {
    let sum: i64 = amounts.iter().sum();
    let off = match worth {
        Worth::Percent(bps) => money::share(sum, bps),
        Worth::Amount(amount) => amount,
    };
    money::allocate(off.min(sum), amounts)
}

/// A coupon, beside each product of a cart.
#[derive(Debug, FromRow)]
pub(super) struct CouponRow {
    pub(super) id: CouponId,
    percent_bps: Option<i64>,
    amount: Option<i64>,
    currency: Option<Currency>,
    starts_at: Option<Time>,
    ends_at: Option<Time>,
    max_uses: Option<i64>,
    max_uses_per_customer: Option<i64>,
    used: i64,
    used_by_customer: i64,
    pub(super) product_id: ProductId,
    pub(super) in_scope: bool,
}

impl CouponRow {
    /// The active coupon with this code: a row for each of `products`, which are at least one.
    pub(super) async fn find(
        db: &Db,
        code: &str,
        tenant: Option<TenantId>,
        products: &[ProductId],
    ) -> Result<Vec<Self>, DbError> {
        let products: Vec<_> = products.iter().map(|id| id.uuid().simple().to_string()).collect();
        let text = db.dialect().pick(SQLITE_FIND, POSTGRES_FIND);
        fetch_all!(db, sqlx::query_as(text).bind(code).bind(tenant).bind(json!(products).to_string()))
    }

    /// Whether it counts now, in this currency, for this customer.
    pub(super) fn check(&self, now: Time, currency: Currency) -> Result<(), CouponProblem> {
        if self.starts_at.is_some_and(|first| now < first) || self.ends_at.is_some_and(|end| now >= end) {
            return Err(CouponProblem::NotNow);
        }
        if self.max_uses.is_some_and(|max| self.used >= max) {
            return Err(CouponProblem::UsedUp);
        }
        if self.max_uses_per_customer.is_some_and(|max| self.used_by_customer >= max) {
            return Err(CouponProblem::UsedUpByYou);
        }
        if self.currency.is_some_and(|of| of != currency) {
            return Err(CouponProblem::NotForThese);
        }
        Ok(())
    }

    pub(super) fn worth(&self) -> Worth {
        match (self.percent_bps, self.amount) {
            (Some(bps), _) => Worth::Percent(bps),
            (None, amount) => Worth::Amount(amount.unwrap_or(0)),
        }
    }
}

/// A category is good for everything below it.
macro_rules! find {
    ($items:literal) => {
        concat!(
            "WITH RECURSIVE item (product_id) AS (",
            $items,
            "),
            up (product_id, category_id) AS (
                SELECT p.id, p.category_id FROM products p WHERE p.id IN (SELECT product_id FROM item)
                UNION
                SELECT u.product_id, k.parent_id FROM up u JOIN categories k ON k.id = u.category_id
            )
            SELECT c.id, c.percent_bps, c.amount, c.currency, c.starts_at, c.ends_at, c.max_uses,
                   c.max_uses_per_customer, c.used, i.product_id,
                   (SELECT COUNT(*) FROM coupon_redemptions r WHERE r.coupon_id = c.id AND r.tenant_id = $2)
                       AS used_by_customer,
                   (NOT EXISTS (SELECT 1 FROM coupon_products s WHERE s.coupon_id = c.id)
                       AND NOT EXISTS (SELECT 1 FROM coupon_categories s WHERE s.coupon_id = c.id))
                   OR EXISTS (SELECT 1 FROM coupon_products s WHERE s.coupon_id = c.id AND s.product_id = i.product_id)
                   OR EXISTS (SELECT 1 FROM coupon_categories s JOIN up u ON u.category_id = s.category_id
                              WHERE s.coupon_id = c.id AND u.product_id = i.product_id) AS in_scope
            FROM coupons c CROSS JOIN item i
            WHERE c.code = $1 AND c.active"
        )
    };
}

const SQLITE_FIND: &str = find!("SELECT DISTINCT unhex(value) FROM json_each($3)");
const POSTGRES_FIND: &str = find!("SELECT DISTINCT value::uuid FROM jsonb_array_elements_text($3::jsonb)");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_is_rounded_once_for_the_whole_cart() {
        // A third of 3 × 0.99 is 0.99, not 3 × 0.33.
        assert_eq!(spread(Worth::Percent(3333), &[99, 99, 99]), [33, 33, 33]);
        // Half of 3 yen is 2 yen: rounded up, once.
        assert_eq!(spread(Worth::Percent(5000), &[1, 1, 1]), [1, 1, 0]);
        assert_eq!(spread(Worth::Percent(10_000), &[1999, 0, 1]), [1999, 0, 1]);
        assert_eq!(spread(Worth::Amount(500), &[200, 100]), [200, 100]);
        assert_eq!(spread(Worth::Amount(100), &[0, 0]), [0, 0]);
    }

    proptest::proptest! {
        #[test]
        fn no_line_falls_below_zero_and_the_parts_are_the_whole(
            amounts in proptest::collection::vec(0..1_000_000_000_000_i64, 1..50),
            bps in 1..=10_000_i64,
            amount in 1..2_000_000_000_000_i64,
        ) {
            let sum: i64 = amounts.iter().sum();
            for (worth, whole) in [
                (Worth::Percent(bps), money::share(sum, bps)),
                (Worth::Amount(amount), amount.min(sum)),
            ] {
                let parts = spread(worth, &amounts);
                proptest::prop_assert_eq!(parts.len(), amounts.len());
                proptest::prop_assert_eq!(parts.iter().sum::<i64>(), whole);
                for (part, amount) in parts.iter().zip(&amounts) {
                    proptest::prop_assert!((0..=*amount).contains(part), "{} of {}", part, amount);
                }
            }
        }
    }
}
