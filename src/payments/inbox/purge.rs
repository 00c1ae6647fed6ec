//! Handled events are deleted after their retention.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    db::{Db, DbError},
    execute,
    jobs::Job,
    kernel::Time,
};

/// How many rows one transaction deletes, so that it never holds others up for long.
const BATCH: i64 = 500;

/// Deletes what the inbox has kept long enough.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PurgeInbox {
    /// How long handled events are kept, in seconds.
    pub keep_seconds: u64,
}

impl Job for PurgeInbox {
    const KIND: &'static str = "payments.purge_inbox";
    const QUEUE: &'static str = "payments";
    const PRIORITY: i32 = 4;
    const TIMEOUT: Duration = Duration::from_mins(10);
}

/// Deletes events that came more than `keep` ago and were handled; returns how many. Those that nobody has handled stay.
pub async fn purge(db: &Db, keep: Duration) -> Result<u64, DbError> {
    // Identifiers are in the order of time, so the table needs no other index.
    let oldest_kept = first_id(db.now() - keep);
    let mut deleted = 0;
    loop {
        let batch = db
            .write(async |tx| {
                execute!(
                    tx,
                    sqlx::query(
                        "DELETE FROM webhook_inbox WHERE id IN (SELECT id FROM webhook_inbox
                            WHERE id < $1 AND handled_at IS NOT NULL ORDER BY id LIMIT $2)"
                    )
                    .bind(oldest_kept)
                    .bind(BATCH)
                )
            })
            .await?;
        deleted += batch;
        if batch < BATCH.unsigned_abs() {
            break;
        }
        tokio::task::yield_now().await;
    }
    metrics::counter!("mintreu_webhooks_purged_total").increment(deleted);
    Ok(deleted)
}

/// The least identifier that can be made at `time` (RFC 9562, 5.7: the first 48 bits are milliseconds).
fn first_id(time: Time) -> Uuid {
    let millis = u64::try_from(time.as_millis()).unwrap_or(0);
    Uuid::from_u128(u128::from(millis & ((1 << 48) - 1)) << 80)
}
