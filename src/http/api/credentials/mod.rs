//! Credentials of outside APIs: their owners' and sellers' views, and the hooks of products.

mod hooks;
mod owned;
mod refusals;
mod sold;

use aide::axum::{
    ApiRouter,
    routing::{get_with, post_with},
};
use axum::extract::DefaultBodyLimit;

use super::keys::{Reads, Writes};
use crate::{
    accounts::Scope::{CredentialsRead, KeysRead, KeysWrite},
    app::App,
    http::{Admin, Kind, openapi::Tell},
};

/// The largest body of these routes, in bytes.
const BODY: usize = 16 << 10;
/// Of a hook.
const SECRET: &str = "The secret is shown this once.";

/// The routes.
pub fn routes() -> ApiRouter<App> {
    owners()
        .merge(vendors())
        .merge(operators())
        .layer(DefaultBodyLimit::max(BODY))
        .with_path_items(|item| item.tag("credentials"))
}

fn owners() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/licenses/{license}/credentials",
            get_with(owned::list, |op| op.told("listCredentials", "List a licence's credentials").scope(KeysRead)),
        )
        .api_route(
            "/api/licenses/{license}/credentials/{credential}/reveal",
            post_with(owned::reveal, |op| {
                op.told("revealCredential", "Show a credential's key and secret")
                    .description("Each time is noted in the audit trail.")
                    .scope(CredentialsRead)
                    .may(&[Kind::Conflict])
            }),
        )
        .api_route(
            "/api/licenses/{license}/credentials/{credential}/rotate",
            post_with(owned::rotate, |op| {
                op.told("rotateCredential", "Have the vendor asked for another credential")
                    .scope(KeysWrite)
                    .may(&[Kind::Conflict])
            }),
        )
}

fn vendors() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/developer/products/{id}/hook",
            get_with(hooks::show::<Reads>, |op| op.told("showOwnHook", "Show the hook of your product"))
                .post_with(hooks::create::<Writes>, |op| {
                    op.told("createOwnHook", "Give your product a hook").description(SECRET).may(&[Kind::Conflict])
                })
                .patch_with(hooks::change::<Writes>, |op| {
                    op.told("changeOwnHook", "Change the hook of your product").may(&[Kind::Conflict])
                })
                .delete_with(hooks::remove::<Writes>, |op| {
                    op.told("deleteOwnHook", "Delete the hook of your product").may(&[Kind::Conflict])
                }),
        )
        .api_route(
            "/api/developer/products/{id}/hook/rotate-secret",
            post_with(hooks::rotate_secret::<Writes>, |op| {
                op.told("rotateOwnHookSecret", "Give the hook of your product another secret").description(SECRET)
            }),
        )
        .api_route(
            "/api/developer/credentials",
            get_with(sold::list::<Reads>, |op| op.told("listOwnCredentials", "List credentials of what you sell")),
        )
        .api_route(
            "/api/developer/credentials/{credential}",
            get_with(sold::show::<Reads>, |op| op.told("showOwnCredential", "Show a credential of what you sell")),
        )
        .api_route(
            "/api/developer/credentials/{credential}/revoke",
            post_with(sold::revoke::<Writes>, |op| {
                op.told("revokeOwnCredential", "Revoke a credential of what you sell").may(&[Kind::Conflict])
            }),
        )
        .api_route(
            "/api/developer/credentials/{credential}/retry",
            post_with(sold::retry::<Writes>, |op| {
                op.told("retryOwnCredential", "Have a hook asked again that was given up").may(&[Kind::Conflict])
            }),
        )
}

fn operators() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/admin/products/{id}/hook",
            get_with(hooks::show::<Admin>, |op| op.told("showAnyHook", "Show the hook of any product"))
                .post_with(hooks::create::<Admin>, |op| {
                    op.told("createAnyHook", "Give any product a hook").description(SECRET).may(&[Kind::Conflict])
                })
                .patch_with(hooks::change::<Admin>, |op| {
                    op.told("changeAnyHook", "Change the hook of any product").may(&[Kind::Conflict])
                })
                .delete_with(hooks::remove::<Admin>, |op| {
                    op.told("deleteAnyHook", "Delete the hook of any product").may(&[Kind::Conflict])
                }),
        )
        .api_route(
            "/api/admin/products/{id}/hook/rotate-secret",
            post_with(hooks::rotate_secret::<Admin>, |op| {
                op.told("rotateAnyHookSecret", "Give the hook of any product another secret").description(SECRET)
            }),
        )
        .api_route(
            "/api/admin/credentials",
            get_with(sold::list::<Admin>, |op| op.told("listAnyCredentials", "List all credentials")),
        )
        .api_route(
            "/api/admin/credentials/export",
            get_with(sold::export, |op| op.told("exportCredentials", "Fetch credentials as a file")),
        )
        .api_route(
            "/api/admin/credentials/{credential}",
            get_with(sold::show::<Admin>, |op| op.told("showAnyCredential", "Show any credential")),
        )
        .api_route(
            "/api/admin/credentials/{credential}/revoke",
            post_with(sold::revoke::<Admin>, |op| {
                op.told("revokeAnyCredential", "Revoke any credential").may(&[Kind::Conflict])
            }),
        )
        .api_route(
            "/api/admin/credentials/{credential}/retry",
            post_with(sold::retry::<Admin>, |op| {
                op.told("retryAnyCredential", "Have a hook asked again that was given up").may(&[Kind::Conflict])
            }),
        )
}
