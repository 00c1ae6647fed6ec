//! Where a licence stands.

use crate::text_enum;

text_enum! {
    /// The status of a licence: pending → active → (suspended ⇄ active) → expired | cancelled | revoked.
    pub enum LicenseStatus {
        /// Issued, and not good for anything yet.
        Pending = "pending",
        /// Good.
        Active = "active",
        /// Stopped by an operator, who can let it go on.
        Suspended = "suspended",
        /// Its time is over; a renewal brings it back.
        Expired = "expired",
        /// Its subscription ended; a renewal brings it back.
        Cancelled = "cancelled",
        /// Taken back for good: refunded, disputed, abused.
        Revoked = "revoked",
    }
}

impl LicenseStatus {
    /// What it comes to at `now`: the clock ends an active licence, whether or not anybody has written that down.
    #[must_use]
    pub fn at(self, expires_at: Option<crate::kernel::Time>, now: crate::kernel::Time) -> Self {
        match self {
            Self::Active if expires_at.is_some_and(|end| end <= now) => Self::Expired,
            status => status,
        }
    }
}
