//! The recorder: gathers what became of many jobs and records it in few transactions.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Semaphore, mpsc, oneshot},
    task::JoinHandle,
};

use super::{
    Failure, Outcome,
    settle::{self, Settlement},
    worker::Running,
};
use crate::db::Db;

/// How many settlements go into one transaction at most.
const BATCH: usize = 512;
/// How long an unreachable database is left alone before the next try.
const PATIENCE: Duration = Duration::from_millis(250);

/// Takes settlements from all queues of this process.
#[derive(Debug, Clone)]
pub(super) struct Recorder {
    sender: mpsc::Sender<Due>,
}

#[derive(Debug)]
enum Due {
    /// The slot is given back once recorded: the job no longer counts towards its queue's concurrency.
    Record(Box<Settlement>, Arc<Semaphore>),
    /// Answered when all that came before it is recorded.
    Flush(oneshot::Sender<()>),
}

impl Recorder {
    /// Starts recording; the task ends when the last clone is dropped and everything is recorded.
    pub(super) fn start(db: Db, running: Running) -> (Self, JoinHandle<()>) {
        let (sender, receiver) = mpsc::channel(4 * BATCH);
        (Self { sender }, tokio::spawn(record(db, running, receiver)))
    }

    /// Hands over one settlement.
    pub(super) async fn record(&self, settlement: Settlement, slot: Arc<Semaphore>) {
        let job = settlement.job.id;
        if self.sender.send(Due::Record(Box::new(settlement), slot)).await.is_err() {
            // Only when the recording task died: the job runs again after this worker's lease.
            tracing::error!(%job, "the outcome of a job could not be recorded");
        }
    }

    /// Waits until everything handed over is recorded, or `limit` has passed. Whether it was.
    pub(super) async fn flush(&self, limit: Duration) -> bool {
        let (done, recorded) = oneshot::channel();
        let flushed = async { self.sender.send(Due::Flush(done)).await.is_ok() && recorded.await.is_ok() };
        tokio::time::timeout(limit, flushed).await.unwrap_or(false)
    }
}

async fn record(db: Db, running: Running, mut receiver: mpsc::Receiver<Due>) {
    let mut due = Vec::with_capacity(BATCH);
    while receiver.recv_many(&mut due, BATCH).await > 0 {
        let (mut batch, mut slots, mut flushes) = (Vec::new(), Vec::new(), Vec::new());
        for due in due.drain(..) {
            match due {
                Due::Record(settlement, slot) => {
                    batch.push(*settlement);
                    slots.push(slot);
                }
                Due::Flush(done) => flushes.push(done),
            }
        }
        if !batch.is_empty() {
            record_batch(&db, &batch).await;
            for settlement in &batch {
                running.remove(&settlement.job);
            }
        }
        for slot in slots {
            slot.add_permits(1);
        }
        for done in flushes {
            // Whoever waited may have given up.
            let _ = done.send(());
        }
    }
}

/// Records a batch, however long the database takes: the leases are renewed meanwhile.
async fn record_batch(db: &Db, batch: &[Settlement]) {
    #[expect(clippy::cast_precision_loss, reason = "at most some hundred")]
    metrics::histogram!("mintreu_jobs_settle_batch_size").record(batch.len() as f64);
    loop {
        match db.write(async |tx| settle::settle(tx, batch).await).await {
            Ok(settled) => {
                if settled.lease_lost > 0 {
                    tracing::warn!(jobs = settled.lease_lost, "outcomes came too late: the lease was lost");
                    metrics::counter!("mintreu_jobs_lease_lost_total").increment(settled.lease_lost);
                }
                return;
            }
            Err(error) => {
                tracing::warn!(%error, jobs = batch.len(), "outcomes of jobs not recorded yet");
                metrics::counter!("mintreu_jobs_settle_errors_total").increment(1);
                tokio::time::sleep(PATIENCE).await;
            }
        }
    }
}

impl Outcome {
    /// Its name in metrics and logs.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Settled | Self::Completed => "completed",
            Self::Failed(Failure::Retry { .. }) => "failed",
            Self::Failed(Failure::Snooze { .. }) => "snoozed",
            Self::Failed(Failure::Dead { .. }) => "dead",
            Self::Cancelled => "cancelled",
            Self::Returned => "returned",
            Self::LeaseLost => "lease_lost",
        }
    }
}
