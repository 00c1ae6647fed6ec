//! `/api/admin/products/{product}/plans` and `/api/admin/plans`: how a product is sold, and for how much.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::{
    Patch, by, created,
    etag::{IfMatch, answer, tag},
    missing,
};
use crate::{
    app::App,
    catalog::{self, Plan, PlanFields},
    http::{Admin, Context, IdempotencyKey, Json, Path, Problem, once},
    kernel::{PlanId, ProductId},
};

fn tag_of(plan: &Plan) -> String {
    tag(plan.revision, &[])
}

/// `GET /api/admin/products/{product}/plans`: all of them, which are few.
pub(super) async fn list(
    State(app): State<App>,
    _: Admin,
    Path(product): Path<ProductId>,
) -> Result<impl IntoResponse, Problem> {
    catalog::product(&app.db, product).await?.ok_or_else(missing)?;
    Ok(Json(json!({ "data": catalog::plans(&app.db, product).await?, "has_more": false, "next_cursor": null })))
}

/// `GET /api/admin/plans/{id}`
pub(super) async fn show(
    State(app): State<App>,
    _: Admin,
    Path(id): Path<PlanId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let plan = catalog::plan(&app.db, id).await?.ok_or_else(missing)?;
    Ok(answer(&headers, tag_of(&plan), plan))
}

/// `POST /api/admin/products/{product}/plans`
pub(super) async fn create(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Path(product): Path<ProductId>,
    key: IdempotencyKey,
    Json(fields): Json<PlanFields>,
) -> Result<Response, Problem> {
    let by = by(&admin, &context);
    let scope = format!("{} POST /api/admin/products/{product}/plans", admin.user);
    let body = fields.clone();
    let answer = once(&app, key, scope, &body, async |tx| {
        Ok::<_, catalog::EditError>((StatusCode::CREATED, catalog::create_plan(tx, product, fields, &by).await?))
    });
    Ok(created(answer.await?))
}

/// `PATCH /api/admin/plans/{id}`
pub(super) async fn change(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Path(id): Path<PlanId>,
    IfMatch(revision): IfMatch,
    Json(patch): Json<Patch>,
) -> Result<Response, Problem> {
    let by = by(&admin, &context);
    let plan = app.db.write(async |tx| catalog::patch_plan(tx, id, revision, &patch, &by).await).await?;
    Ok(answer(&HeaderMap::new(), tag_of(&plan), plan))
}

/// `DELETE /api/admin/plans/{id}`
pub(super) async fn remove(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Path(id): Path<PlanId>,
    IfMatch(revision): IfMatch,
) -> Result<StatusCode, Problem> {
    let by = by(&admin, &context);
    app.db.write(async |tx| catalog::delete_plan(tx, id, revision, &by).await).await?;
    Ok(StatusCode::NO_CONTENT)
}
