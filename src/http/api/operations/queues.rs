//! `/api/admin/queues`: how much waits where, and holding a queue.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;

use super::{did, whole};
use crate::{
    app::{App, QUEUES},
    db::DbError,
    http::{Admin, Because, Context, Json, Kind, Path, Problem},
    jobs::admin,
    kernel::{Page, Time},
};

/// How many jobs a queue holds in a state.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "JobsInState")]
struct InState {
    /// So many.
    jobs: i64,
    /// When the oldest of them was due.
    oldest_run_at: Option<Time>,
}

/// A queue.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[schemars(rename = "Queue")]
pub(super) struct QueueView {
    /// Which one.
    queue: String,
    /// Whether an operator holds it; a kill switch that does is among the switches.
    paused: bool,
    /// Why it was held.
    reason: Option<String>,
    /// When it was held or let go last.
    changed_at: Option<Time>,
    /// What it holds, by state.
    jobs: BTreeMap<String, InState>,
}

async fn all(app: &App) -> Result<Vec<QueueView>, DbError> {
    let (counts, held) = (admin::counts(&app.db).await?, admin::queues(&app.db).await?);
    let mut names: BTreeSet<&str> = QUEUES.into_iter().collect();
    names.extend(counts.iter().map(|count| count.queue.as_str()));
    names.extend(held.iter().map(|queue| queue.queue.as_str()));
    let view = |name: &str| {
        let jobs = counts
            .iter()
            .filter(|count| count.queue == name)
            .map(|count| (count.state.clone(), InState { jobs: count.jobs, oldest_run_at: count.oldest_run_at }));
        let held = held.iter().find(|queue| queue.queue == name);
        QueueView {
            queue: name.to_owned(),
            paused: held.is_some_and(|queue| queue.paused),
            reason: held.and_then(|queue| queue.reason.clone()),
            changed_at: held.map(|queue| queue.changed_at),
            jobs: jobs.collect(),
        }
    };
    Ok(names.into_iter().map(view).collect())
}

/// `GET /api/admin/queues`
pub(super) async fn list(State(app): State<App>, _: Admin) -> Result<Json<Page<QueueView>>, Problem> {
    Ok(Json(whole(all(&app).await?)))
}

async fn find(app: &App, name: &str) -> Result<Json<QueueView>, Problem> {
    let found = all(app).await?.into_iter().find(|queue| queue.queue == name);
    found.map(Json).ok_or_else(|| Problem::new(Kind::NotFound).detail("there is no such queue"))
}

/// `POST /api/admin/queues/{queue}/pause`: claims nothing from it, anywhere; what runs finishes.
pub(super) async fn pause(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Path(queue): Path<String>,
    Json(why): Json<Because>,
) -> Result<Json<QueueView>, Problem> {
    let why = why.reason()?;
    find(&app, &queue).await?;
    let entry = did((&admin, &context), "queue.paused", ("queue", &queue), why);
    app.db
        .write(async |tx| {
            admin::pause(tx, &queue, why).await?;
            tx.audit(entry);
            Ok::<_, DbError>(())
        })
        .await?;
    find(&app, &queue).await
}

/// `POST /api/admin/queues/{queue}/resume`
pub(super) async fn resume(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Path(queue): Path<String>,
    Json(why): Json<Because>,
) -> Result<Json<QueueView>, Problem> {
    let why = why.reason()?;
    find(&app, &queue).await?;
    let entry = did((&admin, &context), "queue.resumed", ("queue", &queue), why);
    app.db
        .write(async |tx| {
            admin::resume(tx, &queue).await?;
            tx.audit(entry);
            Ok::<_, DbError>(())
        })
        .await?;
    find(&app, &queue).await
}
