//! Who is alive: beats, the dead and what they leave behind.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use super::{
    JobId, Outcome, WorkerId,
    claim::held_by,
    settle::{self, Settlement},
    worker::{Running, WorkerOptions},
};
use crate::{
    db::{Db, DbError, Tx},
    execute, fetch_all, fetch_optional,
};

/// Registers this process under a new identity.
pub(super) async fn register(db: &Db, options: &WorkerOptions) -> Result<WorkerId, DbError> {
    db.write(async |tx| {
        let (id, now): (WorkerId, _) = (tx.new_id(), tx.now());
        insert(tx, id, &options.name, now).await?;
        Ok(id)
    })
    .await
}

async fn insert(tx: &mut Tx, id: WorkerId, name: &str, now: crate::kernel::Time) -> Result<(), DbError> {
    execute!(
        tx,
        sqlx::query("INSERT INTO job_workers (id, name, beat, started_at, seen_at) VALUES ($1, $2, 0, $3, $3)")
            .bind(id)
            .bind(name)
            .bind(now)
    )?;
    Ok(())
}

/// What keeps this worker's lease alive.
pub(super) struct Beat {
    pub(super) db: Db,
    pub(super) worker: WorkerId,
    pub(super) name: String,
    pub(super) lease: Duration,
    pub(super) running: Running,
}

impl Beat {
    /// Beats three times a lease.
    pub(super) async fn run(self) {
        loop {
            tokio::time::sleep(self.lease / 3).await;
            match self.beat().await {
                Ok(true) => {}
                Ok(false) => {
                    tracing::error!("this worker was silent for its whole lease; its jobs run elsewhere");
                    self.running.cancel_all();
                    metrics::counter!("mintreu_jobs_worker_leases_lost_total").increment(1);
                }
                Err(error) => tracing::warn!(%error, "this worker's lease could not be renewed"),
            }
        }
    }

    /// `false` when the lease was lost. The worker is registered again under the same identity: tokens, not the
    /// identity, tell its old claims from new ones.
    async fn beat(&self) -> Result<bool, DbError> {
        self.db
            .write(async |tx| {
                let now = tx.now();
                let alive = execute!(
                    tx,
                    sqlx::query("UPDATE job_workers SET beat = beat + 1, seen_at = $2 WHERE id = $1")
                        .bind(self.worker)
                        .bind(now)
                )?;
                if alive == 0 {
                    insert(tx, self.worker, &self.name, now).await?;
                }
                Ok(alive == 1)
            })
            .await
    }
}

/// Watches the other workers' beats and claims back what the dead hold.
pub(super) async fn reclaim_dead(db: Db, me: WorkerId, lease: Duration) {
    let mut seen: HashMap<WorkerId, (i64, Instant)> = HashMap::new();
    loop {
        tokio::time::sleep(lease / 4).await;
        if let Err(error) = observe(&db, me, lease, &mut seen).await {
            tracing::warn!(%error, "could not look for workers that died");
        }
    }
}

async fn observe(
    db: &Db,
    me: WorkerId,
    lease: Duration,
    seen: &mut HashMap<WorkerId, (i64, Instant)>,
) -> Result<(), DbError> {
    let others = others(db, me).await?;
    seen.retain(|id, _| others.iter().any(|(other, _)| other == id));
    for (id, beat) in others {
        let (last, since) = *seen.entry(id).or_insert_with(|| (beat, Instant::now()));
        if last != beat {
            seen.insert(id, (beat, Instant::now()));
        } else if since.elapsed() >= lease {
            reclaim(db, id, beat).await?;
        }
    }
    Ok(())
}

/// Claims back what all other workers hold. Only for one who knows that it is alone.
pub(super) async fn reclaim_all_but(db: &Db, me: WorkerId) -> Result<(), DbError> {
    for (id, beat) in others(db, me).await? {
        reclaim(db, id, beat).await?;
    }
    Ok(())
}

/// The beat of a worker that holds jobs but is not registered: it was buried while it claimed, or it died before it
/// registered again.
const UNREGISTERED: i64 = -1;

/// All other workers and their beats.
async fn others(db: &Db, me: WorkerId) -> Result<Vec<(WorkerId, i64)>, DbError> {
    fetch_all!(
        db,
        sqlx::query_as(
            "SELECT id, beat FROM job_workers WHERE id <> $1
             UNION ALL SELECT DISTINCT worker_id, CAST($2 AS BIGINT) FROM jobs WHERE state = 'running' AND worker_id <> $1
                AND NOT EXISTS (SELECT 1 FROM job_workers w WHERE w.id = jobs.worker_id)"
        )
        .bind(me)
        .bind(UNREGISTERED)
    )
}

/// Buries a worker whose beat is still `beat`; one that beats again at the last moment keeps its jobs.
async fn reclaim(db: &Db, worker: WorkerId, beat: i64) -> Result<(), DbError> {
    let jobs = db
        .write(async |tx| {
            let dead = if beat == UNREGISTERED {
                let back = "SELECT 1 FROM job_workers WHERE id = $1";
                let back: Option<i32> = fetch_optional!(tx, sqlx::query_scalar(back).bind(worker))?;
                back.is_none()
            } else {
                let bury = "DELETE FROM job_workers WHERE id = $1 AND beat = $2";
                execute!(tx, sqlx::query(bury).bind(worker).bind(beat))? == 1
            };
            if !dead {
                return Ok::<_, DbError>(0);
            }
            release(tx, worker, Some("the worker died")).await
        })
        .await?;
    tracing::warn!(%worker, jobs, "a worker died; its jobs are claimed again");
    metrics::counter!("mintreu_jobs_reclaimed_total").increment(u64::try_from(jobs).unwrap_or(0));
    Ok(())
}

