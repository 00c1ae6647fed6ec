//! `/api/admin/catalog/export` and `/api/admin/catalog/import`

use axum::{
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, header},
    response::IntoResponse,
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::by;
use crate::{
    app::App,
    catalog::{self, Format, ImportMode, Imported},
    credentials::BesideCatalogue,
    http::{Admin, Context, File, Json, Kind, Problem, Query, unread},
};

#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct ExportQuery {
    /// As what; JSON if nothing is said.
    format: Option<Format>,
}

/// `GET /api/admin/catalog/export?format=json|csv`
pub(super) async fn export(
    State(app): State<App>,
    _: Admin,
    Query(query): Query<ExportQuery>,
) -> Result<File, Problem> {
    let format = query.format.unwrap_or(Format::Json);
    let file = catalog::export_with(&app.db, format, &BesideCatalogue(app.credentials.rules())).await?;
    let (media, name) = match format {
        Format::Json => ("application/json", "attachment; filename=\"catalog.json\""),
        Format::Csv => ("text/csv; charset=utf-8; header=present", "attachment; filename=\"catalog.csv\""),
    };
    Ok(File(([(header::CONTENT_TYPE, media), (header::CONTENT_DISPOSITION, name)], file).into_response()))
}

#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct ImportQuery {
    /// Whether it is only tried.
    #[serde(default)]
    pub(super) dry_run: bool,
}

/// `POST /api/admin/catalog/import?dry_run=true`: JSON or CSV, by its content type.
pub(super) async fn import(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Query(query): Query<ImportQuery>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Imported>, Problem> {
    let body = body.map_err(|rejection| unread(&rejection))?;
    let format = format_of(&headers)?;
    let mode = if query.dry_run { ImportMode::DryRun } else { ImportMode::Keep };
    let beside = BesideCatalogue(app.credentials.rules());
    let imported = catalog::import_with(&app.db, (format, &body), mode, &beside, &by(&admin, &context)).await?;
    Ok(Json(imported))
}

/// What a file is, by its content type.
pub(super) fn format_of(headers: &HeaderMap) -> Result<Format, Problem> {
    let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "application/json" => Ok(Format::Json),
        "text/csv" => Ok(Format::Csv),
        _ => Err(Problem::new(Kind::UnsupportedMediaType)
            .detail("`Content-Type: application/json` or `text/csv` must say what the file is")),
    }
}
