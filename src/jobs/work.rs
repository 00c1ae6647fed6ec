//! A claimed job on its way through a process: the seam between the queue's feed and the actors.

use futures::future::BoxFuture;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Outcome;
use crate::id_type;

id_type!(JobId, Job, "job", "A unit of durable work.");

/// A job that this process holds a lease on.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// Which job.
    pub id: JobId,
    /// Its kind, e.g. `licenses.issue`.
    pub kind: String,
    /// The queue it was claimed from.
    pub queue: String,
    /// Its arguments, as JSON.
    pub payload: String,
    /// Which attempt this is, from 1.
    pub attempt: i32,
    /// After how many attempts it is dead.
    pub max_attempts: i32,
    /// Grows with every claim; guards the completion (a fencing token).
    pub token: i64,
    /// Jobs with one group key never run at the same time.
    pub group_key: Option<String>,
    /// Whether a unique key is to be freed when the job ends.
    pub unique: bool,
    /// The W3C trace context of whoever enqueued it.
    pub traceparent: Option<String>,
    /// Fires when the attempt shall stop: an operator cancelled the job, or the worker lost its lease.
    pub cancel: CancellationToken,
    /// Asked before the handler starts, however long the job has waited at its actor.
    pub gate: Gate,
}

/// Whether a claimed job may start: a kill switch closes it. One that nobody holds is open.
#[derive(Debug, Clone, Default)]
pub struct Gate(Option<watch::Receiver<bool>>);

impl Gate {
    /// Open as long as `open` says so.
    #[must_use]
    pub const fn new(open: watch::Receiver<bool>) -> Self {
        Self(Some(open))
    }

    /// Whether jobs may start now.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.0.as_ref().is_none_or(|open| *open.borrow())
    }
}

impl Claimed {
    /// What keeps related jobs on one shard: the group key, else the job's own id.
    #[must_use]
    pub fn shard_key(&self) -> u64 {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        match &self.group_key {
            Some(key) => key.hash(&mut hasher),
            None => self.id.hash(&mut hasher),
        }
        hasher.finish()
    }
}

/// Who does the jobs of a queue: an actor's address, seen from the queue.
pub trait Consumer: Send + Sync + 'static {
    /// Does one job. Resolves when the attempt is over, whatever became of it; never panics.
    fn consume(&self, job: Claimed) -> BoxFuture<'static, (Claimed, Outcome)>;
}

/// The handlers of a capability, seen from the actor that owns the state `S`.
pub trait Perform<S>: Send + Sync + 'static {
    /// Runs the handler of the job's kind. May panic when the handler does.
    fn perform<'a>(&'a self, state: &'a mut S, job: &'a Claimed) -> BoxFuture<'a, Outcome>;
}
