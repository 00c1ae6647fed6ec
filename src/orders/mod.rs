//! Orders: opened by a buyer, settled by a payment, fulfilled by licences, taken back by refunds and disputes.
//!
//! Promise: whatever providers send, however often and in whatever order, a paid order gives its entitlements exactly
//! once, and every cent is in the ledger. What is independent (payment, fulfilment, dispute) is kept apart; the status
//! that people see is derived from it.

mod attach;
mod billing;
mod cancel;
mod capture;
mod charge;
mod dispute;
mod due;
mod event;
mod expire;
mod fees;
mod fulfil;
mod guest;
mod list;
mod locked;
mod money;
mod open;
mod order;
mod pay;
mod policy;
mod receipt;
mod reconcile;
mod refund;
mod settle;
pub mod subscriptions;
mod timeline;
mod whole;

pub use crate::kernel::OrderId;
pub use attach::attach_purchases;
pub use billing::{Address, Billed, Billing};
pub use cancel::{CancelError, cancel, cancel_because};
pub use capture::{CapturePayment, capture_refused};
pub use charge::{LearnCharge, learned, uncharged};
pub use dispute::OrderDisputed;
pub use event::{Handled, handle, handle_all};
pub use expire::expire_unpaid;
pub use fees::{FetchFees, fees_wanted, record_fee};
pub use fulfil::{OrderFulfilled, fulfil};
pub use guest::{guest_token, is_guest_token};
pub use list::{AnyOrders, ListedOrder, awaiting_attention, count_of, list, list_any};
pub use locked::explain_attention;
pub use money::{
    AnyDispute, AnyDisputes, AnyPayment, AnyPayments, AnyRefund, AnyRefunds, CaseState, MoneyState, RefundState,
    any_dispute, any_disputes, any_payment, any_payments, any_refund, any_refunds,
};
pub use open::{Buyer, NewOrder, OpenError, Opening, check, open};
pub use order::{DisputeState, FulfilmentState, Item, Order, PaymentState, Status, find, find_any};
pub use pay::{PayError, Payable, open_session, payable};
pub use policy::Policy;
pub use receipt::{Receipt, ReceiptError, ReceiptLine, paid_and_waiting, receipt};
pub use reconcile::{
    OpenSession, Reconcile, ReconcileOrder, attended, give_owed, nominate, reconciled, sessions_of, sweep,
};
pub use refund::{MakeRefund, OrderRefunded, Planned, RefundError, made, planned, refused, request_refund};
pub use settle::OrderPaid;
pub use timeline::TimelineEvent;
pub use whole::{PaymentRow, RefundRow, WholeOrder, find_any_whole, find_whole};
