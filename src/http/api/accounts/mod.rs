//! Accounts: registration, sessions, access tokens.

use axum::Router;

use crate::app::App;

/// The routes.
pub fn routes(_app: &App) -> Router<App> {
    Router::new()
}
