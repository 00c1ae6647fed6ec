//! Licences: what a paid order gives, once.

mod issue;

pub use crate::kernel::LicenseId;
pub use issue::{IssueLicense, License, LicenseIssued, issue, of_order};
