//! The catalogue as it is, as a file.

use serde_json::{Value, json};

use super::{
    Alone, Beside, Kind,
    record::{Record, write_json},
    table::write_csv,
};
use crate::{
    catalog::{
        category::all_categories, coupon::all_coupons, developer::all_developers, edit::fields, plan_edit::all_plans,
        shelve::all_products,
    },
    db::{Db, DbError},
    text_enum,
};

text_enum! {
    /// What kind of file.
    #[schemars(rename = "CatalogueFormat")]
    pub enum Format {
        /// A document.
        Json = "json",
        /// A table.
        Csv = "csv",
    }
}

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The database did not answer.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The file cannot be written.
    #[error("the catalogue cannot be written: {0}")]
    Write(String),
}

/// The catalogue by itself, in order of slugs and codes.
pub async fn export(db: &Db, format: Format) -> Result<Vec<u8>, ExportError> {
    export_with(db, format, &Alone).await
}

/// The whole catalogue with what is kept beside it.
pub async fn export_with(db: &Db, format: Format, beside: &impl Beside) -> Result<Vec<u8>, ExportError> {
    let records = records(db, beside).await?;
    match format {
        Format::Json => write_json(records).map_err(|error| ExportError::Write(error.to_string())),
        Format::Csv => write_csv(&records).map_err(|error| ExportError::Write(error.to_string())),
    }
}

async fn records(db: &Db, beside: &impl Beside) -> Result<Vec<Record>, DbError> {
    // What refers is read before what it refers to: whatever is added meanwhile, nothing refers to what is not there.
    let mut kept = beside.kept(db).await?;
    let coupons = all_coupons(db).await?;
    let mut plans = all_plans(db).await?;
    let mut products = all_products(db).await?;
    let mut categories = all_categories(db).await?;
    let mut developers = all_developers(db).await?;
    developers.sort_by(|a, b| a.fields.slug.cmp(&b.fields.slug));
    categories.sort_by(|a, b| a.fields.slug.cmp(&b.fields.slug));
    products.sort_by(|a, b| a.fields.slug.cmp(&b.fields.slug));
    plans.sort_by(|a, b| a.fields.slug.cmp(&b.fields.slug));

    let record = |kind, fields| Record { kind, place: String::new(), fields };
    let mut records = Vec::new();
    for developer in developers {
        let mut fields = fields(&developer.fields);
        fields.remove("user");
        fields.insert("house".to_owned(), Value::Bool(developer.house));
        records.push(record(Kind::Developer, fields));
    }
    records.extend(categories.iter().map(|category| record(Kind::Category, fields(&category.fields))));
    for product in products {
        let mut product_fields = fields(&product.fields);
        product_fields.insert("published_at".to_owned(), json!(product.published_at));
        if let Some(hook) = kept.hooks.remove(&product.id) {
            product_fields.insert("hook".to_owned(), hook);
        }
        let slug = product.fields.slug;
        records.push(record(Kind::Product, product_fields));
        for plan in plans.iter().filter(|plan| plan.product == product.id) {
            let mut plan_fields = fields(&plan.fields);
            plan_fields.insert("product".to_owned(), Value::String(slug.clone()));
            if let Some(endpoints) = kept.endpoints.remove(&plan.id) {
                plan_fields.insert("endpoints".to_owned(), endpoints);
            }
            records.push(record(Kind::Plan, plan_fields));
        }
    }
    records.extend(coupons.iter().map(|coupon| record(Kind::Coupon, fields(&coupon.fields))));
    Ok(records)
}
