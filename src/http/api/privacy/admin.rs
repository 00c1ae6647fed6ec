//! `/api/admin/users/{user}/exports`, `/api/admin/users/{user}/deletion`: on somebody's written word.
//!
//! The archive goes to its person: operators see that it was written, and not what is in it.

use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::refusals::{no_deletion, no_user};
use crate::{
    accounts,
    app::App,
    http::{Admin, Because, Context, IdempotencyKey, Json, Once, PageQuery, Path, Problem, Query, once, reason},
    kernel::{Page, UserId},
    privacy::{
        self, AccountDeletion, DataExport, DataExportId, ExportRequestError, RequestedBy, Scheduling, SchedulingError,
    },
};

/// `POST /api/admin/users/{user}/exports`
pub(super) async fn export(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    key: IdempotencyKey,
    (Path(user), Json(body)): (Path<UserId>, Json<Because>),
) -> Result<Once<DataExport, 202>, Problem> {
    let (by, reason) = (admin.by(&context), body.reason()?);
    let scope = format!("{} POST /api/admin/users/{user}/exports", admin.user);
    once(&app, key, scope, &body, async |tx| -> Result<DataExport, ExportRequestError> {
        privacy::request_export(tx, user, (&by, RequestedBy::Operator), Some(reason)).await
    })
    .await
}

/// `GET /api/admin/users/{user}/exports`
pub(super) async fn exports(
    State(app): State<App>,
    _: Admin,
    Path(user): Path<UserId>,
    Query(page): Query<PageQuery<DataExportId>>,
) -> Result<Json<Page<DataExport>>, Problem> {
    known(&app, user).await?;
    Ok(Json(privacy::exports(&app.db, user, &page.request()?).await?))
}

/// Why an operator has an account deleted, and how soon.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "UserDeletionWish", transform = crate::http::because::must_be_given)]
pub(super) struct DeletionBody {
    /// Why, by a file's number rather than a name: the audit trail, where it is kept, forgets nothing.
    #[serde(default)]
    #[schemars(length(min = 1, max = 500))]
    reason: String,
    /// Without the time in which it can be cancelled.
    #[serde(default)]
    at_once: bool,
}

/// `POST /api/admin/users/{user}/deletion`
pub(super) async fn delete(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    key: IdempotencyKey,
    (Path(user), Json(body)): (Path<UserId>, Json<DeletionBody>),
) -> Result<Once<AccountDeletion, 202>, Problem> {
    let (by, reason) = (admin.by(&context), reason(&body.reason)?);
    let now = app.db.now();
    let due_at = if body.at_once { now } else { now + app.privacy.policy.deletion_grace };
    let wanted = Scheduling { user, requested_by: RequestedBy::Operator, due_at, reason: Some(reason) };
    let scope = format!("{} POST /api/admin/users/{user}/deletion", admin.user);
    once(&app, key, scope, &body, async |tx| -> Result<AccountDeletion, SchedulingError> {
        privacy::schedule_deletion(tx, wanted, &by).await
    })
    .await
}

/// `GET /api/admin/users/{user}/deletion`
pub(super) async fn deletion(
    State(app): State<App>,
    _: Admin,
    Path(user): Path<UserId>,
) -> Result<Json<AccountDeletion>, Problem> {
    known(&app, user).await?;
    privacy::deletion_of(&app.db, user).await?.map(Json).ok_or_else(no_deletion)
}

async fn known(app: &App, user: UserId) -> Result<(), Problem> {
    accounts::find_any_account(&app.db, user).await?.map(|_| ()).ok_or_else(no_user)
}
