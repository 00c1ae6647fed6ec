//! What every edge is handed.

use std::sync::Arc;

use crate::{
    db::Db,
    flags::{Registry, Switch},
    kernel::{Currency, seal::Keyring},
    licenses::KeyMaker,
    orders::Policy,
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
    /// Makes and recognises licence keys.
    pub license_keys: KeyMaker,
    /// The payment providers that are on, the preferred first.
    pub providers: Providers,
    /// What verifies and stores their events.
    pub webhooks: Intake,
    /// The provider that only pretends, if it is on.
    pub sandbox: Option<Sandbox>,
    /// The shop's rules.
    pub shop: Arc<Shop>,
}

/// The shop, as its operator set it up.
#[derive(Debug, Clone)]
pub struct Shop {
    /// What customers read in mails and on pages.
    pub name: String,
    /// How customers reach this server, without a slash at the end.
    pub public_url: String,
    /// The currency of prices where none is named.
    pub currency: Currency,
    /// What the operator decided about selling.
    pub policy: Policy,
    /// Who is told of what a person has to look at.
    pub operators: Vec<String>,
}

impl App {
    /// Whether a capability may work.
    #[must_use]
    pub fn is_on(&self, switch: Switch) -> bool {
        self.flags.is_on(switch)
    }
}
