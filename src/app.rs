//! What every edge is handed.

use crate::{
    db::Db,
    flags::{Registry, Switch},
    kernel::seal::Keyring,
    payments::{Intake, Providers, sandbox::Sandbox},
    usage::Usage,
};

/// The open parts of a running installation; clones share them.
#[derive(Debug, Clone)]
pub struct App {
    /// The database.
    pub db: Db,
    /// Flags and kill switches.
    pub flags: Registry,
    /// The counter of calls.
    pub usage: Usage,
    /// The keys that seal.
    pub keys: Keyring,
    /// The payment providers that are on.
    pub providers: Providers,
    /// What verifies and stores their events.
    pub webhooks: Intake,
    /// The provider that only pretends, if it is on.
    pub sandbox: Option<Sandbox>,
}

impl App {
    /// Whether a capability may work.
    #[must_use]
    pub fn is_on(&self, switch: Switch) -> bool {
        self.flags.is_on(switch)
    }
}
