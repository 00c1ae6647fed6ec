//! `/api/admin/inbound-mails`: what came in by mail, and what became of it.

use axum::extract::State;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    app::App,
    http::{Admin, Json, PageQuery, Problem, Query},
    kernel::Page,
    support::{self, InboundMail, InboundMailId, MailOutcome},
};

#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Filter {
    /// Those that came to this.
    outcome: Option<MailOutcome>,
}

/// `GET /api/admin/inbound-mails`: the last first.
pub(super) async fn list(
    State(app): State<App>,
    _: Admin,
    Query(filter): Query<Filter>,
    Query(page): Query<PageQuery<InboundMailId>>,
) -> Result<Json<Page<InboundMail>>, Problem> {
    Ok(Json(support::inbound_mails(&app.db, filter.outcome, page.request()?).await?))
}
