//! Subscriptions: a plan that is charged again every period, what happens when a charge fails, and how it ends.

mod begin;
mod dunning;
mod end;
mod renew;
mod subscription;

pub(super) use begin::begin;
pub(super) use dunning::renewal_failed;
pub use dunning::{RetryRenewal, dunning_due, expire_overdue, retried, unpaid};
pub use end::{CancelSubscription, EndError, EndSubscription, end_any, ending, request_end};
pub(super) use end::{changed, end_of_order, ended_by_provider};
pub(super) use renew::{catch_up, renewed};
pub use subscription::{
    AnySubscription, AnySubscriptions, Holder, Subscription, SubscriptionSort, SubscriptionStatus, find, find_any,
    holder, list, list_any, prolongs,
};
