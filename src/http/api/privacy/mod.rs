//! Privacy: people get all that is kept about them, and have their accounts deleted.
//!
//! Only with a session: a token that was made for something else opens neither.

mod admin;
mod archive;
mod deletion;
mod exports;
mod refusals;

use std::{sync::Arc, time::Duration};

use aide::axum::{ApiRouter, routing::get_with};
use axum::Extension;

use crate::{
    app::App,
    http::{Kind, Limiter, address_key, openapi::Tell},
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
pub fn routes(_app: &App) -> ApiRouter<App> {
    own().merge(operators()).layer(Extension(Arc::new(Limits::new()))).with_path_items(|item| item.tag("privacy"))
}

/// What people have of themselves.
fn own() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/account/exports",
            get_with(exports::list, |op| op.told("listDataExports", "List the archives of your data").by_session())
                .post_with(exports::request, |op| {
                    op.told("requestDataExport", "Have an archive of your data written")
                        .description("A mail tells when it can be fetched.")
                        .by_session()
                        .may(&[Kind::Conflict, Kind::QuotaExceeded])
                }),
        )
        .api_route(
            "/api/account/exports/{export}",
            get_with(exports::show, |op| {
                op.told("showDataExport", "Show an archive of your data, and where it is").by_session()
            }),
        )
        .api_route(
            "/api/account/exports/{export}/archive",
            get_with(archive::own, |op| {
                op.told("fetchDataExport", "Fetch an archive of your data").by_session().may(&[
                    Kind::Conflict,
                    Kind::Gone,
                    Kind::StorageUnavailable,
                ])
            }),
        )
        .api_route(
            "/api/exports/{token}",
            get_with(archive::by_link, |op| {
                op.told("fetchDataExportByLink", "Fetch an archive with the link from the mail")
                    .may(&[Kind::QuotaExceeded])
                    .may(&[Kind::Conflict, Kind::Gone, Kind::StorageUnavailable])
            }),
        )
        .api_route(
            "/api/account/deletion",
            get_with(deletion::show, |op| {
                op.told("showAccountDeletion", "Show how the deletion of your account stands")
                    .by_session()
                    .may(&[Kind::NotFound])
            })
            .post_with(deletion::schedule, |op| {
                op.told("requestAccountDeletion", "Have your account deleted")
                    .description("Nothing is lost before its time is over, and until then it can be cancelled.")
                    .by_session()
                    .may(&[Kind::NotFound, Kind::Conflict, Kind::QuotaExceeded])
            })
            .delete_with(deletion::cancel, |op| {
                op.told("cancelAccountDeletion", "Keep your account")
                    .by_session()
                    .may(&[Kind::NotFound, Kind::Conflict])
            }),
        )
}

/// What operators do on somebody's written word.
fn operators() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/admin/users/{user}/exports",
            get_with(admin::exports, |op| op.told("listUserDataExports", "List the archives of somebody's data"))
                .post_with(admin::export, |op| {
                    op.told("requestUserDataExport", "Have an archive of somebody's data written for them")
                        .may(&[Kind::Conflict, Kind::QuotaExceeded])
                }),
        )
        .api_route(
            "/api/admin/users/{user}/deletion",
            get_with(admin::deletion, |op| {
                op.told("showUserDeletion", "Show how the deletion of somebody's account stands")
            })
            .post_with(admin::delete, |op| {
                op.told("requestUserDeletion", "Have somebody's account deleted").may(&[Kind::Conflict])
            }),
        )
}

fn from(context: &crate::http::Context) -> String {
    address_key(context.peer())
}
