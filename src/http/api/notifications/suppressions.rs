//! `/api/admin/mail-suppressions`: addresses that nothing is sent to.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;

use super::{address, reason, recipients};
use crate::{
    accounts::Email,
    app::App,
    http::{Admin, Context, ExportQuery, Exported, Json, Kind, PageQuery, Path, Problem, Query},
    kernel::PageRequest,
    notifications::{self, SuppressionFilter, SuppressionId, SuppressionReason},
};

/// Which ones.
#[derive(Debug, Deserialize)]
pub(super) struct Filter {
    address: Option<String>,
    reason: Option<SuppressionReason>,
}

/// An address that nothing is to be sent to.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct New {
    address: String,
    reason: String,
}

/// `GET /api/admin/mail-suppressions`
pub(super) async fn list(
    State(app): State<App>,
    _: Admin,
    Query(filter): Query<Filter>,
    Query(page): Query<PageQuery<SuppressionId>>,
) -> Result<impl IntoResponse, Problem> {
    let filter = SuppressionFilter { address: address("#/address", filter.address)?, reason: filter.reason };
    Ok(Json(notifications::suppressions(&app.db, &recipients(&app), &filter, page.request()?).await?))
}

const EXPORTED: Exported =
    Exported { name: "mail-suppressions", columns: &["id", "recipient", "reason", "detail", "created_at"] };

/// `GET /api/admin/mail-suppressions/export`
pub(super) async fn export(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Query(filter): Query<Filter>,
    Query(query): Query<ExportQuery>,
) -> Result<Response, Problem> {
    let filter = SuppressionFilter { address: address("#/address", filter.address)?, reason: filter.reason };
    let shop = app.clone();
    let read = move |page: PageRequest<SuppressionId>| {
        let (app, filter) = (shop.clone(), filter.clone());
        async move { Ok(notifications::suppressions(&app.db, &recipients(&app), &filter, page).await?) }
    };
    EXPORTED.answer(&app, (&admin, &context), query, read).await
}

/// `POST /api/admin/mail-suppressions`: an address that is there already stays as it is.
pub(super) async fn add(
    State(app): State<App>,
    admin: Admin,
    Json(new): Json<New>,
) -> Result<impl IntoResponse, Problem> {
    let wrong =
        |error: crate::accounts::InvalidEmail| Problem::new(Kind::InvalidInput).error("#/address", error.to_string());
    let address: Email = new.address.parse().map_err(wrong)?;
    let (address, why, recipients) = (address.to_string(), reason(&new.reason)?, recipients(&app));
    let (suppression, is_new) =
        app.db.write(async |tx| notifications::suppress(tx, &recipients, (&address, why), admin.actor()).await).await?;
    Ok((if is_new { StatusCode::CREATED } else { StatusCode::OK }, Json(suppression)))
}

/// `DELETE /api/admin/mail-suppressions/{suppression}`
pub(super) async fn remove(
    State(app): State<App>,
    admin: Admin,
    Path(id): Path<SuppressionId>,
) -> Result<StatusCode, Problem> {
    if app.db.write(async |tx| notifications::unsuppress(tx, id, admin.actor()).await).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Problem::new(Kind::NotFound).detail("there is no such suppression"))
}
