//! Orders, subscriptions, and their management.

mod admin;
mod create;
mod show;
mod subscriptions;
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
        .route("/api/admin/ledger/balances", get(admin::balances))
}
