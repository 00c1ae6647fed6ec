//! Ended jobs and old events are deleted after their retention, so that tables stay small and speed does not decay.

use std::time::Duration;

use super::{JobId, admin::JobState};
use crate::{
    db::{Db, DbError, Tx},
    execute,
    kernel::Time,
};

/// How long ended jobs are kept.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// Completed and cancelled ones.
    pub completed: Duration,
    /// Dead ones.
    pub discarded: Duration,
    /// Domain events.
    pub events: Duration,
}

/// How many rows one transaction of a purge deletes, so that it never holds others up for long.
const PURGE_BATCH: i64 = 1000;

/// Deletes ended jobs, and events, older than `retention`; returns how many jobs.
pub async fn purge(db: &Db, retention: Retention) -> Result<u64, DbError> {
    let now = db.now();
    let mut deleted = 0;
    for (state, keep) in [
        (JobState::Completed, retention.completed),
        (JobState::Cancelled, retention.completed),
        (JobState::Discarded, retention.discarded),
    ] {
        loop {
            let batch = db.write(async |tx| purge_batch(tx, state, now - keep).await).await?;
            deleted += batch;
            if batch < PURGE_BATCH.unsigned_abs() {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    while db.write(async |tx| purge_events(tx, now - retention.events).await).await? == PURGE_BATCH.unsigned_abs() {
        tokio::task::yield_now().await;
    }
    Ok(deleted)
}

/// Events are in the order of their identifiers, which are in the order of time.
async fn purge_events(tx: &mut Tx, older_than: Time) -> Result<u64, DbError> {
    execute!(
        tx,
        sqlx::query(
            "DELETE FROM domain_events WHERE id IN (SELECT id FROM (SELECT id, occurred_at FROM domain_events
                ORDER BY id LIMIT $2) oldest WHERE occurred_at < $1)"
        )
        .bind(older_than)
        .bind(PURGE_BATCH)
    )
}

/// What ended before a time began before it, so its identifier is less than the next millisecond's first.
async fn purge_batch(tx: &mut Tx, state: JobState, older_than: Time) -> Result<u64, DbError> {
    execute!(
        tx,
        sqlx::query(
            "DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE id < $4 AND state = $1 AND finished_at < $2
                ORDER BY id LIMIT $3)"
        )
        .bind(state.as_str())
        .bind(older_than)
        .bind(PURGE_BATCH)
        .bind(JobId::earliest(older_than + Duration::from_millis(1)))
    )
}
