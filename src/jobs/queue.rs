//! One queue in this process: an apalis worker that takes claimed jobs to their consumer and their outcomes to the
//! recorder.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use apalis_core::{error::WorkerError, task::Task, worker::builder::WorkerBuilder};
use tokio_util::sync::CancellationToken;

use super::{
    Claimed, Consumer, Outcome, RetryPolicy,
    feed::{Claimer, Feed},
    recorder::Recorder,
    settle::Settlement,
};

/// A queue, its consumer, and where outcomes go.
#[derive(Clone)]
pub(super) struct Queue {
    pub(super) claimer: Claimer,
    pub(super) consumer: Arc<dyn Consumer>,
    pub(super) recorder: Recorder,
}

/// The pause before an apalis worker that ended with an error is started again.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

impl Queue {
    /// Works until `stop`, then finishes what it has claimed.
    pub(super) async fn run(self, stop: CancellationToken) {
        while let Err(error) = self.work(stop.clone()).await {
            tracing::error!(queue = self.claimer.options.queue, %error, "the queue's worker ended; it is started again");
            metrics::counter!("mintreu_jobs_worker_restarts_total", "queue" => self.claimer.options.queue).increment(1);
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(RESTART_PAUSE) => {}
            }
        }
    }

    async fn work(&self, stop: CancellationToken) -> Result<(), WorkerError> {
        let queue = self.clone();
        let serve = move |task: Task<Claimed>| {
            let queue = queue.clone();
            async move { queue.serve(task.args, task_started()).await }
        };
        WorkerBuilder::new(self.claimer.options.queue)
            .backend(Feed::start(self.claimer.clone()))
            .build(tower::service_fn(move |task| {
                let served = serve(task);
                async move {
                    served.await;
                    Ok::<(), std::convert::Infallible>(())
                }
            }))
            .run_until(async move {
                stop.cancelled().await;
                Ok::<(), WorkerError>(())
            })
            .await
    }

    /// Has one job done. What was claimed but not begun when claiming stops or the gate closes goes back.
    async fn serve(&self, job: Claimed, claimed: Instant) {
        let kind = job.kind.clone();
        let (job, outcome) =
            if job.gate.is_open() { self.consumer.consume(job).await } else { (job, Outcome::Returned) };
        let queue = self.claimer.options.queue;
        metrics::histogram!("mintreu_jobs_duration_seconds", "queue" => queue, "kind" => kind.clone())
            .record(claimed.elapsed());
        metrics::counter!("mintreu_jobs_finished_total", "queue" => queue, "kind" => kind, "outcome" => outcome.name())
            .increment(1);
        match outcome {
            Outcome::Settled => self.claimer.let_go(&job),
            Outcome::LeaseLost => {
                tracing::warn!(job = %job.id, "the lease was lost while the job ran; its effect was rolled back");
                metrics::counter!("mintreu_jobs_lease_lost_total").increment(1);
                self.claimer.let_go(&job);
            }
            outcome => {
                if outcome == Outcome::Returned {
                    self.claimer.refused.notify_one();
                }
                let backoff = RetryPolicy::DEFAULT.backoff(job.attempt, self.claimer.db.ids().random());
                self.recorder.record(Settlement { job, outcome, backoff }, Arc::clone(&self.claimer.slots)).await;
            }
        }
    }
}

/// When the apalis worker took a job up. Measures only; what is stored comes from the clock.
fn task_started() -> Instant {
    Instant::now()
}
