//! `/api/guest`: support for those who bought without an account. They prove the address that they ordered with.

use axum::{Extension, extract::State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    gate::{Limits, TakesTickets},
    refusals::missing,
    view::CustomerView,
};
use crate::{
    accounts::{self, By, Email},
    app::App,
    audit::Actor,
    http::{
        Accepted, Context, IdempotencyKey, Json, Keyed, Kind, Limited, NotStored, Once, PageQuery, Path, Problem,
        Query, address_key,
    },
    kernel::{Page, TicketId, TicketMessageId},
    support::{self, Asker, Came, Message, NewGuestTicket, Opening, Reader, Replied, Reply, Ticket, TicketError, Via},
};

/// An address.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GuestAddress {
    /// What was ordered with.
    email: String,
}

/// What was done about an address.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct LinkAsked {
    /// The same, whether anything was ordered with it or not.
    detail: &'static str,
}

/// What opens a guest's ticket.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct TicketToken {
    /// Of the letters about it.
    token: String,
}

/// A guest's new ticket.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "GuestTicket")]
pub(super) struct Opened {
    #[serde(flatten)]
    ticket: CustomerView,
    /// What opens it.
    token: String,
}

fn by(context: &Context) -> By {
    By { actor: Actor::user("guest"), request: Some(context.request_id().to_owned()) }
}

/// `POST /api/guest/support-links`: the answer is the same for every address.
pub(super) async fn ask(
    State(app): State<App>,
    _: TakesTickets,
    (context, Extension(limits)): (Context, Extension<Limits>),
    Json(body): Json<GuestAddress>,
) -> Result<Limited<Accepted<LinkAsked>>, Problem> {
    let email: Email =
        body.email.parse().map_err(|error| Problem::new(Kind::InvalidInput).error("#/email", format!("{error}")))?;
    let allowance = limits.links_asked.check(&address_key(context.peer()))?;
    limits.links_sent.check(email.as_str())?;
    accounts::ask_for_support(&app.db, &email).await?;
    let detail = "if something was ordered with this address without an account, a link is on its way";
    Ok(Limited::of(allowance, Accepted(LinkAsked { detail })))
}

/// `POST /api/guest/tickets`
pub(super) async fn open(
    State(app): State<App>,
    _: TakesTickets,
    (context, Extension(limits)): (Context, Extension<Limits>),
    key: IdempotencyKey,
    Json(new): Json<NewGuestTicket>,
) -> Result<Limited<NotStored<Once<Opened>>>, Problem> {
    limits.links_tried.check(&address_key(context.peer()))?;
    let guest = accounts::proven_guest(&app.db, &app.keys, &new.token).await?;
    let keyed = Keyed::new(key, format!("guest {} POST /api/guest/tickets", guest.as_str()), &new)?;
    if let Some(answer) = keyed.recall(&app).await? {
        return Ok(Limited::free(NotStored(answer)));
    }
    let allowance = limits.tickets.check(guest.as_str())?;
    let policy = &app.support.policy;
    let opening = Opening { targets: &policy.targets, attachments: policy.attachments_per_message, via: Via::Web };
    let response = keyed
        .once(&app, async |tx| {
            let ticket = support::open_guest_ticket(tx, (&guest, by(&context)), &new, opening).await?;
            let token = support::guest_ticket_token(&app.keys, ticket.id);
            Ok::<_, TicketError>(Opened { ticket: CustomerView::of(ticket), token })
        })
        .await?;
    Ok(Limited::of(allowance, NotStored(response)))
}

async fn find(app: &App, id: TicketId, query: &TicketToken) -> Result<Ticket, Problem> {
    support::find_guest_ticket(&app.db, &app.keys, id, &query.token).await?.ok_or_else(missing)
}

/// `GET /api/guest/tickets/{ticket}`
pub(super) async fn show(
    State(app): State<App>,
    Path(id): Path<TicketId>,
    Query(token): Query<TicketToken>,
) -> Result<Json<CustomerView>, Problem> {
    find(&app, id, &token).await.map(|ticket| Json(CustomerView::of(ticket)))
}

/// `GET /api/guest/tickets/{ticket}/messages`: the first first, without the notes.
pub(super) async fn messages(
    State(app): State<App>,
    Path(id): Path<TicketId>,
    Query(token): Query<TicketToken>,
    Query(page): Query<PageQuery<TicketMessageId>>,
) -> Result<Json<Page<Message>>, Problem> {
    let page = page.request()?;
    find(&app, id, &token).await?;
    Ok(Json(support::messages(&app.db, id, Reader::Customer, page).await?))
}

/// `POST /api/guest/tickets/{ticket}/messages`
pub(super) async fn reply(
    State(app): State<App>,
    (context, Extension(limits)): (Context, Extension<Limits>),
    (Path(id), Query(token)): (Path<TicketId>, Query<TicketToken>),
    key: IdempotencyKey,
    Json(reply): Json<Reply>,
) -> Result<Limited<Once<Replied>>, Problem> {
    let ticket = find(&app, id, &token).await?;
    let scope = format!("guest {} POST /api/guest/tickets/{id}/messages", ticket.requester_email);
    let keyed = Keyed::new(key, scope, &reply)?;
    if let Some(answer) = keyed.recall(&app).await? {
        return Ok(Limited::free(answer));
    }
    let allowance = limits.replies.check(&id.to_string())?;
    let attachments = app.support.policy.attachments_per_message;
    let came = Came { via: Via::Web, mail_message_id: None, attachments };
    let asker = Asker { user: None, tenant: ticket.tenant_id, by: by(&context) };
    let response = keyed.once(&app, async |tx| support::reply_as_customer(tx, &asker, id, &reply, came).await).await?;
    Ok(Limited::of(allowance, response))
}

/// `POST /api/guest/tickets/{ticket}/solve`: no more help is needed.
pub(super) async fn solve(
    State(app): State<App>,
    context: Context,
    Path(id): Path<TicketId>,
    Query(token): Query<TicketToken>,
) -> Result<Json<CustomerView>, Problem> {
    let ticket = find(&app, id, &token).await?;
    let asker = Asker { user: None, tenant: ticket.tenant_id, by: by(&context) };
    let ticket = app.db.write(async |tx| support::solve_as_customer(tx, &asker, id).await).await?;
    Ok(Json(CustomerView::of(ticket)))
}
