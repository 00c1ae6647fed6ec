//! How work waits: durable jobs, enqueued in the caller's transaction, done once their effect is committed.

pub mod outcome;
pub mod work;

pub use outcome::{Failure, Outcome};
pub use work::{Claimed, Consumer, JobId, Perform};
