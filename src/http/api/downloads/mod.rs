//! Downloads: links for buyers, files behind the links, and the sources that operators and vendors manage.

mod desk;
mod fetch;
mod logs;
mod products;
mod refusals;
mod search;
mod sources;
mod start;
mod upload;

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Router,
    extract::DefaultBodyLimit,
    http::{HeaderMap, header},
    routing::{get, post, put},
};

use self::desk::Side;
use crate::{
    accounts::Scope,
    app::App,
    downloads::{Client, Who},
    flags::Switch,
    http::{Caller, Context, Limiter, Problem, under_switch},
};

/// The largest body that asks for a link, in bytes.
const BODY: usize = 16 << 10;

/// How often links are asked for and used. A link's own number of uses is another matter: this bounds the log.
#[derive(Debug)]
struct Limits {
    started: Limiter,
    used: Limiter,
}

/// The routes. Links are neither given out nor good while the switch is off; what a product offers can be seen.
pub fn routes(app: &App) -> Router<App> {
    let flags = app.flags.clone();
    let minute = Duration::from_mins(1);
    let limits = Limits {
        started: Limiter::new("downloads", 120, minute),
        // Programs that fetch a file in many parts at once ask often.
        used: Limiter::new("download-link", 1_200, minute),
    };
    let switched = Router::new()
        .route("/api/products/{slug}/download", post(start::start).layer(DefaultBodyLimit::max(BODY)))
        .route("/api/download/{token}", get(fetch::fetch))
        .layer(Extension(Arc::new(limits)));
    let switched = under_switch(switched, Switch::Downloads.as_str(), move || !flags.is_on(Switch::Downloads));
    Router::new()
        .merge(switched)
        .route("/api/products/{slug}/sources", get(start::sources))
        .route("/api/downloads", get(logs::own))
        .route("/api/admin/downloads", get(logs::all))
        .route("/api/admin/downloads/export", get(logs::export))
        .route("/api/admin/sources", get(search::list))
        .merge(operators_desk())
        .merge(vendors_desk())
}

/// What operators do.
fn operators_desk() -> Router<App> {
    Router::new()
        .route("/api/admin/products/{id}/sources", get(sources::list).post(sources::create))
        .route("/api/admin/products/{id}/files", put(upload::upload))
        .route("/api/admin/sources/{id}", get(sources::show).patch(sources::change).delete(sources::remove))
        .route("/api/admin/sources/{id}/verify", post(sources::verify))
        .layer(Extension(Side::Operators))
}

/// What vendors do, with what they sell.
fn vendors_desk() -> Router<App> {
    Router::new()
        .route("/api/developer/products", get(products::list))
        .route("/api/developer/products/{id}/sources", get(sources::list).post(sources::create))
        .route("/api/developer/products/{id}/files", put(upload::upload))
        .route("/api/developer/sources/{id}", get(sources::show).patch(sources::change).delete(sources::remove))
        .route("/api/developer/sources/{id}/verify", post(sources::verify))
        .layer(Extension(Side::Vendors))
}

/// Who asks, for a product's files.
fn who(caller: Option<&Caller>) -> Result<Option<Who>, Problem> {
    let Some(caller) = caller else { return Ok(None) };
    caller.require(Scope::LicensesRead)?;
    Ok(Some(Who { user: caller.user, tenant: caller.tenant }))
}

/// Where a request comes from, for the log.
fn client(context: &Context, headers: &HeaderMap) -> Client {
    let agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    Client::new(context.peer(), agent)
}
