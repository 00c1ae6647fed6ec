//! What has ended is deleted: sessions, proofs. So that tables stay small, and nothing secret is kept without a use.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    db::{Db, DbError},
    execute,
    jobs::Job,
};

/// Deletes what has ended; enqueued by the clock.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Housekeeping {}

impl Job for Housekeeping {
    const KIND: &'static str = "accounts.housekeeping";
    const QUEUE: &'static str = "accounts";
    const TIMEOUT: Duration = Duration::from_mins(5);
}

/// How many rows one transaction deletes, so that it never holds others up for long.
const BATCH: i64 = 1000;

/// Deletes sessions and proofs that have ended, and access tokens that ended 90 days ago. Says how many rows.
pub async fn purge(db: &Db) -> Result<u64, DbError> {
    let mut deleted = 0;
    for (statement, age) in [
        ("DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at < $1 LIMIT $2)", 0),
        ("DELETE FROM mail_proofs WHERE id IN (SELECT id FROM mail_proofs WHERE expires_at < $1 LIMIT $2)", 0),
        (
            "DELETE FROM access_tokens WHERE id IN (SELECT id FROM access_tokens
                WHERE expires_at < $1 OR revoked_at < $1 LIMIT $2)",
            90,
        ),
    ] {
        let before = db.now() - Duration::from_hours(age * 24);
        loop {
            let batch = db.write(async |tx| execute!(tx, sqlx::query(statement).bind(before).bind(BATCH))).await?;
            deleted += batch;
            if batch < BATCH.unsigned_abs() {
                break;
            }
        }
    }
    Ok(deleted)
}
