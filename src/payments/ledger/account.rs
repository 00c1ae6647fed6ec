//! The accounts of the ledger.

use std::borrow::Cow;

use crate::payments::ProviderName;

/// An account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Account {
    /// Asset: money that a provider holds for us.
    Clearing(ProviderName),
    /// Asset: money that a provider took back until a dispute is decided.
    Disputed(ProviderName),
    /// Expense: what providers kept, as far as it is not the vendors' part.
    Fees,
    /// Expense: what coupons gave away. The platform bears it; vendors get their share of the full price.
    Coupons,
    /// Income: the platform's share of sales.
    Commission,
    /// Liability: vendors' shares. May go below nothing when a sale is refunded after its payout.
    VendorPayable,
    /// Liability: taxes collected.
    Tax,
    /// Liability: money that matches no order as it should, until it goes back or is booked right.
    Suspense,
}

impl Account {
    /// As it is stored: `clearing:stripe`, `vendor_payable`.
    #[must_use]
    pub fn name(self) -> Cow<'static, str> {
        match self {
            Self::Clearing(provider) => format!("clearing:{provider}").into(),
            Self::Disputed(provider) => format!("disputed:{provider}").into(),
            Self::Fees => "fees".into(),
            Self::Coupons => "coupons".into(),
            Self::Commission => "commission".into(),
            Self::VendorPayable => "vendor_payable".into(),
            Self::Tax => "tax".into(),
            Self::Suspense => "suspense".into(),
        }
    }
}
