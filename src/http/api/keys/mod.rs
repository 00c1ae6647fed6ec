//! API keys: their owners' and sellers' views, what plans let them call, and their verification.

mod endpoints;
mod owned;
mod presented;
mod refusals;
mod seller;
mod sold;
mod verify;

use std::{sync::Arc, time::Duration};

use aide::axum::{
    ApiRouter,
    routing::{get_with, post_with},
};
use axum::{Extension, extract::DefaultBodyLimit};

pub use self::presented::presented;
pub(in crate::http::api) use self::seller::{Reads, Sells, Writes, by};
use crate::{
    accounts::Scope::{KeysRead, KeysVerify, KeysWrite},
    app::App,
    flags::Switch,
    http::{Admin, Kind, Limiter, openapi::Tell, under_switch},
};

/// The largest body of these routes, in bytes.
const BODY: usize = 16 << 10;
/// What an edit of an endpoint may come to.
const EDITED: [Kind; 2] = [Kind::Conflict, Kind::InvalidInput];

/// How often somebody may have keys verified.
#[derive(Debug)]
struct Verifications(Option<Limiter>);

/// The routes. What makes a key stands under the licensing switch; those that there are work on.
pub fn routes(app: &App) -> ApiRouter<App> {
    let flags = app.flags.clone();
    let quota = app.api_keys.options().verifications_per_minute;
    let limiter = (quota > 0).then(|| Limiter::new("key-verifications", quota, Duration::from_mins(1)));
    ApiRouter::new()
        .api_route(
            "/api/products/{slug}/endpoints",
            get_with(endpoints::offered, |op| {
                op.told("listOfferedEndpoints", "List what each plan of a product lets its keys call")
            }),
        )
        .api_route(
            "/api/keys/verify",
            post_with(verify::verify, |op| {
                op.told("verifyKey", "Ask whether a key is good, and count its calls")
                    .description("For services of vendors that are shown keys; after RFC 7662.")
                    .scope(KeysVerify)
            }),
        )
        .layer(Extension(Arc::new(Verifications(limiter))))
        .merge(under_switch(making(), Switch::Licensing.as_str(), move || !flags.is_on(Switch::Licensing)))
        .merge(owners())
        .merge(vendors())
        .merge(operators())
        .layer(DefaultBodyLimit::max(BODY))
        .with_path_items(|item| item.tag("keys"))
}

/// What makes keys.
fn making() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/licenses/{license}/keys",
            post_with(owned::create, |op| {
                op.told("createKey", "Make an API key").description("The secret is shown this once.").scope(KeysWrite)
            }),
        )
        .api_route(
            "/api/licenses/{license}/keys/{key}/rotate",
            post_with(owned::rotate, |op| {
                op.told("rotateKey", "Give an API key another secret")
                    .description("The secret is shown this once; the old one is good for a while.")
                    .scope(KeysWrite)
            }),
        )
}

fn owners() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/licenses/{license}/keys",
            get_with(owned::list, |op| op.told("listKeys", "List a licence's API keys").scope(KeysRead)),
        )
        .api_route(
            "/api/licenses/{license}/keys/{key}",
            get_with(owned::show, |op| op.told("showKey", "Show an API key").scope(KeysRead))
                .patch_with(owned::rename, |op| {
                    op.told("renameKey", "Rename an API key").scope(KeysWrite).may(&[Kind::Conflict])
                })
                .delete_with(owned::revoke, |op| {
                    op.told("revokeKey", "Revoke an API key").scope(KeysWrite).may(&[Kind::Conflict])
                }),
        )
        .api_route(
            "/api/licenses/{license}/api-usage",
            get_with(owned::usage, |op| {
                op.told("showApiUsage", "Show the calls of all of a licence's keys in this month").scope(KeysRead)
            }),
        )
}

fn vendors() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/developer/plans/{id}/endpoints",
            get_with(endpoints::list::<Reads>, |op| op.told("listOwnEndpoints", "List the endpoints of your plan"))
                .post_with(endpoints::create::<Writes>, |op| {
                    op.told("createOwnEndpoint", "Make an endpoint of your plan").may(&EDITED)
                }),
        )
        .api_route(
            "/api/developer/endpoints/{id}",
            get_with(endpoints::show::<Reads>, |op| op.told("showOwnEndpoint", "Show an endpoint of your plan"))
                .patch_with(endpoints::change::<Writes>, |op| {
                    op.told("changeOwnEndpoint", "Change an endpoint of your plan").may(&EDITED)
                })
                .delete_with(endpoints::remove::<Writes>, |op| {
                    op.told("deleteOwnEndpoint", "Delete an endpoint of your plan").may(&EDITED)
                }),
        )
        .api_route(
            "/api/developer/keys",
            get_with(sold::list::<Reads>, |op| op.told("listSoldKeys", "List API keys of what you sell")),
        )
        .api_route(
            "/api/developer/keys/{key}",
            get_with(sold::show::<Reads>, |op| op.told("showSoldKey", "Show an API key of what you sell")),
        )
        .api_route(
            "/api/developer/keys/{key}/revoke",
            post_with(sold::revoke::<Writes>, |op| {
                op.told("revokeSoldKey", "Revoke an API key of what you sell").may(&[Kind::Conflict])
            }),
        )
}

fn operators() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/admin/plans/{id}/endpoints",
            get_with(endpoints::list::<Admin>, |op| op.told("listEndpoints", "List the endpoints of any plan"))
                .post_with(endpoints::create::<Admin>, |op| {
                    op.told("createEndpoint", "Make an endpoint of any plan").may(&EDITED)
                }),
        )
        .api_route(
            "/api/admin/endpoints/{id}",
            get_with(endpoints::show::<Admin>, |op| op.told("showEndpoint", "Show any endpoint"))
                .patch_with(endpoints::change::<Admin>, |op| {
                    op.told("changeEndpoint", "Change any endpoint").may(&EDITED)
                })
                .delete_with(endpoints::remove::<Admin>, |op| {
                    op.told("deleteEndpoint", "Delete any endpoint").may(&EDITED)
                }),
        )
        .api_route("/api/admin/keys", get_with(sold::list::<Admin>, |op| op.told("listAllKeys", "List all API keys")))
        .api_route(
            "/api/admin/keys/export",
            get_with(sold::export, |op| op.told("exportKeys", "Fetch API keys as a file")),
        )
        .api_route(
            "/api/admin/keys/{key}",
            get_with(sold::show::<Admin>, |op| op.told("showAnyKey", "Show any API key")),
        )
        .api_route(
            "/api/admin/keys/{key}/revoke",
            post_with(sold::revoke::<Admin>, |op| op.told("revokeAnyKey", "Revoke any API key").may(&[Kind::Conflict])),
        )
}
