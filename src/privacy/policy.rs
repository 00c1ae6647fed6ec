//! What the operator decided, and what the work needs.

use std::time::Duration;

use crate::{
    db::Db,
    kernel::seal::Keyring,
    notifications::{Mailer, Recipients},
    storage::Stores,
};

use super::Links;

/// What the operator decided.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// How long an archive can be fetched.
    pub export_ttl: Duration,
    /// How long a deletion can be cancelled.
    pub deletion_grace: Duration,
}

/// What archives and deletions need. Clones share it.
#[derive(Debug, Clone)]
pub struct Privacy {
    /// The database.
    pub db: Db,
    /// What opens and seals.
    pub keys: Keyring,
    /// Where files are.
    pub files: Stores,
    /// Where mails are, if they are files.
    pub mailer: Mailer,
    /// What the operator decided.
    pub policy: Policy,
}

impl Privacy {
    /// What makes and recognises links to archives.
    #[must_use]
    pub fn links(&self) -> Links {
        Links::new(&self.keys)
    }

    pub(super) fn recipients(&self) -> Recipients {
        Recipients::new(&self.keys)
    }
}
