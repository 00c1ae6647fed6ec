//! Orders, subscriptions, and their management.

mod admin;
mod create;
mod money;
mod show;
mod subscriptions;
mod subscriptions_admin;
mod view;

use axum::{
    Extension, Router,
    routing::{get, post},
};

use crate::{app::App, flags::Switch, http::under_switch};

/// The routes. Those that begin payments are behind the kill switch; looking and calling off are not.
pub fn routes(app: &App) -> Router<App> {
    let flags = app.flags.clone();
    let begins = Router::new()
        .route("/api/orders", post(create::create).layer(Extension(create::GuestLimit::new())))
        .route("/api/quotes", post(create::quote));
    let begins = under_switch(begins, Switch::Payments.as_str(), move || !flags.is_on(Switch::Payments));
    Router::new()
        .merge(begins)
        .route("/api/orders", get(show::list))
        .route("/api/orders/{order}", get(show::show))
        .route("/api/orders/{order}/cancel", post(show::cancel))
        .route("/api/subscriptions", get(subscriptions::list))
        .route("/api/subscriptions/{subscription}", get(subscriptions::show))
        .route("/api/subscriptions/{subscription}/cancel", post(subscriptions::cancel))
        .route("/api/admin/orders", get(admin::list))
        .route("/api/admin/orders/{order}", get(admin::show))
        .route("/api/admin/orders/{order}/cancel", post(admin::cancel))
        .route("/api/admin/orders/{order}/refunds", post(admin::refund))
        .route("/api/admin/orders/{order}/attended", post(admin::attended))
        .route("/api/admin/orders/export", get(admin::export))
        .route("/api/admin/orders/{order}/reconcile", post(admin::reconcile))
        .route("/api/admin/orders/{order}/fulfil", post(admin::fulfil))
        .route("/api/admin/subscriptions", get(subscriptions_admin::list))
        .route("/api/admin/subscriptions/export", get(subscriptions_admin::export))
        .route("/api/admin/subscriptions/{subscription}", get(subscriptions_admin::show))
        .route("/api/admin/subscriptions/{subscription}/cancel", post(subscriptions_admin::cancel))
        .merge(money())
}

/// Money of all orders.
fn money() -> Router<App> {
    Router::new()
        .route("/api/admin/payments", get(money::payments))
        .route("/api/admin/payments/export", get(money::export_payments))
        .route("/api/admin/payments/{payment}", get(money::payment))
        .route("/api/admin/refunds", get(money::refunds))
        .route("/api/admin/refunds/export", get(money::export_refunds))
        .route("/api/admin/refunds/{refund}", get(money::refund))
        .route("/api/admin/disputes", get(money::disputes))
        .route("/api/admin/disputes/export", get(money::export_disputes))
        .route("/api/admin/disputes/{dispute}", get(money::dispute))
}
