//! Licences: validation, activation, and their owners' and operators' views.

use axum::Router;

use crate::app::App;

/// The routes.
pub fn routes(_app: &App) -> Router<App> {
    Router::new()
}
