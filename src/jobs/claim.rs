//! Claiming: a batch of waiting jobs becomes this worker's, in one statement.

use sqlx::FromRow;
use tokio_util::sync::CancellationToken;

use super::{Claimed, Gate, JobId};
use crate::{
    db::{Db, DbError, Dialect},
    fetch_all, fetch_optional,
    kernel::Id,
};

crate::id_type!(WorkerId, Worker, "wrk", "A process that works on jobs, new at every start.");

/// A condition: the queue that a parameter names is not paused. For claims, and for whoever does at once what a job of that
/// queue would do.
macro_rules! not_paused {
    ($queue:literal) => {
        concat!("NOT EXISTS (SELECT 1 FROM job_queues q WHERE q.queue = ", $queue, " AND q.paused)")
    };
}
pub(crate) use not_paused;

/// Of a group only the first that waits is claimed, and only while none of it runs. Another one is parked instead: it would
/// stand in the way of those behind it. (Materialized: PostgreSQL would ask anew for each column that depends on the verdict.)
macro_rules! claim {
    ($lock:literal, $keys:literal) => {
        concat!(
            "WITH candidate AS (
                SELECT id, group_key, priority FROM jobs
                WHERE queue = $1 AND state = 'available' AND NOT parked AND ",
            not_paused!("$1"),
            " ORDER BY priority, id LIMIT $2 ",
            $lock,
            "), verdict AS MATERIALIZED (
                SELECT id, group_key IS NOT NULL AND (
                    EXISTS (SELECT 1 FROM jobs r WHERE r.group_key = candidate.group_key AND r.state = 'running')
                    OR EXISTS (SELECT 1 FROM jobs w WHERE w.group_key = candidate.group_key AND w.state = 'available'
                        AND (w.priority, w.id) < (candidate.priority, candidate.id))
                ) AS busy FROM candidate
            )
            UPDATE jobs SET
                parked = busy,
                state = CASE WHEN busy THEN 'available' ELSE 'running' END,
                worker_id = CASE WHEN busy THEN NULL ELSE $3 END,
                claimed_at = CASE WHEN busy THEN NULL ELSE $4 END,
                attempt = CASE WHEN busy THEN attempt ELSE attempt + 1 END,
                token = CASE WHEN busy THEN token ELSE token + 1 END
            FROM verdict WHERE jobs.id = verdict.id",
            $keys,
            " RETURNING jobs.id, kind, payload, attempt, max_attempts, token, group_key, has_unique_key, traceparent, parked,
                jobs.priority"
        )
    };
}

const CLAIM_SQLITE: &str = claim!("", "");
/// The list of keys says once more what the join says: a plan that was made while the table was empty would walk all of it.
const CLAIM_POSTGRES: &str = claim!("FOR UPDATE SKIP LOCKED", " AND jobs.id = ANY (ARRAY(SELECT id FROM verdict))");

#[derive(FromRow)]
struct Row {
    id: JobId,
    kind: String,
    payload: String,
    attempt: i32,
    max_attempts: i32,
    token: i64,
    group_key: Option<String>,
    has_unique_key: bool,
    traceparent: Option<String>,
    parked: bool,
    priority: i32,
}

/// What a claim brought.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) jobs: Vec<Claimed>,
    /// Whether there may be more: as many rows were touched as were asked for.
    pub(super) more: bool,
}

/// Claims up to `limit` jobs of `queue` for `worker`, in the order of priority and age.
pub(super) async fn claim(db: &Db, queue: &str, worker: Id<Worker>, limit: usize) -> Result<Claim, DbError> {
    let wanted = i64::try_from(limit).unwrap_or(i64::MAX);
    let now = db.now();
    let rows: Vec<Row> = loop {
        let claimed = db
            .write(async |tx| {
                let text = tx.dialect().pick(CLAIM_SQLITE, CLAIM_POSTGRES);
                fetch_all!(tx, sqlx::query_as(text).bind(queue).bind(wanted).bind(worker).bind(now))
            })
            .await;
        match claimed {
            // Another replica claimed a job of the same group at this very moment.
            Err(DbError::Unique(_) | DbError::Busy(_)) if db.dialect() == Dialect::Postgres => {}
            other => break other?,
        }
    };
    let more = rows.len() >= limit;
    let mut rows: Vec<Row> = rows.into_iter().filter(|row| !row.parked).collect();
    // RETURNING keeps no order.
    rows.sort_unstable_by_key(|row| (row.priority, row.id));
    Ok(Claim { jobs: rows.into_iter().map(|row| row.into_claimed(queue)).collect(), more })
}

impl Row {
    fn into_claimed(self, queue: &str) -> Claimed {
        Claimed {
            id: self.id,
            kind: self.kind,
            queue: queue.to_owned(),
            payload: self.payload,
            attempt: self.attempt,
            max_attempts: self.max_attempts,
            token: self.token,
            group_key: self.group_key,
            unique: self.has_unique_key,
            traceparent: self.traceparent,
            cancel: CancellationToken::new(),
            gate: Gate::default(),
        }
    }
}

/// What the database says that `worker` holds; without kind and payload.
pub(super) async fn held_by(db: &Db, worker: WorkerId) -> Result<Vec<Claimed>, DbError> {
    #[derive(FromRow)]
    struct Held {
        queue: String,
        #[sqlx(flatten)]
        row: Row,
    }
    let held: Vec<Held> = fetch_all!(
        db,
        sqlx::query_as(
            "SELECT queue, id, '' AS kind, '' AS payload, attempt, max_attempts, token, group_key, has_unique_key,
                traceparent, parked, priority FROM jobs WHERE worker_id = $1 AND state = 'running'"
        )
        .bind(worker)
    )?;
    Ok(held.into_iter().map(|held| held.row.into_claimed(&held.queue)).collect())
}

/// Whether a claim would find something: asked of the readers, so that an idle queue writes nothing.
pub(super) async fn has_work(db: &Db, queue: &str) -> Result<bool, DbError> {
    let found: Option<i32> = fetch_optional!(
        db,
        sqlx::query_scalar("SELECT 1 FROM jobs WHERE queue = $1 AND state = 'available' AND NOT parked LIMIT 1")
            .bind(queue)
    )?;
    Ok(found.is_some())
}
