//! What the operator decided about selling.

use std::time::Duration;

use crate::catalog::tax::TaxRules;

/// The shop's rules; `[shop]` in the configuration.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// The platform's share where a vendor has no rate of its own, in hundredths of a percent.
    pub commission_bps: i64,
    /// How orders are taxed.
    pub tax: TaxRules,
    /// How long a vendor's share is held.
    pub payout_hold: Duration,
    /// How long an order waits for its payment.
    pub order_expiry: Duration,
    /// Whether a partial refund takes back what was bought.
    pub partial_refund_revokes: bool,
    /// Whether money for an order that had ended unpaid goes back, instead of settling the order after all.
    pub late_payment_refunds: bool,
    /// How often what should have been told is looked for.
    pub reconcile_interval: Duration,
}
