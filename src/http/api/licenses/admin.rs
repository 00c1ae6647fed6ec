//! `/api/admin/licenses`: what operators see and do. Keys are found, never shown.

use axum::extract::State;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{owned::change, refusals::no_license};
use crate::{
    app::App,
    http::{
        Admin, Because, Context, ExportQuery, Exported, Json, Kind, ListFile, PageQuery, Path, Problem, Query, reason,
    },
    kernel::{ByTime, LicenseId, OrderId, Page, PageRequest, ProductId, Sort, TenantId, Time},
    licenses::{
        self, ActivationId, ActivationView, Change, LicenseFilter, LicenseStatus, LicenseView, LifecycleError, LogId,
        LogView, Step,
    },
};

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
    /// Those of this tenant.
    tenant: Option<TenantId>,
    /// Made at this time or later.
    from: Option<Time>,
    /// Made before this time.
    until: Option<Time>,
    /// In which order; the newest first if nothing is said.
    sort: Option<Sort<ByTime>>,
}

impl Search {
    fn filter(self, app: &App) -> Result<LicenseFilter, Problem> {
        let key = match self.key.as_deref().map(|key| app.license_keys.recognise(key)) {
            Some(Ok(hash)) => Some(hash),
            Some(Err(error)) => return Err(Problem::new(Kind::InvalidParameter).error("#/key", error.to_string())),
            None => None,
        };
        let Self { product, order, status, tenant, from, until, sort, .. } = self;
        Ok(LicenseFilter { product, order, status, key, tenant, from, until, sort })
    }
}

/// `GET /api/admin/licenses`
pub(super) async fn list(
    State(app): State<App>,
    _: Admin,
    Query(search): Query<Search>,
    Query(page): Query<PageQuery<LicenseId>>,
) -> Result<Json<Page<LicenseView>>, Problem> {
    let (filter, page) = (search.filter(&app)?, page.request()?);
    Ok(Json(licenses::list_any(&app.db, &filter, page).await?))
}

const EXPORTED: Exported = Exported {
    name: "licenses",
    columns: &[
        "id",
        "key_hint",
        "status",
        "reason",
        "type",
        "product.id",
        "product.slug",
        "plan.id",
        "plan.name",
        "order",
        "order_item",
        "seat",
        "tenant",
        "usage.count",
        "usage.limit",
        "activations.count",
        "activations.limit",
        "domains",
        "ips",
        "expires_at",
        "created_at",
        "updated_at",
    ],
};

/// `GET /api/admin/licenses/export`: without keys.
pub(super) async fn export(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Query(search): Query<Search>,
    Query(query): Query<ExportQuery>,
) -> Result<ListFile, Problem> {
    let (filter, shop) = (search.filter(&app)?, app.clone());
    let read = move |page: PageRequest<LicenseId>| {
        let app = shop.clone();
        async move { Ok(licenses::list_any(&app.db, &filter, page).await?) }
    };
    EXPORTED.answer(&app, (&admin, &context), query, read).await
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

/// Until when, and why.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "LicenseRenewal", transform = crate::http::because::must_be_given)]
pub(super) struct Renewal {
    /// When it ends from now on.
    until: Time,
    /// Why: it is kept in the audit trail and in the licence's log.
    #[serde(default)]
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

fn because(admin: &Admin, context: &Context, reason: &str) -> Change {
    change(&admin.0, context).because(reason)
}

/// `POST /api/admin/licenses/{license}/suspend`
pub(super) async fn suspend(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Path(id): Path<LicenseId>,
    Json(body): Json<Because>,
) -> Result<Json<LicenseView>, Problem> {
    let change = because(&admin, &context, body.reason()?);
    take(&app, id, Step::Suspend, change).await
}

/// `POST /api/admin/licenses/{license}/resume`
pub(super) async fn resume(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Path(id): Path<LicenseId>,
    Json(body): Json<Because>,
) -> Result<Json<LicenseView>, Problem> {
    let change = because(&admin, &context, body.reason()?);
    take(&app, id, Step::Resume, change).await
}

/// `POST /api/admin/licenses/{license}/revoke`
pub(super) async fn revoke(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Path(id): Path<LicenseId>,
    Json(body): Json<Because>,
) -> Result<Json<LicenseView>, Problem> {
    let change = because(&admin, &context, body.reason()?);
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
    let change = because(&admin, &context, reason(&body.reason)?);
    if body.until <= app.db.now() {
        return Err(super::bounds::refused("#/until", "expected a time to come"));
    }
    take(&app, id, Step::Renew(body.until), change).await
}
