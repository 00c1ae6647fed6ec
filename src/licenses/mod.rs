//! Licences: what a paid order gives, once, and what programs ask about it ever after.
//!
//! Promise: one licence for each paid seat, whatever is retried; a limit holds however many ask at once; a validation
//! costs no statement and is never older than a second.

mod change;
mod file;
mod issue;
mod key;
mod lifecycle;
mod maker;
mod status;
mod view;

pub use crate::kernel::LicenseId;
pub use change::{
    Action, Change, Happened, LICENSES_TOPIC, LicenseActivated, LicenseCancelled, LicenseCreated, LicenseDeactivated,
    LicenseExpired, LicenseKeyRotated, LicenseMoved, LicenseRenewed, LicenseResumed, LicenseRevoked,
    LicenseRulesChanged, LicenseSuspended, LicenseUsed,
};
pub use file::{DEFAULT_TTL, FileError, FileMeta, FiledLicense, LicenseFile, PublicKey, Signer, TTL_RANGE};
pub use issue::{Entitlement, IssueError, IssueLicenses, issue};
pub use key::{Typed, TypingError, check_typing};
pub use lifecycle::{
    LifecycleError, Stepped, end_item, move_to_tenant, renew, renew_item, resume, revoke, revoke_item, revoke_order,
    suspend,
};
pub use maker::{KeyHash, KeyMaker, KeyRefused};
pub use status::LicenseStatus;
pub use view::{
    Counted, LicenseFilter, LicenseView, PlanRef, ProductRef, ShowError, find, find_any, list, list_any, of_order,
};
