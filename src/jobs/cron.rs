//! Schedules: a job enqueued by the clock, once, however many replicas watch it.

use std::{str::FromStr, time::Duration};

use croner::Cron;

use super::{Enqueued, Job};
use crate::{
    db::{Boxed, Db, DbError, Tx},
    execute, fetch_all,
    kernel::Time,
};

type Fire = Box<dyn for<'t> Fn(&'t mut Tx) -> Boxed<'t, Result<Enqueued, DbError>> + Send + Sync>;

/// A job and the times at which it is enqueued.
pub struct Schedule {
    name: &'static str,
    cron: Cron,
    fire: Fire,
}

impl std::fmt::Debug for Schedule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Schedule").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A text that is no cron expression.
#[derive(Debug, thiserror::Error)]
#[error("`{expression}` is no cron expression: {reason}")]
pub struct CronError {
    expression: String,
    reason: String,
}

impl Schedule {
    /// Enqueues clones of `job` at the times of a cron expression (five fields, or six with seconds first), in UTC.
    pub fn new<J: Job + Clone>(name: &'static str, expression: &str, job: J) -> Result<Self, CronError> {
        let cron = Cron::from_str(expression)
            .map_err(|error| CronError { expression: expression.to_owned(), reason: error.to_string() })?;
        let fire: Fire = Box::new(move |tx| {
            let job = job.clone();
            Box::pin(async move { tx.enqueue(&job).await })
        });
        Ok(Self { name, cron, fire })
    }

    /// The first time after `after`; `None` when there is none.
    fn next(&self, after: Time) -> Option<Time> {
        self.cron.find_next_occurrence(&after.to_datetime(), false).ok().map(Time::from)
    }
}

/// Fires schedules as they fall due.
pub(super) async fn run(db: Db, schedules: Vec<Schedule>, poll: Duration) {
    if schedules.is_empty() {
        std::future::pending::<()>().await;
    }
    loop {
        if let Err(error) = tick(&db, &schedules).await {
            tracing::warn!(%error, "could not look for schedules that are due");
        }
        tokio::time::sleep(poll).await;
    }
}

/// Fires what is due. A time that passed while no replica ran is made up for once.
pub(super) async fn tick(db: &Db, schedules: &[Schedule]) -> Result<(), DbError> {
    let known: Vec<(String, Time)> = fetch_all!(db, sqlx::query_as("SELECT name, next_run_at FROM job_schedules"))?;
    let now = db.now();
    for schedule in schedules {
        let Some(next) = schedule.next(now) else { continue };
        match known.iter().find(|(name, _)| name == schedule.name) {
            None => plan(db, schedule.name, next).await?,
            Some((_, due)) if *due <= now => fire(db, schedule, *due, next).await?,
            // The expression was changed, or the clock went back: what it says now counts.
            Some((_, due)) if *due != next => replan(db, schedule.name, *due, next).await?,
            Some(_) => {}
        }
    }
    Ok(())
}

async fn plan(db: &Db, name: &str, next: Time) -> Result<(), DbError> {
    db.write(async |tx| {
        execute!(
            tx,
            sqlx::query("INSERT INTO job_schedules (name, next_run_at) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING")
                .bind(name)
                .bind(next)
        )
    })
    .await
    .map(|_| ())
}

async fn replan(db: &Db, name: &str, due: Time, next: Time) -> Result<(), DbError> {
    db.write(async |tx| {
        execute!(
            tx,
            sqlx::query("UPDATE job_schedules SET next_run_at = $3 WHERE name = $1 AND next_run_at = $2")
                .bind(name)
                .bind(due)
                .bind(next)
        )
    })
    .await
    .map(|_| ())
}

/// Whoever moves the time on enqueues the job, in the same transaction.
async fn fire(db: &Db, schedule: &Schedule, due: Time, next: Time) -> Result<(), DbError> {
    db.write(async |tx| {
        let now = tx.now();
        let mine = execute!(
            tx,
            sqlx::query(
                "UPDATE job_schedules SET next_run_at = $3, last_run_at = $4 WHERE name = $1 AND next_run_at = $2"
            )
            .bind(schedule.name)
            .bind(due)
            .bind(next)
            .bind(now)
        )?;
        if mine == 1 {
            (schedule.fire)(tx).await?;
            metrics::counter!("mintreu_jobs_schedules_fired_total", "schedule" => schedule.name).increment(1);
        }
        Ok(())
    })
    .await
}
