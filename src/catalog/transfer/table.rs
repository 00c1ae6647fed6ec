//! One table of CSV for all records: the column `record` says what a row is of, and columns that are not for it are empty.
//! Texts that would be formulas are written as texts ([`crate::kernel::table`]) and read as they were.

use std::borrow::Cow;

use csv::{ReaderBuilder, StringRecord, Writer};
use serde_json::{Map, Value};

use super::{ImportError, Kind, record::Record};
use crate::{
    catalog::Flaw,
    kernel::table::{cell as neutral, text as original},
};

/// How a cell is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cell {
    /// As it is.
    Text,
    /// As JSON: numbers, truth values, lists, objects.
    Json,
}

#[rustfmt::skip]
const COLUMNS: &[(&str, Cell)] = &[
    ("slug", Cell::Text), ("code", Cell::Text), ("product", Cell::Text), ("name", Cell::Text), ("title", Cell::Text),
    ("parent", Cell::Text), ("developer", Cell::Text), ("category", Cell::Text), ("type", Cell::Text),
    ("status", Cell::Text), ("short_description", Cell::Text), ("description", Cell::Text), ("content", Cell::Text),
    ("image", Cell::Text), ("version", Cell::Text), ("featured", Cell::Json), ("demo_url", Cell::Text),
    ("github_url", Cell::Text), ("documentation_url", Cell::Text), ("requires_auth", Cell::Json),
    ("default_license", Cell::Text), ("module_key", Cell::Text), ("meta", Cell::Json), ("api_config", Cell::Json),
    ("published_at", Cell::Text), ("house", Cell::Json), ("commission_bps", Cell::Json), ("position", Cell::Json),
    ("billing_cycle", Cell::Text), ("trial_days", Cell::Json), ("license_type", Cell::Text), ("features", Cell::Json),
    ("limits", Cell::Json), ("active", Cell::Json), ("prices", Cell::Json), ("percent_bps", Cell::Json),
    ("amount", Cell::Json), ("currency", Cell::Text), ("starts_at", Cell::Text), ("ends_at", Cell::Text),
    ("max_uses", Cell::Json), ("max_uses_per_customer", Cell::Json), ("products", Cell::Json),
    ("categories", Cell::Json), ("tax_category", Cell::Text), ("endpoints", Cell::Json), ("hook", Cell::Json),
];

/// The first column.
const RECORD: &str = "record";

const fn columns_of(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Developer => &["slug", "name", "house", "commission_bps"],
        Kind::Category => &["slug", "parent", "name", "description", "position"],
        Kind::Product => &[
            "slug",
            "title",
            "developer",
            "category",
            "type",
            "status",
            "short_description",
            "description",
            "content",
            "image",
            "version",
            "featured",
            "demo_url",
            "github_url",
            "documentation_url",
            "requires_auth",
            "default_license",
            "module_key",
            "meta",
            "api_config",
            "published_at",
            "tax_category",
            "hook",
        ],
        Kind::Plan => &[
            "slug",
            "product",
            "name",
            "billing_cycle",
            "trial_days",
            "license_type",
            "features",
            "limits",
            "active",
            "position",
            "prices",
            "endpoints",
        ],
        Kind::Coupon => &[
            "code",
            "name",
            "percent_bps",
            "amount",
            "currency",
            "starts_at",
            "ends_at",
            "max_uses",
            "max_uses_per_customer",
            "active",
            "products",
            "categories",
        ],
    }
}

/// Records as a table.
pub(super) fn write_csv(records: &[Record]) -> Result<Vec<u8>, csv::Error> {
    let mut writer = Writer::from_writer(Vec::new());
    writer.write_record(std::iter::once(RECORD).chain(COLUMNS.iter().map(|(name, _)| *name)))?;
    for record in records {
        let cells = COLUMNS.iter().map(|(name, cell)| match (record.fields.get(*name), cell) {
            (None | Some(Value::Null), _) => Cow::Borrowed(""),
            (Some(Value::String(text)), Cell::Text) => neutral(text),
            (Some(value), _) => Cow::Owned(value.to_string()),
        });
        let row: Vec<Cow<'_, str>> = std::iter::once(Cow::Borrowed(record.kind.as_str())).chain(cells).collect();
        writer.write_record(row.iter().map(|cell| cell.as_bytes()))?;
    }
    writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))
}

