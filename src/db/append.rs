//! Rows that a transaction only adds, or changes without asking what came of it: gathered, and written as one statement
//! per table just before the commit.
//!
//! A job, an audit entry or an event needs no answer from the database, so it costs its transaction no statement of its
//! own. On SQLite the rows of all transactions of a commit group go together. One JSON parameter carries any number of
//! rows, so that the statement's text, and with it the prepared statement, stays the same.
//!
//! Until then nobody finds them: neither a later statement of the transaction, nor, on SQLite, a neighbour in the commit group,
//! which does see what statements did. So what others search for, to change it, is written by a statement
//! ([`Tx::write_appended`](super::Tx::write_appended)).

use std::{borrow::Cow, fmt::Write, sync::OnceLock};

use uuid::Uuid;

use super::Dialect;
use crate::kernel::Time;

/// A table that transactions append to.
#[derive(Debug)]
pub struct AppendTable {
    name: &'static str,
    columns: &'static [(&'static str, Column)],
    /// How many references lie between its rows and appended rows that refer to none.
    depth: u8,
    how: How,
    /// The statement for each database, its rows in parameter `$1`; made once.
    sqlite: OnceLock<String>,
    postgres: OnceLock<String>,
}

/// What becomes of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Insert,
    /// Rows that are there already are left out, instead of failing the commit.
    InsertMissing,
    /// The first `keys` columns, and a condition if there is one, say which row; the others are its new values.
    Update {
        keys: usize,
        only_if: Option<&'static str>,
    },
}

/// How a value travels and what it becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// [`RowWriter::uuid`]
    Uuid,
    /// [`RowWriter::text`]
    Text,
    /// [`RowWriter::int`]
    Int,
    /// [`RowWriter::bool`]
    Bool,
    /// [`RowWriter::time`]
    Time,
}

