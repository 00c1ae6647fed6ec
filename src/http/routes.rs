//! The application's routes. Behind a kill switch are those that begin work; what is under way and what providers send
//! always gets through.

use aide::axum::ApiRouter;

use super::{api, checkout, sandbox, webhooks};
use crate::app::App;

/// All routes, with their state.
pub fn routes(app: App) -> ApiRouter {
    ApiRouter::new()
        .merge(checkout::routes(&app))
        .merge(api::accounts::routes(&app))
        .merge(api::catalog::routes(&app))
        .merge(api::credentials::routes())
        .merge(api::downloads::routes(&app))
        .merge(api::invoices::routes(&app))
        .merge(api::keys::routes(&app))
        .merge(api::licenses::routes(&app))
        .merge(api::notifications::routes(&app))
        .merge(api::operations::routes())
        .merge(api::orders::routes(&app))
        .merge(api::privacy::routes(&app))
        .merge(api::support::routes(&app))
        .merge(api::webhooks::routes(&app))
        .merge(sandbox::routes(&app))
        .merge(webhooks::routes())
        .with_state(app)
}
