//! Who works, and what the clock sets going, as operators see it.

use schemars::JsonSchema;
use serde::Serialize;
use sqlx::FromRow;

use crate::{
    db::{Db, DbError, Tx},
    execute, fetch_all,
    kernel::Time,
};

/// A schedule, as the clock watches it.
#[derive(Debug, Serialize, FromRow, JsonSchema)]
#[schemars(rename = "Schedule")]
pub struct ScheduleView {
    /// Its name.
    pub name: String,
    /// When it fires next.
    pub next_run_at: Time,
    /// When it fired last.
    pub last_run_at: Option<Time>,
}

/// The schedules, by name.
pub async fn schedules(db: &Db) -> Result<Vec<ScheduleView>, DbError> {
    fetch_all!(db, sqlx::query_as("SELECT name, next_run_at, last_run_at FROM job_schedules ORDER BY name"))
}

/// How far replicas' clocks may be apart: one that is behind must find the time passed too, or it would set it right.
const CLOCKS_APART: std::time::Duration = std::time::Duration::from_mins(1);

/// Has a schedule fire at once, by whichever process looks next. False if there is none of this name.
pub async fn run_schedule(tx: &mut Tx, name: &str) -> Result<bool, DbError> {
    let now = tx.now();
    let moved = execute!(
        tx,
        sqlx::query("UPDATE job_schedules SET next_run_at = $2 WHERE name = $1").bind(name).bind(now - CLOCKS_APART)
    )?;
    Ok(moved == 1)
}

/// A process that works on the queues.
#[derive(Debug, Serialize, FromRow, JsonSchema)]
#[schemars(rename = "Worker")]
pub struct WorkerView {
    /// Which one.
    #[schemars(with = "String", extend("format" = "uuid"))]
    pub id: uuid::Uuid,
    /// What operators call its machine.
    pub name: String,
    /// When it began.
    pub started_at: Time,
    /// When it was heard of last.
    pub seen_at: Time,
}

/// The processes that work, the first to begin first.
pub async fn workers(db: &Db) -> Result<Vec<WorkerView>, DbError> {
    fetch_all!(db, sqlx::query_as("SELECT id, name, started_at, seen_at FROM job_workers ORDER BY started_at, id"))
}
