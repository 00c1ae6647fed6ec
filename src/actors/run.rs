//! Doing jobs: one task on the main runtime that has a shard's state and takes one job after the other.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Instant};

use futures::FutureExt;

use super::{
    capability::{Node, Shard},
    mailbox::Mail,
    status::panic_message,
};
use crate::jobs::{Failure, Outcome, Perform};

/// After so many jobs in a row the task lets others of its thread go first.
const TURN: usize = 32;

/// How the work ended.
pub(super) enum Ended<S> {
    /// No job is left, or the actor wants the state back.
    Idle(S),
    /// A handler panicked; the state went down with it.
    Panicked,
}

/// Does the shard's jobs, each answered as soon as it is done, until there are none or one panics.
pub(super) async fn work<S: Send + 'static>(
    node: Arc<Node>,
    shard: usize,
    perform: Arc<dyn Perform<S>>,
    mut state: S,
) -> Ended<S> {
    let shard = &node.shards[shard];
    for turn in 1_usize.. {
        if turn.is_multiple_of(TURN) {
            tokio::task::yield_now().await;
        }
        let Some(mail) = next(shard).await else { break };
        if !attempt(&node, shard, &*perform, &mut state, mail).await {
            return Ended::Panicked;
        }
    }
    Ended::Idle(state)
}

/// The next job. Before the state goes back, those who would bring more get the chance to: another job here costs no
/// change of threads, a call of the actor costs several.
async fn next(shard: &Shard) -> Option<Mail> {
    if let Some(mail) = shard.mailbox.take() {
        return Some(mail);
    }
    tokio::task::yield_now().await;
    shard.mailbox.take_or_end()
}

/// Does one job and answers it. Says whether the state is still good.
async fn attempt<S: 'static>(node: &Node, shard: &Shard, perform: &dyn Perform<S>, state: &mut S, mail: Mail) -> bool {
    let Some(job) = mail.wanted() else { return true };
    let in_flight = shard.cell.in_flight();
    let started = Instant::now();
    // The state is thrown away after a panic, so that nobody sees it half changed.
    let attempt = AssertUnwindSafe(async { perform.perform(state, job).await }).catch_unwind().await;
    node.metrics.duration.record(started.elapsed());
    let (outcome, good) = match attempt {
        Ok(outcome) => (outcome, true),
        Err(payload) => {
            let error = format!("panicked: {}", panic_message(&*payload));
            tracing::error!(capability = node.name, shard = shard.index, job = %job.id, kind = job.kind, error, "a handler panicked");
            shard.fell(&error);
            (Outcome::Failed(Failure::retry(error)), false)
        }
    };
    // First the books, then the answer: who has the answer may look at them.
    drop(in_flight);
    mail.answer(outcome);
    good
}
