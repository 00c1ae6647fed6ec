//! `/api/admin/sources`: where all products' files come from; with `state=broken` what has to be mended.

use axum::extract::State;

use crate::{
    app::App,
    downloads::{self, AnySources, Source},
    http::{Admin, Json, PageQuery, Problem, Query},
    kernel::Page,
};

/// `GET /api/admin/sources`
pub(super) async fn list(
    State(app): State<App>,
    _: Admin,
    Query(filter): Query<AnySources>,
    Query(page): Query<PageQuery<String>>,
) -> Result<Json<Page<Source>>, Problem> {
    let page = page.sorted(filter.sort)?;
    Ok(Json(downloads::any_sources(&app.db, &filter, &page).await?))
}
