//! `/api/subscriptions`

use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    accounts::Scope,
    app::App,
    http::{Caller, Json, Kind, PageQuery, Path, Problem, Query},
    kernel::{Page, SubscriptionId},
    orders::subscriptions::{self, CancelSubscription, EndError, Subscription},
};

/// When to end.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SubscriptionEnd")]
pub(super) struct Cancel {
    /// When it shall end.
    at: CancelSubscription,
}

/// `GET /api/subscriptions`: the caller's, the newest first.
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(page): Query<PageQuery<SubscriptionId>>,
) -> Result<Json<Page<Subscription>>, Problem> {
    caller.require(Scope::OrdersRead)?;
    Ok(Json(subscriptions::list(&app.db, caller.tenant, page.request()?).await?))
}

/// `GET /api/subscriptions/{subscription}`
pub(super) async fn show(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<SubscriptionId>,
) -> Result<Json<Subscription>, Problem> {
    caller.require(Scope::OrdersRead)?;
    find(&app, &caller, id).await.map(Json)
}

/// `POST /api/subscriptions/{subscription}/cancel`
pub(super) async fn cancel(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<SubscriptionId>,
    Json(cancel): Json<Cancel>,
) -> Result<Json<Subscription>, Problem> {
    caller.require(Scope::OrdersWrite)?;
    let (tenant, actor) = (caller.tenant, caller.actor());
    app.db.write(async |tx| subscriptions::request_end(tx, tenant, id, cancel.at, actor).await).await?;
    find(&app, &caller, id).await.map(Json)
}

async fn find(app: &App, caller: &Caller, id: SubscriptionId) -> Result<Subscription, Problem> {
    let found = subscriptions::find(&app.db, caller.tenant, id).await?;
    found.ok_or_else(|| EndError::NotFound.into())
}

impl From<EndError> for Problem {
    fn from(error: EndError) -> Self {
        match error {
            EndError::NotFound => Self::new(Kind::NotFound).detail(error.to_string()),
            EndError::Ended => Self::new(Kind::Conflict).detail(error.to_string()),
            EndError::Db(error) => error.into(),
        }
    }
}
