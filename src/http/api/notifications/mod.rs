//! Mails: how people want to be written to, and what became of what was written.

mod mails;
mod preferences;
mod reports;
mod suppressions;
mod templates;
mod unsubscribe;

use aide::axum::{
    ApiRouter,
    routing::{delete_with, get_with, post_with},
};
use axum::{extract::DefaultBodyLimit, routing::get};

use crate::{
    accounts::Scope::{AccountRead, AccountWrite},
    app::App,
    http::{Kind, Problem, openapi::Tell},
    notifications::{LONGEST_REPORT, Letterhead, Recipients},
};

/// The longest address that is looked for, in bytes.
const LONGEST_ADDRESS: usize = 254;

/// The routes.
pub fn routes(_app: &App) -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/account/notifications",
            get_with(preferences::show, |op| {
                op.told("showNotifications", "Show in which language you are written to, and about what")
                    .scope(AccountRead)
            })
            .patch_with(preferences::change, |op| {
                op.told("changeNotifications", "Change in which language you are written to, or about what")
                    .description("What belongs to the account or to a purchase always comes.")
                    .scope(AccountWrite)
            }),
        )
        .route("/unsubscribe/{token}", get(unsubscribe::ask).post(unsubscribe::decline))
        .api_route(
            "/webhooks/mail/reports",
            post_with(reports::receive, |op| {
                op.told("receiveMailReport", "Take in what is told of a mail that was sent")
                    .description(
                        "Signed as Standard Webhooks say, in `webhook-id`, `webhook-timestamp` and \
                         `webhook-signature`. The body is `{\"type\": \"mail.bounced\", \"data\": {\"recipient\": \
                         \"ada@example.com\", \"status\": \"5.1.1\", \"detail\": \"no such user\", \"message_id\": \
                         \"…\"}}` or the same of `mail.complained`, where the recipient alone is needed; or a delivery \
                         status notification (RFC 3464) or feedback report (RFC 5965), as a mail or as its \
                         `multipart/report`. A `webhook-id` is heard once.",
                    )
                    .body(&["application/json", "message/rfc822", "multipart/report"])
                    .may(&[Kind::NotFound, Kind::Unauthorized, Kind::BodyTooLarge])
                    .may(&[Kind::MalformedBody, Kind::UnsupportedMediaType, Kind::InvalidInput])
            })
            .layer(DefaultBodyLimit::max(LONGEST_REPORT)),
        )
        .merge(operators())
        .with_path_items(|item| item.tag("mail"))
}

/// What operators see and do.
fn operators() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/admin/mails",
            get_with(mails::list, |op| op.told("listMails", "List mails, and what became of them")),
        )
        .api_route(
            "/api/admin/mails/export",
            get_with(mails::export, |op| op.told("exportMails", "Fetch the list of mails as a file")),
        )
        .api_route("/api/admin/mails/{mail}", get_with(mails::show, |op| op.told("showMail", "Show a mail")))
        .api_route(
            "/api/admin/mails/{mail}/resend",
            post_with(mails::resend, |op| op.told("resendMail", "Send a mail once more").may(&[Kind::Conflict])),
        )
        .api_route(
            "/api/admin/mail-reports",
            get_with(reports::list, |op| {
                op.told("listMailReports", "List what was told of mails that did not arrive, or were not wanted")
            }),
        )
        .api_route(
            "/api/admin/mail-suppressions",
            get_with(suppressions::list, |op| {
                op.told("listMailSuppressions", "List addresses that nothing is sent to")
            })
            .post_with(suppressions::add, |op| op.told("addMailSuppression", "Send nothing more to an address")),
        )
        .api_route(
            "/api/admin/mail-suppressions/export",
            get_with(suppressions::export, |op| {
                op.told("exportMailSuppressions", "Fetch addresses that nothing is sent to as a file")
            }),
        )
        .api_route(
            "/api/admin/mail-suppressions/{suppression}",
            delete_with(suppressions::remove, |op| {
                op.told("removeMailSuppression", "Let mails be sent to an address again")
            }),
        )
        .api_route(
            "/api/admin/mail-templates",
            get_with(templates::list, |op| op.told("listMailTemplates", "List the letters that there are")),
        )
        .api_route(
            "/api/admin/mail-templates/{template}",
            get_with(templates::show, |op| {
                op.told("showMailTemplate", "Show a letter, as its reader would see it")
                    .description("What it says is nobody's.")
            }),
        )
}

fn recipients(app: &App) -> Recipients {
    Recipients::new(&app.keys)
}

fn letterhead(app: &App) -> Letterhead {
    Letterhead { shop: app.shop.name.clone(), url: app.shop.public_url.clone() }
}

/// An address to look for.
fn address(pointer: &str, text: Option<String>) -> Result<Option<String>, Problem> {
    match text {
        Some(text) if text.is_empty() || text.len() > LONGEST_ADDRESS || text.contains(char::is_control) => {
            Err(Problem::new(Kind::InvalidParameter).error(pointer, "expected an address"))
        }
        text => Ok(text),
    }
}