impl AppendTable {
    /// A table with these columns, in the order in which [`RowWriter`] is called.
    #[must_use]
    pub const fn new(name: &'static str, columns: &'static [(&'static str, Column)]) -> Self {
        Self { name, columns, depth: 0, how: How::Insert, sqlite: OnceLock::new(), postgres: OnceLock::new() }
    }

    /// The same table, whose rows refer to appended rows of tables of a lower depth and so are written after them.
    #[must_use]
    pub const fn referring(mut self, depth: u8) -> Self {
        self.depth = depth;
        self
    }

    /// The same, where a row whose key is there already is left out. Nobody is told which: what is owed for a row must
    /// find out for itself whether the row came to be.
    #[must_use]
    pub const fn ignoring_duplicates(mut self) -> Self {
        self.how = How::InsertMissing;
        self
    }

    /// Changes of rows that exist, instead of new ones: the first column is the key, the others are set. For what the
    /// transaction alone may change, since it holds the row by a change of its own: until the commit nobody sees it.
    #[must_use]
    pub const fn updating(mut self) -> Self {
        self.how = How::Update { keys: 1, only_if: None };
        self
    }

    /// Changes of rows that must be as this transaction believes: the first `keys` columns are equal and `only_if` holds.
    /// If one is not, nothing of the transaction is kept, and on SQLite nothing of those that share its commit. So this is
    /// for beliefs that are all but certain.
    #[must_use]
    pub const fn updating_exactly(mut self, keys: usize, only_if: &'static str) -> Self {
        self.how = How::Update { keys, only_if: Some(only_if) };
        self
    }

    /// Whether every row must have found the one that it changes.
    const fn is_exact(&self) -> bool {
        matches!(self.how, How::Update { only_if: Some(_), .. })
    }

    /// The statement that writes the rows in parameter `$parameter`.
    pub(super) fn statement(&self, dialect: Dialect, parameter: usize) -> Cow<'_, str> {
        let first = match dialect {
            Dialect::Sqlite => self.sqlite.get_or_init(|| self.write_sqlite()),
            Dialect::Postgres => self.postgres.get_or_init(|| self.write_postgres()),
        };
        if parameter == 1 { first.into() } else { first.replace("$1", &format!("${parameter}")).into() }
    }

    /// An expression that fails unless as many rows were changed as parameter `$parameter` has: of the statement before on
    /// SQLite, of the statement called `name` on PostgreSQL. None if that does not matter.
    pub(super) fn proof(&self, dialect: Dialect, parameter: usize, name: &str) -> Option<String> {
        self.is_exact().then(|| match dialect {
            // The least integer has no absolute value.
            Dialect::Sqlite => format!(
                "abs(CASE WHEN changes() = json_array_length(${parameter}) THEN 0 ELSE -9223372036854775807 - 1 END)"
            ),
            Dialect::Postgres => {
                format!("1 / ((SELECT COUNT(*) FROM {name}) = jsonb_array_length(${parameter}::jsonb))::int")
            }
        })
    }

    fn write_sqlite(&self) -> String {
        let values = self.columns.iter().enumerate().map(|(index, (_, column))| match column {
            Column::Uuid => format!("unhex(value->>{index})"),
            Column::Text | Column::Int | Column::Bool | Column::Time => format!("value->>{index}"),
        });
        self.write_from(&values.collect::<Vec<_>>(), "json_each($1)", "")
    }

    fn write_postgres(&self) -> String {
        let values = self.columns.iter().enumerate().map(|(index, (_, column))| match column {
            Column::Uuid => format!("(r->>{index})::uuid"),
            Column::Text => format!("r->>{index}"),
            Column::Int => format!("(r->>{index})::bigint"),
            Column::Bool => format!("(r->>{index})::int::boolean"),
            // In two steps: an interval is multiplied in floating point, which is exact up to 2^53.
            Column::Time => format!(
                "TIMESTAMPTZ 'epoch' + (r->>{index})::bigint / 1000000 * INTERVAL '1 second'
                    + (r->>{index})::bigint % 1000000 * INTERVAL '1 microsecond'"
            ),
        });
        let (rows, values) = ("jsonb_array_elements($1::jsonb) AS r", values.collect::<Vec<_>>());
        let (name, key) = (self.name, self.columns.first().map_or("", |(name, _)| *name));
        let keys = values.first().map_or("", String::as_str);
        // Says once more what the join says: a plan that was made while the table was small would begin with all of it.
        self.write_from(&values, rows, &format!(" AND {name}.{key} = ANY (ARRAY(SELECT {keys} FROM {rows}))"))
    }

    fn write_from(&self, values: &[String], rows: &str, hint: &str) -> String {
        let columns: Vec<_> = self.columns.iter().map(|(name, _)| *name).collect();
        let (name, values_list) = (self.name, values.join(", "));
        if let How::Update { keys, only_if } = self.how {
            let named: Vec<_> = values.iter().zip(&columns).map(|(value, name)| format!("{value} AS {name}")).collect();
            let set: Vec<_> = columns.iter().skip(keys).map(|column| format!("{column} = changed.{column}")).collect();
            let same = columns.iter().take(keys).map(|column| format!("{name}.{column} = changed.{column}"));
            let same: Vec<_> = same.chain(only_if.map(str::to_owned)).collect();
            let (named, set, same) = (named.join(", "), set.join(", "), same.join(" AND "));
            return format!("UPDATE {name} SET {set} FROM (SELECT {named} FROM {rows}) changed WHERE {same}{hint}");
        }
        // SQLite takes `ON` for a join's unless a WHERE stands between.
        let conflicts = if self.how == How::InsertMissing { " WHERE true ON CONFLICT DO NOTHING" } else { "" };
        format!("INSERT INTO {name} ({}) SELECT {values_list} FROM {rows}{conflicts}", columns.join(", "))
    }
}

/// The rows gathered so far, by table.
#[derive(Debug, Clone, Default)]
pub(super) struct Appends(Vec<Batch>);

#[derive(Debug, Clone)]
struct Batch {
    table: &'static AppendTable,
    /// The rows' JSON arrays, separated by commas.
    rows: String,
}

impl Appends {
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there are rows, and all of them are new ones: nothing that exists is changed.
    pub(super) fn only_add(&self) -> bool {
        !self.is_empty() && self.0.iter().all(|batch| !matches!(batch.table.how, How::Update { .. }))
    }

    fn rows_of(&mut self, table: &'static AppendTable) -> &mut String {
        // Compared by address: every table is one static.
        let index = self.0.iter().position(|batch| std::ptr::eq(batch.table, table)).unwrap_or_else(|| {
            self.0.push(Batch { table, rows: String::new() });
            self.0.len() - 1
        });
        &mut self.0[index].rows
    }

    pub(super) fn push(&mut self, table: &'static AppendTable, fill: impl FnOnce(&mut RowWriter<'_>)) {
        let rows = self.rows_of(table);
        if !rows.is_empty() {
            rows.push(',');
        }
        rows.push('[');
        let mut writer = RowWriter { rows, table, cells: 0 };
        fill(&mut writer);
        debug_assert_eq!(writer.cells, table.columns.len(), "a row of {} has a value for every column", table.name);
        rows.push(']');
    }

    pub(super) fn merge(&mut self, other: Self) {
        for batch in other.0 {
            let rows = self.rows_of(batch.table);
            if rows.is_empty() {
                *rows = batch.rows;
            } else {
                rows.push(',');
                rows.push_str(&batch.rows);
            }
        }
    }

