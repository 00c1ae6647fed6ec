//! `/api/admin/coupons`: what takes something off.

use axum::extract::State;
use schemars::JsonSchema;
use serde::Deserialize;

use super::managed::{created_in, managed};
use crate::{
    app::App,
    catalog::{self, Coupon, CouponFields},
    http::{Admin, Json, PageQuery, Problem, Query, tag},
    kernel::{CouponId, Page},
};

#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Filters {
    /// Words that it has.
    q: Option<String>,
    /// Those that are in force, or those that are not.
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
) -> Result<Json<Page<Coupon>>, Problem> {
    Ok(Json(catalog::coupons(&app.db, filters.active, filters.q.as_deref(), page.request()?).await?))
}

created_in!("/api/admin/coupons" => Coupon: CouponFields, catalog::create_coupon);
managed!(CouponId => Coupon, CouponFields: catalog::coupon, catalog::patch_coupon, catalog::delete_coupon);
