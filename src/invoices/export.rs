//! Papers as a table, for accountants.

use std::borrow::Cow;

use super::{AnyInvoices, InvoiceRow, document::amount, list_any};
use crate::{
    db::{Db, DbError},
    kernel::{InvoiceId, PageFrom, PageRequest},
};

/// How many papers a table has at most.
pub const MAX_EXPORTED: usize = 50_000;
/// How many are read at once.
const PAGE: i64 = 1_000;

/// Why no table was made.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// There are too many.
    #[error("more than {MAX_EXPORTED} papers; narrow `from` and `until`")]
    TooMany,
    /// The table could not be written.
    #[error(transparent)]
    Write(#[from] csv::Error),
    /// The database did not answer.
    #[error(transparent)]
    Db(#[from] DbError),
}

const COLUMNS: [&str; 12] =
    ["number", "kind", "issued_at", "order", "payment", "email", "country", "currency", "net", "tax", "total", "id"];

/// The papers that an operator looks for, as CSV. What credit notes give back is negative.
pub async fn export(db: &Db, filter: &AnyInvoices) -> Result<Vec<u8>, ExportError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS)?;
    let mut from = PageFrom::Start;
    let mut written = 0;
    loop {
        let page = list_any(db, filter, PageRequest { limit: PAGE, from }).await?;
        written += page.data.len();
        if written > MAX_EXPORTED {
            return Err(ExportError::TooMany);
        }
        for row in &page.data {
            writer.write_record(cells(row).iter().map(|cell| cell.as_bytes()))?;
        }
        let last: Option<InvoiceId> = page.data.last().map(|row| row.id);
        match last.filter(|_| page.has_more) {
            Some(last) => from = PageFrom::After(last),
            None => break,
        }
    }
    writer.into_inner().map_err(|error| ExportError::Write(error.into_error().into()))
}

fn cells(row: &InvoiceRow) -> [Cow<'_, str>; 12] {
    let sign = if row.corrects_id.is_some() { -1 } else { 1 };
    let plain = |minor: i64| Cow::Owned(amount(sign * minor, row.currency).replace(',', ""));
    [
        row.code.as_str().into(),
        row.kind.as_str().into(),
        row.issued_at.to_string().into(),
        row.order_id.to_string().into(),
        row.payment_id.to_string().into(),
        text(&row.email),
        row.country.as_deref().unwrap_or_default().into(),
        row.currency.code().to_owned().into(),
        plain(row.net),
        plain(row.tax),
        plain(row.total),
        row.id.to_string().into(),
    ]
}

/// Spreadsheets take a text that begins like this for a formula; an apostrophe keeps them from it.
fn text(text: &str) -> Cow<'_, str> {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\'']) { format!("'{text}").into() } else { text.into() }
}
