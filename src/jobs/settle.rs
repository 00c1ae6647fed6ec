//! Settling: recording what became of claimed jobs, guarded by the token of their claim.
//!
//! Whoever lost its lease holds an older token, so its record changes no row. A transactional handler settles its job in
//! its own transaction; all others are settled in batches.

use std::time::Duration;

use serde_json::json;

use super::{Claimed, Failure, JobId, Outcome};
use crate::{
    db::{AppendTable, Column, DbError, Tx},
    execute, fetch_all,
    kernel::Time,
};

/// What is to be recorded of one attempt.
#[derive(Debug)]
pub(super) struct Settlement {
    pub(super) job: Claimed,
    pub(super) outcome: Outcome,
    /// The wait before the next attempt when the outcome names none.
    pub(super) backoff: Duration,
}

/// How many jobs of each end were recorded.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Settled {
    pub(super) recorded: u64,
    pub(super) lease_lost: u64,
}

static COMPLETIONS: AppendTable = AppendTable::new(
    "jobs",
    &[
        ("id", Column::Uuid),
        ("token", Column::Int),
        ("state", Column::Text),
        ("worker_id", Column::Uuid),
        ("finished_at", Column::Time),
    ],
)
.updating_exactly(2, "jobs.worker_id IS NOT NULL");

/// Completes a job in the transaction of its effect. `false`: the lease was lost and the transaction must not commit.
///
/// A job that nobody waits behind is completed with the commit, which then fails if the lease was lost.
pub(super) async fn complete_within(tx: &mut Tx, job: &Claimed) -> Result<bool, DbError> {
    let now = tx.now();
    if !job.unique && job.group_key.is_none() {
        tx.append(&COMPLETIONS, |row| {
            row.uuid(job.id.uuid()).int(job.token).text("completed").uuid(None).time(now);
        });
        return Ok(true);
    }
    let done = execute!(
        tx,
        sqlx::query(
            "UPDATE jobs SET state = 'completed', worker_id = NULL, finished_at = $3
             WHERE id = $1 AND token = $2 AND worker_id IS NOT NULL"
        )
        .bind(job.id)
        .bind(job.token)
        .bind(now)
    )?;
    if done == 0 {
        return Ok(false);
    }
    if job.unique {
        free_keys(tx, &[job.id]).await?;
    }
    if let Some(group) = &job.group_key {
        unpark(tx, std::slice::from_ref(group)).await?;
    }
    Ok(true)
}

/// A job has a worker exactly while it runs (the schema says so). Asked this way, not by its state, PostgreSQL looks each
/// job up by its key; by the state it would walk the index of running jobs and all that has gone from it. The list of keys
/// says so once more: a plan that was made while the table was empty would begin with all of it.
const COMPLETE_SQLITE: &str = "UPDATE jobs SET state = 'completed', worker_id = NULL, finished_at = $2
    FROM (SELECT unhex(value->>0) AS id, value->>1 AS token FROM json_each($1)) done
    WHERE jobs.id = done.id AND jobs.token = done.token AND jobs.worker_id IS NOT NULL";
const COMPLETE_POSTGRES: &str = "UPDATE jobs SET state = 'completed', worker_id = NULL, finished_at = $2
    FROM (SELECT (r->>0)::uuid AS id, (r->>1)::bigint AS token FROM jsonb_array_elements($1::jsonb) r) done
    WHERE jobs.id = ANY (ARRAY(SELECT (r->>0)::uuid FROM jsonb_array_elements($1::jsonb) r))
        AND jobs.id = done.id AND jobs.token = done.token AND jobs.worker_id IS NOT NULL";

