//! Refunds: asked for by an operator or a rule, made by the provider, told by its event, taken from order and ledger.
//!
//! A refund is a row from the moment it is wanted or heard of. It is *applied* once: when it succeeded and the payment
//! that it refunds is known, in whichever order the two were told.

mod apply;
mod hear;
mod request;

use serde::Serialize;

use crate::{
    jobs::DomainEvent,
    kernel::{Money, OrderId},
};

pub(super) use apply::{Entitlements, apply_waiting, take_from_order};
pub use hear::made;
pub(super) use hear::{failed, refunded};
pub(super) use request::give_back;
pub use request::{MakeRefund, Planned, RefundError, planned, refused, request_refund};

/// Money went back.
#[derive(Debug, Serialize)]
pub struct OrderRefunded {
    /// Of which order.
    pub order: OrderId,
    /// How much.
    pub amount: Money,
    /// Whether nothing of the order's price is left.
    pub full: bool,
}

impl DomainEvent for OrderRefunded {
    const NAME: &'static str = "order.refunded";
}
