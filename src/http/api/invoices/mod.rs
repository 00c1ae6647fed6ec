//! Invoices and credit notes: for whom they are, and for operators.

mod admin;
mod own;
mod view;

use axum::{Router, routing::get};

use crate::app::App;

/// The routes. An invoice's path may end with `.html` or `.pdf`.
pub fn routes(_app: &App) -> Router<App> {
    Router::new()
        .route("/api/invoices", get(own::list))
        .route("/api/invoices/{invoice}", get(own::show))
        .route("/api/admin/invoices", get(admin::list))
        .route("/api/admin/invoices/export", get(admin::export))
        .route("/api/admin/invoices/{invoice}", get(admin::show))
}
