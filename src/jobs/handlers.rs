//! The handlers of a capability: which code does which kind of job.

use std::{collections::HashMap, future::Future, marker::PhantomData, time::Duration};

use futures::future::BoxFuture;

use super::{Claimed, Failure, Job, JobId, Outcome, Perform, RetryPolicy, settle};
use crate::{
    db::{Db, DbError, Tx},
    kernel::trace::{self, Trace},
};

/// What a handler may know of its attempt.
#[derive(Debug, Clone, Copy)]
pub struct Attempt {
    /// The job; for effects outside the database, their idempotency key.
    pub job: JobId,
    /// Which attempt this is, from 1.
    pub number: i32,
    /// After how many the job is dead.
    pub max: i32,
}

/// A job whose effect is rows: it completes in the transaction that writes them, or not at all.
pub trait Transactional<S>: Job {
    /// Does the work with what the actor owns, inside the transaction that completes the job.
    fn run(self, state: &mut S, tx: &mut Tx, attempt: Attempt) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// A job whose effect is outside the database: a mail, a payment, a stored object. At least once; the attempt's job id
/// is the idempotency key.
pub trait External<S>: Job {
    /// Does the work with what the actor owns. No transaction is open.
    fn run(self, state: &mut S, db: &Db, attempt: Attempt) -> impl Future<Output = Result<(), Failure>> + Send;
}

impl From<DbError> for Failure {
    fn from(error: DbError) -> Self {
        // A defect too is tried again: a repaired program finds the job still waiting.
        Self::retry(error)
    }
}

/// The handlers of a capability whose actors own an `S`.
pub struct Handlers<S> {
    db: Db,
    by_kind: HashMap<&'static str, Box<dyn Handle<S>>>,
}

impl<S> std::fmt::Debug for Handlers<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.by_kind.keys()).finish()
    }
}

impl<S: Send + 'static> Handlers<S> {
    /// No handlers yet.
    #[must_use]
    pub fn new(db: Db) -> Self {
        Self { db, by_kind: HashMap::new() }
    }

    /// Does jobs of kind `J` inside their completing transaction.
    #[must_use]
    pub fn transactional<J: Transactional<S>>(mut self) -> Self {
        self.by_kind.insert(J::KIND, Box::new(InTransaction::<J>(PhantomData)));
        self
    }

    /// Does jobs of kind `J` outside any transaction.
    #[must_use]
    pub fn external<J: External<S>>(mut self) -> Self {
        self.by_kind.insert(J::KIND, Box::new(Outside::<J>(PhantomData)));
        self
    }
}

impl<S: Send + 'static> Perform<S> for Handlers<S> {
    fn perform<'a>(&'a self, state: &'a mut S, job: &'a Claimed) -> BoxFuture<'a, Outcome> {
        let Some(handler) = self.by_kind.get(job.kind.as_str()) else {
            let error = format!("no handler for jobs of kind `{}` in queue `{}`", job.kind, job.queue);
            return Box::pin(std::future::ready(Outcome::Failed(Failure::Dead { error })));
        };
        if !job.gate.is_open() {
            return Box::pin(std::future::ready(Outcome::Returned));
        }
        let limit = handler.timeout();
        let caller = job.traceparent.as_deref().and_then(Trace::parse);
        Box::pin(trace::scope(caller, async move {
            let outcome = tokio::select! {
                biased;
                () = job.cancel.cancelled() => Outcome::Cancelled,
                outcome = handler.handle(&self.db, state, job) => outcome,
                () = tokio::time::sleep(limit) => {
                    Outcome::Failed(Failure::retry(format_args!("timed out after {} s", limit.as_secs_f32())))
                }
            };
            match outcome {
                Outcome::Failed(Failure::Retry { error, after: None }) => {
                    let after = Some(handler.retry().backoff(job.attempt, self.db.ids().random()));
                    Outcome::Failed(Failure::Retry { error, after })
                }
                outcome => outcome,
            }
        }))
    }
}

/// A handler, its kind forgotten.
trait Handle<S>: Send + Sync {
    fn timeout(&self) -> Duration;
    fn retry(&self) -> RetryPolicy;
    fn handle<'a>(&'a self, db: &'a Db, state: &'a mut S, job: &'a Claimed) -> BoxFuture<'a, Outcome>;
}

struct InTransaction<J>(PhantomData<fn() -> J>);
struct Outside<J>(PhantomData<fn() -> J>);

fn decode<J: Job>(job: &Claimed) -> Result<J, Outcome> {
    serde_json::from_str(&job.payload)
        .map_err(|error| Outcome::Failed(Failure::Dead { error: format!("the payload is no `{}`: {error}", J::KIND) }))
}

const fn attempt(job: &Claimed) -> Attempt {
    Attempt { job: job.id, number: job.attempt, max: job.max_attempts }
}

/// Why a transactional attempt was rolled back.
enum Stop {
    Failure(Failure),
    LeaseLost,
}

impl From<DbError> for Stop {
    fn from(error: DbError) -> Self {
        Self::Failure(error.into())
    }
}

impl<S: Send, J: Transactional<S>> Handle<S> for InTransaction<J> {
    fn timeout(&self) -> Duration {
        J::TIMEOUT
    }

    fn retry(&self) -> RetryPolicy {
        J::RETRY
    }

    fn handle<'a>(&'a self, db: &'a Db, state: &'a mut S, job: &'a Claimed) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let work: J = match decode(job) {
                Ok(work) => work,
                Err(outcome) => return outcome,
            };
            let done = db
                .write(async |tx| {
                    work.run(state, tx, attempt(job)).await.map_err(Stop::Failure)?;
                    if settle::complete_within(tx, job).await? { Ok(()) } else { Err(Stop::LeaseLost) }
                })
                .await;
            match done {
                Ok(()) => Outcome::Settled,
                Err(Stop::LeaseLost) => Outcome::LeaseLost,
                Err(Stop::Failure(failure)) => Outcome::Failed(failure),
            }
        })
    }
}

impl<S: Send, J: External<S>> Handle<S> for Outside<J> {
    fn timeout(&self) -> Duration {
        J::TIMEOUT
    }

    fn retry(&self) -> RetryPolicy {
        J::RETRY
    }

    fn handle<'a>(&'a self, db: &'a Db, state: &'a mut S, job: &'a Claimed) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let work: J = match decode(job) {
                Ok(work) => work,
                Err(outcome) => return outcome,
            };
            match work.run(state, db, attempt(job)).await {
                Ok(()) => Outcome::Completed,
                Err(failure) => Outcome::Failed(failure),
            }
        })
    }
}
