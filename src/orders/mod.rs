//! Orders: opened by a buyer, settled by a payment, fulfilled by a licence.

mod open;
mod order;
mod settle;

pub use crate::kernel::OrderId;
pub use open::{NewOrder, Offer, OpenError, open};
pub use order::{Order, find_any};
pub use settle::{OrderPaid, Settlement, fulfil, settle};
