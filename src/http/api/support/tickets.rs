//! `/api/tickets`: a customer's own.

use axum::{Extension, extract::State};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    gate::{Limits, TakesTickets},
    refusals::missing,
    view::CustomerView,
};
use crate::{
    accounts::Scope,
    app::App,
    http::{Caller, Context, IdempotencyKey, Json, Keyed, Limited, Once, PageQuery, Path, Problem, Query},
    kernel::{Page, TicketId, TicketMessageId},
    support::{self, Asker, Came, Message, NewTicket, Opening, Reader, Replied, Reply, Status, TicketError, Via},
};

/// Which of them.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Filter {
    /// Those that stand so.
    status: Option<Status>,
}

fn asker(caller: &Caller, context: &Context) -> Asker {
    Asker { user: Some(caller.user), tenant: caller.tenant, by: caller.by(context) }
}

/// `POST /api/tickets`
pub(super) async fn open(
    State(app): State<App>,
    _: TakesTickets,
    caller: Caller,
    (context, Extension(limits)): (Context, Extension<Limits>),
    key: IdempotencyKey,
    Json(new): Json<NewTicket>,
) -> Result<Limited<Once<CustomerView>>, Problem> {
    caller.require(Scope::SupportWrite)?;
    let keyed = Keyed::new(key, format!("{} POST /api/tickets", caller.user), &new)?;
    if let Some(answer) = keyed.recall(&app).await? {
        return Ok(Limited::free(answer));
    }
    let allowance = limits.tickets.check(&caller.user.to_string())?;
    let policy = &app.support.policy;
    let opening = Opening { targets: &policy.targets, attachments: policy.attachments_per_message, via: Via::Web };
    let asker = asker(&caller, &context);
    let response = keyed
        .once(&app, async |tx| {
            let ticket = support::open_ticket(tx, &asker, &new, opening).await?;
            Ok::<_, TicketError>(CustomerView::of(ticket))
        })
        .await?;
    Ok(Limited::of(allowance, response))
}

/// `GET /api/tickets`: the last opened first.
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(filter): Query<Filter>,
    Query(page): Query<PageQuery<String>>,
) -> Result<Json<Page<CustomerView>>, Problem> {
    caller.require(Scope::SupportRead)?;
    let page = support::list_tickets(&app.db, caller.tenant, filter.status, page.read()?).await?;
    Ok(Json(page.map(CustomerView::of)))
}

/// `GET /api/tickets/{ticket}`
pub(super) async fn show(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<TicketId>,
) -> Result<Json<CustomerView>, Problem> {
    caller.require(Scope::SupportRead)?;
    let ticket = support::find_ticket(&app.db, caller.tenant, id).await?.ok_or_else(missing)?;
    Ok(Json(CustomerView::of(ticket)))
}

/// `GET /api/tickets/{ticket}/messages`: the first first, without the notes.
pub(super) async fn messages(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<TicketId>,
    Query(page): Query<PageQuery<TicketMessageId>>,
) -> Result<Json<Page<Message>>, Problem> {
    caller.require(Scope::SupportRead)?;
    let page = page.request()?;
    support::find_ticket(&app.db, caller.tenant, id).await?.ok_or_else(missing)?;
    Ok(Json(support::messages(&app.db, id, Reader::Customer, page).await?))
}

/// `POST /api/tickets/{ticket}/messages`
pub(super) async fn reply(
    State(app): State<App>,
    caller: Caller,
    (context, Extension(limits)): (Context, Extension<Limits>),
    Path(id): Path<TicketId>,
    key: IdempotencyKey,
    Json(reply): Json<Reply>,
) -> Result<Limited<Once<Replied>>, Problem> {
    caller.require(Scope::SupportWrite)?;
    let keyed = Keyed::new(key, format!("{} POST /api/tickets/{id}/messages", caller.user), &reply)?;
    if let Some(answer) = keyed.recall(&app).await? {
        return Ok(Limited::free(answer));
    }
    let allowance = limits.replies.check(&caller.user.to_string())?;
    let attachments = app.support.policy.attachments_per_message;
    let came = Came { via: Via::Web, mail_message_id: None, attachments };
    let asker = asker(&caller, &context);
    let response = keyed.once(&app, async |tx| support::reply_as_customer(tx, &asker, id, &reply, came).await).await?;
    Ok(Limited::of(allowance, response))
}

/// `POST /api/tickets/{ticket}/solve`: no more help is needed.
pub(super) async fn solve(
    State(app): State<App>,
    caller: Caller,
    context: Context,
    Path(id): Path<TicketId>,
) -> Result<Json<CustomerView>, Problem> {
    caller.require(Scope::SupportWrite)?;
    let asker = asker(&caller, &context);
    let ticket = app.db.write(async |tx| support::solve_as_customer(tx, &asker, id).await).await?;
    Ok(Json(CustomerView::of(ticket)))
}
