//! What every edge is handed.

use std::sync::Arc;

use crate::{
    db::Db,
    flags::{Registry, Switch},
    kernel::{Currency, Secret, seal::Keyring},
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
    /// The currency of prices where none is named.
    pub currency: Currency,
    /// The sandbox provider's webhook secrets, the first of which signs; `None` when it is off.
    pub sandbox: Option<Arc<[Secret<String>]>>,
}

impl App {
    /// Whether a capability may work.
    #[must_use]
    pub fn is_on(&self, switch: Switch) -> bool {
        self.flags.is_on(switch)
    }
}
