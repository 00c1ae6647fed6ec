//! The hands of the clock: scheduled jobs become available when they are due, and parked jobs that nobody freed are freed.

use std::time::Duration;

use super::enqueue::DUE_TOPIC;
use crate::{
    db::{Db, DbError},
    fetch_all, fetch_one, fetch_optional,
    kernel::Time,
};

/// How many jobs become available in one transaction.
const BATCH: i64 = 1000;

/// Makes jobs available as they fall due; looks at least every `poll`, so that neither a missed wake-up nor a clock that
/// jumps holds them up.
pub(super) async fn run(db: Db, poll: Duration) {
    let woken = db.signals().topic(DUE_TOPIC);
    loop {
        let pause = match tick(&db).await {
            Ok(next) => next.map_or(poll, |next| next.since(db.now()).min(poll)),
            Err(error) => {
                tracing::warn!(%error, "could not look for jobs that are due");
                poll
            }
        };
        tokio::select! {
            () = woken.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Makes available what is due and tells when the next job is.
async fn tick(db: &Db) -> Result<Option<Time>, DbError> {
    free_parked(db).await?;
    loop {
        let next: Option<Time> = fetch_one!(
            db,
            sqlx::query_scalar("SELECT MIN(run_at) FROM jobs WHERE state IN ('scheduled', 'retryable')")
        )?;
        if next.is_none_or(|next| next > db.now()) {
            return Ok(next);
        }
        promote(db).await?;
    }
}

async fn promote(db: &Db) -> Result<(), DbError> {
    db.write(async |tx| {
        let now = tx.now();
        let text = tx.dialect().pick(
            "UPDATE jobs SET state = 'available' WHERE id IN (SELECT id FROM jobs
                WHERE state IN ('scheduled', 'retryable') AND run_at <= $1 ORDER BY run_at LIMIT $2) RETURNING queue",
            "UPDATE jobs SET state = 'available' WHERE id IN (SELECT id FROM jobs
                WHERE state IN ('scheduled', 'retryable') AND run_at <= $1 ORDER BY run_at LIMIT $2
                FOR UPDATE SKIP LOCKED) RETURNING queue",
        );
        let queues: Vec<String> = fetch_all!(tx, sqlx::query_scalar(text).bind(now).bind(BATCH))?;
        for queue in queues {
            tx.wake(queue);
        }
        Ok(())
    })
    .await
}

/// A condition on `jobs`: parked, though none of its group runs and it is the first that waits. Both are looked up for each: of
/// `NOT EXISTS` PostgreSQL makes joins, which read all that run and all that wait while it takes the table for small.
macro_rules! stuck {
    () => {
        "state = 'available' AND parked
            AND (SELECT r.id FROM jobs r WHERE r.group_key = jobs.group_key AND r.state = 'running' LIMIT 1) IS NULL
            AND id = (SELECT w.id FROM jobs w WHERE w.group_key = jobs.group_key AND w.state = 'available'
                ORDER BY w.priority, w.id LIMIT 1)"
    };
}

/// Frees the first job of each group in which nothing runs. A claim parks a job because it saw its group busy; on
/// PostgreSQL the group may have become free meanwhile, with nobody left to free it.
async fn free_parked(db: &Db) -> Result<(), DbError> {
    const FIND: &str = concat!("SELECT 1 FROM jobs WHERE ", stuck!(), " LIMIT 1");
    const FREE: &str = concat!("UPDATE jobs SET parked = FALSE WHERE ", stuck!(), " RETURNING queue");
    let found: Option<i32> = fetch_optional!(db, sqlx::query_scalar(FIND))?;
    if found.is_none() {
        return Ok(());
    }
    db.write(async |tx| {
        let queues: Vec<String> = fetch_all!(tx, sqlx::query_scalar(FREE))?;
        tracing::debug!(freed = queues.len(), "parked jobs freed");
        for queue in queues {
            tx.wake(queue);
        }
        Ok(())
    })
    .await
}
