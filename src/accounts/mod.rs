//! Accounts: people, what proves who they are, and the tenants that own what they buy.

mod email;
mod guest;
mod identity;
mod role;
mod token;

pub use email::{Email, InvalidEmail};
pub use guest::{AttachPurchases, guest_tenant};
pub use identity::{Credential, Identity, identify_session, identify_token};
pub use role::{Role, Scope, Scopes};
pub use token::{ACCESS_TOKEN_PREFIX, SESSION_TOKEN_PREFIX, token_hash};

pub use crate::kernel::{TenantId, UserId};
