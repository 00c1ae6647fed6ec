//! Lists as files: `GET …/export?format=csv|jsonl`, with the filters of the list.
//!
//! A file is read from the database and sent a few hundred rows at a time, so that its length costs no memory. If the
//! database fails amid it the connection breaks, so that nobody takes a part for the whole. Files hold many people's
//! data: the audit trail says who took which.

use std::{borrow::Cow, future::Future, str::FromStr};

use aide::{
    OperationOutput,
    generate::GenContext,
    openapi::{Operation, Response as Described},
};
use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use futures::stream;
use schemars::{JsonSchema, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    auth::Admin,
    context::Context,
    openapi::gives,
    problem::{Kind, Problem},
};
use crate::{
    app::App,
    audit::Entry,
    kernel::{Page, PageFrom, PageRequest, table},
    text_enum,
};

text_enum! {
    /// What a file is.
    #[schemars(rename = "ExportFormat")]
    pub enum Format {
        /// A table for spreadsheets (RFC 4180), the first row naming the columns.
        Csv = "csv",
        /// A JSON object a line, with all that the list shows.
        Jsonl = "jsonl",
    }
}

/// How an export is asked for.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
pub struct ExportQuery {
    /// A table if nothing is said.
    format: Option<Format>,
}

impl From<Format> for ExportQuery {
    fn from(format: Format) -> Self {
        Self { format: Some(format) }
    }
}

/// A list that can be had as a file.
#[derive(Debug, Clone, Copy)]
pub struct Exported {
    /// What the file and the entry in the trail are called, e.g. `orders`.
    pub name: &'static str,
    /// The columns of the table: where their cells are in a row's JSON, `total.amount` for what is deeper.
    pub columns: &'static [&'static str],
}

/// A list as a file, in one of the formats.
#[derive(Debug)]
pub struct ListFile(Response);

impl IntoResponse for ListFile {
    fn into_response(self) -> Response {
        self.0
    }
}

impl OperationOutput for ListFile {
    type Inner = ();

    fn inferred_responses(_: &mut GenContext, _: &mut Operation) -> Vec<(Option<u16>, Described)> {
        let text = || json_schema!({ "type": "string" });
        let mut response = gives("The list.", "text/csv", text());
        response.content.extend(gives("", "application/jsonl", text()).content);
        vec![(Some(200), response)]
    }
}

/// How many rows are read at once.
const ROWS: i64 = 500;

impl Exported {
    /// The file: all pages that `read` gives, one after the other.
    pub async fn answer<C, R, W>(
        self,
        app: &App,
        (admin, context): (&Admin, &Context),
        query: ExportQuery,
        mut read: impl FnMut(PageRequest<C>) -> W + Send + 'static,
    ) -> Result<ListFile, Problem>
    where
        C: FromStr + Send + 'static,
        R: Serialize + Send,
        W: Future<Output = Result<Page<R>, Problem>> + Send,
    {
        let format = query.format.unwrap_or(Format::Csv);
        // What is wrong with the filter is told before there is an answer.
        let first = read(PageRequest { limit: ROWS, from: PageFrom::Start }).await?;
        self.note(app, admin, context, format).await?;
        let mut head = Vec::new();
        if format == Format::Csv {
            let names: Vec<_> = self.columns.iter().map(|column| column.replace('.', "_")).collect();
            write_row(&mut head, names.iter().map(|name| Cow::Borrowed(name.as_str())))?;
        }
        self.write(&mut head, format, &first)?;
        let next = next_of::<C, R>(&first);
        let beginning = stream::once(async move { Ok::<_, Problem>(Bytes::from(head)) });
        let rest = stream::try_unfold((next, read), move |(next, mut read)| async move {
            let Some(place) = next else { return Ok(None) };
            let page = read(PageRequest { limit: ROWS, from: PageFrom::After(place) }).await?;
            let mut piece = Vec::new();
            self.write(&mut piece, format, &page)?;
            Ok(Some((Bytes::from(piece), (next_of::<C, R>(&page), read))))
        });
        let pieces = futures::StreamExt::chain(beginning, rest);
        let pieces = futures::TryStreamExt::map_err(pieces, move |problem: Problem| {
            tracing::warn!(?problem, export = self.name, "an export broke off");
            axum::BoxError::from("the export broke off")
        });
        Ok(self.file(format, Body::from_stream(pieces)))
    }

