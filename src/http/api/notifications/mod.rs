//! Mails: how people want to be written to, and what became of what was written.

mod mails;
mod preferences;
mod suppressions;
mod templates;
mod unsubscribe;

use axum::{
    Router,
    routing::{delete, get, post},
};

use crate::{
    app::App,
    http::{Kind, Problem},
    notifications::{Letterhead, Recipients},
};

/// The longest address that is looked for, in bytes.
const LONGEST_ADDRESS: usize = 254;
/// The longest reason, in characters.
const LONGEST_REASON: usize = 500;

/// The routes.
pub fn routes(_app: &App) -> Router<App> {
    Router::new()
        .route("/api/account/notifications", get(preferences::show).patch(preferences::change))
        .route("/unsubscribe/{token}", get(unsubscribe::ask).post(unsubscribe::decline))
        .route("/api/admin/mails", get(mails::list))
        .route("/api/admin/mails/export", get(mails::export))
        .route("/api/admin/mails/{mail}", get(mails::show))
        .route("/api/admin/mails/{mail}/resend", post(mails::resend))
        .route("/api/admin/mail-suppressions", get(suppressions::list).post(suppressions::add))
        .route("/api/admin/mail-suppressions/export", get(suppressions::export))
        .route("/api/admin/mail-suppressions/{suppression}", delete(suppressions::remove))
        .route("/api/admin/mail-templates", get(templates::list))
        .route("/api/admin/mail-templates/{template}", get(templates::show))
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

/// Why an operator does something.
fn reason(text: &str) -> Result<&str, Problem> {
    let reason = text.trim();
    if reason.is_empty() || reason.chars().count() > LONGEST_REASON || reason.contains('\0') {
        let detail = format!("expected 1 to {LONGEST_REASON} characters");
        return Err(Problem::new(Kind::InvalidInput).error("#/reason", detail));
    }
    Ok(reason)
}