/// `state, run_at, spent attempts to give back, error entry` for each. What would go on is cancelled if an operator
/// asked for it; an attempt that was stopped for another reason (the process ends, the lease was lost) is not.
const END_SQLITE: &str = "UPDATE jobs SET
        state = CASE WHEN cancel_requested AND ended.state <> 'discarded' THEN 'cancelled' ELSE ended.state END,
        worker_id = NULL,
        run_at = COALESCE(ended.run_at, jobs.run_at),
        attempt = attempt - CASE WHEN cancel_requested THEN 0 ELSE ended.unspent END,
        finished_at = CASE WHEN cancel_requested OR ended.state = 'discarded' THEN $2 END,
        errors = CASE WHEN ended.error IS NULL THEN errors
            ELSE json_insert(CASE WHEN json_array_length(COALESCE(errors, '[]')) >= 20 THEN json_remove(errors, '$[0]')
                ELSE COALESCE(errors, '[]') END, '$[#]', json(ended.error)) END
    FROM (SELECT unhex(value->>0) AS id, value->>1 AS token, value->>2 AS state, value->>3 AS run_at,
        value->>4 AS unspent, NULLIF(value->5, 'null') AS error FROM json_each($1)) ended
    WHERE jobs.id = ended.id AND jobs.token = ended.token AND jobs.worker_id IS NOT NULL";
const END_POSTGRES: &str = "UPDATE jobs SET
        state = CASE WHEN cancel_requested AND ended.state <> 'discarded' THEN 'cancelled' ELSE ended.state END,
        worker_id = NULL,
        run_at = COALESCE(ended.run_at, jobs.run_at),
        attempt = attempt - CASE WHEN cancel_requested THEN 0 ELSE ended.unspent END,
        finished_at = CASE WHEN cancel_requested OR ended.state = 'discarded' THEN $2 END,
        errors = CASE WHEN ended.error IS NULL THEN errors
            ELSE (CASE WHEN jsonb_array_length(COALESCE(errors, '[]')::jsonb) >= 20 THEN errors::jsonb - 0
                ELSE COALESCE(errors, '[]')::jsonb END || ended.error)::text END
    FROM (SELECT (r->>0)::uuid AS id, (r->>1)::bigint AS token, r->>2 AS state,
        TIMESTAMPTZ 'epoch' + (r->>3)::bigint * INTERVAL '1 microsecond' AS run_at,
        (r->>4)::int AS unspent, NULLIF(r->5, 'null'::jsonb) AS error FROM jsonb_array_elements($1::jsonb) r) ended
    WHERE jobs.id = ANY (ARRAY(SELECT (r->>0)::uuid FROM jsonb_array_elements($1::jsonb) r))
        AND jobs.id = ended.id AND jobs.token = ended.token AND jobs.worker_id IS NOT NULL";

/// Records a batch of attempts, whatever became of them.
pub(super) async fn settle(tx: &mut Tx, batch: &[Settlement]) -> Result<Settled, DbError> {
    let now = tx.now();
    let (completed, ended): (Vec<_>, Vec<_>) =
        batch.iter().partition(|settlement| settlement.outcome == Outcome::Completed);
    let mut recorded = 0;
    if !completed.is_empty() {
        let rows: Vec<_> =
            completed.iter().map(|s| json!([s.job.id.uuid().simple().to_string(), s.job.token])).collect();
        let text = tx.dialect().pick(COMPLETE_SQLITE, COMPLETE_POSTGRES);
        recorded += execute!(tx, sqlx::query(text).bind(json!(rows).to_string()).bind(now))?;
    }
    if !ended.is_empty() {
        let rows: Vec<_> = ended.iter().map(|settlement| ended_row(settlement, now)).collect();
        let text = tx.dialect().pick(END_SQLITE, END_POSTGRES);
        recorded += execute!(tx, sqlx::query(text).bind(json!(rows).to_string()).bind(now))?;
        for settlement in &ended {
            match next(settlement, now) {
                Next::Again { run_at: None } => tx.wake(settlement.job.queue.clone()),
                Next::Again { run_at: Some(_) } | Next::Retry { .. } => tx.wake(super::enqueue::DUE_TOPIC),
                Next::Discarded { .. } => {}
            }
        }
    }
    let keys: Vec<JobId> = batch.iter().filter(|s| s.job.unique).map(|s| s.job.id).collect();
    if !keys.is_empty() {
        free_keys(tx, &keys).await?;
    }
    let mut groups: Vec<String> = batch.iter().filter_map(|settlement| settlement.job.group_key.clone()).collect();
    groups.sort_unstable();
    groups.dedup();
    if !groups.is_empty() {
        unpark(tx, &groups).await?;
    }
    let lease_lost = u64::try_from(batch.len()).unwrap_or(u64::MAX).saturating_sub(recorded);
    Ok(Settled { recorded, lease_lost })
}