    /// The rows of one table, as one JSON array; none if there are none.
    pub(super) fn take_of(&mut self, table: &'static AppendTable) -> Option<String> {
        let index = self.0.iter().position(|batch| std::ptr::eq(batch.table, table))?;
        Some(format!("[{}]", self.0.swap_remove(index).rows))
    }

    /// The tables and, for each, all its rows as one JSON array.
    pub(super) fn take(&mut self) -> Vec<(&'static AppendTable, String)> {
        // A stable order keeps the statement's text one of few.
        self.0.sort_by_key(|batch| (batch.table.depth, batch.table.name, batch.table.how != How::Insert));
        std::mem::take(&mut self.0).into_iter().map(|batch| (batch.table, format!("[{}]", batch.rows))).collect()
    }
}

/// Writes one row, a value for every column in the table's order.
#[derive(Debug)]
pub struct RowWriter<'a> {
    rows: &'a mut String,
    table: &'static AppendTable,
    cells: usize,
}

impl RowWriter<'_> {
    fn cell(&mut self, column: Column) -> &mut String {
        debug_assert_eq!(
            self.table.columns.get(self.cells).map(|(_, kind)| *kind),
            Some(column),
            "column {} of {}",
            self.cells,
            self.table.name
        );
        if self.cells > 0 {
            self.rows.push(',');
        }
        self.cells += 1;
        self.rows
    }

    fn null(&mut self, column: Column) -> &mut Self {
        self.cell(column).push_str("null");
        self
    }

    /// A UUID or nothing.
    pub fn uuid(&mut self, value: impl Into<Option<Uuid>>) -> &mut Self {
        let Some(uuid) = value.into() else { return self.null(Column::Uuid) };
        let mut buffer = Uuid::encode_buffer();
        let text = uuid.simple().encode_lower(&mut buffer);
        let cell = self.cell(Column::Uuid);
        cell.push('"');
        cell.push_str(text);
        cell.push('"');
        self
    }

    /// A text or nothing. NUL, which PostgreSQL cannot keep, becomes U+FFFD.
    pub fn text<'t>(&mut self, value: impl Into<Option<&'t str>>) -> &mut Self {
        let Some(text) = value.into() else { return self.null(Column::Text) };
        write_json_string(self.cell(Column::Text), text);
        self
    }

    /// An integer or nothing.
    pub fn int(&mut self, value: impl Into<Option<i64>>) -> &mut Self {
        match value.into() {
            Some(value) => _ = write!(self.cell(Column::Int), "{value}"),
            None => return self.null(Column::Int),
        }
        self
    }

    /// A truth value.
    pub fn bool(&mut self, value: bool) -> &mut Self {
        self.cell(Column::Bool).push(if value { '1' } else { '0' });
        self
    }

    /// A time or nothing.
    pub fn time(&mut self, value: impl Into<Option<Time>>) -> &mut Self {
        match value.into() {
            Some(value) => _ = write!(self.cell(Column::Time), "{}", value.as_micros()),
            None => return self.null(Column::Time),
        }
        self
    }
}

fn write_json_string(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\0' => out.push('\u{fffd}'),
            control if control < ' ' => _ = write!(out, "\\u{:04x}", u32::from(control)),
            other => out.push(other),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    static THINGS: AppendTable = AppendTable::new(
        "things",
        &[("id", Column::Uuid), ("name", Column::Text), ("size", Column::Int), ("at", Column::Time)],
    );

    #[test]
    fn rows_of_several_transactions_become_one_array() {
        let mut first = Appends::default();
        first.push(&THINGS, |row| {
            row.uuid(Uuid::from_u128(1)).text("a\"\\\n\0b").int(-3).time(Time::from_micros(5));
        });
        let mut second = Appends::default();
        second.push(&THINGS, |row| {
            row.uuid(None).text(None).int(None).time(None);
        });
        first.merge(second);
        let taken = first.take();
        assert_eq!(taken.len(), 1);
        assert_eq!(
            taken[0].1,
            "[[\"00000000000000000000000000000001\",\"a\\\"\\\\\\u000a\u{fffd}b\",-3,5],[null,null,null,null]]"
        );
        assert!(first.is_empty());
    }

    proptest::proptest! {
        #[test]
        fn every_text_is_valid_json(text: String) {
            let mut out = String::new();
            write_json_string(&mut out, &text);
            let parsed: String = serde_json::from_str(&out).expect("valid JSON");
            proptest::prop_assert_eq!(parsed, text.replace('\0', "\u{fffd}"));
        }
    }
}
