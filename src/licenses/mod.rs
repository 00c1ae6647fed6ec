//! Licences: what a paid order gives, once.

mod issue;

pub use issue::{IssueLicense, License, LicenseId, LicenseIssued, issue, of_order};
