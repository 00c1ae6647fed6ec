//! What an operator may do with jobs: look, retry, cancel, pause, purge. Works on the database alone, so it serves a
//! command line beside a running server as well as the server itself.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::value::RawValue;
use sqlx::FromRow;

pub use super::overview::{ScheduleView, WorkerView, run_schedule, schedules, workers};
use super::{JobId, mask, settle};
use crate::{
    db::{Db, DbError, Tx, conditions, page_by_time, place_of},
    execute, fetch_all, fetch_optional,
    kernel::{ByTime, Page, PageFrom, PageRequest, Sort, Time, ids_between},
};

/// Where a job stands; the names are the queue's own everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Waits for a worker.
    Available,
    /// Waits for its time.
    Scheduled,
    /// A worker has it.
    Running,
    /// Failed, and waits for its next attempt.
    Retryable,
    /// Done.
    Completed,
    /// Called off by an operator.
    Cancelled,
    /// Dead: failed for good, kept for an operator.
    Discarded,
}

impl JobState {
    /// All states, in the order of a job's life.
    pub const ALL: [Self; 7] = [
        Self::Available,
        Self::Scheduled,
        Self::Running,
        Self::Retryable,
        Self::Completed,
        Self::Cancelled,
        Self::Discarded,
    ];

    /// Its name in the database and in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::Scheduled => "scheduled",
            Self::Running => "running",
            Self::Retryable => "retryable",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Discarded => "discarded",
        }
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no job state.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{0}` is no job state; known are available, scheduled, running, retryable, completed, cancelled, discarded (or dead)"
)]
pub struct UnknownState(String);

impl FromStr for JobState {
    type Err = UnknownState;
    fn from_str(text: &str) -> Result<Self, UnknownState> {
        // "dead" is what people call it.
        let name = if text == "dead" { "discarded" } else { text };
        Self::ALL.into_iter().find(|state| state.as_str() == name).ok_or_else(|| UnknownState(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for JobState {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(|error: UnknownState| de::Error::custom(error))
    }
}

/// Which jobs are meant; what is `None` does not matter.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    /// In this state.
    pub state: Option<JobState>,
    /// In this queue.
    pub queue: Option<String>,
    /// Of this kind.
    pub kind: Option<String>,
    /// Of this group.
    pub group: Option<String>,
    /// Enqueued at this time or later.
    pub from: Option<Time>,
    /// Enqueued before this time.
    pub until: Option<Time>,
    /// Older than this job: the cursor of the next page.
    pub before: Option<JobId>,
    /// In which order.
    pub sort: Option<Sort<ByTime>>,
}

impl JobFilter {
    /// Whether it says anything of which jobs are meant.
    #[must_use]
    pub const fn is_narrow(&self) -> bool {
        self.state.is_some() || self.queue.is_some() || self.kind.is_some() || self.group.is_some()
    }
}

/// A job as an operator sees it.
#[derive(Debug, Serialize, FromRow, JsonSchema)]
#[schemars(rename = "Job")]
pub struct JobView {
    /// Which job.
    pub id: JobId,
    /// Its queue.
    pub queue: String,
    /// Its kind.
    pub kind: String,
    /// Where it stands.
    #[schemars(with = "JobState")]
    pub state: String,
    /// Whether it waits for another job of its group.
    pub parked: bool,
    /// 1 goes first, 4 last.
    pub priority: i32,
    /// Attempts begun.
    pub attempt: i32,
    /// After how many it is dead.
    pub max_attempts: i32,
    /// When it is due.
    pub run_at: Time,
    /// When it was enqueued.
    pub created_at: Time,
    /// When the current or last attempt began.
    pub claimed_at: Option<Time>,
    /// When it ended.
    pub finished_at: Option<Time>,
    /// Its group.
    pub group_key: Option<String>,
    /// Its arguments.
    #[serde(serialize_with = "raw_json")]
    #[schemars(with = "serde_json::Value")]
    pub payload: String,
    /// What went wrong, oldest first.
    #[serde(serialize_with = "raw_json_list")]
    #[schemars(with = "Vec<serde_json::Value>")]
    pub errors: Option<String>,
}

impl JobView {
    /// The same with what looks like a secret left out of its arguments.
    #[must_use]
    pub fn masked(mut self) -> Self {
        if let Some(payload) = mask::masked(&self.payload) {
            self.payload = payload;
        }
        self
    }
}

fn raw_json<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    match serde_json::from_str::<&RawValue>(text) {
        Ok(value) => value.serialize(serializer),
        // Written by something else; shown as it is.
        Err(_) => text.serialize(serializer),
    }
}

#[expect(clippy::ref_option, reason = "the signature that serde calls")]
fn raw_json_list<S: Serializer>(text: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    raw_json(text.as_deref().unwrap_or("[]"), serializer)
}

/// How many jobs a queue holds in a state.
#[derive(Debug, Serialize, FromRow)]
pub struct JobCount {
    /// The queue.
    pub queue: String,
    /// The state.
    pub state: String,
    /// How many.
    pub jobs: i64,
    /// When the oldest of them was due.
    pub oldest_run_at: Option<Time>,
}

/// A queue that is or was paused.
#[derive(Debug, Serialize, FromRow)]
pub struct QueueView {
    /// The queue.
    pub queue: String,
    /// Whether nothing is claimed from it.
    pub paused: bool,
    /// Why.
    pub reason: Option<String>,
    /// Since when.
    pub changed_at: Time,
}

const VIEW: &str =
    "SELECT id, queue, kind, state, parked, priority, attempt, max_attempts, run_at, created_at, claimed_at,
    finished_at, group_key, payload, errors FROM jobs";

/// The newest jobs that match, at most `limit`.
pub async fn list(db: &Db, filter: &JobFilter, limit: i64) -> Result<Vec<JobView>, DbError> {
    let from = filter.before.map_or(PageFrom::Start, PageFrom::After);
    // One more than a page has, which nobody sees.
    Ok(page(db, filter, PageRequest { limit, from }).await?.data)
}

/// A page of the jobs that match.
pub async fn page(db: &Db, filter: &JobFilter, request: PageRequest<JobId>) -> Result<Page<JobView>, DbError> {
    // The states are written out, because their indexes are of one state each.
    let state = filter.state.map(|state| format!("state = '{state}'")).unwrap_or_default();
    let (first, last) = ids_between(filter.from, filter.until);
    let conditions = conditions(&[
        (filter.state.is_some(), &state),
        (filter.queue.is_some(), "queue = $1"),
        (filter.kind.is_some(), "kind = $2"),
        (filter.group.is_some(), "group_key = $3"),
        (filter.from.is_some(), "created_at >= $4 AND id >= $6"),
        (filter.until.is_some(), "created_at < $5 AND id < $7"),
    ]);
    let text = format!("{VIEW} WHERE TRUE{conditions}{}", page_by_time(&request, filter.sort, "id", 8));
    let rows = fetch_all!(
        db,
        sqlx::query_as(sqlx::AssertSqlSafe(text.as_str()))
            .bind(&filter.queue)
            .bind(&filter.kind)
            .bind(&filter.group)
            .bind(filter.from)
            .bind(filter.until)
            .bind(first)
            .bind(last)
            .bind(place_of(&request))
            .bind(request.fetch())
    )?;
    Ok(Page::of(rows, &request, |job: &JobView| job.id))
}

/// One job, or `None`.
pub async fn show(db: &Db, id: JobId) -> Result<Option<JobView>, DbError> {
    let text = format!("{VIEW} WHERE id = $1");
    fetch_optional!(db, sqlx::query_as(sqlx::AssertSqlSafe(text.as_str())).bind(id))
}

/// How many jobs there are, by queue and state. Reads the whole table.
pub async fn counts(db: &Db) -> Result<Vec<JobCount>, DbError> {
    fetch_all!(
        db,
        sqlx::query_as(
            "SELECT queue, state, COUNT(*) AS jobs, MIN(run_at) AS oldest_run_at FROM jobs
             GROUP BY queue, state ORDER BY queue, state"
        )
    )
}

/// What a queue holds that wants attention.
#[derive(Debug, FromRow)]
pub struct QueueDepth {
    /// The queue.
    pub queue: String,
    /// Jobs that are due and wait.
    pub waiting: i64,
    /// Jobs that are dead.
    pub dead: i64,
    /// When the longest waiting of them was due.
    pub oldest_run_at: Option<Time>,
}

/// The depths of all queues that hold waiting or dead jobs: reads the indexes of those alone.
pub async fn depths(db: &Db) -> Result<Vec<QueueDepth>, DbError> {
    fetch_all!(
        db,
        sqlx::query_as(
            "SELECT queue, CAST(SUM(waiting) AS BIGINT) AS waiting, CAST(SUM(dead) AS BIGINT) AS dead,
                MIN(oldest_run_at) AS oldest_run_at FROM (
                SELECT queue, COUNT(*) AS waiting, 0 AS dead, MIN(run_at) AS oldest_run_at FROM jobs
                WHERE state = 'available' GROUP BY queue
                UNION ALL
                SELECT queue, 0 AS waiting, COUNT(*) AS dead, NULL AS oldest_run_at FROM jobs
                WHERE state = 'discarded' GROUP BY queue
             ) depths GROUP BY queue"
        )
    )
}

/// Runs ended or waiting jobs (again) now, with all their attempts; returns how many. A dead job whose unique key was
/// taken meanwhile runs without it.
pub async fn retry(tx: &mut Tx, filter: &JobFilter, id: Option<JobId>) -> Result<u64, DbError> {
    let now = tx.now();
    let queues: Vec<String> = fetch_all!(
        tx,
        sqlx::query_scalar(
            "UPDATE jobs SET state = 'available', parked = FALSE, attempt = 0, run_at = $5, finished_at = NULL,
                has_unique_key = CASE WHEN state IN ('discarded', 'cancelled') THEN FALSE ELSE has_unique_key END,
                cancel_requested = FALSE
             WHERE state IN ('discarded', 'cancelled', 'retryable', 'scheduled')
                AND ($1 IS NULL OR id = $1) AND ($2 IS NULL OR state = $2) AND ($3 IS NULL OR queue = $3)
                AND ($4 IS NULL OR kind = $4) AND ($6 IS NULL OR group_key = $6)
                AND ($7 IS NULL OR created_at >= $7) AND ($8 IS NULL OR created_at < $8)
             RETURNING queue"
        )
        .bind(id)
        .bind(filter.state.map(JobState::as_str))
        .bind(&filter.queue)
        .bind(&filter.kind)
        .bind(now)
        .bind(&filter.group)
        .bind(filter.from)
        .bind(filter.until)
    )?;
    let count = queues.len();
    for queue in queues {
        tx.wake(queue);
    }
    Ok(u64::try_from(count).unwrap_or(u64::MAX))
}

/// What cancelling a job did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "JobCancellation")]
pub enum Cancellation {
    /// It was waiting and is cancelled.
    Cancelled,
    /// It is running; its worker has been asked to stop it.
    Requested,
    /// It had ended already.
    Ended,
    /// There is no such job.
    NotFound,
}

/// Calls a job off.
pub async fn cancel(tx: &mut Tx, id: JobId) -> Result<Cancellation, DbError> {
    let now = tx.now();
    let group: Option<Option<String>> = fetch_optional!(
        tx,
        sqlx::query_scalar(
            "UPDATE jobs SET state = 'cancelled', parked = FALSE, finished_at = $2
             WHERE id = $1 AND state IN ('available', 'scheduled', 'retryable') RETURNING group_key"
        )
        .bind(id)
        .bind(now)
    )?;
    if let Some(group) = group {
        settle::free_keys(tx, &[id]).await?;
        if let Some(group) = group {
            settle::unpark(tx, &[group]).await?;
        }
        return Ok(Cancellation::Cancelled);
    }
    let requested = execute!(
        tx,
        sqlx::query("UPDATE jobs SET cancel_requested = TRUE WHERE id = $1 AND state = 'running'").bind(id)
    )?;
    if requested == 1 {
        return Ok(Cancellation::Requested);
    }
    let exists: Option<i32> = fetch_optional!(tx, sqlx::query_scalar("SELECT 1 FROM jobs WHERE id = $1").bind(id))?;
    Ok(if exists.is_some() { Cancellation::Ended } else { Cancellation::NotFound })
}

/// Stops claiming from a queue, everywhere; what runs finishes.
pub async fn pause(tx: &mut Tx, queue: &str, reason: &str) -> Result<(), DbError> {
    set_paused(tx, queue, Some(reason)).await
}

/// Claims from a queue again.
pub async fn resume(tx: &mut Tx, queue: &str) -> Result<(), DbError> {
    set_paused(tx, queue, None).await?;
    tx.wake(queue.to_owned());
    Ok(())
}

async fn set_paused(tx: &mut Tx, queue: &str, reason: Option<&str>) -> Result<(), DbError> {
    let now = tx.now();
    execute!(
        tx,
        sqlx::query(
            "INSERT INTO job_queues (queue, paused, reason, changed_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (queue) DO UPDATE SET paused = excluded.paused, reason = excluded.reason,
                changed_at = excluded.changed_at"
        )
        .bind(queue)
        .bind(reason.is_some())
        .bind(reason)
        .bind(now)
    )?;
    Ok(())
}

/// The queues that were ever paused.
pub async fn queues(db: &Db) -> Result<Vec<QueueView>, DbError> {
    fetch_all!(db, sqlx::query_as("SELECT queue, paused, reason, changed_at FROM job_queues ORDER BY queue"))
}
