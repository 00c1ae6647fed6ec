//! The catalogue: browsing, and its management.

use axum::Router;

use crate::app::App;

/// The routes.
pub fn routes(_app: &App) -> Router<App> {
    Router::new()
}
