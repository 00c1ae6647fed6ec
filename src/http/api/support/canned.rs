//! `/api/admin/canned-answers`, and an answer filled for a ticket.

use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;

use super::{gate::AtDesk, refusals::missing};
use crate::{
    accounts,
    app::App,
    http::{
        Admin, Conditional, Context, FirstRevision, IdempotencyKey, IfMatch, IfNoneMatch, Json, NoContent, Once,
        PageQuery, Path, Problem, Query, Tagged, once, tag,
    },
    kernel::{Page, TicketId},
    support::{self, CannedAnswer, CannedAnswerId, CannedFields, CannedPatch, EditError, Signature},
};

/// `GET /api/admin/canned-answers`
pub(super) async fn list(
    State(app): State<App>,
    _: Admin,
    Query(page): Query<PageQuery<CannedAnswerId>>,
) -> Result<Json<Page<CannedAnswer>>, Problem> {
    Ok(Json(support::canned_answers(&app.db, page.request()?).await?))
}

/// `GET /api/admin/canned-answers/{answer}`
pub(super) async fn show(
    State(app): State<App>,
    _: Admin,
    Path(id): Path<CannedAnswerId>,
    known: IfNoneMatch,
) -> Result<Conditional<CannedAnswer>, Problem> {
    let found = support::canned_answer(&app.db, id).await?.ok_or(EditError::NotFound)?;
    Ok(known.answer(tag(found.revision, &[]), found))
}

/// `POST /api/admin/canned-answers`
pub(super) async fn create(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    key: IdempotencyKey,
    Json(fields): Json<CannedFields>,
) -> Result<FirstRevision<Once<CannedAnswer>>, Problem> {
    let (by, scope) = (admin.by(&context), format!("{} POST /api/admin/canned-answers", admin.user));
    let body = fields.clone();
    let made = once(&app, key, scope, &body, async |tx| support::create_canned(tx, fields, &by).await);
    Ok(FirstRevision(made.await?))
}

/// `PATCH /api/admin/canned-answers/{answer}`
pub(super) async fn change(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Path(id): Path<CannedAnswerId>,
    IfMatch(revision): IfMatch,
    Json(patch): Json<CannedPatch>,
) -> Result<Tagged<CannedAnswer>, Problem> {
    let by = admin.by(&context);
    let changed = app.db.write(async |tx| support::patch_canned(tx, id, revision, patch, &by).await).await?;
    Ok(Tagged(tag(changed.revision, &[]), changed))
}

/// `DELETE /api/admin/canned-answers/{answer}`
pub(super) async fn remove(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Path(id): Path<CannedAnswerId>,
    IfMatch(revision): IfMatch,
) -> Result<NoContent, Problem> {
    let by = admin.by(&context);
    app.db.write(async |tx| support::delete_canned(tx, id, revision, &by).await).await?;
    Ok(NoContent)
}

/// A canned answer with a ticket's particulars in it.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct FilledAnswer {
    /// The canned answer.
    id: CannedAnswerId,
    /// The ticket.
    ticket: TicketId,
    /// What it says.
    body: String,
}

/// `GET …/tickets/{ticket}/canned-answers/{answer}`: what it says for this ticket. Nothing is sent.
pub(super) async fn filled(
    State(app): State<App>,
    desk: AtDesk,
    Path((ticket, id)): Path<(TicketId, CannedAnswerId)>,
) -> Result<Json<FilledAnswer>, Problem> {
    let ticket = support::find_at_desk(&app.db, &desk.agent, ticket).await?.ok_or_else(missing)?;
    let found = support::canned_answer(&app.db, id).await?.ok_or(EditError::NotFound)?;
    let name = accounts::find_any_account(&app.db, desk.agent.user).await?.map(|account| account.name);
    let signature = Signature { agent: name.as_deref().unwrap_or_default(), shop: &app.shop.name };
    let body = support::fill(&found.body, &ticket, signature);
    Ok(Json(FilledAnswer { id, ticket: ticket.id, body }))
}
