//! Putting jobs on the queue, in the transaction that owes the work.

use super::{Job, JobId};
use crate::{
    db::{AppendTable, Column, DbError, Tx},
    execute, fetch_optional,
    kernel::{Time, trace},
};

/// What became of an enqueued job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enqueued {
    /// It waits.
    New(JobId),
    /// A job with the same unique key has not ended; this is it.
    Duplicate(JobId),
}

impl Enqueued {
    /// The job that does the work, whoever enqueued it.
    #[must_use]
    pub const fn id(self) -> JobId {
        match self {
            Self::New(id) | Self::Duplicate(id) => id,
        }
    }
}

static JOBS: AppendTable = AppendTable::new(
    "jobs",
    &[
        ("id", Column::Uuid),
        ("queue", Column::Text),
        ("kind", Column::Text),
        ("payload", Column::Text),
        ("state", Column::Text),
        ("priority", Column::Int),
        ("run_at", Column::Time),
        ("max_attempts", Column::Int),
        ("group_key", Column::Text),
        ("has_unique_key", Column::Bool),
        ("traceparent", Column::Text),
        ("created_at", Column::Time),
    ],
);

/// Wakes the one who makes waiting jobs available when they are due.
pub(super) const DUE_TOPIC: &str = "jobs.due";

impl Tx {
    /// Enqueues a job; it is there when the transaction is, and runs as soon as it can.
    pub async fn enqueue<J: Job>(&mut self, job: &J) -> Result<Enqueued, DbError> {
        let now = self.now();
        self.enqueue_at(job, now).await
    }

    /// Enqueues a job that runs at `run_at` or as soon as it can after it.
    pub async fn enqueue_at<J: Job>(&mut self, job: &J, run_at: Time) -> Result<Enqueued, DbError> {
        const { assert!(J::RETRY.max_attempts > 0, "a job is tried at least once") }
        let payload = serde_json::to_string(job).map_err(|error| sqlx::Error::Encode(error.into()))?;
        let (group_key, unique_key) = (job.group_key(), job.unique_key());
        let waiting = Waiting {
            queue: J::QUEUE,
            kind: J::KIND,
            payload: &payload,
            priority: J::PRIORITY,
            max_attempts: J::RETRY.max_attempts,
            run_at,
            group_key: group_key.as_deref(),
            unique_key: unique_key.as_deref(),
        };
        self.enqueue_waiting(&waiting).await
    }

    pub(super) async fn enqueue_waiting(&mut self, job: &Waiting<'_>) -> Result<Enqueued, DbError> {
        let id: JobId = self.new_id();
        if let Some(key) = job.unique_key
            && let Some(first) = take_key(self, key, id).await?
        {
            return Ok(Enqueued::Duplicate(first));
        }
        let now = self.now();
        let due = job.run_at <= now;
        let traceparent = trace::current().map(|trace| trace.to_string());
        self.append(&JOBS, |row| {
            row.uuid(id.uuid())
                .text(job.queue)
                .text(job.kind)
                .text(job.payload)
                .text(if due { "available" } else { "scheduled" })
                .int(i64::from(job.priority))
                .time(job.run_at)
                .int(i64::from(job.max_attempts))
                .text(job.group_key)
                .bool(job.unique_key.is_some())
                .text(traceparent.as_deref())
                .time(now);
        });
        if due {
            self.wake(job.queue.to_owned());
        } else {
            self.wake(DUE_TOPIC);
        }
        Ok(Enqueued::New(id))
    }
}

/// A job about to be enqueued, its kind's constants spelt out.
pub(super) struct Waiting<'a> {
    pub(super) queue: &'a str,
    pub(super) kind: &'a str,
    pub(super) payload: &'a str,
    pub(super) priority: i32,
    pub(super) max_attempts: i32,
    pub(super) run_at: Time,
    pub(super) group_key: Option<&'a str>,
    pub(super) unique_key: Option<&'a str>,
}

/// Takes a unique key for `id`, or finds the job that has it.
async fn take_key(tx: &mut Tx, key: &str, id: JobId) -> Result<Option<JobId>, DbError> {
    loop {
        let taken = execute!(
            tx,
            sqlx::query("INSERT INTO job_keys (key, job_id) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING")
                .bind(key)
                .bind(id)
        )?;
        if taken == 1 {
            return Ok(None);
        }
        let holder = fetch_optional!(tx, sqlx::query_scalar("SELECT job_id FROM job_keys WHERE key = $1").bind(key))?;
        if holder.is_some() {
            return Ok(holder);
        }
        // The holder ended between the two statements: the key is free again.
    }
}
