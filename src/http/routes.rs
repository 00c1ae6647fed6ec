//! The application's routes. Behind a kill switch are those that begin work; what is under way and what providers send
//! always gets through.

use axum::{
    Router,
    routing::{get, post},
};

use super::{api, api::orders, sandbox, switch::under_switch, webhooks};
use crate::{app::App, flags::Switch};

/// All routes, with their state.
pub fn routes(app: App) -> Router {
    let flags = app.flags.clone();
    let begins_payments = Router::new().route("/api/orders", post(orders::create));
    let begins_payments =
        under_switch(begins_payments, Switch::Payments.as_str(), move || !flags.is_on(Switch::Payments));
    Router::new()
        .merge(begins_payments)
        .merge(api::accounts::routes(&app))
        .merge(api::catalog::routes(&app))
        .merge(api::licenses::routes(&app))
        .route("/api/orders/{order}", get(orders::show))
        .merge(api::webhooks::routes(&app))
        .merge(sandbox::routes(&app))
        .route("/webhooks/{provider}", post(webhooks::receive))
        .with_state(app)
}
