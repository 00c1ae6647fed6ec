//! The routes of the support desk, as they are described.

use aide::axum::{
    ApiRouter,
    routing::{get_with, post_with},
};
use axum::{Extension, extract::DefaultBodyLimit};

use super::{
    answer, articles, attachments, canned, desk,
    gate::{Limits, Side},
    guests, inbound, mails, shelf, tickets,
};
use crate::{
    accounts::Scope::{SupportRead, SupportWrite},
    app::App,
    http::{Kind, openapi::Tell},
};

/// Beyond the text of a message in JSON, with every character escaped.
const MESSAGE_LIMIT: usize = 256 << 10;
/// Beyond the text of an article.
const ARTICLE_LIMIT: usize = 1 << 20;
/// What a file may come to that is uploaded.
const UPLOADED: [Kind; 5] =
    [Kind::MalformedBody, Kind::BodyTooLarge, Kind::UnsupportedMediaType, Kind::Conflict, Kind::StorageUnavailable];

/// The routes.
pub fn routes(app: &App) -> ApiRouter<App> {
    let policy = &app.support.policy;
    customers()
        .api_route(
            "/api/attachments",
            post_with(attachments::upload, |op| {
                op.told("uploadAttachment", "Upload a file for a message")
                    .description("A picture, a PDF, plain text, ZIP or gzip. It waits a day for its message.")
                    .scope(SupportWrite)
                    .may(&UPLOADED)
            })
            .layer(DefaultBodyLimit::max(policy.attachment_size)),
        )
        .merge(guests_desk())
        .merge(operators_desk())
        .merge(developers_desk())
        .merge(management())
        .merge(shelf())
        .layer(Extension(Limits::new(policy.tickets_per_hour)))
        .api_route(
            "/webhooks/mail/inbound",
            post_with(inbound::receive, |op| {
                op.told("receiveMail", "Take in a mail for the desk")
                    .description(
                        "The body is the mail as it is (RFC 5322). `Mintreu-Signature` is `t=<unix>,v1=<hex>`: \
                         HMAC-SHA-256 over `{t}.{body}`.",
                    )
                    .may(&[Kind::NotFound, Kind::Unauthorized, Kind::BodyTooLarge])
                    .may(&[Kind::MalformedBody, Kind::StorageUnavailable])
            })
            .layer(DefaultBodyLimit::max(policy.inbound_size)),
        )
        .with_path_items(|item| item.tag("support"))
}

/// What customers do.
fn customers() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/tickets",
            get_with(tickets::list, |op| op.told("listTickets", "List your tickets").scope(SupportRead))
                .post_with(tickets::open, |op| op.told("openTicket", "Open a ticket").scope(SupportWrite)),
        )
        .api_route(
            "/api/tickets/{ticket}",
            get_with(tickets::show, |op| op.told("showTicket", "Show a ticket").scope(SupportRead)),
        )
        .api_route(
            "/api/tickets/{ticket}/messages",
            get_with(tickets::messages, |op| op.told("listMessages", "List a ticket's messages").scope(SupportRead))
                .post_with(tickets::reply, |op| op.told("replyToTicket", "Reply on a ticket").scope(SupportWrite)),
        )
        .api_route(
            "/api/tickets/{ticket}/solve",
            post_with(tickets::solve, |op| {
                op.told("solveTicket", "Say that no more help is needed").scope(SupportWrite).may(&[Kind::Conflict])
            }),
        )
        .layer(DefaultBodyLimit::max(MESSAGE_LIMIT))
        .api_route(
            "/api/attachments/{attachment}",
            get_with(attachments::fetch, |op| {
                op.told("fetchAttachment", "Fetch a file of your tickets")
                    .scope(SupportRead)
                    .may(&[Kind::StorageUnavailable])
            }),
        )
}

/// What those do who bought without an account.
fn guests_desk() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/guest/support-links",
            post_with(guests::ask, |op| {
                op.told("askForSupportLink", "Have a link for support without an account sent")
                    .description("It goes to an address with which something was ordered, and is good for a week.")
            }),
        )
        .api_route(
            "/api/guest/tickets",
            post_with(guests::open, |op| {
                op.told("openGuestTicket", "Open a ticket without an account").description(
                    "`token` is that of the mailed link, or of the link in the letter about an order that brings it \
                     into an account. The answer holds the token that opens the ticket; the letters about it do too.",
                )
            }),
        )
        .api_route(
            "/api/guest/tickets/{ticket}",
            get_with(guests::show, |op| op.told("showGuestTicket", "Show a guest's ticket")),
        )
        .api_route(
            "/api/guest/tickets/{ticket}/messages",
            get_with(guests::messages, |op| op.told("listGuestMessages", "List the messages of a guest's ticket"))
                .post_with(guests::reply, |op| op.told("replyAsGuest", "Reply on a guest's ticket")),
        )
        .api_route(
            "/api/guest/tickets/{ticket}/solve",
            post_with(guests::solve, |op| {
                op.told("solveGuestTicket", "Say that a guest needs no more help").may(&[Kind::Conflict])
            }),
        )
        .layer(DefaultBodyLimit::max(MESSAGE_LIMIT))
}

