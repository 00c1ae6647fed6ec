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

use aide::axum::{
    ApiRouter,
    routing::{get_with, post_with, put_with},
};
use axum::{
    Extension,
    extract::DefaultBodyLimit,
    http::{HeaderMap, header},
};

use self::desk::Side;
use crate::{
    accounts::Scope::{self, LicensesRead, ProductsRead, ProductsWrite},
    app::App,
    downloads::{Client, Who},
    flags::Switch,
    http::{Caller, Context, Kind, Limiter, Problem, openapi::Tell, under_switch},
};

/// The largest body that asks for a link, in bytes.
const BODY: usize = 16 << 10;
/// What an edit may come to.
const EDITED: [Kind; 2] = [Kind::Conflict, Kind::InvalidInput];
/// What a file may come to that is uploaded.
const UPLOADED: [Kind; 5] =
    [Kind::Conflict, Kind::InvalidInput, Kind::BodyTooLarge, Kind::MalformedBody, Kind::StorageUnavailable];

/// How often links are asked for and used. A link's own number of uses is another matter: this bounds the log.
#[derive(Debug)]
struct Limits {
    started: Limiter,
    used: Limiter,
}

/// The routes. Links are neither given out nor good while the switch is off; what a product offers can be seen.
pub fn routes(app: &App) -> ApiRouter<App> {
    let flags = app.flags.clone();
    under_switch(links(), Switch::Downloads.as_str(), move || !flags.is_on(Switch::Downloads))
        .merge(seen())
        .merge(operators_desk())
        .merge(vendors_desk())
        .with_path_items(|item| item.tag("downloads"))
}

fn links() -> ApiRouter<App> {
    let minute = Duration::from_mins(1);
    let limits = Limits {
        started: Limiter::new("downloads", 120, minute),
        // Programs that fetch a file in many parts at once ask often.
        used: Limiter::new("download-link", 1_200, minute),
    };
    ApiRouter::new()
        .api_route(
            "/api/products/{slug}/download",
            post_with(start::start, |op| {
                op.told("startDownload", "Get a link to a file of what you bought, or of what is free")
                    .scope(LicensesRead)
                    .may(&[Kind::StorageUnavailable])
            })
            .layer(DefaultBodyLimit::max(BODY)),
        )
        .api_route(
            "/api/download/{token}",
            get_with(fetch::fetch, |op| {
                op.told("fetchDownload", "Fetch the file behind a link")
                    .description("Takes `Range`, `If-Range` and `If-None-Match`. `HEAD` is no use of the link.")
                    .scope(LicensesRead)
                    .may(&[Kind::Gone, Kind::QuotaExceeded, Kind::RangeNotSatisfiable, Kind::StorageUnavailable])
            }),
        )
        .layer(Extension(Arc::new(limits)))
}

/// What can be seen.
fn seen() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/products/{slug}/sources",
            get_with(start::sources, |op| {
                op.told("listOfferedSources", "List where you may download a product from").scope(LicensesRead)
            }),
        )
        .api_route(
            "/api/downloads",
            get_with(logs::own, |op| op.told("listDownloads", "List your downloads").scope(LicensesRead)),
        )
        .api_route("/api/admin/downloads", get_with(logs::all, |op| op.told("listAllDownloads", "List all downloads")))
        .api_route(
            "/api/admin/downloads/export",
            get_with(logs::export, |op| op.told("exportDownloads", "Fetch downloads as a file")),
        )
        .api_route(
            "/api/admin/sources",
            get_with(search::list, |op| op.told("listAllSources", "List the sources of all products")),
        )
}

/// What operators do.
fn operators_desk() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/admin/products/{id}/sources",
            get_with(sources::list, |op| {
                op.told("listAnySources", "List where the files of any product come from").for_operators()
            })
            .post_with(sources::create, |op| {
                op.told("createAnySource", "Add a source of files to any product").for_operators().may(&EDITED)
            }),
        )
        .api_route(
            "/api/admin/products/{id}/files",
            put_with(upload::upload, |op| {
                op.told("uploadAnyFile", "Upload a file of any product")
                    .description("The body is the file as it is; it becomes a source of the product.")
                    .body(&["*/*"])
                    .for_operators()
                    .may(&UPLOADED)
            }),
        )
        .api_route(
            "/api/admin/sources/{id}",
            get_with(sources::show, |op| op.told("showAnySource", "Show a source of any product").for_operators())
                .patch_with(sources::change, |op| {
                    op.told("changeAnySource", "Change a source of any product").for_operators().may(&EDITED)
                })
                .delete_with(sources::remove, |op| {
                    op.told("deleteAnySource", "Delete a source of any product").for_operators().may(&EDITED)
                }),
        )
        .api_route(
            "/api/admin/sources/{id}/verify",
            post_with(sources::verify, |op| {
                op.told("verifyAnySource", "Have a source looked at now").for_operators().may(&EDITED)
            }),
        )
        .layer(Extension(Side::Operators))
}

/// What vendors do, with what they sell.
fn vendors_desk() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/developer/products",
            get_with(products::list, |op| op.told("listOwnProducts", "List what you sell").scope(ProductsRead)),
        )
        .api_route(
            "/api/developer/products/{id}/sources",
            get_with(sources::list, |op| {
                op.told("listOwnSources", "List where the files of your product come from").for_developers(ProductsRead)
            })
            .post_with(sources::create, |op| {
                op.told("createOwnSource", "Add a source of files to your product")
                    .for_developers(ProductsWrite)
                    .may(&EDITED)
            }),
        )
        .api_route(
            "/api/developer/products/{id}/files",
            put_with(upload::upload, |op| {
                op.told("uploadOwnFile", "Upload a file of your product")
                    .description("The body is the file as it is; it becomes a source of the product.")
                    .body(&["*/*"])
                    .for_developers(ProductsWrite)
                    .may(&UPLOADED)
            }),
        )
        .api_route(
            "/api/developer/sources/{id}",
            get_with(sources::show, |op| {
                op.told("showOwnSource", "Show a source of your product").for_developers(ProductsRead)
            })
            .patch_with(sources::change, |op| {
                op.told("changeOwnSource", "Change a source of your product").for_developers(ProductsWrite).may(&EDITED)
            })
            .delete_with(sources::remove, |op| {
                op.told("deleteOwnSource", "Delete a source of your product").for_developers(ProductsWrite).may(&EDITED)
            }),
        )
        .api_route(
            "/api/developer/sources/{id}/verify",
            post_with(sources::verify, |op| {
                op.told("verifyOwnSource", "Have a source looked at now").for_developers(ProductsWrite).may(&EDITED)
            }),
        )
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
