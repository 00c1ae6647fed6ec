//! API keys: their owners' and sellers' views, what plans let them call, and their verification.

mod endpoints;
mod owned;
mod presented;
mod refusals;
mod seller;
mod sold;
mod verify;

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Router,
    extract::DefaultBodyLimit,
    routing::{get, post},
};

pub use self::presented::presented;
pub(in crate::http::api) use self::seller::{Reads, Sells, Writes, by, reason};
use crate::{
    app::App,
    flags::Switch,
    http::{Admin, Limiter, under_switch},
};

/// The largest body of these routes, in bytes.
const BODY: usize = 16 << 10;

/// How often somebody may have keys verified.
#[derive(Debug)]
struct Verifications(Option<Limiter>);

/// The routes. What makes a key stands under the licensing switch; those that there are work on.
pub fn routes(app: &App) -> Router<App> {
    let flags = app.flags.clone();
    let quota = app.api_keys.options().verifications_per_minute;
    let limiter = (quota > 0).then(|| Limiter::new("key-verifications", quota, Duration::from_mins(1)));
    let making = Router::new()
        .route("/api/licenses/{license}/keys", post(owned::create))
        .route("/api/licenses/{license}/keys/{key}/rotate", post(owned::rotate));
    let making = under_switch(making, Switch::Licensing.as_str(), move || !flags.is_on(Switch::Licensing));
    let owners = Router::new()
        .route("/api/licenses/{license}/keys", get(owned::list))
        .route("/api/licenses/{license}/keys/{key}", get(owned::show).patch(owned::rename).delete(owned::revoke))
        .route("/api/licenses/{license}/api-usage", get(owned::usage));
    let vendors = Router::new()
        .route("/api/developer/plans/{id}/endpoints", get(endpoints::list::<Reads>).post(endpoints::create::<Writes>))
        .route(
            "/api/developer/endpoints/{id}",
            get(endpoints::show::<Reads>).patch(endpoints::change::<Writes>).delete(endpoints::remove::<Writes>),
        )
        .route("/api/developer/keys", get(sold::list::<Reads>))
        .route("/api/developer/keys/{key}", get(sold::show::<Reads>))
        .route("/api/developer/keys/{key}/revoke", post(sold::revoke::<Writes>));
    let operators = Router::new()
        .route("/api/admin/plans/{id}/endpoints", get(endpoints::list::<Admin>).post(endpoints::create::<Admin>))
        .route(
            "/api/admin/endpoints/{id}",
            get(endpoints::show::<Admin>).patch(endpoints::change::<Admin>).delete(endpoints::remove::<Admin>),
        )
        .route("/api/admin/keys", get(sold::list::<Admin>))
        .route("/api/admin/keys/export", get(sold::export))
        .route("/api/admin/keys/{key}", get(sold::show::<Admin>))
        .route("/api/admin/keys/{key}/revoke", post(sold::revoke::<Admin>));
    Router::new()
        .route("/api/products/{slug}/endpoints", get(endpoints::offered))
        .route("/api/keys/verify", post(verify::verify))
        .layer(Extension(Arc::new(Verifications(limiter))))
        .merge(making)
        .merge(owners)
        .merge(vendors)
        .merge(operators)
        .layer(DefaultBodyLimit::max(BODY))
}
