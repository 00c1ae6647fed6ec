//! `/api/downloads` and `/api/admin/downloads`: who downloaded what, and what became of it.

use axum::extract::State;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    accounts::Scope,
    app::App,
    downloads::{self, DownloadFilter, DownloadId, DownloadStatus, DownloadView},
    http::{Admin, Caller, Json, PageQuery, Problem, Query},
    kernel::{Page, ProductId, UserId},
};

#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Search {
    /// Those of this product.
    product: Option<ProductId>,
    /// Those of this person.
    user: Option<UserId>,
    /// Those that came to this.
    status: Option<DownloadStatus>,
}

/// `GET /api/downloads`: the caller's.
pub(super) async fn own(
    State(app): State<App>,
    caller: Caller,
    Query(search): Query<Search>,
    Query(page): Query<PageQuery<DownloadId>>,
) -> Result<Json<Page<DownloadView>>, Problem> {
    caller.require(Scope::LicensesRead)?;
    let Search { product, user, status } = search;
    let filter = DownloadFilter { tenant: Some(caller.tenant), product, user, status };
    Ok(Json(downloads::downloads(&app.db, filter, page.request()?).await?))
}

/// `GET /api/admin/downloads`
pub(super) async fn all(
    State(app): State<App>,
    _: Admin,
    Query(search): Query<Search>,
    Query(page): Query<PageQuery<DownloadId>>,
) -> Result<Json<Page<DownloadView>>, Problem> {
    let Search { product, user, status } = search;
    let filter = DownloadFilter { tenant: None, product, user, status };
    Ok(Json(downloads::downloads(&app.db, filter, page.request()?).await?))
}
