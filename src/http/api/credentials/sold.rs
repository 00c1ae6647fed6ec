//! `/api/admin/credentials` and `/api/developer/credentials`: credentials of what one sells, without what is secret.

use axum::extract::State;
use schemars::JsonSchema;
use serde::Deserialize;

use super::refusals::no_credential;
use crate::{
    api_keys::Seller,
    app::App,
    credentials::{self, CredentialFilter, CredentialId, CredentialState, CredentialView},
    http::{
        Admin, Context, ExportQuery, Exported, Json, ListFile, PageQuery, Path, Problem, Promised, Query,
        api::keys::Sells, reason,
    },
    kernel::{LicenseId, Page, PageRequest, ProductId},
};

#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Search {
    /// Those of this product.
    product: Option<ProductId>,
    /// Those of this licence.
    license: Option<LicenseId>,
    /// Those that stand so.
    state: Option<CredentialState>,
    /// Those that somebody must look at, or the others.
    attention: Option<bool>,
}

/// `GET /api/{admin,vendor}/credentials`
pub(super) async fn list<S: Sells>(
    State(app): State<App>,
    who: S,
    Query(search): Query<Search>,
    Query(page): Query<PageQuery<CredentialId>>,
) -> Result<Json<Page<CredentialView>>, Problem> {
    let Search { product, license, state, attention } = search;
    let filter = CredentialFilter { product, license, state, attention };
    Ok(Json(credentials::search(&app.db, who.seller(), &filter, page.request()?).await?))
}

const EXPORTED: Exported = Exported {
    name: "credentials",
    columns: &[
        "id",
        "license",
        "product",
        "tenant",
        "state",
        "rotating",
        "hint",
        "last_synced_at",
        "expires_at",
        "reason",
        "problem",
        "attention_at",
        "provisioned_at",
        "rotated_at",
        "revoked_at",
        "created_at",
    ],
};

/// `GET /api/admin/credentials/export`
pub(super) async fn export(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Query(search): Query<Search>,
    Query(query): Query<ExportQuery>,
) -> Result<ListFile, Problem> {
    let Search { product, license, state, attention } = search;
    let (filter, shop) = (CredentialFilter { product, license, state, attention }, app.clone());
    let read = move |page: PageRequest<CredentialId>| {
        let app = shop.clone();
        async move { Ok(credentials::search(&app.db, Seller::Any, &filter, page).await?) }
    };
    EXPORTED.answer(&app, (&admin, &context), query, read).await
}

async fn found<S: Sells>(app: &App, who: &S, id: CredentialId) -> Result<Json<CredentialView>, Problem> {
    credentials::find(&app.db, who.seller(), id).await?.map(Json).ok_or_else(no_credential)
}

/// `GET /api/{admin,vendor}/credentials/{credential}`
pub(super) async fn show<S: Sells>(
    State(app): State<App>,
    who: S,
    Path(id): Path<CredentialId>,
) -> Result<Json<CredentialView>, Problem> {
    found(&app, &who, id).await
}

/// Why.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "CredentialRevocation", transform = crate::http::because::must_be_given)]
pub(super) struct Reason {
    /// Why, for the owner and for the audit trail.
    #[serde(default)]
    #[schemars(length(min = 1, max = 500))]
    reason: String,
}

/// `POST /api/{admin,vendor}/credentials/{credential}/revoke`: it is not made again for its licence.
pub(super) async fn revoke<S: Sells>(
    State(app): State<App>,
    who: S,
    context: Context,
    Path(id): Path<CredentialId>,
    Json(body): Json<Reason>,
) -> Result<Json<CredentialView>, Problem> {
    let (why, by, sold) = (reason(&body.reason)?, who.caller().by(&context), (who.seller(), id));
    app.db.write(async |tx| credentials::revoke_sold(tx, sold, why, &by).await).await?;
    found(&app, &who, id).await
}

/// `POST /api/{admin,vendor}/credentials/{credential}/retry`: has a hook asked again that was given up.
pub(super) async fn retry<S: Sells>(
    State(app): State<App>,
    who: S,
    context: Context,
    Path(id): Path<CredentialId>,
) -> Result<Promised, Problem> {
    let (by, sold) = (who.caller().by(&context), (who.seller(), id));
    app.db.write(async |tx| credentials::retry_sold(tx, sold, &by).await).await?;
    Ok(Promised)
}
