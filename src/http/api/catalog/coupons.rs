//! `/api/admin/coupons`: what takes something off.

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
    catalog::{self, Coupon, CouponFields},
    http::{Admin, Context, IdempotencyKey, Json, PageQuery, Path, Problem, Query, once},
    kernel::CouponId,
};

#[derive(Debug, Deserialize)]
pub(super) struct Filters {
    q: Option<String>,
    active: Option<bool>,
}

fn tag_of(coupon: &Coupon) -> String {
    tag(coupon.revision, &[coupon.used])
}

/// `GET /api/admin/coupons`
pub(super) async fn list(
    State(app): State<App>,
    _: Admin,
    Query(filters): Query<Filters>,
    Query(page): Query<PageQuery<CouponId>>,
) -> Result<impl IntoResponse, Problem> {
    Ok(Json(catalog::coupons(&app.db, filters.active, filters.q.as_deref(), page.request()?).await?))
}

/// `GET /api/admin/coupons/{id}`
pub(super) async fn show(
    State(app): State<App>,
    _: Admin,
    Path(id): Path<CouponId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let coupon = catalog::coupon(&app.db, id).await?.ok_or_else(missing)?;
    Ok(answer(&headers, tag_of(&coupon), coupon))
}

/// `POST /api/admin/coupons`
pub(super) async fn create(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    key: IdempotencyKey,
    Json(fields): Json<CouponFields>,
) -> Result<Response, Problem> {
    let (by, scope) = (by(&admin, &context), format!("{} POST /api/admin/coupons", admin.user));
    let body = fields.clone();
    let answer = once(&app, key, scope, &body, async |tx| {
        Ok::<_, catalog::EditError>((StatusCode::CREATED, catalog::create_coupon(tx, fields, &by).await?))
    });
    Ok(created(answer.await?))
}

/// `PATCH /api/admin/coupons/{id}`
pub(super) async fn change(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Path(id): Path<CouponId>,
    IfMatch(revision): IfMatch,
    Json(patch): Json<Patch>,
) -> Result<Response, Problem> {
    let by = by(&admin, &context);
    let coupon = app.db.write(async |tx| catalog::patch_coupon(tx, id, revision, &patch, &by).await).await?;
    Ok(answer(&HeaderMap::new(), tag_of(&coupon), coupon))
}

/// `DELETE /api/admin/coupons/{id}`
pub(super) async fn remove(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Path(id): Path<CouponId>,
    IfMatch(revision): IfMatch,
) -> Result<StatusCode, Problem> {
    let by = by(&admin, &context);
    app.db.write(async |tx| catalog::delete_coupon(tx, id, revision, &by).await).await?;
    Ok(StatusCode::NO_CONTENT)
}
