//! `/api/admin/tax-rates`: how much tax is kept, where, on what.

use axum::{
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::HeaderMap,
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    by,
    managed::{created_in, managed},
    transfer::{ImportQuery, format_of},
};
use crate::{
    app::App,
    catalog::{
        ImportMode,
        tax::{self, TaxRate, TaxRateFields, TaxRatesImported},
    },
    http::{Admin, Context, Json, PageQuery, Problem, Query, tag, unread},
    kernel::{Country, Page, TaxRateId},
};

#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Filters {
    /// Those of this country.
    country: Option<Country>,
}

fn tag_of(rate: &TaxRate) -> String {
    tag(rate.revision, &[])
}

/// `GET /api/admin/tax-rates`
pub(super) async fn list(
    State(app): State<App>,
    _: Admin,
    Query(filters): Query<Filters>,
    Query(page): Query<PageQuery<TaxRateId>>,
) -> Result<Json<Page<TaxRate>>, Problem> {
    Ok(Json(tax::tax_rates(&app.db, filters.country, page.request()?).await?))
}

/// `POST /api/admin/tax-rates/import?dry_run=true`: JSON or CSV, by its content type.
pub(super) async fn import(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Query(query): Query<ImportQuery>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<TaxRatesImported>, Problem> {
    let body = body.map_err(|rejection| unread(&rejection))?;
    let mode = if query.dry_run { ImportMode::DryRun } else { ImportMode::Keep };
    let format = format_of(&headers)?;
    let imported = tax::import_tax_rates(&app.db, format, &body, mode, &by(&admin, &context)).await?;
    Ok(Json(imported))
}

created_in!("/api/admin/tax-rates" => TaxRate: TaxRateFields, tax::create_tax_rate);
managed!(TaxRateId => TaxRate, TaxRateFields: tax::tax_rate, tax::patch_tax_rate, tax::delete_tax_rate);
