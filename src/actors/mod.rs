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
//!
//! A capability is a file beside this one with the struct of its state and a function that returns its
//! [`Capability`]; a long-lived task that does no jobs is a [`Service`].
//!
//! ```
//! # use std::{sync::Arc, time::Duration};
//! # use futures::{FutureExt, future::BoxFuture};
//! # use mintreu::{actors::{Capability, System}, jobs::{Claimed, Outcome, Perform}, kernel::SystemClock};
//! #[derive(Default)]
//! struct Licensing {
//!     issued: u64,
//! }
//! struct Handlers; // in truth the registry of job kinds
//! impl Perform<Licensing> for Handlers {
//!     fn perform<'a>(&'a self, state: &'a mut Licensing, _: &'a Claimed) -> BoxFuture<'a, Outcome> {
//!         async {
//!             state.issued += 1;
//!             Outcome::Completed
//!         }
//!         .boxed()
//!     }
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let system = System::start(tokio::runtime::Handle::current(), Arc::new(SystemClock))?;
//! let licensing = Capability::new("licensing", Licensing::default, Arc::new(Handlers)).shards(4);
//! let handle = system.add(licensing).await?;
//! let consumer = handle.consumer(); // for the queue: consumer.consume(job).await
//! # drop(consumer);
//! let left = system.drain(Duration::from_secs(8)).await;
//! assert_eq!((left.returned, left.interrupted), (0, 0));
//! # Ok(())
//! # }
//! ```

pub mod accounts;
mod capability;
mod credential_letters;
pub mod credentials;
pub mod downloads;
mod inbox;
mod license_letters;
pub mod licensing;
mod mailbox;
pub mod notifications;
mod order_letters;
pub mod payments;
mod policy;
pub mod privacy;
mod privacy_letters;
mod root;
mod run;
mod service;
mod shard;
mod source_letters;
mod status;
mod supervisor;
pub mod support;
mod system;
mod ticket_letters;

pub use capability::{Capability, Handle};
pub use policy::{Backoff, Policy};
pub use service::Service;
pub use system::{Drained, StartError, System};

pub use crate::app::{ActorState, ActorStatus, UnknownChild};

#[cfg(test)]
mod tests;