/// The records of a table.
pub(super) fn read_csv(bytes: &[u8]) -> Result<Vec<Record>, ImportError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = ReaderBuilder::new().from_reader(bytes);
    let columns = header(reader.headers().map_err(|error| unreadable(&error))?)?;
    let (mut records, mut flaws) = (Vec::new(), Vec::new());
    for row in reader.records() {
        let row = row.map_err(|error| unreadable(&error))?;
        let place = format!("#/rows/{}", row.position().map_or(0, csv::Position::line));
        if row.iter().all(str::is_empty) {
            continue;
        }
        match record(&row, &columns, place) {
            Ok(record) => records.push(record),
            Err(wrong) => flaws.extend(wrong),
        }
    }
    if flaws.is_empty() { Ok(records) } else { Err(ImportError::Invalid(flaws)) }
}

fn unreadable(error: &csv::Error) -> ImportError {
    let line = error.position().map(csv::Position::line);
    let told = match (error.kind(), line) {
        (csv::ErrorKind::Utf8 { .. }, Some(line)) => format!("line {line} is not UTF-8"),
        (csv::ErrorKind::UnequalLengths { expected_len, len, .. }, Some(line)) => {
            format!("line {line} has {len} cells and not {expected_len} as the first")
        }
        _ => "not CSV".to_owned(),
    };
    ImportError::Unreadable(told)
}

/// The columns that the first row names, in its order.
fn header(row: &StringRecord) -> Result<Vec<&'static str>, ImportError> {
    let (mut columns, mut flaws) = (Vec::new(), Vec::new());
    for name in row {
        let name = name.trim();
        let known = COLUMNS.iter().map(|(name, _)| *name).chain([RECORD]).find(|column| *column == name);
        match known {
            Some(column) if columns.contains(&column) => {
                flaws.push(Flaw::new(format!("#/rows/1/{column}"), "the column is there twice"));
            }
            Some(column) => columns.push(column),
            None => {
                let shown = crate::catalog::edit::token(name);
                flaws.push(Flaw::new(format!("#/rows/1/{shown}"), "there is no such column"));
            }
        }
    }
    if !columns.contains(&RECORD) {
        flaws.push(Flaw::new("#/rows/1/record", "the column `record` is missing: it says what each row is"));
    }
    if flaws.is_empty() { Ok(columns) } else { Err(ImportError::Invalid(flaws)) }
}

fn record(row: &StringRecord, columns: &[&'static str], place: String) -> Result<Record, Vec<Flaw>> {
    let cells = || columns.iter().zip(row);
    let kind = cells().find(|(column, _)| **column == RECORD).map_or("", |(_, cell)| cell.trim());
    let Ok(kind) = kind.parse::<Kind>() else {
        let names: Vec<_> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
        return Err(vec![Flaw::new(format!("{place}/record"), format!("expected one of {}", names.join(", ")))]);
    };
    let (mut fields, mut flaws) = (Map::new(), Vec::new());
    for (column, cell) in cells().filter(|(column, _)| **column != RECORD) {
        if !columns_of(kind).contains(column) {
            if !cell.is_empty() {
                flaws.push(Flaw::new(
                    format!("{place}/{column}"),
                    format!("a {kind} has no such field: leave it empty"),
                ));
            }
            continue;
        }
        match value(column, cell) {
            Some(value) => _ = fields.insert((*column).to_owned(), value),
            None => flaws.push(Flaw::new(format!("{place}/{column}"), "expected a number, true, false or other JSON")),
        }
    }
    if flaws.is_empty() { Ok(Record { kind, place, fields }) } else { Err(flaws) }
}

/// What a cell says; none if it is not what its column takes.
fn value(column: &str, cell: &str) -> Option<Value> {
    if cell.is_empty() {
        return Some(Value::Null);
    }
    let json = COLUMNS.iter().any(|(name, cell)| *name == column && *cell == Cell::Json);
    if !json {
        return Some(Value::String(original(cell).to_owned()));
    }
    match cell.trim() {
        // As spreadsheets write them.
        "TRUE" => Some(Value::Bool(true)),
        "FALSE" => Some(Value::Bool(false)),
        cell => serde_json::from_str(cell).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_columns_that_exist() {
        for kind in Kind::ALL {
            for column in columns_of(*kind) {
                assert!(COLUMNS.iter().any(|(name, _)| name == column), "{column}");
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn any_table_comes_back(title: String, content: String) {
            let fields = crate::catalog::edit::fields(&serde_json::json!({"slug": "a", "title": title, "content": content}));
            let record = Record { kind: Kind::Product, place: String::new(), fields };
            let table = write_csv(std::slice::from_ref(&record)).expect("written");
            let read = read_csv(&table).expect("read");
            let given = |field: &str| read[0].fields.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
            proptest::prop_assert_eq!((given("title"), given("content")), (title, content));
        }
    }
}
