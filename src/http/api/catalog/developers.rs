//! `/api/admin/developers`: who sells.

use axum::extract::State;
use schemars::JsonSchema;
use serde::Deserialize;

use super::managed::{created_in, managed};
use crate::{
    app::App,
    catalog::{self, Developer, DeveloperFields},
    http::{Admin, Json, PageQuery, Problem, Query, tag},
    kernel::{DeveloperId, Page},
};

#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Filters {
    /// Words that it has.
    q: Option<String>,
}

fn tag_of(developer: &Developer) -> String {
    tag(developer.revision, &[])
}

/// `GET /api/admin/developers`
pub(super) async fn list(
    State(app): State<App>,
    _: Admin,
    Query(filters): Query<Filters>,
    Query(page): Query<PageQuery<DeveloperId>>,
) -> Result<Json<Page<Developer>>, Problem> {
    Ok(Json(catalog::developers(&app.db, filters.q.as_deref(), page.request()?).await?))
}

created_in!("/api/admin/developers" => Developer: DeveloperFields, catalog::create_developer);
managed!(DeveloperId => Developer, DeveloperFields: catalog::developer, catalog::patch_developer, catalog::delete_developer);