const RELEASE_SQLITE: &str = "UPDATE jobs SET worker_id = NULL,
        state = CASE WHEN cancel_requested THEN 'cancelled'
            WHEN $2 IS NOT NULL AND attempt >= max_attempts THEN 'discarded' ELSE 'available' END,
        attempt = CASE WHEN $2 IS NULL THEN attempt - 1 ELSE attempt END,
        finished_at = CASE WHEN cancel_requested OR $2 IS NOT NULL AND attempt >= max_attempts THEN $3 END,
        errors = CASE WHEN $2 IS NULL THEN errors ELSE json_insert(COALESCE(errors, '[]'), '$[#]',
            json_object('attempt', attempt, 'at', $4, 'error', $2)) END
    WHERE worker_id = $1 AND state = 'running'
    RETURNING id, queue, group_key, state";
const RELEASE_POSTGRES: &str = "UPDATE jobs SET worker_id = NULL,
        state = CASE WHEN cancel_requested THEN 'cancelled'
            WHEN $2::text IS NOT NULL AND attempt >= max_attempts THEN 'discarded' ELSE 'available' END,
        attempt = CASE WHEN $2::text IS NULL THEN attempt - 1 ELSE attempt END,
        finished_at = CASE WHEN cancel_requested OR $2::text IS NOT NULL AND attempt >= max_attempts THEN $3 END,
        errors = CASE WHEN $2::text IS NULL THEN errors ELSE (COALESCE(errors, '[]')::jsonb ||
            jsonb_build_object('attempt', attempt, 'at', $4::text, 'error', $2::text))::text END
    WHERE id IN (SELECT id FROM jobs WHERE worker_id = $1 AND state = 'running' FOR UPDATE SKIP LOCKED)
    RETURNING id, queue, group_key, state";

/// Lets others claim what `worker` holds. With an `error` the attempt is spent, else it is given back.
async fn release(tx: &mut Tx, worker: WorkerId, error: Option<&str>) -> Result<usize, DbError> {
    let now = tx.now();
    let text = tx.dialect().pick(RELEASE_SQLITE, RELEASE_POSTGRES);
    let released: Vec<(JobId, String, Option<String>, String)> =
        fetch_all!(tx, sqlx::query_as(text).bind(worker).bind(error).bind(now).bind(now.to_string()))?;
    let ended: Vec<JobId> = released.iter().filter(|job| job.3 != "available").map(|job| job.0).collect();
    if !ended.is_empty() {
        settle::free_keys(tx, &ended).await?;
    }
    let mut groups: Vec<String> =
        released.iter().filter(|job| job.3 != "available").filter_map(|job| job.2.clone()).collect();
    groups.sort_unstable();
    groups.dedup();
    if !groups.is_empty() {
        settle::unpark(tx, &groups).await?;
    }
    for (_, queue, ..) in &released {
        tx.wake(queue.clone());
    }
    Ok(released.len())
}

/// Takes leave: what this worker still holds is free at once and no attempt is spent.
pub(super) async fn sign_off(db: &Db, worker: WorkerId) -> Result<(), DbError> {
    db.write(async |tx| {
        execute!(tx, sqlx::query("DELETE FROM job_workers WHERE id = $1").bind(worker))?;
        release(tx, worker, None).await?;
        Ok(())
    })
    .await
}

/// Gives back what this worker holds without knowing it: the answer to a claim was lost with its connection.
pub(super) async fn return_forgotten(db: Db, worker: WorkerId, running: Running, lease: Duration) {
    loop {
        tokio::time::sleep(lease / 4).await;
        if let Err(error) = return_unknown(&db, worker, &running).await {
            tracing::warn!(%error, "could not look for claims whose answer was lost");
        }
    }
}

async fn return_unknown(db: &Db, worker: WorkerId, running: &Running) -> Result<(), DbError> {
    let held = {
        let _no_claim_is_under_way = running.between_claims().await;
        let mut held = held_by(db, worker).await?;
        held.retain(|job| !running.holds(job));
        held
    };
    if held.is_empty() {
        return Ok(());
    }
    tracing::warn!(jobs = held.len(), "claims whose answer was lost are given back");
    let give_back = |job| Settlement { job, outcome: Outcome::Returned, backoff: Duration::ZERO };
    let batch: Vec<_> = held.into_iter().map(give_back).collect();
    db.write(async |tx| settle::settle(tx, &batch).await).await.map(|_| ())
}

/// Stops running jobs that an operator cancelled.
pub(super) async fn watch_cancellations(db: Db, worker: WorkerId, running: Running, poll: Duration) {
    loop {
        tokio::time::sleep(poll).await;
        let cancelled: Result<Vec<(JobId, i64)>, _> = fetch_all!(
            db,
            sqlx::query_as(
                "SELECT id, token FROM jobs WHERE worker_id = $1 AND state = 'running' AND cancel_requested"
            )
            .bind(worker)
        );
        match cancelled {
            Ok(jobs) => jobs.into_iter().for_each(|(job, token)| running.cancel(job, token)),
            Err(error) => tracing::warn!(%error, "could not look for cancelled jobs"),
        }
    }
}
