//! `/api/admin/webhooks`: what payment providers sent, for operators.

use aide::axum::{
    ApiRouter,
    routing::{get_with, post_with},
};
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    app::App,
    http::{Accepted, Admin, Json, Kind, PageQuery, Path, Problem, Query, openapi::Tell},
    kernel::Page,
    payments::{self, InboxFilter, InboxView, ProviderName, ReplayError, WebhookId},
};

/// The routes.
pub fn routes(_app: &App) -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/admin/webhooks",
            get_with(list, |op| op.told("listWebhooks", "List what payment providers sent")),
        )
        .api_route(
            "/api/admin/webhooks/{webhook}",
            get_with(show, |op| op.told("showWebhook", "Show what a payment provider sent, as it was sent")),
        )
        .api_route(
            "/api/admin/webhooks/{webhook}/replay",
            post_with(replay, |op| op.told("replayWebhook", "Have an event handled again")),
        )
        .with_path_items(|item| item.tag("webhooks"))
}

/// Which events.
#[derive(Debug, Deserialize, JsonSchema)]
struct Which {
    /// Sent by this provider.
    provider: Option<ProviderName>,
    /// Of this type.
    #[serde(rename = "type")]
    event_type: Option<String>,
    /// With this outcome.
    outcome: Option<String>,
    /// Only those that nobody has handled yet.
    #[serde(default)]
    unhandled: bool,
}

impl Which {
    fn filter(self) -> Result<InboxFilter, Problem> {
        bounded("#/type", self.event_type.as_deref())?;
        bounded("#/outcome", self.outcome.as_deref())?;
        Ok(InboxFilter {
            provider: self.provider.map(|provider| provider.to_string()),
            event_type: self.event_type,
            outcome: self.outcome,
            unhandled: self.unhandled,
        })
    }
}

/// PostgreSQL takes no NUL in a text, not even to look for it.
fn bounded(pointer: &str, text: Option<&str>) -> Result<(), Problem> {
    if text.is_some_and(|text| text.len() > 255 || text.contains('\0')) {
        return Err(Problem::new(Kind::InvalidParameter).error(pointer, "expected at most 255 printable characters"));
    }
    Ok(())
}

/// `GET /api/admin/webhooks`
async fn list(
    State(app): State<App>,
    _: Admin,
    Query(page): Query<PageQuery<WebhookId>>,
    Query(which): Query<Which>,
) -> Result<Json<Page<InboxView>>, Problem> {
    let (filter, request) = (which.filter()?, page.request()?);
    Ok(Json(payments::list(&app.db, &filter, &request).await?))
}

/// `GET /api/admin/webhooks/{webhook}`
async fn show(State(app): State<App>, _: Admin, Path(id): Path<WebhookId>) -> Result<Json<InboxView>, Problem> {
    let found = payments::show(&app.db, id).await?;
    Ok(Json(found.ok_or(ReplayError::Unknown)?))
}

/// What will be handled again.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ReplayedWebhook")]
struct Replayed {
    /// Which event.
    id: WebhookId,
}

/// `POST /api/admin/webhooks/{webhook}/replay`
async fn replay(
    State(app): State<App>,
    admin: Admin,
    Path(id): Path<WebhookId>,
) -> Result<Accepted<Replayed>, Problem> {
    app.db.write(async |tx| payments::replay(tx, id, admin.actor()).await).await?;
    Ok(Accepted(Replayed { id }))
}

impl From<ReplayError> for Problem {
    fn from(error: ReplayError) -> Self {
        match error {
            ReplayError::Unknown => Self::new(Kind::NotFound).detail("there is no such event"),
            ReplayError::Db(error) => error.into(),
        }
    }
}
