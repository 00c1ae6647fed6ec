//! Who changes an account, and at whose request.

use crate::audit::{Actor, Entry};

/// Who does something to an account, as the audit trail keeps it.
#[derive(Debug, Clone)]
pub struct By {
    /// Who.
    pub actor: Actor,
    /// The request that asked for it.
    pub request: Option<String>,
}

impl By {
    /// Somebody, without a request.
    #[must_use]
    pub const fn actor(actor: Actor) -> Self {
        Self { actor, request: None }
    }

    /// An entry of what they did to the thing of this type and name.
    #[must_use]
    pub fn did(&self, action: &'static str, object_type: &'static str, object: impl ToString) -> Entry {
        Entry::new(self.actor.clone(), action, object_type, object.to_string()).request(self.request.clone())
    }
}
