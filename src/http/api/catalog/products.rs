//! `/api/admin/products`: what is sold, published or not.

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
    catalog::{self, Product, ProductFields, ProductStatus},
    http::{Admin, Context, IdempotencyKey, Json, PageQuery, Path, Problem, Query, once},
    kernel::ProductId,
};

#[derive(Debug, Deserialize)]
pub(super) struct Filters {
    q: Option<String>,
    status: Option<ProductStatus>,
}

fn tag_of(product: &Product) -> String {
    tag(product.revision, &[product.downloads, product.rating_sum, product.rating_count])
}

/// `GET /api/admin/products`
pub(super) async fn list(
    State(app): State<App>,
    _: Admin,
    Query(filters): Query<Filters>,
    Query(page): Query<PageQuery<ProductId>>,
) -> Result<impl IntoResponse, Problem> {
    Ok(Json(catalog::products(&app.db, filters.status, filters.q.as_deref(), page.request()?).await?))
}

/// `GET /api/admin/products/{id}`
pub(super) async fn show(
    State(app): State<App>,
    _: Admin,
    Path(id): Path<ProductId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let product = catalog::product(&app.db, id).await?.ok_or_else(missing)?;
    Ok(answer(&headers, tag_of(&product), product))
}

/// `POST /api/admin/products`
pub(super) async fn create(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    key: IdempotencyKey,
    Json(fields): Json<ProductFields>,
) -> Result<Response, Problem> {
    let (by, scope) = (by(&admin, &context), format!("{} POST /api/admin/products", admin.user));
    let body = fields.clone();
    let answer = once(&app, key, scope, &body, async |tx| {
        Ok::<_, catalog::EditError>((StatusCode::CREATED, catalog::create_product(tx, fields, &by).await?))
    });
    Ok(created(answer.await?))
}

/// `PATCH /api/admin/products/{id}`
pub(super) async fn change(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Path(id): Path<ProductId>,
    IfMatch(revision): IfMatch,
    Json(patch): Json<Patch>,
) -> Result<Response, Problem> {
    let by = by(&admin, &context);
    let product = app.db.write(async |tx| catalog::patch_product(tx, id, revision, &patch, &by).await).await?;
    Ok(answer(&HeaderMap::new(), tag_of(&product), product))
}

/// `DELETE /api/admin/products/{id}`
pub(super) async fn remove(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Path(id): Path<ProductId>,
    IfMatch(revision): IfMatch,
) -> Result<StatusCode, Problem> {
    let by = by(&admin, &context);
    app.db.write(async |tx| catalog::delete_product(tx, id, revision, &by).await).await?;
    Ok(StatusCode::NO_CONTENT)
}
