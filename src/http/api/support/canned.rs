//! `/api/admin/canned-answers`, and an answer filled for a ticket.

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::{
    super::catalog::etag::{IfMatch, answer, tag},
    gate::AtDesk,
    refusals::missing,
};
use crate::{
    accounts,
    app::App,
    http::{Admin, Context, IdempotencyKey, Json, PageQuery, Path, Problem, Query, once},
    kernel::TicketId,
    support::{self, CannedAnswerId, CannedFields, CannedPatch, EditError, Signature},
};

/// `GET /api/admin/canned-answers`
pub(super) async fn list(
    State(app): State<App>,
    _: Admin,
    Query(page): Query<PageQuery<CannedAnswerId>>,
) -> Result<impl IntoResponse, Problem> {
    Ok(Json(support::canned_answers(&app.db, page.request()?).await?))
}

/// `GET /api/admin/canned-answers/{answer}`
pub(super) async fn show(
    State(app): State<App>,
    _: Admin,
    Path(id): Path<CannedAnswerId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let found = support::canned_answer(&app.db, id).await?.ok_or(EditError::NotFound)?;
    Ok(answer(&headers, tag(found.revision, &[]), found))
}

/// `POST /api/admin/canned-answers`
pub(super) async fn create(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    key: IdempotencyKey,
    Json(fields): Json<CannedFields>,
) -> Result<Response, Problem> {
    let (by, scope) = (admin.by(&context), format!("{} POST /api/admin/canned-answers", admin.user));
    let body = fields.clone();
    let made = once(&app, key, scope, &body, async |tx| {
        Ok::<_, EditError>((StatusCode::CREATED, support::create_canned(tx, fields, &by).await?))
    });
    Ok(created(made.await?))
}

/// `PATCH /api/admin/canned-answers/{answer}`
pub(super) async fn change(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Path(id): Path<CannedAnswerId>,
    IfMatch(revision): IfMatch,
    Json(patch): Json<CannedPatch>,
) -> Result<Response, Problem> {
    let by = admin.by(&context);
    let changed = app.db.write(async |tx| support::patch_canned(tx, id, revision, patch, &by).await).await?;
    Ok(answer(&HeaderMap::new(), tag(changed.revision, &[]), changed))
}

/// `DELETE /api/admin/canned-answers/{answer}`
pub(super) async fn remove(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Path(id): Path<CannedAnswerId>,
    IfMatch(revision): IfMatch,
) -> Result<StatusCode, Problem> {
    let by = admin.by(&context);
    app.db.write(async |tx| support::delete_canned(tx, id, revision, &by).await).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET …/tickets/{ticket}/canned-answers/{answer}`: what it says for this ticket. Nothing is sent.
pub(super) async fn filled(
    State(app): State<App>,
    desk: AtDesk,
    Path((ticket, id)): Path<(TicketId, CannedAnswerId)>,
) -> Result<impl IntoResponse, Problem> {
    let ticket = support::find_at_desk(&app.db, &desk.agent, ticket).await?.ok_or_else(missing)?;
    let found = support::canned_answer(&app.db, id).await?.ok_or(EditError::NotFound)?;
    let name = accounts::find_any_account(&app.db, desk.agent.user).await?.map(|account| account.name);
    let signature = Signature { agent: name.as_deref().unwrap_or_default(), shop: &app.shop.name };
    Ok(Json(json!({ "id": id, "ticket": ticket.id, "body": support::fill(&found.body, &ticket, signature) })))
}

/// Nothing has changed what was just made: it is at its first revision.
pub(super) fn created(mut response: Response) -> Response {
    response.headers_mut().insert(header::ETAG, HeaderValue::from_static("\"1\""));
    response
}
