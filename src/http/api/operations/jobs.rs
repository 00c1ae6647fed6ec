//! `/api/admin/jobs`: what waits, runs, is done and died.

use aide::{
    OperationOutput,
    generate::GenContext,
    openapi::{Operation, Response as Described},
};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::did;
use crate::{
    app::App,
    audit::Entry,
    db::DbError,
    http::{
        Accepted, Admin, Because, Context, ExportQuery, Exported, Json, Kind, ListFile, PageQuery, Path, Problem,
        Query, reason, sought,
    },
    jobs::{
        JobId,
        admin::{self, Cancellation, JobFilter, JobState, JobView},
    },
    kernel::{ByTime, Page, PageRequest, Sort, Time},
};

/// Which jobs.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub(super) struct Which {
    /// Those that stand so.
    state: Option<JobState>,
    /// Of this queue.
    queue: Option<String>,
    /// Of this kind.
    kind: Option<String>,
    /// Of this group.
    group: Option<String>,
    /// Enqueued at this time or later.
    from: Option<Time>,
    /// Enqueued before this time.
    until: Option<Time>,
}

/// In which order.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Order {
    /// In which order; the newest first if nothing is said.
    sort: Option<Sort<ByTime>>,
}

impl Which {
    fn filter(self, sort: Option<Sort<ByTime>>) -> Result<JobFilter, Problem> {
        let text = |pointer: &str, text: Option<String>| {
            Ok::<_, Problem>(sought(pointer, text.as_deref())?.map(str::to_owned))
        };
        Ok(JobFilter {
            state: self.state,
            queue: text("#/queue", self.queue)?,
            kind: text("#/kind", self.kind)?,
            group: text("#/group", self.group)?,
            from: self.from,
            until: self.until,
            before: None,
            sort,
        })
    }
}

/// `GET /api/admin/jobs`: what looks like a secret in their arguments is not shown.
pub(super) async fn list(
    State(app): State<App>,
    _: Admin,
    Query(which): Query<Which>,
    Query(order): Query<Order>,
    Query(page): Query<PageQuery<JobId>>,
) -> Result<Json<Page<JobView>>, Problem> {
    let filter = which.filter(order.sort)?;
    Ok(Json(admin::page(&app.db, &filter, page.request()?).await?.map(JobView::masked)))
}

const EXPORTED: Exported = Exported {
    name: "jobs",
    columns: &[
        "id",
        "queue",
        "kind",
        "state",
        "priority",
        "attempt",
        "max_attempts",
        "run_at",
        "created_at",
        "claimed_at",
        "finished_at",
        "group_key",
        "payload",
        "errors",
    ],
};

/// `GET /api/admin/jobs/export`
pub(super) async fn export(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Query(which): Query<Which>,
    Query(order): Query<Order>,
    Query(query): Query<ExportQuery>,
) -> Result<ListFile, Problem> {
    let (filter, shop) = (which.filter(order.sort)?, app.clone());
    let read = move |page: PageRequest<JobId>| {
        let (app, filter) = (shop.clone(), filter.clone());
        async move { Ok(admin::page(&app.db, &filter, page).await?.map(JobView::masked)) }
    };
    EXPORTED.answer(&app, (&admin, &context), query, read).await
}

fn missing() -> Problem {
    Problem::new(Kind::NotFound).detail("there is no such job; what is done is deleted after a while")
}

/// `GET /api/admin/jobs/{job}`: with its arguments, its attempts and what went wrong in them.
pub(super) async fn show(State(app): State<App>, _: Admin, Path(id): Path<JobId>) -> Result<Json<JobView>, Problem> {
    admin::show(&app.db, id).await?.map(|job| Json(job.masked())).ok_or_else(missing)
}

/// `POST /api/admin/jobs/{job}/retry`: runs a dead, cancelled or waiting job now, with all its attempts.
pub(super) async fn retry(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Path(id): Path<JobId>,
    Json(why): Json<Because>,
) -> Result<Json<JobView>, Problem> {
    let entry = did((&admin, &context), "job.retried", ("job", &id.to_string()), why.reason()?);
    let retried = app
        .db
        .write(async |tx| {
            let retried = admin::retry(tx, &JobFilter::default(), Some(id)).await?;
            if retried > 0 {
                tx.audit(entry);
            }
            Ok::<_, DbError>(retried)
        })
        .await?;
    let job = admin::show(&app.db, id).await?.ok_or_else(missing)?;
    if retried == 0 {
        let detail = format!("the job is {}: only a dead, cancelled or waiting one can be run again", job.state);
        return Err(Problem::new(Kind::Conflict).detail(detail));
    }
    Ok(Json(job.masked()))
}

