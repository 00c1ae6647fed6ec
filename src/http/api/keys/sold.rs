//! `/api/admin/keys` and `/api/developer/keys`: keys of what one sells. Secrets are nowhere to be seen.

use axum::extract::State;
use schemars::JsonSchema;
use serde::Deserialize;

use super::Sells;
use crate::{
    api_keys::{self, ApiKeyId, KeyFilter, KeyStatus, KeyView, Seller},
    app::App,
    http::{Admin, Context, ExportQuery, Exported, Json, Kind, ListFile, PageQuery, Path, Problem, Query, reason},
    kernel::{LicenseId, Page, PageRequest, ProductId, TenantId},
};

#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Search {
    /// Those of this product.
    product: Option<ProductId>,
    /// Those of this licence.
    license: Option<LicenseId>,
    /// Those that these own.
    tenant: Option<TenantId>,
    /// Those that stand so.
    status: Option<KeyStatus>,
}

/// `GET /api/{admin,vendor}/keys`
pub(super) async fn list<S: Sells>(
    State(app): State<App>,
    who: S,
    Query(search): Query<Search>,
    Query(page): Query<PageQuery<ApiKeyId>>,
) -> Result<Json<Page<KeyView>>, Problem> {
    let Search { product, license, tenant, status } = search;
    let filter = KeyFilter { product, license, tenant, status };
    Ok(Json(api_keys::search(&app.db, who.seller(), &filter, page.request()?).await?))
}

/// `GET /api/{admin,developer}/keys/{key}`
pub(super) async fn show<S: Sells>(
    State(app): State<App>,
    who: S,
    Path(key): Path<ApiKeyId>,
) -> Result<Json<KeyView>, Problem> {
    let found = api_keys::find_sold(&app.db, who.seller(), key).await?;
    found.map(Json).ok_or_else(|| Problem::new(Kind::NotFound).detail("there is no such key"))
}

const EXPORTED: Exported = Exported {
    name: "keys",
    columns: &[
        "id",
        "license",
        "product",
        "tenant",
        "name",
        "hint",
        "status",
        "scopes",
        "expires_at",
        "last_used_at",
        "rotated_at",
        "revoked_at",
        "revoked_reason",
        "created_at",
    ],
};

/// `GET /api/admin/keys/export`
pub(super) async fn export(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Query(search): Query<Search>,
    Query(query): Query<ExportQuery>,
) -> Result<ListFile, Problem> {
    let Search { product, license, tenant, status } = search;
    let (filter, shop) = (KeyFilter { product, license, tenant, status }, app.clone());
    let read = move |page: PageRequest<ApiKeyId>| {
        let app = shop.clone();
        async move { Ok(api_keys::search(&app.db, Seller::Any, &filter, page).await?) }
    };
    EXPORTED.answer(&app, (&admin, &context), query, read).await
}

/// Why.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "KeyRevocation", transform = crate::http::because::must_be_given)]
pub(super) struct Reason {
    /// Why, for the owner and for the audit trail.
    #[serde(default)]
    #[schemars(length(min = 1, max = 500))]
    reason: String,
}

/// `POST /api/{admin,vendor}/keys/{key}/revoke`
pub(super) async fn revoke<S: Sells>(
    State(app): State<App>,
    who: S,
    context: Context,
    Path(key): Path<ApiKeyId>,
    Json(body): Json<Reason>,
) -> Result<Json<KeyView>, Problem> {
    let (why, by, sold) = (reason(&body.reason)?, who.caller().by(&context), (who.seller(), key));
    Ok(Json(app.db.write(async |tx| api_keys::revoke_sold(tx, &app.api_keys, sold, why, &by).await).await?))
}
