//! A person's rows of a table, as JSON, some at a time.

use serde_json::{Map, Value};
use sqlx::{AssertSqlSafe, Row as _};
use uuid::Uuid;

use super::super::{
    catalogue::{Column, Kind, Table, spelled},
    subject::{Subject, bind_subject},
};
use crate::{
    db::{Db, DbError},
    kernel::{Time, prefixed},
    on,
};

/// How many rows are in memory at a time.
const PAGE: i64 = 200;

/// Reads a table's rows from their beginning.
pub(super) struct Rows<'a> {
    table: &'static Table,
    subject: &'a Subject,
    text: String,
    columns: Vec<&'static Column>,
    /// The last row's key, or how many rows there were, where the key is none that can be compared.
    after: Option<Uuid>,
    skipped: i64,
    over: bool,
}

impl<'a> Rows<'a> {
    /// The rows that the subject may see; none if the catalogue shows none of the table.
    pub(super) fn of(db: &Db, table: &'static Table, subject: &'a Subject) -> Option<Self> {
        let whose = table.whose?;
        let shown = table.shown_if.map(|shown| format!(" AND {shown}")).unwrap_or_default();
        let columns: Vec<_> = table.shown().collect();
        let (name, key) = (table.name, table.key);
        let mut list: Vec<&str> = columns.iter().map(|column| column.name).collect();
        let cursor = if table.has_plain_key() {
            list.push(key);
            format!(" AND ($8 IS NULL OR {key} > $8) ORDER BY {key} LIMIT $9")
        } else {
            format!(" ORDER BY {key} LIMIT $9 OFFSET $10")
        };
        let list = list.join(", ");
        let text = spelled(&format!("SELECT {list} FROM {name} WHERE ({whose}){shown}{cursor}"), db.dialect());
        Some(Self { table, subject, text, columns, after: None, skipped: 0, over: false })
    }

    /// The next rows; none at the end.
    pub(super) async fn next(&mut self, db: &Db) -> Result<Vec<Value>, DbError> {
        if self.over {
            return Ok(Vec::new());
        }
        let plain = self.table.has_plain_key();
        let page: Vec<(Option<Uuid>, Value)> = on!(db, c => {
            let query = bind_subject!(sqlx::query(AssertSqlSafe(self.text.as_str())), self.subject);
            let rows = query.bind(self.after).bind(PAGE).bind(self.skipped).fetch_all(c).await.map_err(DbError::from)?;
            let mut page = Vec::with_capacity(rows.len());
            for row in &rows {
                let mut object = Map::new();
                for (at, column) in self.columns.iter().enumerate() {
                    let value = match column.kind {
                        Kind::Id(prefix) => row.try_get::<Option<Uuid>, _>(at).map(|id| id.map(|id| named(prefix, id))),
                        Kind::Text => row.try_get::<Option<String>, _>(at).map(|text| text.map(Value::String)),
                        Kind::Json => row.try_get::<Option<String>, _>(at).map(|text| text.map(read)),
                        Kind::Int => row.try_get::<Option<i64>, _>(at).map(|number| number.map(Value::from)),
                        Kind::Boolean => row.try_get::<Option<bool>, _>(at).map(|is| is.map(Value::Bool)),
                        Kind::Time => row.try_get::<Option<Time>, _>(at).map(|at| at.map(|at| at.to_string().into())),
                        Kind::Other => Ok(None),
                    };
                    object.insert(column.name.to_owned(), value.map_err(DbError::from)?.unwrap_or(Value::Null));
                }
                let key = if plain { row.try_get(self.columns.len()).map_err(DbError::from)? } else { None };
                page.push((key, Value::Object(object)));
            }
            page
        });
        self.over = page.len() < usize::try_from(PAGE).unwrap_or(usize::MAX);
        self.skipped += i64::try_from(page.len()).unwrap_or(i64::MAX);
        self.after = page.last().and_then(|(key, _)| *key).or(self.after);
        Ok(page.into_iter().map(|(_, value)| value).collect())
    }
}

fn named(prefix: &str, id: Uuid) -> Value {
    if prefix.is_empty() { Value::String(id.to_string()) } else { Value::String(prefixed(prefix, id)) }
}

/// What is no JSON is shown as it is.
fn read(text: String) -> Value {
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}
