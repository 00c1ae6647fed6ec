//! Credentials of outside APIs: their owners' and sellers' views, and the hooks of products.

mod hooks;
mod owned;
mod refusals;
mod sold;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    routing::{get, post},
};

use super::keys::{Reads, Writes};
use crate::{app::App, http::Admin};

/// The largest body of these routes, in bytes.
const BODY: usize = 16 << 10;

/// The routes.
pub fn routes() -> Router<App> {
    let owners = Router::new()
        .route("/api/licenses/{license}/credentials", get(owned::list))
        .route("/api/licenses/{license}/credentials/{credential}/reveal", post(owned::reveal))
        .route("/api/licenses/{license}/credentials/{credential}/rotate", post(owned::rotate));
    let vendors = Router::new()
        .route(
            "/api/developer/products/{id}/hook",
            get(hooks::show::<Reads>)
                .post(hooks::create::<Writes>)
                .patch(hooks::change::<Writes>)
                .delete(hooks::remove::<Writes>),
        )
        .route("/api/developer/products/{id}/hook/rotate-secret", post(hooks::rotate_secret::<Writes>))
        .route("/api/developer/credentials", get(sold::list::<Reads>))
        .route("/api/developer/credentials/{credential}", get(sold::show::<Reads>))
        .route("/api/developer/credentials/{credential}/revoke", post(sold::revoke::<Writes>))
        .route("/api/developer/credentials/{credential}/retry", post(sold::retry::<Writes>));
    let operators = Router::new()
        .route(
            "/api/admin/products/{id}/hook",
            get(hooks::show::<Admin>)
                .post(hooks::create::<Admin>)
                .patch(hooks::change::<Admin>)
                .delete(hooks::remove::<Admin>),
        )
        .route("/api/admin/products/{id}/hook/rotate-secret", post(hooks::rotate_secret::<Admin>))
        .route("/api/admin/credentials", get(sold::list::<Admin>))
        .route("/api/admin/credentials/export", get(sold::export))
        .route("/api/admin/credentials/{credential}", get(sold::show::<Admin>))
        .route("/api/admin/credentials/{credential}/revoke", post(sold::revoke::<Admin>))
        .route("/api/admin/credentials/{credential}/retry", post(sold::retry::<Admin>));
    owners.merge(vendors).merge(operators).layer(DefaultBodyLimit::max(BODY))
}
