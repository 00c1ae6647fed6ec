//! The catalogue: what is for sale, in which plans, for how much.

mod discount;
mod plan;
mod quote;
mod redeem;

pub use plan::{BillingCycle, LicenseType, Limits};
pub use quote::{CouponProblem, ItemProblem, Line, Quote, QuoteError, QuoteRequest, Wanted, quote};
pub use redeem::{redeem_coupon, release_coupon};
