//! What has ended is deleted: links, old lines of the log, uploads that nobody finished.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{DownloadId, Downloads, SourceId, SourceProvider, verify::RemoveFile};
use crate::{
    audit::{Actor, Entry},
    db::DbError,
    execute, fetch_all, fetch_optional,
    jobs::Job,
};

/// Deletes what has ended; enqueued by the clock.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DownloadsHousekeeping {}

impl Job for DownloadsHousekeeping {
    const KIND: &'static str = "downloads.housekeeping";
    const QUEUE: &'static str = "downloads";
    const PRIORITY: i32 = 4;
    const TIMEOUT: Duration = Duration::from_mins(10);
}

/// How many rows one transaction touches, so that it never holds others up for long.
const BATCH: i64 = 1_000;
/// How long a link is remembered after its end, so that whoever comes late reads that it has expired.
const LINKS_KEPT: Duration = Duration::from_hours(7 * 24);
/// What has not ended after so long will not.
const ABANDONED: Duration = Duration::from_hours(24);

/// Sends a statement, whose last parameter is the size of a batch, until a batch is not full; how many rows there were in all.
macro_rules! in_batches {
    ($db:expr, $query:expr) => {{
        let mut touched = 0;
        loop {
            let rows = $db.write(async |tx| execute!(tx, $query.bind(BATCH))).await?;
            touched += rows;
            if rows < BATCH.unsigned_abs() {
                break touched;
            }
        }
    }};
}

impl Downloads {
    /// Deletes what has ended. Says how many rows were touched.
    pub async fn tidy(&self) -> Result<u64, DbError> {
        let (db, now) = (&self.0.db, self.0.db.now());
        let links = in_batches!(
            db,
            sqlx::query(
                "DELETE FROM download_grants
                 WHERE id IN (SELECT id FROM download_grants WHERE expires_at < $1 LIMIT $2)"
            )
            .bind(now - LINKS_KEPT)
        );
        // Identifiers are in the order of time: an index of the times would be kept for this alone.
        let log = in_batches!(
            db,
            sqlx::query(
                "DELETE FROM download_logs
                 WHERE id IN (SELECT id FROM download_logs WHERE id < $1 ORDER BY id LIMIT $2)"
            )
            .bind(DownloadId::earliest(now - self.0.options.log_retention))
        );
        // The process died before it could say how much was sent.
        let unended = in_batches!(
            db,
            sqlx::query(
                "UPDATE download_logs
                 SET status = 'aborted', reason = 'nobody knows how it ended', ended_at = downloaded_at
                 WHERE id IN (SELECT id FROM download_logs WHERE status = 'started' AND downloaded_at < $1 LIMIT $2)"
            )
            .bind(now - ABANDONED)
        );
        Ok(links + log + unended + self.end_uploads().await?)
    }

    /// Ends uploads whose process died: their sources go, and then their files.
    async fn end_uploads(&self) -> Result<u64, DbError> {
        let (db, before) = (&self.0.db, self.0.db.now() - ABANDONED);
        let found: Vec<(SourceId, SourceProvider, String)> = fetch_all!(
            db,
            sqlx::query_as(
                "SELECT id, provider, source_url FROM product_sources
                 WHERE state = 'uploading' AND created_at < $1 LIMIT $2"
            )
            .bind(before)
            .bind(BATCH)
        )?;
        let mut ended = 0;
        for (id, provider, key) in found {
            ended += db
                .write(async |tx| {
                    let statement = "DELETE FROM product_sources WHERE id = $1 AND state = 'uploading' RETURNING id";
                    let gone: Option<SourceId> = fetch_optional!(tx, sqlx::query_scalar(statement).bind(id))?;
                    if gone.is_some() {
                        tx.enqueue(&RemoveFile { provider, key: key.clone() }).await?;
                        let actor = Actor::system("downloads.housekeeping");
                        tx.audit(Entry::new(actor, "source.upload_abandoned", "source", id.to_string()));
                    }
                    Ok::<_, DbError>(u64::from(gone.is_some()))
                })
                .await?;
        }
        Ok(ended)
    }
}
