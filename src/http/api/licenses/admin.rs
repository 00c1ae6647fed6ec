//! `/api/admin/licenses`: what operators see and do. Keys are found, never shown.

use axum::extract::State;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{bounds::text, owned::change, refusals::no_license};
use crate::{
    app::App,
    http::{Admin, Context, Json, Kind, PageQuery, Path, Problem, Query},
    kernel::{LicenseId, OrderId, Page, ProductId, Time},
    licenses::{
        self, ActivationId, ActivationView, Change, LicenseFilter, LicenseStatus, LicenseView, LifecycleError, LogId,
        LogView, Step,
    },
};

/// The longest reason, in bytes.
const REASON: usize = 500;

/// What to look for.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Search {
    /// Those of this product.
    product: Option<ProductId>,
    /// Those of this order.
    order: Option<OrderId>,
    /// Those with this status, as it is written down.
    status: Option<LicenseStatus>,
    /// The one with this key, whole.
    key: Option<String>,
}

/// `GET /api/admin/licenses`
pub(super) async fn list(
    State(app): State<App>,
    _: Admin,
    Query(search): Query<Search>,
    Query(page): Query<PageQuery<LicenseId>>,
) -> Result<Json<Page<LicenseView>>, Problem> {
    let page = page.request()?;
    let key = match search.key.as_deref().map(|key| app.license_keys.recognise(key)) {
        Some(Ok(hash)) => Some(hash),
        Some(Err(error)) => return Err(Problem::new(Kind::InvalidParameter).error("#/key", error.to_string())),
        None => None,
    };
    let filter = LicenseFilter { product: search.product, order: search.order, status: search.status, key };
    Ok(Json(licenses::list_any(&app.db, &filter, page).await?))
}

/// `GET /api/admin/licenses/{license}`
pub(super) async fn show(
    State(app): State<App>,
    _: Admin,
    Path(id): Path<LicenseId>,
) -> Result<Json<LicenseView>, Problem> {
    licenses::find_any(&app.db, id).await?.map(Json).ok_or_else(no_license)
}

/// `GET /api/admin/licenses/{license}/activations`
pub(super) async fn activations(
    State(app): State<App>,
    _: Admin,
    Path(id): Path<LicenseId>,
    Query(page): Query<PageQuery<ActivationId>>,
) -> Result<Json<Page<ActivationView>>, Problem> {
    let page = page.request()?;
    licenses::find_any(&app.db, id).await?.ok_or_else(no_license)?;
    Ok(Json(licenses::activations_any(&app.db, id, page).await?))
}

/// `GET /api/admin/licenses/{license}/log`
pub(super) async fn log(
    State(app): State<App>,
    _: Admin,
    Path(id): Path<LicenseId>,
    Query(page): Query<PageQuery<LogId>>,
) -> Result<Json<Page<LogView>>, Problem> {
    let page = page.request()?;
    licenses::find_any(&app.db, id).await?.ok_or_else(no_license)?;
    Ok(Json(licenses::log_any(&app.db, id, page).await?))
}

/// Why something is done.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "LicenseStep")]
pub(super) struct Reason {
    /// Why; it is written down.
    #[schemars(length(min = 1, max = 500))]
    reason: String,
}

/// Until when, and why.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "LicenseRenewal")]
pub(super) struct Renewal {
    /// When it ends from now on.
    until: Time,
    /// Why; it is written down.
    #[schemars(length(min = 1, max = 500))]
    reason: String,
}

/// Takes one step, and shows what has become of the licence.
async fn take(app: &App, id: LicenseId, step: Step, change: Change) -> Result<Json<LicenseView>, Problem> {
    app.db
        .write(async |tx| {
            let stepped = licenses::take_step(tx, id, step, &change).await?;
            app.license_cache.forget_with(tx, stepped);
            Ok::<_, LifecycleError>(())
        })
        .await?;
    licenses::find_any(&app.db, id).await?.map(Json).ok_or_else(no_license)
}

fn because(admin: &Admin, context: &Context, reason: &str) -> Result<Change, Problem> {
    Ok(change(&admin.0, context).because(text("#/reason", reason, REASON)?))
}

/// `POST /api/admin/licenses/{license}/suspend`
pub(super) async fn suspend(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Path(id): Path<LicenseId>,
    Json(body): Json<Reason>,
) -> Result<Json<LicenseView>, Problem> {
    let change = because(&admin, &context, &body.reason)?;
    take(&app, id, Step::Suspend, change).await
}

/// `POST /api/admin/licenses/{license}/resume`
pub(super) async fn resume(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Path(id): Path<LicenseId>,
    Json(body): Json<Reason>,
) -> Result<Json<LicenseView>, Problem> {
    let change = because(&admin, &context, &body.reason)?;
    take(&app, id, Step::Resume, change).await
}

/// `POST /api/admin/licenses/{license}/revoke`
pub(super) async fn revoke(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Path(id): Path<LicenseId>,
    Json(body): Json<Reason>,
) -> Result<Json<LicenseView>, Problem> {
    let change = because(&admin, &context, &body.reason)?;
    take(&app, id, Step::Revoke, change).await
}

/// `POST /api/admin/licenses/{license}/renew`
pub(super) async fn renew(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Path(id): Path<LicenseId>,
    Json(body): Json<Renewal>,
) -> Result<Json<LicenseView>, Problem> {
    let change = because(&admin, &context, &body.reason)?;
    if body.until <= app.db.now() {
        return Err(super::bounds::refused("#/until", "expected a time to come"));
    }
    take(&app, id, Step::Renew(body.until), change).await
}