/// What operators do at their desk.
fn operators_desk() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/admin/tickets",
            get_with(desk::list, |op| op.told("listAllTickets", "List all tickets").for_operators()),
        )
        .api_route(
            "/api/admin/tickets/export",
            get_with(desk::export, |op| op.told("exportTickets", "Fetch tickets as a file").for_operators()),
        )
        .api_route(
            "/api/admin/tickets/{ticket}",
            get_with(desk::show, |op| op.told("showAnyTicket", "Show any ticket").for_operators())
                .patch_with(desk::change, |op| {
                    op.told("changeAnyTicket", "Change any ticket").for_operators().may(&[Kind::Conflict])
                }),
        )
        .api_route(
            "/api/admin/tickets/{ticket}/messages",
            get_with(answer::messages, |op| op.told("listAllMessages", "List messages with notes").for_operators())
                .post_with(answer::reply, |op| op.told("answerAnyTicket", "Answer any ticket").for_operators()),
        )
        .api_route(
            "/api/admin/tickets/{ticket}/canned-answers/{answer}",
            get_with(canned::filled, |op| {
                op.told("fillAnswerForAnyTicket", "Fill a canned answer for a ticket").for_operators()
            }),
        )
        .api_route(
            "/api/admin/attachments/{attachment}",
            get_with(attachments::fetch_at_desk, |op| {
                op.told("fetchAnyAttachment", "Fetch a file of any ticket")
                    .for_operators()
                    .may(&[Kind::StorageUnavailable])
            }),
        )
        .layer(DefaultBodyLimit::max(MESSAGE_LIMIT))
        .layer(Extension(Side::Operators))
}

/// What developers do at theirs.
fn developers_desk() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/developer/tickets",
            get_with(desk::list, |op| {
                op.told("listDeskTickets", "List tickets about your products").for_developers(SupportRead)
            }),
        )
        .api_route(
            "/api/developer/tickets/{ticket}",
            get_with(desk::show, |op| {
                op.told("showDeskTicket", "Show a ticket about your products").for_developers(SupportRead)
            })
            .patch_with(desk::change, |op| {
                op.told("changeDeskTicket", "Change a ticket about your products")
                    .for_developers(SupportWrite)
                    .may(&[Kind::Conflict])
            }),
        )
        .api_route(
            "/api/developer/tickets/{ticket}/messages",
            get_with(answer::messages, |op| {
                op.told("listDeskMessages", "List messages with notes").for_developers(SupportRead)
            })
            .post_with(answer::reply, |op| {
                op.told("answerDeskTicket", "Answer a ticket about your products").for_developers(SupportWrite)
            }),
        )
        .api_route(
            "/api/developer/tickets/{ticket}/canned-answers/{answer}",
            get_with(canned::filled, |op| {
                op.told("fillAnswerForDeskTicket", "Fill a canned answer for a ticket").for_developers(SupportRead)
            }),
        )
        .api_route(
            "/api/developer/attachments/{attachment}",
            get_with(attachments::fetch_at_desk, |op| {
                op.told("fetchDeskAttachment", "Fetch a file of a ticket about your products")
                    .for_developers(SupportRead)
                    .may(&[Kind::StorageUnavailable])
            }),
        )
        .layer(DefaultBodyLimit::max(MESSAGE_LIMIT))
        .layer(Extension(Side::Developers))
}

fn management() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/admin/canned-answers",
            get_with(canned::list, |op| op.told("listCannedAnswers", "List canned answers"))
                .post_with(canned::create, |op| op.told("createCannedAnswer", "Make a canned answer")),
        )
        .api_route(
            "/api/admin/canned-answers/{answer}",
            get_with(canned::show, |op| op.told("showCannedAnswer", "Show a canned answer"))
                .patch_with(canned::change, |op| op.told("changeCannedAnswer", "Change a canned answer").may(&EDITED))
                .delete_with(canned::remove, |op| op.told("deleteCannedAnswer", "Delete a canned answer")),
        )
        .api_route(
            "/api/admin/articles",
            get_with(shelf::list, |op| op.told("listAllArticles", "List articles, published or not"))
                .post_with(shelf::create, |op| op.told("createArticle", "Write an article")),
        )
        .api_route(
            "/api/admin/articles/{article}",
            get_with(shelf::show, |op| op.told("showAnyArticle", "Show an article, published or not"))
                .patch_with(shelf::change, |op| op.told("changeArticle", "Change an article").may(&EDITED))
                .delete_with(shelf::remove, |op| op.told("deleteArticle", "Delete an article")),
        )
        .api_route(
            "/api/admin/inbound-mails",
            get_with(mails::list, |op| op.told("listInboundMails", "List mails that came in")),
        )
        .layer(DefaultBodyLimit::max(ARTICLE_LIMIT))
}

/// What a change may come to, beside what its arguments say.
const EDITED: [Kind; 1] = [Kind::Conflict];

/// What everybody reads.
fn shelf() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/articles",
            get_with(articles::list, |op| op.told("listArticles", "List articles, or search them")),
        )
        .api_route("/api/articles/{slug}", get_with(articles::show, |op| op.told("showArticle", "Show an article")))
        .api_route(
            "/api/articles/{slug}/votes",
            post_with(articles::vote, |op| op.told("voteOnArticle", "Say whether an article helped")),
        )
}
