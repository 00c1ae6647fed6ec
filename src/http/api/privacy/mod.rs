//! Privacy: people get all that is kept about them, and have their accounts deleted.
//!
//! Only with a session: a token that was made for something else opens neither.

mod admin;
mod archive;
mod deletion;
mod exports;
mod refusals;

use std::{sync::Arc, time::Duration};

use axum::{Extension, Router, routing::get};

use crate::{
    app::App,
    http::{Limiter, address_key},
};

/// How often who may try what.
#[derive(Debug)]
struct Limits {
    /// Passwords that are shown once more.
    passwords: Limiter,
    codes: Limiter,
    /// Links that are opened, by address.
    links: Limiter,
}

impl Limits {
    fn new() -> Self {
        let minutes = Duration::from_mins;
        Self {
            passwords: Limiter::new("deletion-password", 10, minutes(10)),
            codes: Limiter::new("deletion-second-factor", 5, minutes(5)),
            links: Limiter::new("export-links", 60, minutes(10)),
        }
    }
}

/// The routes.
pub fn routes(_app: &App) -> Router<App> {
    Router::new()
        .route("/api/account/exports", get(exports::list).post(exports::request))
        .route("/api/account/exports/{export}", get(exports::show))
        .route("/api/account/exports/{export}/archive", get(archive::own))
        .route("/api/exports/{token}", get(archive::by_link))
        .route("/api/account/deletion", get(deletion::show).post(deletion::schedule).delete(deletion::cancel))
        .route("/api/admin/users/{user}/exports", get(admin::exports).post(admin::export))
        .route("/api/admin/users/{user}/deletion", get(admin::deletion).post(admin::delete))
        .layer(Extension(Arc::new(Limits::new())))
}

fn from(context: &crate::http::Context) -> String {
    address_key(context.peer())
}
