//! Every table and column of the database, and what becomes of it when its person wants to see it or to be forgotten.
//!
//! The catalogue is not a description of the work, it is the work: archives are written and people are erased by the
//! statements that are made from it. A test compares it with the schemas of both databases, so that a new column is a
//! decision. `docs/privacy.md` holds the same as a table.

mod access;
mod nobodys;
mod orders;
mod people;
mod sales;
mod system;
mod talk;

use crate::db::Dialect;

/// A table that may hold what is a person's.
#[derive(Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// The columns that tell its rows apart.
    pub key: &'static str,
    /// Which rows are the person's, as a condition in SQL (see [`spelled`]); none if rows do not say.
    pub whose: Option<&'static str>,
    /// Which of those the person may see; none for all.
    pub shown_if: Option<&'static str>,
    /// The file of an archive that shows them.
    pub file: Option<File>,
    /// What becomes of them.
    pub rows: Rows,
    /// All columns.
    pub columns: &'static [Column],
}

/// A file of an archive.
#[derive(Debug, Clone, Copy)]
pub struct File {
    /// Without `.json`.
    pub name: &'static str,
    /// What is in it, for people.
    pub title: &'static str,
}

/// What becomes of a person's rows when the person is erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// They stay, for this reason.
    Kept(&'static str),
    /// They stay, and their columns are overwritten.
    Overwritten,
    /// They go.
    Deleted,
    /// They are overwritten in the last step, since the steps before find everything by them.
    Last,
    /// They go once the last letter went.
    Afterwards,
    /// A step of its own does it, like this.
    Otherwise(&'static str),
}

/// A column.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// How it is shown.
    pub kind: Kind,
    /// What becomes of it, where the rows stay.
    pub fate: Fate,
    /// Whether archives leave it out: a secret, the hash of one, or what is somebody else's.
    pub hidden: bool,
}

/// How a column is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An identifier with this prefix; without one, a UUID.
    Id(&'static str),
    /// A text.
    Text,
    /// A text that holds JSON.
    Json,
    /// A number.
    Int,
    /// Whether something is so.
    Boolean,
    /// A time.
    Time,
    /// Not at all.
    Other,
}

/// What becomes of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It stays: it tells nothing of anybody without what is overwritten, or is kept with its row.
    Stays,
    /// It becomes this expression of SQL (see [`spelled`]).
    Becomes(&'static str),
    /// It cannot be read any more, as its key is destroyed.
    Unreadable,
    /// It is searched for what names the person, and overwritten where that is found.
    Searched,
    /// It is forgotten once the last letter went.
    Forgotten,
}

const fn column(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, fate: Fate::Stays, hidden: matches!(kind, Kind::Other) }
}

const fn id(name: &'static str, prefix: &'static str) -> Column {
    column(name, Kind::Id(prefix))
}

const fn text(name: &'static str) -> Column {
    column(name, Kind::Text)
}

const fn json(name: &'static str) -> Column {
    column(name, Kind::Json)
}

const fn int(name: &'static str) -> Column {
    column(name, Kind::Int)
}

const fn boolean(name: &'static str) -> Column {
    column(name, Kind::Boolean)
}

const fn time(name: &'static str) -> Column {
    column(name, Kind::Time)
}

const fn other(name: &'static str) -> Column {
    column(name, Kind::Other)
}

impl Column {
    const fn becomes(self, expression: &'static str) -> Self {
        Self { fate: Fate::Becomes(expression), ..self }
    }

    const fn unreadable(self) -> Self {
        Self { fate: Fate::Unreadable, ..self }
    }

    const fn searched(self) -> Self {
        Self { fate: Fate::Searched, ..self }
    }

    const fn forgotten(self) -> Self {
        Self { fate: Fate::Forgotten, ..self }
    }

    const fn hidden(self) -> Self {
        Self { hidden: true, ..self }
    }
}

