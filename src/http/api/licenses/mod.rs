//! Licences: validation, activation, and their owners' and operators' views.

mod activations;
mod admin;
mod bounds;
mod calls;
mod fields;
mod gumroad;
mod lemon;
mod owned;
mod public;
mod refusals;

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::DefaultBodyLimit,
    routing::{delete, get, post},
};

use self::calls::Calls;
use crate::{app::App, flags::Switch, http::under_switch};

/// The largest body that programs may send about a licence, in bytes.
const BODY: usize = 16 << 10;

/// The routes. What takes or gives back a place stands under the licensing switch; validation never does.
pub fn routes(app: &App) -> Router<App> {
    let flags = app.flags.clone();
    let calls = Arc::new(Calls::new(app.license_limits));
    let places = Router::new()
        .route("/api/license/activate", post(public::activate))
        .route("/api/license/deactivate", post(public::deactivate))
        .route("/v1/licenses/activate", post(lemon::activate))
        .route("/v1/licenses/deactivate", post(lemon::deactivate))
        .route("/api/licenses/{license}/activations/{activation}", delete(activations::deactivate));
    let places = under_switch(places, Switch::Licensing.as_str(), move || !flags.is_on(Switch::Licensing));
    let programs = Router::new()
        .route("/api/license/validate", post(public::validate))
        .route("/api/license/public-key", get(public::public_key))
        .route("/v1/licenses/validate", post(lemon::validate))
        .route("/v2/licenses/verify", post(gumroad::verify))
        .merge(places)
        .layer(Extension(calls))
        .layer(DefaultBodyLimit::max(BODY));
    let owners = Router::new()
        .route("/api/licenses", get(owned::list))
        .route("/api/licenses/{license}", get(owned::show).patch(owned::set_rules))
        .route("/api/licenses/{license}/activations", get(activations::list))
        .route("/api/licenses/{license}/rotate-key", post(owned::rotate_key))
        .route("/api/licenses/{license}/log", get(owned::log))
        .route("/api/licenses/{license}/file", get(owned::file));
    let operators = Router::new()
        .route("/api/admin/licenses", get(admin::list))
        .route("/api/admin/licenses/export", get(admin::export))
        .route("/api/admin/licenses/{license}", get(admin::show))
        .route("/api/admin/licenses/{license}/activations", get(admin::activations))
        .route("/api/admin/licenses/{license}/log", get(admin::log))
        .route("/api/admin/licenses/{license}/suspend", post(admin::suspend))
        .route("/api/admin/licenses/{license}/resume", post(admin::resume))
        .route("/api/admin/licenses/{license}/revoke", post(admin::revoke))
        .route("/api/admin/licenses/{license}/renew", post(admin::renew));
    programs.merge(owners).merge(operators)
}
