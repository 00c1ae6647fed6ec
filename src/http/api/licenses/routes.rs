//! The routes of licences, as they are described.

use std::sync::Arc;

use aide::axum::{
    ApiRouter,
    routing::{delete_with, get_with, post_with},
};
use axum::{Extension, extract::DefaultBodyLimit};

use super::{activations, admin, calls::Calls, gumroad, lemon, owned, public};
use crate::{
    accounts::Scope::{LicensesRead, LicensesWrite},
    app::App,
    flags::Switch,
    http::{Kind, openapi::Tell, under_switch},
};

/// The largest body that programs may send about a licence, in bytes.
const BODY: usize = 16 << 10;

/// The routes. What takes or gives back a place stands under the licensing switch; validation never does.
pub fn routes(app: &App) -> ApiRouter<App> {
    let flags = app.flags.clone();
    let calls = Arc::new(Calls::new(app.license_limits));
    let places = under_switch(places(), Switch::Licensing.as_str(), move || !flags.is_on(Switch::Licensing));
    programs()
        .merge(places)
        .layer((Extension(calls), DefaultBodyLimit::max(BODY)))
        .merge(owners())
        .merge(operators())
        .with_path_items(|item| item.tag("licences"))
}

/// What takes or gives back a place.
fn places() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/license/activate",
            post_with(public::activate, |op| {
                op.told("activateLicense", "Activate a licence on a machine").description(
                    "The key is the only credential. Asked again for the same machine, it names the same activation. \
                     `valid` tells whether it is active there; `code` tells why not.",
                )
            }),
        )
        .api_route(
            "/api/license/deactivate",
            post_with(public::deactivate, |op| {
                op.told("deactivateLicense", "Give an activation back")
                    .description("The key is the only credential; `instance_id` or `fingerprint` names the activation.")
            }),
        )
        .api_route(
            "/v1/licenses/activate",
            post_with(lemon::activate, |op| {
                op.told("activateLicenseAsLemonSqueezy", "Activate a licence, as Lemon Squeezy does")
                    .may(&[Kind::InvalidInput])
            }),
        )
        .api_route(
            "/v1/licenses/deactivate",
            post_with(lemon::deactivate, |op| {
                op.told("deactivateLicenseAsLemonSqueezy", "Give an activation back, as Lemon Squeezy does")
            }),
        )
        .api_route(
            "/api/licenses/{license}/activations/{activation}",
            delete_with(activations::deactivate, |op| {
                op.told("endActivation", "End an activation of your licence").scope(LicensesWrite)
            }),
        )
}

/// What programs ask.
fn programs() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/license/validate",
            post_with(public::validate, |op| {
                op.told("validateLicense", "Ask whether a licence is good").description(
                    "The key is the only credential. `valid` tells whether it is good; `code` tells why not. Unknown \
                     keys are answered too: there are no refusals but for what cannot be read, and for too many calls.",
                )
            }),
        )
        .api_route(
            "/api/license/public-key",
            get_with(public::public_key, |op| {
                op.told("showLicensePublicKeys", "Show the keys that verify licence files")
            }),
        )
        .api_route(
            "/v1/licenses/validate",
            post_with(lemon::validate, |op| {
                op.told("validateLicenseAsLemonSqueezy", "Ask whether a licence is good, as Lemon Squeezy does")
            }),
        )
        .api_route(
            "/v2/licenses/verify",
            post_with(gumroad::verify, |op| {
                op.told("verifyLicenseAsGumroad", "Ask whether a licence is good, as Gumroad does").description(
                    "A refunded or disputed sale, and a subscription that ended, are found all the same: `purchase` \
                     says so. Each call counts as a use unless it says otherwise.",
                )
            }),
        )
}

/// What owners see and do.
fn owners() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/licenses",
            get_with(owned::list, |op| op.told("listLicenses", "List your licences").scope(LicensesRead)),
        )
        .api_route(
            "/api/licenses/{license}",
            get_with(owned::show, |op| op.told("showLicense", "Show a licence with its key").scope(LicensesRead))
                .patch_with(owned::set_rules, |op| {
                    op.told("setLicenseRules", "Bind a licence to hosts and addresses")
                        .description("What is missing stays as it is; an empty list is no bond.")
                        .scope(LicensesWrite)
                        .may(&[Kind::Conflict])
                }),
        )
        .api_route(
            "/api/licenses/{license}/activations",
            get_with(activations::list, |op| {
                op.told("listActivations", "List where a licence is and was active").scope(LicensesRead)
            }),
        )
        .api_route(
            "/api/licenses/{license}/rotate-key",
            post_with(owned::rotate_key, |op| {
                op.told("rotateLicenseKey", "Give a licence another key")
                    .description("The key before is good for nothing from then on. Activations stay.")
                    .scope(LicensesWrite)
                    .may(&[Kind::Conflict])
            }),
        )
        .api_route(
            "/api/licenses/{license}/log",
            get_with(owned::log, |op| op.told("listLicenseLog", "List what happened to a licence").scope(LicensesRead)),
        )
        .api_route(
            "/api/licenses/{license}/file",
            get_with(owned::file, |op| {
                op.told("fetchLicenseFile", "Fetch a signed file of a licence, for use without a network")
                    .scope(LicensesRead)
                    .may(&[Kind::Conflict])
            }),
        )
}

/// What operators see and do.
fn operators() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/admin/licenses",
            get_with(admin::list, |op| op.told("listAllLicenses", "List licences, or find one by its key")),
        )
        .api_route(
            "/api/admin/licenses/export",
            get_with(admin::export, |op| op.told("exportLicenses", "Fetch licences as a file")),
        )
        .api_route(
            "/api/admin/licenses/{license}",
            get_with(admin::show, |op| op.told("showAnyLicense", "Show any licence, without its key")),
        )
        .api_route(
            "/api/admin/licenses/{license}/activations",
            get_with(admin::activations, |op| {
                op.told("listAllActivations", "List where any licence is and was active")
            }),
        )
        .api_route(
            "/api/admin/licenses/{license}/log",
            get_with(admin::log, |op| op.told("listAnyLicenseLog", "List what happened to any licence")),
        )
        .api_route(
            "/api/admin/licenses/{license}/suspend",
            post_with(admin::suspend, |op| {
                op.told("suspendLicense", "Suspend a licence until it is resumed").may(&[Kind::Conflict])
            }),
        )
        .api_route(
            "/api/admin/licenses/{license}/resume",
            post_with(admin::resume, |op| op.told("resumeLicense", "Resume a licence").may(&[Kind::Conflict])),
        )
        .api_route(
            "/api/admin/licenses/{license}/revoke",
            post_with(admin::revoke, |op| op.told("revokeLicense", "Revoke a licence for good").may(&[Kind::Conflict])),
        )
        .api_route(
            "/api/admin/licenses/{license}/renew",
            post_with(admin::renew, |op| op.told("renewLicense", "Set when a licence ends").may(&[Kind::Conflict])),
        )
}
