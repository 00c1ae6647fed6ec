//! `/api/admin/coupons`: what takes something off.

use axum::{extract::State, response::IntoResponse};
use serde::Deserialize;

use super::managed::{created_in, managed};
use crate::{
    app::App,
    catalog::{self, Coupon, CouponFields},
    http::{Admin, Json, PageQuery, Problem, Query, tag},
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

created_in!("/api/admin/coupons" => Coupon: CouponFields, catalog::create_coupon);
managed!(CouponId => Coupon: catalog::coupon, catalog::patch_coupon, catalog::delete_coupon);
