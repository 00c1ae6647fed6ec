//! Who does the work: a tree of supervised actors, one capability each, that a panic never takes down.
//!
//! The promise: a job that has been handed to a capability is answered, exactly once, whatever falls; a handler that
//! panics costs its own attempt and nobody else's; and what has fallen too often is left alone while the others go on.
//!
//! ```text
//! root ── capability supervisor ── shard, shard, …     (each owns its state and a bounded mailbox)
//!     └── service                                       (a long-lived task without jobs)
//! ```
//!
//! The actors live on one thread and only decide. Handlers, factories and services run as tasks on the main runtime.

mod capability;
mod mailbox;
mod policy;
mod root;
mod run;
mod service;
mod shard;
mod status;
mod supervisor;
mod system;

pub use capability::{Capability, Handle};
pub use policy::{Backoff, Policy};
pub use service::Service;
pub use status::{ActorState, ActorStatus};
pub use system::{Drained, StartError, System, UnknownChild};

#[cfg(test)]
mod tests;