/// Which jobs run again, and why.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "JobsRetry", transform = crate::http::because::must_be_given)]
pub(super) struct RetryAll {
    /// Those that stand so.
    state: Option<JobState>,
    /// Of this queue.
    queue: Option<String>,
    /// Of this kind.
    kind: Option<String>,
    /// Of this group.
    group: Option<String>,
    /// Enqueued at this time or later.
    from: Option<Time>,
    /// Enqueued before this time.
    until: Option<Time>,
    /// Why: it is kept in the audit trail.
    #[serde(default)]
    #[schemars(length(min = 1, max = 500))]
    reason: String,
}

/// How many jobs run again.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "JobsRetried")]
pub(super) struct Retried {
    /// So many run again.
    retried: u64,
}

/// `POST /api/admin/jobs/retry`: runs all jobs again that fit, which must be named by state, queue, kind or group.
pub(super) async fn retry_all(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Json(body): Json<RetryAll>,
) -> Result<Json<Retried>, Problem> {
    let entry = did((&admin, &context), "jobs.retried", ("jobs", "all"), reason(&body.reason)?);
    let RetryAll { state, queue, kind, group, from, until, .. } = body;
    let which = Which { state, queue, kind, group, from, until };
    let named = json!(which);
    let filter = which.filter(None)?;
    let refused = |pointer: &str, detail: &str| Problem::new(Kind::InvalidInput).error(pointer, detail.to_owned());
    if !filter.is_narrow() {
        return Err(refused("#/state", "name jobs by state, queue, kind or group"));
    }
    if matches!(filter.state, Some(JobState::Available | JobState::Running | JobState::Completed)) {
        return Err(refused("#/state", "only discarded (dead), cancelled, retryable and scheduled jobs run again"));
    }
    let retried = app
        .db
        .write(async |tx| {
            let retried = admin::retry(tx, &filter, None).await?;
            if retried > 0 {
                tx.audit(entry.change(named, json!({ "retried": retried })));
            }
            Ok::<_, DbError>(retried)
        })
        .await?;
    Ok(Json(Retried { retried }))
}

/// What calling a job off did.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "JobCalledOff")]
pub(super) struct CalledOff {
    /// What it did.
    cancellation: Cancellation,
}

/// It is off, or its worker was asked to stop it.
#[derive(Debug)]
pub(super) enum CallingOff {
    Done(Json<CalledOff>),
    Asked(Accepted<CalledOff>),
}

impl IntoResponse for CallingOff {
    fn into_response(self) -> Response {
        match self {
            Self::Done(answer) => answer.into_response(),
            Self::Asked(answer) => answer.into_response(),
        }
    }
}

impl OperationOutput for CallingOff {
    type Inner = CalledOff;

    fn inferred_responses(ctx: &mut GenContext, operation: &mut Operation) -> Vec<(Option<u16>, Described)> {
        let mut responses = Json::<CalledOff>::inferred_responses(ctx, operation);
        responses.extend(Accepted::<CalledOff>::inferred_responses(ctx, operation));
        responses
    }
}

/// `POST /api/admin/jobs/{job}/cancel`: calls a waiting job off; one that runs is told to stop, which is 202.
pub(super) async fn cancel(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Path(id): Path<JobId>,
    Json(why): Json<Because>,
) -> Result<CallingOff, Problem> {
    let entry: Entry = did((&admin, &context), "job.cancelled", ("job", &id.to_string()), why.reason()?);
    let cancellation = app
        .db
        .write(async |tx| {
            let cancellation = admin::cancel(tx, id).await?;
            if matches!(cancellation, Cancellation::Cancelled | Cancellation::Requested) {
                tx.audit(entry);
            }
            Ok::<_, DbError>(cancellation)
        })
        .await?;
    match cancellation {
        Cancellation::NotFound => Err(missing()),
        Cancellation::Ended => Err(Problem::new(Kind::Conflict).detail("the job has ended already")),
        Cancellation::Requested => Ok(CallingOff::Asked(Accepted(CalledOff { cancellation }))),
        Cancellation::Cancelled => Ok(CallingOff::Done(Json(CalledOff { cancellation }))),
    }
}
