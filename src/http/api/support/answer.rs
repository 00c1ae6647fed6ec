//! `…/tickets/{ticket}/messages` at a desk: answers, and notes that the customer does not see.

use axum::extract::State;

use super::{gate::AtDesk, refusals::missing};
use crate::{
    app::App,
    http::{Context, IdempotencyKey, Json, Once, PageQuery, Path, Problem, Query, once},
    kernel::{Page, TicketId, TicketMessageId},
    support::{self, AgentReply, Came, Message, Reader, Replied, Via},
};

/// `GET …/tickets/{ticket}/messages`: the first first, with the notes.
pub(super) async fn messages(
    State(app): State<App>,
    desk: AtDesk,
    Path(id): Path<TicketId>,
    Query(page): Query<PageQuery<TicketMessageId>>,
) -> Result<Json<Page<Message>>, Problem> {
    let page = page.request()?;
    support::find_at_desk(&app.db, &desk.agent, id).await?.ok_or_else(missing)?;
    Ok(Json(support::messages(&app.db, id, Reader::Agent, page).await?))
}

/// `POST …/tickets/{ticket}/messages`
pub(super) async fn reply(
    State(app): State<App>,
    desk: AtDesk,
    context: Context,
    Path(id): Path<TicketId>,
    key: IdempotencyKey,
    Json(reply): Json<AgentReply>,
) -> Result<Once<Replied>, Problem> {
    let by = desk.caller.by(&context);
    let scope = format!("{} POST desk/tickets/{id}/messages", desk.caller.user);
    let attachments = app.support.policy.attachments_per_message;
    let came = Came { via: Via::Web, mail_message_id: None, attachments };
    once(&app, key, scope, &reply, async |tx| support::reply_as_agent(tx, (&desk.agent, &by), id, &reply, came).await)
        .await
}
