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
    http::{
        Accepted, Admin, Because, Context, ExportQuery, Exported, Json, Kind, ListFile, PageQuery, Path, Problem,
        Query, openapi::Tell, sought,
    },
    kernel::{ByTime, Page, PageRequest, Sort, Time},
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
            "/api/admin/webhooks/export",
            get_with(export, |op| op.told("exportWebhooks", "Fetch the list of what payment providers sent as a file")),
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
    /// With this id at the provider.
    event: Option<String>,
    /// With this outcome.
    outcome: Option<String>,
    /// Only those that nobody has handled yet.
    #[serde(default)]
    unhandled: bool,
    /// Received at this time or later.
    from: Option<Time>,
    /// Received before this time.
    until: Option<Time>,
    /// In which order; the newest first if nothing is said.
    sort: Option<Sort<ByTime>>,
}

impl Which {
    fn filter(self) -> Result<InboxFilter, Problem> {
        let text = |pointer: &str, text: Option<String>| {
            Ok::<_, Problem>(sought(pointer, text.as_deref())?.map(str::to_owned))
        };
        Ok(InboxFilter {
            provider: self.provider.map(|provider| provider.to_string()),
            event_type: text("#/type", self.event_type)?,
            outcome: text("#/outcome", self.outcome)?,
            unhandled: self.unhandled,
            event_id: text("#/event", self.event)?,
            from: self.from,
            until: self.until,
            sort: self.sort,
        })
    }
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

const EXPORTED: Exported = Exported {
    name: "webhooks",
    columns: &["id", "provider", "event_id", "event_type", "received_at", "handled_at", "outcome", "detail", "replays"],
};

/// `GET /api/admin/webhooks/export`: without bodies.
async fn export(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Query(which): Query<Which>,
    Query(query): Query<ExportQuery>,
) -> Result<ListFile, Problem> {
    let (filter, shop) = (which.filter()?, app.clone());
    let read = move |page: PageRequest<WebhookId>| {
        let (app, filter) = (shop.clone(), filter.clone());
        async move { Ok(payments::list(&app.db, &filter, &page).await?) }
    };
    EXPORTED.answer(&app, (&admin, &context), query, read).await
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
    context: Context,
    Path(id): Path<WebhookId>,
    Json(why): Json<Because>,
) -> Result<Accepted<Replayed>, Problem> {
    let (why, by) = (why.reason()?, (admin.actor(), Some(context.request_id().to_owned())));
    app.db.write(async |tx| payments::replay_because(tx, id, why, by).await).await?;
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
