//! The queue's upkeep: ended jobs are deleted after their retention, and depths are measured.

use std::{collections::HashSet, time::Duration};

use super::{
    admin,
    retention::{self, Retention},
};
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
            match retention::purge(&db, retention).await {
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

/// Measures every queue; those seen earlier that hold nothing now are at zero.
async fn measure(db: &Db, seen: &mut HashSet<String>) -> Result<(), DbError> {
    let (depths, now) = (admin::depths(db).await?, db.now());
    for queue in seen.iter().filter(|queue| depths.iter().all(|depth| depth.queue != **queue)) {
        gauges(queue, 0, 0, Duration::ZERO);
    }
    for depth in depths {
        let lag = depth.oldest_run_at.map(|oldest| now.since(oldest)).unwrap_or_default();
        gauges(&depth.queue, depth.waiting, depth.dead, lag);
        seen.insert(depth.queue);
    }
    Ok(())
}

fn gauges(queue: &str, waiting: i64, dead: i64, lag: Duration) {
    #[expect(clippy::cast_precision_loss, reason = "no queue holds 2^52 jobs")]
    let (waiting, dead) = (waiting as f64, dead as f64);
    metrics::gauge!("mintreu_jobs_waiting", "queue" => queue.to_owned()).set(waiting);
    metrics::gauge!("mintreu_jobs_dead", "queue" => queue.to_owned()).set(dead);
    metrics::gauge!("mintreu_jobs_lag_seconds", "queue" => queue.to_owned()).set(lag.as_secs_f64());
}