impl Table {
    /// The columns that archives show.
    pub fn shown(&self) -> impl Iterator<Item = &'static Column> {
        self.columns.iter().filter(|column| !column.hidden)
    }

    /// The columns that are overwritten, and what with.
    pub fn overwritten(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.columns.iter().filter_map(|column| match column.fate {
            Fate::Becomes(expression) => Some((column.name, expression)),
            Fate::Stays | Fate::Unreadable | Fate::Searched | Fate::Forgotten => None,
        })
    }

    /// Whether its rows are told apart by one identifier, in whose order they are read.
    #[must_use]
    pub fn has_plain_key(&self) -> bool {
        self.columns.iter().any(|column| column.name == self.key && matches!(column.kind, Kind::Id(_)))
    }
}

/// All tables that may hold what is a person's, in the order of an archive.
pub fn tables() -> impl Iterator<Item = &'static Table> {
    [people::TABLES, orders::TABLES, access::TABLES, talk::TABLES, sales::TABLES, system::TABLES].into_iter().flatten()
}

/// All other tables, with their columns.
pub fn nobodys() -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
    nobodys::TABLES.iter().copied()
}

/// What stands in braces in the catalogue's conditions. In this order: what is filled in may hold what follows.
const PARTS: [(&str, &str); 6] = [
    ("{tickets}", "SELECT k.id FROM tickets k WHERE k.tenant_id IN ({tenants}) OR k.requester_id = $1"),
    ("{licenses}", "SELECT l.id FROM licenses l WHERE l.tenant_id IN ({tenants}) OR l.user_id = $1"),
    ("{orders}", "SELECT o.id FROM orders o WHERE o.tenant_id IN ({tenants}) OR o.user_id = $1"),
    ("{products}", "SELECT v.id FROM products v WHERE v.developer_id IN ({vendors})"),
    ("{vendors}", "SELECT d.id FROM developers d WHERE d.user_id = $1"),
    (
        // Whoever has the account proved the address, so what guests of it bought is theirs.
        "{tenants}",
        "SELECT t.id FROM tenants t WHERE t.owner_id = $1
             OR t.merged_into IN (SELECT p.id FROM tenants p WHERE p.owner_id = $1)
             OR (t.kind = 'guest' AND t.merged_into IS NULL AND t.guest_email = $2)",
    ),
];

/// A condition or expression of the catalogue in a database's words.
///
/// Its parameters: `$1` the account's id, `$2` its address, `$3` the address that stands in its place afterwards, `$4` the
/// account's id as text, `$5` the public ids of licences and keys as a JSON list, `$6` what mails to the address are written
/// down by, as a JSON list, `$7` now.
#[must_use]
pub fn spelled(text: &str, dialect: Dialect) -> String {
    let mut spelled = text.to_owned();
    for (name, parameter) in [("{subjects}", 5), ("{recipients}", 6)] {
        let list = match dialect {
            Dialect::Sqlite => format!("SELECT value FROM json_each(${parameter})"),
            Dialect::Postgres => format!("SELECT jsonb_array_elements_text(${parameter}::jsonb)"),
        };
        spelled = spelled.replace(name, &list);
    }
    for (name, part) in PARTS {
        spelled = spelled.replace(name, part);
    }
    spelled
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_table_is_listed_once_and_says_what_becomes_of_it() {
        let mut names = BTreeSet::new();
        let mut files = BTreeSet::new();
        for table in tables() {
            assert!(names.insert(table.name), "{} is listed twice", table.name);
            let overwritten = table.overwritten().next().is_some();
            let says = matches!(table.rows, Rows::Overwritten | Rows::Last);
            assert!(overwritten == says || table.rows == Rows::Last, "{}: {:?}", table.name, table.rows);
            assert!(table.whose.is_some() || matches!(table.rows, Rows::Otherwise(_)), "{}", table.name);
            if let Some(file) = table.file {
                assert!(files.insert(file.name) && table.whose.is_some() && !file.title.is_empty(), "{}", file.name);
            }
        }
        for (name, columns) in nobodys() {
            assert!(names.insert(name) && !columns.is_empty(), "{name} is listed twice");
        }
    }

    #[test]
    fn nothing_in_braces_is_left() {
        for table in tables() {
            for dialect in [Dialect::Sqlite, Dialect::Postgres] {
                let spelled = spelled(table.whose.unwrap_or_default(), dialect);
                assert!(!spelled.contains(['{', '}']), "{}: {spelled}", table.name);
            }
        }
    }
}
