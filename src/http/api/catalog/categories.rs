//! `/api/admin/categories`: where products stand.

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
    catalog::{self, Category, CategoryFields},
    http::{Admin, Context, IdempotencyKey, Json, PageQuery, Path, Problem, Query, once},
    kernel::CategoryId,
};

#[derive(Debug, Deserialize)]
pub(super) struct Filters {
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
) -> Result<impl IntoResponse, Problem> {
    Ok(Json(catalog::categories(&app.db, filters.q.as_deref(), page.request()?).await?))
}

/// `GET /api/admin/categories/{id}`
pub(super) async fn show(
    State(app): State<App>,
    _: Admin,
    Path(id): Path<CategoryId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let category = catalog::category(&app.db, id).await?.ok_or_else(missing)?;
    Ok(answer(&headers, tag_of(&category), category))
}

/// `POST /api/admin/categories`
pub(super) async fn create(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    key: IdempotencyKey,
    Json(fields): Json<CategoryFields>,
) -> Result<Response, Problem> {
    let (by, scope) = (by(&admin, &context), format!("{} POST /api/admin/categories", admin.user));
    let body = fields.clone();
    let answer = once(&app, key, scope, &body, async |tx| {
        Ok::<_, catalog::EditError>((StatusCode::CREATED, catalog::create_category(tx, fields, &by).await?))
    });
    Ok(created(answer.await?))
}

/// `PATCH /api/admin/categories/{id}`
pub(super) async fn change(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Path(id): Path<CategoryId>,
    IfMatch(revision): IfMatch,
    Json(patch): Json<Patch>,
) -> Result<Response, Problem> {
    let by = by(&admin, &context);
    let category = app.db.write(async |tx| catalog::patch_category(tx, id, revision, &patch, &by).await).await?;
    Ok(answer(&HeaderMap::new(), tag_of(&category), category))
}

/// `DELETE /api/admin/categories/{id}`
pub(super) async fn remove(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Path(id): Path<CategoryId>,
    IfMatch(revision): IfMatch,
) -> Result<StatusCode, Problem> {
    let by = by(&admin, &context);
    app.db.write(async |tx| catalog::delete_category(tx, id, revision, &by).await).await?;
    Ok(StatusCode::NO_CONTENT)
}