    /// A body as a file of this name.
    #[must_use]
    pub fn file(self, format: Format, body: Body) -> ListFile {
        let media = match format {
            Format::Csv => "text/csv; charset=utf-8; header=present",
            Format::Jsonl => "application/jsonl",
        };
        let name = format!("attachment; filename=\"{}.{format}\"", self.name);
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static(media)),
            // The names are this program's.
            (
                header::CONTENT_DISPOSITION,
                HeaderValue::from_str(&name).unwrap_or(HeaderValue::from_static("attachment")),
            ),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ];
        ListFile((headers, body).into_response())
    }

    /// Writes down who takes it.
    pub async fn note(self, app: &App, admin: &Admin, context: &Context, format: Format) -> Result<(), Problem> {
        let entry = Entry::new(admin.actor(), format!("{}.exported", self.name), self.name, "all")
            .change(None, json!({ "format": format }))
            .request(context.request_id().to_owned());
        app.db
            .write(async |tx| {
                tx.audit(entry);
                Ok::<_, Problem>(())
            })
            .await
    }

    fn write<R: Serialize>(self, out: &mut Vec<u8>, format: Format, page: &Page<R>) -> Result<(), Problem> {
        for row in &page.data {
            match format {
                Format::Jsonl => {
                    serde_json::to_writer(&mut *out, row).map_err(Problem::internal)?;
                    out.push(b'\n');
                }
                Format::Csv => {
                    let row = serde_json::to_value(row).map_err(Problem::internal)?;
                    write_row(out, self.columns.iter().map(|column| cell(&row, column)))?;
                }
            }
        }
        Ok(())
    }
}

fn next_of<C: FromStr, R>(page: &Page<R>) -> Option<C> {
    page.next_cursor.as_deref().filter(|_| page.has_more).and_then(|cursor| cursor.parse().ok())
}

fn write_row<'a>(out: &mut Vec<u8>, cells: impl Iterator<Item = Cow<'a, str>>) -> Result<(), Problem> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(out);
    let cells: Vec<_> = cells.collect();
    writer.write_record(cells.iter().map(|cell| cell.as_bytes())).map_err(Problem::internal)?;
    writer.flush().map_err(Problem::internal)
}

/// The cell of a column in a row.
fn cell<'a>(row: &'a Value, column: &str) -> Cow<'a, str> {
    match column.split('.').try_fold(row, |value, key| value.get(key)) {
        None | Some(Value::Null) => "".into(),
        // An amount below nothing is a number for spreadsheets too.
        Some(Value::String(text)) if is_decimal(text) => text.into(),
        Some(Value::String(text)) => table::cell(text),
        Some(value @ (Value::Number(_) | Value::Bool(_))) => value.to_string().into(),
        Some(value @ (Value::Array(_) | Value::Object(_))) => table::cell(&value.to_string()).into_owned().into(),
    }
}

fn is_decimal(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    match text.split_once('.') {
        Some((whole, part)) => digits(whole) && digits(part),
        None => digits(text),
    }
}

impl From<crate::kernel::PlaceError> for Problem {
    fn from(error: crate::kernel::PlaceError) -> Self {
        Self::new(Kind::InvalidParameter).error("#/after", error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_found_and_is_no_formula() {
        let row = json!({
            "id": "ord_1", "total": { "amount": -5, "currency": "USD" }, "net": "-1.50", "name": "=1+1", "note": null,
            "odd": "-1.5.0", "minus": "-", "rules": ["a", "b"], "on": true,
        });
        for (column, written) in [
            ("id", "ord_1"),
            ("total.amount", "-5"),
            ("net", "-1.50"),
            ("name", "'=1+1"),
            ("note", ""),
            ("missing", ""),
            ("id.deeper", ""),
            ("odd", "'-1.5.0"),
            ("minus", "'-"),
            ("rules", "[\"a\",\"b\"]"),
            ("on", "true"),
        ] {
            assert_eq!(cell(&row, column), written, "{column}");
        }
    }

    #[test]
    fn a_row_is_one_whatever_its_cells_hold() {
        let mut out = Vec::new();
        write_row(&mut out, ["a,b", "say \"no\"", "two\nlines", ""].into_iter().map(Cow::Borrowed)).expect("written");
        assert_eq!(String::from_utf8(out).expect("text"), "\"a,b\",\"say \"\"no\"\"\",\"two\nlines\",\r\n");
    }
}
