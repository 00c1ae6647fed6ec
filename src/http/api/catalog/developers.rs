//! `/api/admin/developers`: who sells.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde::Deserialize;

use super::{
    Patch, by, created,
    etag::{IfMatch, answer, tag},
    missing,
};
use crate::{
    app::App,
    catalog::{self, Developer, DeveloperFields},
    http::{Admin, Context, IdempotencyKey, Json, PageQuery, Path, Problem, Query, once},
    kernel::DeveloperId,
};

#[derive(Debug, Deserialize)]
pub(super) struct Filters {
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
) -> Result<impl IntoResponse, Problem> {
    Ok(Json(catalog::developers(&app.db, filters.q.as_deref(), page.request()?).await?))
}

/// `GET /api/admin/developers/{id}`
pub(super) async fn show(
    State(app): State<App>,
    _: Admin,
    Path(id): Path<DeveloperId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let developer = catalog::developer(&app.db, id).await?.ok_or_else(missing)?;
    Ok(answer(&headers, tag_of(&developer), developer))
}

/// `POST /api/admin/developers`
pub(super) async fn create(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    key: IdempotencyKey,
    Json(fields): Json<DeveloperFields>,
) -> Result<Response, Problem> {
    let (by, scope) = (by(&admin, &context), format!("{} POST /api/admin/developers", admin.user));
    let body = fields.clone();
    let answer = once(&app, key, scope, &body, async |tx| {
        Ok::<_, catalog::EditError>((StatusCode::CREATED, catalog::create_developer(tx, fields, &by).await?))
    });
    Ok(created(answer.await?))
}

/// `PATCH /api/admin/developers/{id}`
pub(super) async fn change(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Path(id): Path<DeveloperId>,
    IfMatch(revision): IfMatch,
    Json(patch): Json<Patch>,
) -> Result<Response, Problem> {
    let by = by(&admin, &context);
    let developer = app.db.write(async |tx| catalog::patch_developer(tx, id, revision, &patch, &by).await).await?;
    Ok(answer(&HeaderMap::new(), tag_of(&developer), developer))
}

/// `DELETE /api/admin/developers/{id}`
pub(super) async fn remove(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Path(id): Path<DeveloperId>,
    IfMatch(revision): IfMatch,
) -> Result<StatusCode, Problem> {
    let by = by(&admin, &context);
    app.db.write(async |tx| catalog::delete_developer(tx, id, revision, &by).await).await?;
    Ok(StatusCode::NO_CONTENT)
}
