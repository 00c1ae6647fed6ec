//! How work waits: durable jobs, enqueued in the caller's transaction, done once their effect is committed.

pub mod admin;
mod claim;
pub mod cron;
mod due;
mod enqueue;
mod events;
mod feed;
mod handlers;
mod kind;
mod lease;
mod mask;
mod outcome;
mod overview;
mod queue;
mod recorder;
pub mod retention;
mod settle;
mod sink;
mod together;
mod upkeep;
mod work;
mod worker;

pub use claim::WorkerId;
pub(crate) use claim::not_paused;
pub use cron::Schedule;
pub use enqueue::Enqueued;
pub use events::{DomainEvent, EVENTS_TOPIC, EventId};
pub use feed::{Feed, QueueOptions};
pub use handlers::{Attempt, External, Handlers, Transactional};
pub use kind::{Job, RetryPolicy};
pub use outcome::{Failure, Outcome};
pub use sink::JobSink;
pub use together::{MOST, Together};
pub use upkeep::upkeep;
pub use work::{Claimed, Consumer, Gate, JobId, Perform};
pub use worker::{Worker, WorkerOptions};
