//! Quotes: what a cart costs, by the catalogue's prices and nobody else's.

use serde::{Deserialize, Serialize};

use super::{BillingCycle, LicenseType, Limits};
use crate::{
    db::{Db, DbError, Tx},
    kernel::{CouponId, Currency, DeveloperId, OrderId, PlanId, ProductId, TenantId},
};

/// An item of a cart.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// The product's slug or id.
    pub product: String,
    /// The plan's slug or id; may be left out where there is only one.
    #[serde(default)]
    pub plan: Option<String>,
    /// How many; one if nothing is said.
    #[serde(default = "one")]
    pub quantity: i64,
}

const fn one() -> i64 {
    1
}

/// What shall be priced, and for whom.
#[derive(Debug, Clone, Copy)]
pub struct QuoteRequest<'a> {
    /// The cart.
    pub items: &'a [Wanted],
    /// In which currency.
    pub currency: Currency,
    /// A coupon's code.
    pub coupon: Option<&'a str>,
    /// Who buys, if known: coupons may be limited per customer.
    pub tenant: Option<TenantId>,
    /// The platform's share where a vendor has no rate of its own, in hundredths of a percent.
    pub commission_bps: i64,
}

/// A priced item. Amounts are minor units: `total = quantity × unit_amount − discount + tax`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are the columns of order_items")]
pub struct Line {
    pub product: ProductId,
    pub plan: PlanId,
    pub developer: DeveloperId,
    pub title: String,
    pub plan_name: String,
    pub billing: BillingCycle,
    pub trial_days: Option<i64>,
    pub license_type: LicenseType,
    pub limits: Limits,
    pub quantity: i64,
    pub unit_amount: i64,
    pub discount: i64,
    pub tax: i64,
    pub total: i64,
    /// The platform's share; 10000 for the house's own products.
    pub commission_bps: i64,
}

/// A priced cart: `total = subtotal − discount + tax`, each the sum over the lines.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are the columns of orders")]
pub struct Quote {
    pub currency: Currency,
    pub lines: Vec<Line>,
    pub coupon: Option<CouponId>,
    pub subtotal: i64,
    pub discount: i64,
    pub tax: i64,
    pub total: i64,
}

/// Why an item cannot be had.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
pub enum ItemProblem {
    /// No published product.
    #[error("there is no such product for sale")]
    NoProduct,
    /// No active plan of the product.
    #[error("the product has no such plan for sale")]
    NoPlan,
    /// Several plans, and none named.
    #[error("the product has several plans; name one")]
    PlanNeeded,
    /// Not sold in this currency.
    #[error("the plan has no price in this currency")]
    NoPrice,
    /// Fewer than one, or too many.
    #[error("the quantity must be 1 to 100")]
    Quantity,
    /// The sum does not fit.
    #[error("the amount is too large")]
    TooMuch,
}

/// Why a coupon does not count.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
pub enum CouponProblem {
    /// No such code, or not active.
    #[error("there is no such coupon")]
    Unknown,
    /// Before its first or after its last day.
    #[error("the coupon is not valid at this time")]
    NotNow,
    /// All its uses are taken.
    #[error("the coupon is used up")]
    UsedUp,
    /// This customer's uses are taken.
    #[error("you have used this coupon as often as you may")]
    UsedUpByYou,
    /// Nothing in the cart is in its scope, or it is of another currency.
    #[error("the coupon is not for anything in this cart")]
    NotForThese,
}

/// Why a cart has no price.
#[derive(Debug, thiserror::Error)]
pub enum QuoteError {
    /// No item, or more than 50.
    #[error("an order has 1 to 50 items")]
    ItemCount,
    /// Some items, by position.
    #[error("some items cannot be had")]
    Items(Vec<(usize, ItemProblem)>),
    /// The coupon.
    #[error("{0}")]
    Coupon(CouponProblem),
    /// The database did not answer.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Prices a cart.
pub async fn quote(_db: &Db, _request: QuoteRequest<'_>) -> Result<Quote, QuoteError> {
    Err(QuoteError::ItemCount)
}

/// Takes one use of the coupon for an order that is being written; the caller has inserted the order. False if another
/// order took the last one.
pub async fn redeem_coupon(
    _tx: &mut Tx,
    _coupon: CouponId,
    _order: OrderId,
    _tenant: TenantId,
) -> Result<bool, DbError> {
    Ok(true)
}

/// Gives back the use that an order took which is not going to be paid.
pub async fn release_coupon(_tx: &mut Tx, _order: OrderId) -> Result<(), DbError> {
    Ok(())
}
