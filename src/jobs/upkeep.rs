//! The queue's upkeep: ended jobs are deleted after their retention, and depths are measured.

use std::{collections::HashSet, time::Duration};

use super::admin::{self, Retention};
use crate::db::{Db, DbError};

/// How often depths are measured.
const MEASURE: Duration = Duration::from_secs(15);
/// How often ended jobs are looked for, in measurements.
const PURGE_EVERY: u32 = 4;

/// Measures and purges for as long as it is polled.
pub async fn upkeep(db: Db, retention: Retention) {
    let mut seen = HashSet::new();
    for round in 0_u32.. {
        if let Err(error) = measure(&db, &mut seen).await {
            tracing::warn!(%error, "could not measure the queues");
        }
        if round % PURGE_EVERY == 0 {
            match admin::purge(&db, retention).await {
                Ok(0) => {}
                Ok(jobs) => {
                    tracing::debug!(jobs, "ended jobs deleted");
                    metrics::counter!("mintreu_jobs_purged_total").increment(jobs);
                }
                Err(error) => tracing::warn!(%error, "could not delete ended jobs"),
            }
        }
        tokio::time::sleep(MEASURE).await;
    }
}

/// Sets the depth of every queue and state; those seen earlier and gone now are set to none.
async fn measure(db: &Db, seen: &mut HashSet<(String, String)>) -> Result<(), DbError> {
    let counts = admin::alive(db).await?;
    let now = db.now();
    for (queue, state) in &*seen {
        metrics::gauge!("mintreu_jobs_depth", "queue" => queue.clone(), "state" => state.clone()).set(0.0);
        metrics::gauge!("mintreu_jobs_lag_seconds", "queue" => queue.clone()).set(0.0);
    }
    for count in counts {
        #[expect(clippy::cast_precision_loss, reason = "no queue holds 2^52 jobs")]
        let jobs = count.jobs as f64;
        metrics::gauge!("mintreu_jobs_depth", "queue" => count.queue.clone(), "state" => count.state.clone()).set(jobs);
        if count.state == "available"
            && let Some(oldest) = count.oldest_run_at
        {
            metrics::gauge!("mintreu_jobs_lag_seconds", "queue" => count.queue.clone())
                .set(now.since(oldest).as_secs_f64());
        }
        seen.insert((count.queue, count.state));
    }
    Ok(())
}
