//! What was done, by whom and why, cannot be changed afterwards without being found out.
//!
//! An [`Entry`] is appended in the transaction that did the thing ([`Tx::audit`](crate::db::Tx::audit)). The [`Sealer`]
//! gives each entry a place in a chain within a second and hashes it, with a key, together with the hash before it.
//! [`verify`] walks the chain and finds any edit, gap or cut. Personal data in entries is sealed under a key of the
//! person's own ([`People`]), so that erasing the person leaves the chain whole.

mod chain;
mod entry;
mod export;
mod list;
mod people;
mod sealer;
mod seals;
mod verify;

#[cfg(test)]
pub(crate) mod tests;

pub use chain::Head;
pub use entry::{Actor, AuditEntryId, Entry};
pub use export::{ExportError, Exporting, export};
pub use list::{Disclosure, Filter, Page, PageRequest, PersonalView, Record, find, list, list_page};
pub use people::{People, Person, SealedPersonal, erase};
pub use sealer::{Sealer, SealerOptions, seal};
pub use verify::{Part, Problem, Report, verify, verify_part};

use crate::{
    db::DbError,
    kernel::seal::{Keyring, PurposeKeys, SealError},
};

/// Why the audit trail cannot be sealed or read.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The database did not answer, or refused.
    #[error(transparent)]
    Db(#[from] DbError),
    /// A key is missing, or a sealed value was altered.
    #[error("audit trail: {0}")]
    Seal(#[from] SealError),
    /// The head of the chain is not in the database, or is no head.
    #[error("audit trail: the row of table audit_head is missing or damaged: restore it from a published head")]
    NoHead,
    /// The marks of entries that were about to be sealed are no longer there.
    #[error("audit trail: the marks of {missing} entries vanished: somebody deletes rows of audit_unsealed")]
    Vanished {
        /// How many.
        missing: u64,
    },
}

/// The keys that the chain is hashed with.
fn chain_keys(keys: &Keyring) -> PurposeKeys {
    keys.derive("audit-chain")
}
