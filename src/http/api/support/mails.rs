//! `/api/admin/inbound-mails`: what came in by mail, and what became of it.

use axum::{extract::State, response::IntoResponse};
use serde::Deserialize;

use crate::{
    app::App,
    http::{Admin, Json, PageQuery, Problem, Query},
    support::{self, InboundMailId, MailOutcome},
};

#[derive(Debug, Deserialize)]
pub(super) struct Filter {
    outcome: Option<MailOutcome>,
}

/// `GET /api/admin/inbound-mails`: the last first.
pub(super) async fn list(
    State(app): State<App>,
    _: Admin,
    Query(filter): Query<Filter>,
    Query(page): Query<PageQuery<InboundMailId>>,
) -> Result<impl IntoResponse, Problem> {
    Ok(Json(support::inbound_mails(&app.db, filter.outcome, page.request()?).await?))
}
