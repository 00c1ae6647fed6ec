//! `/api/admin/categories`: where products stand.

use axum::extract::State;
use schemars::JsonSchema;
use serde::Deserialize;

use super::managed::{created_in, managed};
use crate::{
    app::App,
    catalog::{self, Category, CategoryFields},
    http::{Admin, Json, PageQuery, Problem, Query, tag},
    kernel::{CategoryId, Page},
};

#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Filters {
    /// Words that it has.
    q: Option<String>,
}

fn tag_of(category: &Category) -> String {
    tag(category.revision, &[])
}

/// `GET /api/admin/categories`
pub(super) async fn list(
    State(app): State<App>,
    _: Admin,
    Query(filters): Query<Filters>,
    Query(page): Query<PageQuery<CategoryId>>,
) -> Result<Json<Page<Category>>, Problem> {
    Ok(Json(catalog::categories(&app.db, filters.q.as_deref(), page.request()?).await?))
}

created_in!("/api/admin/categories" => Category: CategoryFields, catalog::create_category);
managed!(CategoryId => Category, CategoryFields: catalog::category, catalog::patch_category, catalog::delete_category);
