//! The application's routes. Behind a kill switch are those that begin work; what is under way and what providers send
//! always gets through.

use axum::{
    Router,
    routing::{get, post},
};

use super::{api, api::orders, pay, switch::under_switch, webhooks};
use crate::{app::App, flags::Switch};

/// All routes, with their state.
pub fn routes(app: App) -> Router {
    let flags = app.flags.clone();
    let begins_payments =
        Router::new().route("/api/orders", post(orders::create)).route("/pay/{order}", post(pay::pay_in_sandbox));
    let begins_payments =
        under_switch(begins_payments, Switch::Payments.as_str(), move || !flags.is_on(Switch::Payments));
    Router::new()
        .merge(begins_payments)
        .merge(api::accounts::routes(&app))
        .merge(api::catalog::routes(&app))
        .merge(api::licenses::routes(&app))
        .route("/api/orders/{order}", get(orders::show))
        .route("/webhooks/sandbox", post(webhooks::sandbox))
        .with_state(app)
}
