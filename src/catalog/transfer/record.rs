//! Records: what a file consists of, whichever its format.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{ImportError, Kind};
use crate::catalog::{Flaw, edit::parse};

/// What a JSON file calls itself.
pub(super) const FORMAT: &str = "mintreu.catalog/1";

/// One record and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) kind: Kind,
    /// A pointer into the file: `#/products/3`, or `#/rows/4` by the table's lines.
    pub(super) place: String,
    pub(super) fields: Map<String, Value>,
}

impl Record {
    /// A text among its fields.
    pub(super) fn text(&self, field: &str) -> Option<&str> {
        self.fields.get(field).and_then(Value::as_str)
    }

    /// Takes a field out.
    pub(super) fn take(&mut self, field: &str) -> Value {
        self.fields.remove(field).unwrap_or(Value::Null)
    }

    pub(super) fn flaw(&self, field: &str, detail: impl Into<String>) -> Flaw {
        Flaw::new(format!("{}/{field}", self.place), detail)
    }
}

/// A catalogue in JSON. Plans stand in their products.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: String,
    #[serde(default)]
    developers: Vec<Map<String, Value>>,
    #[serde(default)]
    categories: Vec<Map<String, Value>>,
    #[serde(default)]
    products: Vec<Map<String, Value>>,
    #[serde(default)]
    coupons: Vec<Map<String, Value>>,
}

/// The records of a JSON file.
pub(super) fn read_json(bytes: &[u8]) -> Result<Vec<Record>, ImportError> {
    let value: Value =
        serde_json::from_slice(bytes).map_err(|error| ImportError::Unreadable(format!("not JSON: {error}")))?;
    let document: Document = parse(value).map_err(|flaw| ImportError::Invalid(vec![flaw]))?;
    if document.format != FORMAT {
        return Err(ImportError::Invalid(vec![Flaw::new("#/format", format!("expected `{FORMAT}`"))]));
    }
    let mut records = Vec::new();
    let lists = [
        (Kind::Developer, "developers", document.developers),
        (Kind::Category, "categories", document.categories),
        (Kind::Product, "products", document.products),
        (Kind::Coupon, "coupons", document.coupons),
    ];
    for (kind, list, items) in lists {
        for (index, fields) in items.into_iter().enumerate() {
            let mut record = Record { kind, place: format!("#/{list}/{index}"), fields };
            let plans = if kind == Kind::Product { record.take("plans") } else { Value::Null };
            let plans = plans_of(&record, plans)?;
            records.push(record);
            records.extend(plans);
        }
    }
    Ok(records)
}

fn plans_of(product: &Record, plans: Value) -> Result<Vec<Record>, ImportError> {
    let plans: Vec<Map<String, Value>> = match plans {
        Value::Null => Vec::new(),
        plans => parse(plans).map_err(|flaw| {
            let pointer = flaw.pointer.trim_start_matches('#');
            ImportError::Invalid(vec![Flaw::new(format!("{}/plans{pointer}", product.place), flaw.detail)])
        })?,
    };
    let slug = product.fields.get("slug").cloned().unwrap_or_default();
    let record = |(index, mut fields): (usize, Map<String, Value>)| {
        let place = format!("{}/plans/{index}", product.place);
        if fields.insert("product".to_owned(), slug.clone()).is_some() {
            let flaw = Flaw::new(format!("{place}/product"), "a plan stands in its product here");
            return Err(ImportError::Invalid(vec![flaw]));
        }
        Ok(Record { kind: Kind::Plan, place, fields })
    };
    plans.into_iter().enumerate().map(record).collect()
}

/// Records, in which plans follow their product, as a JSON file.
pub(super) fn write_json(records: Vec<Record>) -> Result<Vec<u8>, serde_json::Error> {
    let mut document = Document { format: FORMAT.to_owned(), ..Document::default() };
    for mut record in records {
        match record.kind {
            Kind::Developer => document.developers.push(record.fields),
            Kind::Category => document.categories.push(record.fields),
            Kind::Coupon => document.coupons.push(record.fields),
            Kind::Product => {
                record.fields.insert("plans".to_owned(), json!([]));
                document.products.push(record.fields);
            }
            Kind::Plan => {
                record.take("product");
                let plans = document.products.last_mut().and_then(|product| product.get_mut("plans"));
                if let Some(Value::Array(plans)) = plans {
                    plans.push(Value::Object(record.fields));
                }
            }
        }
    }
    let mut text = serde_json::to_vec_pretty(&document)?;
    text.push(b'\n');
    Ok(text)
}
