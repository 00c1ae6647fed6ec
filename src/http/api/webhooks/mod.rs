//! `/api/admin/webhooks`: what payment providers sent, for operators.

use axum::{
    Router,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use serde::{Deserialize, Serialize};

use crate::{
    app::App,
    http::{Admin, Json, Kind, PageQuery, Path, Problem, Query},
    kernel::Page,
    payments::{self, InboxFilter, InboxView, ProviderName, ReplayError, WebhookId},
};

/// The routes.
pub fn routes(_app: &App) -> Router<App> {
    Router::new()
        .route("/api/admin/webhooks", get(list))
        .route("/api/admin/webhooks/{webhook}", get(show))
        .route("/api/admin/webhooks/{webhook}/replay", post(replay))
}

/// Which events.
#[derive(Debug, Deserialize)]
struct Which {
    provider: Option<ProviderName>,
    #[serde(rename = "type")]
    event_type: Option<String>,
    outcome: Option<String>,
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
#[derive(Debug, Serialize)]
struct Replayed {
    id: WebhookId,
}

/// `POST /api/admin/webhooks/{webhook}/replay`
async fn replay(
    State(app): State<App>,
    admin: Admin,
    Path(id): Path<WebhookId>,
) -> Result<(StatusCode, Json<Replayed>), Problem> {
    app.db.write(async |tx| payments::replay(tx, id, admin.actor()).await).await?;
    Ok((StatusCode::ACCEPTED, Json(Replayed { id })))
}

impl From<ReplayError> for Problem {
    fn from(error: ReplayError) -> Self {
        match error {
            ReplayError::Unknown => Self::new(Kind::NotFound).detail("there is no such event"),
            ReplayError::Db(error) => error.into(),
        }
    }
}
