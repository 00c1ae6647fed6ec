//! `GET /api/account/exports/{export}/archive`, `GET /api/exports/{token}`: the bytes of an archive.

use std::sync::Arc;

use axum::{
    Extension,
    body::Body,
    extract::State,
    http::{HeaderValue, header},
    response::IntoResponse,
};

use super::{
    Limits, from,
    refusals::{no_export, unavailable},
};
use crate::{
    app::App,
    http::{Archive, Caller, Context, Kind, Path, Problem},
    privacy::{self, DataExport, DataExportId, ExportState},
};

/// `GET /api/account/exports/{export}/archive`
pub(super) async fn own(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<DataExportId>,
) -> Result<Archive, Problem> {
    caller.session()?;
    let export = privacy::find_export(&app.db, caller.user, id).await?.ok_or_else(no_export)?;
    give(&app, export).await
}

/// `GET /api/exports/{token}`: the link is the permission.
pub(super) async fn by_link(
    State(app): State<App>,
    Extension(limits): Extension<Arc<Limits>>,
    context: Context,
    Path(token): Path<String>,
) -> Result<Archive, Problem> {
    limits.links.check(&from(&context))?;
    // A link that nobody made is refused before anybody is asked.
    let id = app.privacy.links().open(&token).ok_or_else(no_export)?;
    let export = privacy::find_any_export(&app.db, id).await?.ok_or_else(no_export)?;
    give(&app, export).await
}

async fn give(app: &App, export: DataExport) -> Result<Archive, Problem> {
    let over = || Problem::new(Kind::Gone).detail("the archive was deleted when its time was over; ask for another");
    match export.state {
        ExportState::Pending => {
            return Err(
                Problem::new(Kind::Conflict).detail("the archive is being written; a mail tells when it is ready")
            );
        }
        ExportState::Failed => {
            return Err(Problem::new(Kind::Gone).detail("the archive could not be written; ask for another"));
        }
        ExportState::Expired => return Err(over()),
        ExportState::Ready if export.expires_at.is_none_or(|at| at <= app.db.now()) => return Err(over()),
        ExportState::Ready => {}
    }
    let bytes = privacy::read_archive(&app.privacy.files, export.id).await.map_err(|error| unavailable(&error))?;
    let day = export.created_at.to_string();
    let name = format!("attachment; filename=\"data-{}.zip\"", day.get(..10).unwrap_or("export"));
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/zip")),
        (header::CONTENT_LENGTH, HeaderValue::from(export.size.unwrap_or_default())),
        (header::CONTENT_DISPOSITION, HeaderValue::from_str(&name).map_err(Problem::internal)?),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::CACHE_CONTROL, HeaderValue::from_static("private, no-store")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    Ok(Archive((headers, Body::from_stream(bytes)).into_response()))
}
