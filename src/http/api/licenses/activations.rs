//! `/api/licenses/{license}/activations`: where owners' licences are active.

use axum::extract::State;

use super::{owned::change, refusals::no_license};
use crate::{
    accounts::Scope,
    app::App,
    db::DbError,
    http::{Caller, Context, Json, Kind, NoContent, PageQuery, Path, Problem, Query},
    kernel::{LicenseId, Page},
    licenses::{self, ActivationId, ActivationView},
};

/// `GET /api/licenses/{license}/activations`
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<LicenseId>,
    Query(page): Query<PageQuery<ActivationId>>,
) -> Result<Json<Page<ActivationView>>, Problem> {
    caller.require(Scope::LicensesRead)?;
    let page = page.request()?;
    if !licenses::is_owned(&app.db, caller.tenant, id).await? {
        return Err(no_license());
    }
    Ok(Json(licenses::activations_any(&app.db, id, page).await?))
}

/// `DELETE /api/licenses/{license}/activations/{activation}`
pub(super) async fn deactivate(
    State(app): State<App>,
    caller: Caller,
    context: Context,
    Path((id, activation)): Path<(LicenseId, ActivationId)>,
) -> Result<NoContent, Problem> {
    caller.require(Scope::LicensesWrite)?;
    let change = change(&caller, &context);
    let done = app
        .db
        .write(async |tx| {
            let step = licenses::deactivate_owned(tx, caller.tenant, id, activation, &change).await?;
            if let Some(step) = step {
                app.license_cache.forget_with(tx, step);
            }
            Ok::<_, DbError>(step.is_some())
        })
        .await?;
    if done {
        return Ok(NoContent);
    }
    Err(Problem::new(Kind::NotFound).detail("there is no such activation, or it has ended"))
}
