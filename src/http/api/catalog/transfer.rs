//! `/api/admin/catalog/export` and `/api/admin/catalog/import`

use aide::{
    OperationOutput,
    generate::GenContext,
    openapi::{Operation, Response as Described},
};
use axum::{
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use schemars::{JsonSchema, json_schema};
use serde::Deserialize;

use super::by;
use crate::{
    app::App,
    catalog::{self, Format, ImportMode, Imported},
    credentials::BesideCatalogue,
    http::{Admin, Context, Json, Kind, Problem, Query, openapi::gives, unread},
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
) -> Result<Catalogue, Problem> {
    let format = query.format.unwrap_or(Format::Json);
    let file = catalog::export_with(&app.db, format, &BesideCatalogue(app.credentials.rules())).await?;
    let (media, name) = match format {
        Format::Json => ("application/json", "attachment; filename=\"catalog.json\""),
        Format::Csv => ("text/csv; charset=utf-8; header=present", "attachment; filename=\"catalog.csv\""),
    };
    Ok(Catalogue(([(header::CONTENT_TYPE, media), (header::CONTENT_DISPOSITION, name)], file).into_response()))
}

/// The catalogue as a file.
pub(super) struct Catalogue(Response);

impl IntoResponse for Catalogue {
    fn into_response(self) -> Response {
        self.0
    }
}

impl OperationOutput for Catalogue {
    type Inner = ();

    fn inferred_responses(_: &mut GenContext, _: &mut Operation) -> Vec<(Option<u16>, Described)> {
        let text = "The catalogue, as the import takes it.";
        let mut response = gives(text, "application/json", json_schema!({ "type": "object" }));
        response.content.extend(gives("", "text/csv", json_schema!({ "type": "string" })).content);
        vec![(Some(200), response)]
    }
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
