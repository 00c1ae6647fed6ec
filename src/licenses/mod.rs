//! Licences: what a paid order gives, once, and what programs ask about it ever after.
//!
//! Promise: one licence for each paid seat, whatever is retried; a limit holds however many ask at once; a validation
//! costs no statement and is never older than a second.

mod activate;
mod cache;
mod change;
mod expiry;
mod file;
mod follow;
mod issue;
mod key;
mod known;
mod lifecycle;
mod maker;
mod own;
mod rules;
mod sale;
mod status;
mod validate;
mod view;

pub use crate::kernel::LicenseId;
pub use activate::{Activated, ActivationId, Deactivated, NewPlace, activate, deactivate, deactivate_owned};
pub use cache::{CacheOptions, CallLimits, Follower, LicenseCache, Unavailable};
pub use change::{
    Action, Change, FollowLicense, Happened, LICENSES_TOPIC, LicenseActivated, LicenseCancelled, LicenseCreated,
    LicenseDeactivated, LicenseExpired, LicenseKeyRotated, LicenseMoved, LicenseRenewed, LicenseResumed,
    LicenseRevoked, LicenseRulesChanged, LicenseSuspended, tell_followers,
};
pub use expiry::{
    BATCH, ExpireLicenses, PurgeLicenseChanges, REMINDERS, RemindOfExpiry, expire, purge_changes, remind,
};
pub use file::{DEFAULT_TTL, FileError, FileMeta, FiledLicense, LicenseFile, PublicKey, Signer, TTL_RANGE};
pub use issue::{Entitlement, IssueError, IssueLicenses, issue};
pub use key::{Typed, TypingError, check_typing};
pub use known::{Asked, Known, Place, Shown};
pub use lifecycle::{
    LifecycleError, Step, Stepped, end_item, end_of_tenant, move_to_tenant, renew, renew_item, resume, revoke,
    revoke_item, revoke_order, suspend, take_step,
};
pub use maker::{KeyHash, KeyMaker, KeyRefused};
pub use own::{
    ActivationView, LogId, LogView, NewRules, OwnError, Rotated, activations_any, is_owned, log_any, rotate_key,
    set_rules,
};
pub use rules::{Domain, DomainRule, MAX_RULES, RuleError};
pub use sale::{Sale, count_use, find_activation, find_sale, number};
pub use status::LicenseStatus;
pub use validate::{Code, Question, Verdict};
pub use view::{
    Counted, LicenseFilter, LicenseView, PlanRef, ProductRef, ShowError, count_of, find, find_any, list, list_any,
    of_order,
};