/// Where a job goes that did not complete.
enum Next {
    Again { run_at: Option<Time> },
    Retry { run_at: Time, error: String },
    Discarded { error: String },
}

fn next(settlement: &Settlement, now: Time) -> Next {
    match &settlement.outcome {
        Outcome::Failed(Failure::Retry { error, .. }) if settlement.job.attempt >= settlement.job.max_attempts => {
            Next::Discarded { error: error.clone() }
        }
        Outcome::Failed(Failure::Retry { error, after }) => {
            Next::Retry { run_at: now + after.unwrap_or(settlement.backoff), error: error.clone() }
        }
        Outcome::Failed(Failure::Snooze { until }) => Next::Again { run_at: Some(*until) },
        Outcome::Failed(Failure::Dead { error }) => Next::Discarded { error: error.clone() },
        // Settled, Completed and LeaseLost never come here; should they, the guard leaves the job to its holder.
        Outcome::Cancelled | Outcome::Returned | Outcome::Settled | Outcome::Completed | Outcome::LeaseLost => {
            Next::Again { run_at: None }
        }
    }
}

fn ended_row(settlement: &Settlement, now: Time) -> serde_json::Value {
    let job = &settlement.job;
    let entry = |error: &str| json!({"attempt": job.attempt, "at": now, "error": error});
    let (state, run_at, unspent, error) = match next(settlement, now) {
        Next::Again { run_at: None } => ("available", None, 1, None),
        Next::Again { run_at: Some(at) } => ("scheduled", Some(at), 1, None),
        Next::Retry { run_at, error } => ("retryable", Some(run_at), 0, Some(entry(&error))),
        Next::Discarded { error } => ("discarded", None, 0, Some(entry(&error))),
    };
    json!([job.id.uuid().simple().to_string(), job.token, state, run_at.map(Time::as_micros), unspent, error])
}

/// Frees the unique keys of those among `jobs` that have ended: one whose lease was lost may be running elsewhere.
pub(super) async fn free_keys(tx: &mut Tx, jobs: &[JobId]) -> Result<(), DbError> {
    let ids: Vec<_> = jobs.iter().map(|id| id.uuid().simple().to_string()).collect();
    let text = tx.dialect().pick(
        "DELETE FROM job_keys WHERE job_id IN (SELECT id FROM jobs
            WHERE id IN (SELECT unhex(value) FROM json_each($1)) AND state IN ('completed', 'cancelled', 'discarded'))",
        "DELETE FROM job_keys WHERE job_id IN (SELECT id FROM jobs
            WHERE id IN (SELECT r::uuid FROM jsonb_array_elements_text($1::jsonb) r)
                AND state IN ('completed', 'cancelled', 'discarded'))",
    );
    execute!(tx, sqlx::query(text).bind(json!(ids).to_string()))?;
    Ok(())
}

/// Lets the next job of each group be claimed: the first that waits, whether it looks parked or not. On PostgreSQL a claim may
/// be parking it at this moment; this waits for that claim then, instead of freeing the one behind. (A list of keys there for
/// the same reason as above.)
pub(super) async fn unpark(tx: &mut Tx, groups: &[String]) -> Result<(), DbError> {
    let text = tx.dialect().pick(
        "UPDATE jobs SET parked = 0 WHERE id IN (SELECT (SELECT w.id FROM jobs w
            WHERE w.group_key = g.value AND w.state = 'available' ORDER BY w.priority, w.id LIMIT 1)
            FROM json_each($1) g) RETURNING queue",
        "UPDATE jobs SET parked = FALSE WHERE id = ANY (ARRAY(SELECT (SELECT w.id FROM jobs w
            WHERE w.group_key = g.value AND w.state = 'available' ORDER BY w.priority, w.id LIMIT 1)
            FROM jsonb_array_elements_text($1::jsonb) g(value))) RETURNING queue",
    );
    let queues: Vec<String> = fetch_all!(tx, sqlx::query_scalar(text).bind(json!(groups).to_string()))?;
    for queue in queues {
        tx.wake(queue);
    }
    Ok(())
}
