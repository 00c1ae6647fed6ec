//! API keys: what the buyer of an API calls it with, and what the key may call.
//!
//! Promise: the entitlement is the licence, and a key is no more than its licence is at that moment; a secret is shown
//! once and kept as a hash; a limit holds however many ask at once; and whether a key is good is answered from memory,
//! never older than a second.

mod cache;
mod change;
mod endpoint;
mod endpoint_edit;
mod known;
mod make;
mod memory;
mod pattern;
mod revoke;
mod secret;
mod used;
mod view;

use std::time::Duration;

pub use cache::{ApiKeys, Authenticated, Refused};
pub use change::{ApiKeyMade, ApiKeyRevoked, ApiKeyRotated, KeyError, Owner};
pub use endpoint::{
    Endpoint, EndpointId, EndpointMarker, OfferedEndpoints, all_endpoints, endpoint, endpoints, endpoints_of,
    is_sold_by, offered,
};
pub use endpoint_edit::{EndpointFields, create_endpoint, delete_endpoint, patch_endpoint};
pub use known::{Access, Entitled, KnownKey};
pub use make::{MadeKey, NewKey, Rotation, create, rename, rotate};
pub use pattern::{METHODS, Pattern, PatternError};
pub use revoke::{revoke, revoke_sold};
pub use secret::{ApiKeyId, ApiKeyMarker, Presented, SECRET_PREFIX};
pub use view::{KeyFilter, KeyStatus, KeyView, Seller, find, find_sold, list, search};

/// What an operator decided about API keys.
#[derive(Debug, Clone, Copy)]
pub struct KeyOptions {
    /// How many keys that are neither revoked nor expired a licence has at most.
    pub per_license: i64,
    /// For how long the old secret is good after a rotation, unless its owner says otherwise.
    pub overlap: Duration,
    /// For how long at most.
    pub max_overlap: Duration,
    /// How many licences with their keys are kept in memory.
    pub cache_size: usize,
    /// How often a minute somebody may have keys verified; 0 for no limit.
    pub verifications_per_minute: u32,
    /// For how long memory answers while the database is away.
    pub stale_grace: Duration,
}
