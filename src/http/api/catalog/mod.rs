//! The catalogue: browsing, and its management.

mod browsing;
mod categories;
mod coupons;
mod developers;
mod managed;
mod plans;
mod products;
mod refusals;
mod tax_rates;
mod transfer;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    routing::{get, post},
};
use serde_json::{Map, Value};

use crate::{
    app::App,
    catalog::By,
    http::{Admin, Context, Kind, Problem},
};

/// How large a file may be that is imported.
const IMPORT_LIMIT: usize = 10 << 20;

/// The fields of a JSON merge patch.
type Patch = Map<String, Value>;

/// The routes.
pub fn routes(_app: &App) -> Router<App> {
    Router::new()
        .route("/api/products", get(browsing::products))
        .route("/api/products/{slug}", get(browsing::product))
        .route("/api/categories", get(browsing::categories))
        .route("/api/admin/developers", get(developers::list).post(developers::create))
        .route("/api/admin/developers/{id}", get(developers::show).patch(developers::change).delete(developers::remove))
        .route("/api/admin/categories", get(categories::list).post(categories::create))
        .route("/api/admin/categories/{id}", get(categories::show).patch(categories::change).delete(categories::remove))
        .route("/api/admin/products", get(products::list).post(products::create))
        .route("/api/admin/products/{id}", get(products::show).patch(products::change).delete(products::remove))
        .route("/api/admin/products/{id}/plans", get(plans::list).post(plans::create))
        .route("/api/admin/plans/{id}", get(plans::show).patch(plans::change).delete(plans::remove))
        .route("/api/admin/coupons", get(coupons::list).post(coupons::create))
        .route("/api/admin/coupons/{id}", get(coupons::show).patch(coupons::change).delete(coupons::remove))
        .route("/api/admin/tax-rates", get(tax_rates::list).post(tax_rates::create))
        .route("/api/admin/tax-rates/{id}", get(tax_rates::show).patch(tax_rates::change).delete(tax_rates::remove))
        .route("/api/admin/tax-rates/import", post(tax_rates::import).layer(DefaultBodyLimit::max(IMPORT_LIMIT)))
        .route("/api/admin/catalog/export", get(transfer::export))
        .route("/api/admin/catalog/import", post(transfer::import).layer(DefaultBodyLimit::max(IMPORT_LIMIT)))
}

/// Who edits, and by which request.
fn by(admin: &Admin, context: &Context) -> By {
    By { actor: admin.actor(), request_id: Some(context.request_id().to_owned()) }
}

fn missing() -> Problem {
    Problem::new(Kind::NotFound).detail("there is no such thing in the catalogue")
}
