//! The follower: what changed, wherever it was changed, is forgotten here within a moment.

use std::{collections::HashSet, time::Duration};

use sqlx::FromRow;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{LICENSES_TOPIC, LicenseCache};
use crate::{
    db::{Db, DbError, Dialect},
    fetch_all, fetch_one,
};

/// How often it looks when nobody rings.
const POLL: Duration = Duration::from_millis(200);
/// The least time between two looks, so that many changes at once are one look.
const PAUSE: Duration = Duration::from_millis(10);
/// How long a look may take.
const PATIENCE: Duration = Duration::from_secs(1);
/// Changes are kept for a day; whoever has not looked for this long may have missed some, and begins anew.
const TRUSTED: Duration = Duration::from_hours(1);
const BATCH: i64 = 1_000;

/// Up to where the changes were read.
#[derive(Debug)]
enum Position {
    /// SQLite numbers changes in the order of their commits.
    Sequence(i64),
    /// On PostgreSQL a change with a lower number can be committed after one with a higher. What is certain is that
    /// every transaction below `horizon` had ended; changes of later ones are read again and told apart by `seen`.
    Horizon { horizon: i64, seen: HashSet<i64> },
}

#[derive(FromRow)]
struct Changed {
    seq: i64,
    license_id: Uuid,
    key_hash: String,
}

#[derive(FromRow)]
struct Seen {
    horizon: i64,
    seq: Option<i64>,
    transaction_id: Option<i64>,
    license_id: Option<Uuid>,
    key_hash: Option<String>,
}

impl LicenseCache {
    /// Follows the changes until `stop`. Errors are logged; meanwhile validations read the database.
    pub async fn follow(&self, stop: CancellationToken) {
        let bell = self.0.db.signals().topic(LICENSES_TOPIC);
        let mut position = None;
        let mut failing = false;
        loop {
            if self.age().is_none_or(|age| age > TRUSTED) {
                position = None;
            }
            let asked = self.0.micros();
            let outcome = match tokio::time::timeout(PATIENCE, self.catch_up(&mut position)).await {
                Ok(outcome) => outcome.map_err(|error| error.to_string()),
                Err(_) => Err("the database does not answer in time".to_owned()),
            };
            match outcome {
                // True as of when it was asked, not of when the answer came.
                Ok(()) => self.0.confirm(asked),
                Err(ref error) if !failing => tracing::warn!(%error, "changes of licences cannot be followed"),
                Err(_) => {}
            }
            failing = outcome.is_err();
            let age = self.age().unwrap_or_default();
            metrics::gauge!("mintreu_license_cache_age_seconds").set(age.as_secs_f64());
            tokio::select! {
                () = stop.cancelled() => return,
                () = async { tokio::time::sleep(PAUSE).await; bell.notified().await } => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }

    /// Forgets what changed since `position`.
    async fn catch_up(&self, position: &mut Option<Position>) -> Result<(), DbError> {
        let db = &self.0.db;
        match position {
            None => {
                let start = begin(db).await?;
                // What was read before the position was known may have changed before it.
                self.forget_all();
                *position = Some(start);
                Ok(())
            }
            Some(Position::Sequence(last)) => self.read_sequence(last).await,
            Some(Position::Horizon { horizon, seen }) => self.read_horizon(horizon, seen).await,
        }
    }

    async fn read_sequence(&self, last: &mut i64) -> Result<(), DbError> {
        loop {
            let rows: Vec<Changed> = fetch_all!(
                &self.0.db,
                sqlx::query_as(
                    "SELECT seq, license_id, key_hash FROM license_changes WHERE seq > $1 ORDER BY seq LIMIT $2"
                )
                .bind(*last)
                .bind(BATCH)
            )?;
            let more = i64::try_from(rows.len()).is_ok_and(|read| read == BATCH);
            for row in rows {
                self.forget_changed(row.license_id, &row.key_hash);
                *last = row.seq;
            }
            if !more {
                return Ok(());
            }
        }
    }

    async fn read_horizon(&self, horizon: &mut i64, seen: &mut HashSet<i64>) -> Result<(), DbError> {
        let rows: Vec<Seen> = fetch_all!(&self.0.db, sqlx::query_as(SEEN).bind(*horizon))?;
        let next = rows.first().map_or(*horizon, |row| row.horizon);
        let mut again = HashSet::new();
        for row in rows {
            let (Some(seq), Some(transaction)) = (row.seq, row.transaction_id) else { continue };
            let (Some(what), Some(hash)) = (row.license_id, row.key_hash) else { continue };
            if !seen.contains(&seq) {
                self.forget_changed(what, &hash);
            }
            if transaction >= next {
                again.insert(seq);
            }
        }
        (*horizon, *seen) = (next, again);
        Ok(())
    }
}

/// One statement, so that the horizon and the changes are of one snapshot.
const SEEN: &str = "SELECT s.horizon, c.seq, c.transaction_id, c.license_id, c.key_hash
     FROM (SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS horizon) s
          LEFT JOIN license_changes c ON c.transaction_id >= $1";

async fn begin(db: &Db) -> Result<Position, DbError> {
    match db.dialect() {
        Dialect::Sqlite => {
            let last = fetch_one!(
                db,
                sqlx::query_scalar("SELECT CAST(COALESCE(MAX(seq), 0) AS BIGINT) FROM license_changes")
            )?;
            Ok(Position::Sequence(last))
        }
        Dialect::Postgres => {
            let horizon = fetch_one!(
                db,
                sqlx::query_scalar("SELECT CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS TEXT) AS BIGINT)")
            )?;
            Ok(Position::Horizon { horizon, seen: HashSet::new() })
        }
    }
}
