//! `/api/downloads` and `/api/admin/downloads`: who downloaded what, and what became of it.

use axum::extract::State;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    accounts::Scope,
    app::App,
    downloads::{self, DownloadFilter, DownloadId, DownloadStatus, DownloadView},
    http::{Admin, Caller, Context, ExportQuery, Exported, Json, ListFile, PageQuery, Problem, Query},
    kernel::{ByTime, LicenseId, Page, PageRequest, ProductId, Sort, TenantId, Time, UserId},
};

#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Search {
    /// Those of this product.
    product: Option<ProductId>,
    /// Those of this person.
    user: Option<UserId>,
    /// Those that came to this.
    status: Option<DownloadStatus>,
    /// Those of this licence.
    license: Option<LicenseId>,
    /// Begun at this time or later.
    from: Option<Time>,
    /// Begun before this time.
    until: Option<Time>,
    /// In which order; the newest first if nothing is said.
    sort: Option<Sort<ByTime>>,
}

impl Search {
    fn filter(self, tenant: Option<TenantId>) -> DownloadFilter {
        let Self { product, user, status, license, from, until, sort } = self;
        DownloadFilter { tenant, product, user, status, license, from, until, sort }
    }
}

/// `GET /api/downloads`: the caller's.
pub(super) async fn own(
    State(app): State<App>,
    caller: Caller,
    Query(search): Query<Search>,
    Query(page): Query<PageQuery<DownloadId>>,
) -> Result<Json<Page<DownloadView>>, Problem> {
    caller.require(Scope::LicensesRead)?;
    let filter = search.filter(Some(caller.tenant));
    Ok(Json(downloads::downloads(&app.db, filter, page.request()?).await?))
}

/// `GET /api/admin/downloads`
pub(super) async fn all(
    State(app): State<App>,
    _: Admin,
    Query(search): Query<Search>,
    Query(page): Query<PageQuery<DownloadId>>,
) -> Result<Json<Page<DownloadView>>, Problem> {
    Ok(Json(downloads::downloads(&app.db, search.filter(None), page.request()?).await?))
}

const EXPORTED: Exported = Exported {
    name: "downloads",
    columns: &[
        "id",
        "product",
        "source",
        "user",
        "license",
        "ip_address",
        "user_agent",
        "status",
        "reason",
        "file_size",
        "range_start",
        "bytes_sent",
        "downloaded_at",
        "ended_at",
    ],
};

/// `GET /api/admin/downloads/export`
pub(super) async fn export(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Query(search): Query<Search>,
    Query(query): Query<ExportQuery>,
) -> Result<ListFile, Problem> {
    let (filter, shop) = (search.filter(None), app.clone());
    let read = move |page: PageRequest<DownloadId>| {
        let app = shop.clone();
        async move { Ok(downloads::downloads(&app.db, filter, page).await?) }
    };
    EXPORTED.answer(&app, (&admin, &context), query, read).await
}
