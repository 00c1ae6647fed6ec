//! The application's routes. Behind a kill switch are those that begin work; what is under way and what providers send
//! always gets through.

use aide::axum::ApiRouter;
use axum::{
    Router,
    routing::{get, post},
};

use super::{api, checkout, sandbox, switch::under_switch, webhooks};
use crate::{app::App, flags::Switch};

/// All routes, with their state.
pub fn routes(app: App) -> ApiRouter {
    let flags = app.flags.clone();
    let pay = Router::new().route("/pay/{order}", get(checkout::pay));
    let pay = under_switch(pay, Switch::Payments.as_str(), move || !flags.is_on(Switch::Payments));
    ApiRouter::new()
        .merge(pay)
        .route("/pay/{order}/return", get(checkout::returned))
        .route("/pay/{order}/cancelled", get(checkout::turned_back))
        .merge(api::accounts::routes(&app))
        .merge(api::catalog::routes(&app))
        .merge(api::credentials::routes())
        .merge(api::downloads::routes(&app))
        .merge(api::invoices::routes(&app))
        .merge(api::keys::routes(&app))
        .merge(api::licenses::routes(&app))
        .merge(api::notifications::routes(&app))
        .merge(api::orders::routes(&app))
        .merge(api::support::routes(&app))
        .merge(api::webhooks::routes(&app))
        .merge(sandbox::routes(&app))
        .route("/webhooks/{provider}", post(webhooks::receive))
        .with_state(app)
}
