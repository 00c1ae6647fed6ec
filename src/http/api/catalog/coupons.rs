//! `/api/admin/coupons`: what takes something off.

use axum::extract::State;

use super::managed::{created_in, managed};
use crate::{
    app::App,
    catalog::{self, AnyCoupons, Coupon, CouponFields},
    http::{Admin, Json, PageQuery, Problem, Query, sought, tag},
    kernel::{CouponId, Page},
};

fn tag_of(coupon: &Coupon) -> String {
    tag(coupon.revision, &[coupon.used])
}

/// `GET /api/admin/coupons`
pub(super) async fn list(
    State(app): State<App>,
    _: Admin,
    Query(filter): Query<AnyCoupons>,
    Query(page): Query<PageQuery<String>>,
) -> Result<Json<Page<Coupon>>, Problem> {
    sought("#/q", filter.q.as_deref())?;
    let page = page.sorted(filter.sort)?;
    Ok(Json(catalog::coupons(&app.db, &filter, &page).await?))
}

created_in!("/api/admin/coupons" => Coupon: CouponFields, catalog::create_coupon);
managed!(CouponId => Coupon, CouponFields: catalog::coupon, catalog::patch_coupon, catalog::delete_coupon);
