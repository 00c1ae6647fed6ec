//! Jobs that are done together: what is waiting at the same moment shares one transaction, and so its statements.
//!
//! Whoever comes while a transaction is on its way waits for its end; then one of those that wait does the work of all.
//! When that fails, each does its own alone, so that one bad job neither holds up the others nor takes them with it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::future::BoxFuture;
use tokio::sync::oneshot;

use super::{
    Claimed, Failure, Job, Outcome, RetryPolicy,
    handlers::{Handle, Stop, decode},
    settle,
};
use crate::db::{Db, Tx};

/// A job whose effect is rows, and which is cheaper in company: all complete in one transaction, or none.
pub trait Together<S>: Job {
    /// Does these works with what the actor owns, inside the transaction that completes their jobs. Their number is from
    /// one to [`MOST`], and none knows of the others: two may mean the same thing.
    fn run(works: Vec<Self>, state: &mut S, tx: &mut Tx) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// How many jobs share a transaction at most: it should not hold a writer for long.
pub const MOST: usize = 64;

/// Those that wait for their turn.
pub(super) struct Gathered<J> {
    waiting: Mutex<Vec<Waiting<J>>>,
    turn: tokio::sync::Mutex<()>,
}

impl<J> Default for Gathered<J> {
    fn default() -> Self {
        Self { waiting: Mutex::default(), turn: tokio::sync::Mutex::default() }
    }
}

/// A job whose handler waits to be told that it is done. One that is not told does it alone.
struct Waiting<J> {
    work: J,
    job: Claimed,
    done: oneshot::Sender<()>,
}

impl<J> Gathered<J> {
    fn waiting(&self) -> MutexGuard<'_, Vec<Waiting<J>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those whose turn it is. Who went away meanwhile is left out: its job is no longer ours to complete.
    fn next(&self) -> Vec<Waiting<J>> {
        let mut waiting = self.waiting();
        waiting.retain(|waiting| !waiting.done.is_closed());
        let most = waiting.len().min(MOST);
        waiting.drain(..most).collect()
    }
}

impl<J> Gathered<J> {
    /// Waits until the job is done in company. `false`: it is to be done alone.
    async fn join<S: Send>(&self, db: &Db, state: &mut S, work: J, job: &Claimed) -> bool
    where
        J: Together<S>,
    {
        let (done, mut told) = oneshot::channel();
        self.waiting().push(Waiting { work, job: job.clone(), done });
        loop {
            let turn = tokio::select! {
                biased;
                told = &mut told => return told.is_ok(),
                turn = self.turn.lock() => turn,
            };
            let next = self.next();
            if next.is_empty() {
                drop(turn);
                return told.await.is_ok();
            }
            let (works, others): (Vec<J>, Vec<_>) =
                next.into_iter().map(|Waiting { work, job, done }| (work, (job, done))).unzip();
            let written = db
                .write(async |tx| {
                    J::run(works, state, tx).await.map_err(Stop::Failure)?;
                    for (job, _) in &others {
                        complete(tx, job).await?;
                    }
                    Ok::<_, Stop>(())
                })
                .await;
            if written.is_ok() {
                for (_, done) in others {
                    // Who went away meanwhile needs no answer.
                    let _ = done.send(());
                }
            }
            // Otherwise they learn it from the senders that are dropped here, ours among them.
        }
    }
}

async fn complete(tx: &mut Tx, job: &Claimed) -> Result<(), Stop> {
    if settle::complete_within(tx, job).await? { Ok(()) } else { Err(Stop::LeaseLost) }
}

impl<S: Send, J: Together<S>> Handle<S> for Gathered<J> {
    fn timeout(&self) -> std::time::Duration {
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
            // A job that failed before keeps to itself: should it panic, it does so in nobody's company.
            if job.attempt == 1 && self.join(db, state, work, job).await {
                return Outcome::Settled;
            }
            let alone = match decode(job) {
                Ok(work) => vec![work],
                Err(outcome) => return outcome,
            };
            let done = db
                .write(async |tx| {
                    J::run(alone, state, tx).await.map_err(Stop::Failure)?;
                    complete(tx, job).await
                })
                .await;
            Stop::outcome(done)
        })
    }
}
