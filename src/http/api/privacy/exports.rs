//! `/api/account/exports`

use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::refusals::no_export;
use crate::{
    app::App,
    http::{Caller, Context, IdempotencyKey, Json, Once, PageQuery, Path, Problem, Query, once},
    kernel::Page,
    privacy::{self, DataExport, DataExportId, ExportRequestError, ExportState, RequestedBy},
};

/// An archive, and where it can be fetched.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "OwnDataExport")]
pub(super) struct ExportView {
    #[serde(flatten)]
    export: DataExport,
    /// Opens the archive without signing in, as long as it is there: whoever has the link has the data.
    link: Option<String>,
}

impl ExportView {
    fn of(app: &App, export: DataExport) -> Self {
        let is_there = export.state == ExportState::Ready && export.expires_at.is_some_and(|at| at > app.db.now());
        let link = || format!("{}/api/exports/{}", app.shop.public_url, app.privacy.links().token(export.id));
        Self { link: is_there.then(link), export }
    }
}

/// `POST /api/account/exports`: a job writes the archive, and a mail tells when it can be fetched.
pub(super) async fn request(
    State(app): State<App>,
    caller: Caller,
    context: Context,
    key: IdempotencyKey,
) -> Result<Once<ExportView, 202>, Problem> {
    caller.session()?;
    let (by, user) = (caller.by(&context), caller.user);
    let scope = format!("{user} POST /api/account/exports");
    once(&app, key, scope, &json!({}), async |tx| -> Result<ExportView, ExportRequestError> {
        let export = privacy::request_export(tx, user, (&by, RequestedBy::Person), None).await?;
        Ok(ExportView { export, link: None })
    })
    .await
}

/// `GET /api/account/exports`
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(page): Query<PageQuery<DataExportId>>,
) -> Result<Json<Page<ExportView>>, Problem> {
    caller.session()?;
    let page = privacy::exports(&app.db, caller.user, &page.request()?).await?;
    Ok(Json(page.map(|export| ExportView::of(&app, export))))
}

/// `GET /api/account/exports/{export}`
pub(super) async fn show(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<DataExportId>,
) -> Result<Json<ExportView>, Problem> {
    caller.session()?;
    let export = privacy::find_export(&app.db, caller.user, id).await?.ok_or_else(no_export)?;
    Ok(Json(ExportView::of(&app, export)))
}
