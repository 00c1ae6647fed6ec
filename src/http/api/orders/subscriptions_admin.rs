//! `/api/admin/subscriptions`: everybody's.

use axum::extract::State;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    app::App,
    http::{Admin, Context, ExportQuery, Exported, Json, ListFile, PageQuery, Path, Problem, Query, reason},
    kernel::{Page, PageRequest, Place, Sorted, SubscriptionId},
    orders::subscriptions::{self, AnySubscription, AnySubscriptions, CancelSubscription, EndError, SubscriptionSort},
};

/// `GET /api/admin/subscriptions`
pub(super) async fn list(
    State(app): State<App>,
    _: Admin,
    Query(filter): Query<AnySubscriptions>,
    Query(page): Query<PageQuery<String>>,
) -> Result<Json<Page<AnySubscription>>, Problem> {
    let page = page.sorted(filter.sort)?;
    Ok(Json(subscriptions::list_any(&app.db, &filter, &page).await?))
}

/// `GET /api/admin/subscriptions/{subscription}`
pub(super) async fn show(
    State(app): State<App>,
    _: Admin,
    Path(id): Path<SubscriptionId>,
) -> Result<Json<AnySubscription>, Problem> {
    subscriptions::find_any(&app.db, id).await?.map(Json).ok_or_else(|| EndError::NotFound.into())
}

const EXPORTED: Exported = Exported {
    name: "subscriptions",
    columns: &[
        "id",
        "tenant_id",
        "order_id",
        "plan_id",
        "title",
        "plan_name",
        "provider",
        "provider_ref",
        "status",
        "amount",
        "currency",
        "period_start",
        "period_end",
        "cancel_at_period_end",
        "cancelled_at",
        "dunning_at",
        "created_at",
    ],
};

/// `GET /api/admin/subscriptions/export`
pub(super) async fn export(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Query(filter): Query<AnySubscriptions>,
    Query(query): Query<ExportQuery>,
) -> Result<ListFile, Problem> {
    let shop = app.clone();
    let read = move |page: PageRequest<Place<SubscriptionSort, SubscriptionId>>| {
        let (app, filter) = (shop.clone(), filter.clone());
        async move {
            let page = Sorted::of(filter.sort.unwrap_or_default(), page)?;
            Ok(subscriptions::list_any(&app.db, &filter, &page).await?)
        }
    };
    EXPORTED.answer(&app, (&admin, &context), query, read).await
}

/// When to end, and why.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AnySubscriptionEnd", transform = crate::http::because::must_be_given)]
pub(super) struct Cancel {
    /// When.
    at: CancelSubscription,
    /// Why: it is kept in the audit trail.
    #[serde(default)]
    #[schemars(length(min = 1, max = 500))]
    reason: String,
}

/// `POST /api/admin/subscriptions/{subscription}/cancel`
pub(super) async fn cancel(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Path(id): Path<SubscriptionId>,
    Json(cancel): Json<Cancel>,
) -> Result<Json<AnySubscription>, Problem> {
    let (why, by) = (reason(&cancel.reason)?, (admin.actor(), Some(context.request_id().to_owned())));
    app.db.write(async |tx| subscriptions::end_any(tx, id, cancel.at, why, by).await).await?;
    subscriptions::find_any(&app.db, id).await?.map(Json).ok_or_else(|| EndError::NotFound.into())
}
