//! Credentials of outside APIs that are resold: a vendor's hook makes one for each licence, and takes it back.
//!
//! Promise: a licence has one credential, however often its hook is asked, dies or lies; what is wanted is written down
//! before the hook hears of it, and asked again under the same `webhook-id` until it is answered; the secret is sealed,
//! and whoever sees it is audited; and nothing that a hook does fails anybody's request.
//!
//! What becomes of a licence is followed by [`follow`], which reads how things stand and owes what is missing.

mod answer;
mod ask;
mod follow;
mod hook;
mod jobs;
mod notice;
mod own;
mod provision;
mod revoke;
mod rotate;
mod sold;
mod sync;
mod transfer;
mod view;

use std::{sync::Arc, time::Duration};

use crate::{db::Db, downloads::Origin, kernel::seal::Keyring};

pub use follow::{follow, stragglers};
pub use hook::{Hook, HookFields, HookRules, MadeHook, create_hook, delete_hook, hook, patch_hook, rotate_hook_secret};
pub use jobs::{
    CredentialId, CredentialMarker, CredentialProvisioned, CredentialRevoked, CredentialRotated, CredentialStuck,
    ProvisionCredential, RevokeCredential, RotateCredential, SweepCredentials, SyncCredential, SyncDue,
};
pub use notice::{Stuck, stuck_credential};
pub use own::{CredentialError, Revealed, ask_rotation, reveal};
pub use sold::{retry_sold, revoke_sold};
pub use sync::ask_due;
pub use transfer::BesideCatalogue;
pub use view::{CredentialFilter, CredentialState, CredentialView, find, list, search};

/// What an operator decided about credentials.
#[derive(Debug, Clone, Copy)]
pub struct CredentialOptions {
    /// How long a hook may take for an answer.
    pub timeout: Duration,
    /// How often hooks are asked what was used.
    pub sync_every: Duration,
    /// How long after its licence has expired a credential is taken back: a renewal may come late.
    pub expired_grace: Duration,
}

/// Everything that credentials need. Clones share it.
#[derive(Debug, Clone)]
pub struct Credentials(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    db: Db,
    keys: Keyring,
    origin: Origin,
    options: CredentialOptions,
}

impl Credentials {
    /// Credentials whose hooks are asked by `origin`.
    #[must_use]
    pub fn new(db: Db, keys: Keyring, origin: Origin, options: CredentialOptions) -> Self {
        Self(Arc::new(Inner { db, keys, origin, options }))
    }

    /// What the operator decided.
    #[must_use]
    pub fn options(&self) -> &CredentialOptions {
        &self.0.options
    }

    /// What edits of hooks are held against.
    #[must_use]
    pub fn rules(&self) -> HookRules<'_> {
        HookRules { keys: &self.0.keys, allows_plain: self.0.origin.allows_plain() }
    }

    /// What opens and seals.
    #[must_use]
    pub fn keys(&self) -> &Keyring {
        &self.0.keys
    }
}
