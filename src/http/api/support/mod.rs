//! Support: tickets of customers, the desks at which they are answered, articles, and mail that comes in.

mod answer;
mod articles;
mod attachments;
mod canned;
mod desk;
mod gate;
mod inbound;
mod mails;
mod refusals;
mod shelf;
mod tickets;
mod view;

use axum::{
    Extension, Router,
    extract::DefaultBodyLimit,
    routing::{get, post},
};

use crate::app::App;
use gate::{Limits, Side};

/// Beyond the text of a message in JSON, with every character escaped.
const MESSAGE_LIMIT: usize = 256 << 10;
/// Beyond the text of an article.
const ARTICLE_LIMIT: usize = 1 << 20;

/// The routes.
pub fn routes(app: &App) -> Router<App> {
    let policy = &app.support.policy;
    let upload = DefaultBodyLimit::max(policy.attachment_size);
    Router::new()
        .route("/api/tickets", get(tickets::list).post(tickets::open))
        .route("/api/tickets/{ticket}", get(tickets::show))
        .route("/api/tickets/{ticket}/messages", get(tickets::messages).post(tickets::reply))
        .route("/api/tickets/{ticket}/solve", post(tickets::solve))
        .layer(DefaultBodyLimit::max(MESSAGE_LIMIT))
        .route("/api/attachments", post(attachments::upload).layer(upload))
        .route("/api/attachments/{attachment}", get(attachments::fetch))
        .merge(operators_desk())
        .merge(developers_desk())
        .merge(management())
        .route("/api/articles", get(articles::list))
        .route("/api/articles/{slug}", get(articles::show))
        .route("/api/articles/{slug}/votes", post(articles::vote))
        .layer(Extension(Limits::new(policy.tickets_per_hour)))
        .route("/webhooks/mail/inbound", post(inbound::receive).layer(DefaultBodyLimit::max(policy.inbound_size)))
}

/// What operators do at their desk.
fn operators_desk() -> Router<App> {
    Router::new()
        .route("/api/admin/tickets", get(desk::list))
        .route("/api/admin/tickets/export", get(desk::export))
        .route("/api/admin/tickets/{ticket}", get(desk::show).patch(desk::change))
        .route("/api/admin/tickets/{ticket}/messages", get(answer::messages).post(answer::reply))
        .route("/api/admin/tickets/{ticket}/canned-answers/{answer}", get(canned::filled))
        .route("/api/admin/attachments/{attachment}", get(attachments::fetch_at_desk))
        .layer(DefaultBodyLimit::max(MESSAGE_LIMIT))
        .layer(Extension(Side::Operators))
}

/// What developers do at theirs.
fn developers_desk() -> Router<App> {
    Router::new()
        .route("/api/developer/tickets", get(desk::list))
        .route("/api/developer/tickets/{ticket}", get(desk::show).patch(desk::change))
        .route("/api/developer/tickets/{ticket}/messages", get(answer::messages).post(answer::reply))
        .route("/api/developer/tickets/{ticket}/canned-answers/{answer}", get(canned::filled))
        .route("/api/developer/attachments/{attachment}", get(attachments::fetch_at_desk))
        .layer(DefaultBodyLimit::max(MESSAGE_LIMIT))
        .layer(Extension(Side::Developers))
}

fn management() -> Router<App> {
    Router::new()
        .route("/api/admin/canned-answers", get(canned::list).post(canned::create))
        .route("/api/admin/canned-answers/{answer}", get(canned::show).patch(canned::change).delete(canned::remove))
        .route("/api/admin/articles", get(shelf::list).post(shelf::create))
        .route("/api/admin/articles/{article}", get(shelf::show).patch(shelf::change).delete(shelf::remove))
        .route("/api/admin/inbound-mails", get(mails::list))
        .layer(DefaultBodyLimit::max(ARTICLE_LIMIT))
}
