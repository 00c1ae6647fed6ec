//! Privacy: people see all that is kept about them, and are forgotten when they want to be.
//!
//! The promise: an archive holds everything of its person and no secret; who is erased can be named by nothing that is left
//! but the invoices, which the law wants kept; and both are done in steps that can be repeated, so that it does not matter
//! when the program is killed. What there is and what becomes of it says the [`catalogue`], and nothing else does.

mod archive;
pub mod catalogue;
mod deletion;
mod event;
mod export;
mod jobs;
mod link;
mod policy;
mod subject;
mod sweep;

pub use archive::{BuildError, build_archive};
pub use deletion::{
    AccountDeletion, AccountDeletionId, AccountDeletionMarker, Blocker, DeletionError, DeletionState, Eraser,
    Scheduling, SchedulingError, Step, WAITS, Wait, cancel_deletion, deletion, deletion_of, farewell,
    schedule_deletion,
};
pub use event::{AccountDeleted, AccountDeletionScheduled, DataExported};
pub use export::{
    DataExport, DataExportId, DataExportMarker, ExportRequestError, ExportState, MOST_EXPORTS, RequestedBy, exports,
    find_any_export, find_export, read_archive, request_export,
};
pub use jobs::{BuildArchive, DeleteAccount, PrivacyHousekeeping, SweepDeleted};
pub use link::Links;
pub use policy::{Policy, Privacy};
pub use sweep::{housekeeping, sweep_deleted};

/// Where the work of this room waits.
pub const QUEUE: &str = "privacy";
