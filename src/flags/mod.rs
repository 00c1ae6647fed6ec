//! An operator changes what the program does while it runs, and every process obeys within a second.
//!
//! Flags choose between variants by rules (OpenFeature's terms); the six kill switches stop a capability. Both live in
//! the database and are served from memory by the [`Registry`]: a switch is one atomic load, an evaluation allocates
//! nothing. Every change has an actor and a reason and is in the audit trail with the change itself. When the database
//! is away, the last known state goes on being served, and says how old it is.

mod change;
mod compiled;
mod condition;
mod context;
mod declared;
mod definition;
mod propagate;
mod registry;
mod snapshot;
mod store;
mod switch;
mod version;

#[cfg(test)]
mod tests;

pub use change::{Applied, ChangeError, ChangedBy, Expected, ReasonMissing};
pub use compiled::{CompiledFlag, ErrorCode, Evaluation, Reason, bucket};
pub use context::{Attribute, Context};
pub use declared::{
    API_KEYS, BoolFlag, CHECKOUT_GUEST, CHECKOUT_PAYPAL, DECLARED, DOWNLOADS_PROXY, Declared, Flag,
    LICENSES_OFFLINE_FILES, NumberFlag, SUPPORT_TICKETS, StringFlag,
};
pub use definition::{ConditionDef, Definition, FlagKind, FlagValue, Flaw, Op, RuleDef, Share, SplitBy};
pub use registry::{FlagView, Registry, RegistryOptions};
pub use snapshot::Snapshot;
pub use switch::{ParseSwitchError, Switch, SwitchState};
