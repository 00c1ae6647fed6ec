//! The catalogue: what is for sale, in which plans, for how much.

mod plan;
mod quote;

pub use plan::{BillingCycle, LicenseType, Limits};
pub use quote::{
    CouponProblem, ItemProblem, Line, Quote, QuoteError, QuoteRequest, Wanted, quote, redeem_coupon, release_coupon,
};
