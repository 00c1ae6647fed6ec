//! The catalogue of what is kept of people is of the very schemas that there are, and what it says is what people can read.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use mintreu::{
    db::Db,
    fetch_all,
    privacy::catalogue::{self, Fate, Rows, Table},
};

use crate::support::TestDb;

/// Tables and their columns, as the database itself lists them; without what only searches, and what migrations note.
async fn schema(db: &Db) -> BTreeMap<String, BTreeSet<String>> {
    let text = db.dialect().pick(
        "SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_xinfo(m.name) c
         WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'",
        "SELECT table_name::text, column_name::text FROM information_schema.columns WHERE table_schema = 'public'",
    );
    let rows: Vec<(String, String)> = fetch_all!(db, sqlx::query_as(text)).expect("listed");
    let mut tables = BTreeMap::<String, BTreeSet<String>>::new();
    for (table, column) in rows {
        let searches = ["product_search", "article_search"].iter().any(|name| table.starts_with(name));
        if !searches && table != "_sqlx_migrations" {
            tables.entry(table).or_default().insert(column);
        }
    }
    tables
}

/// How many tables the migrations create that are on both databases.
fn created() -> usize {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/postgres");
    let files = std::fs::read_dir(directory).expect("migrations").map(|file| file.expect("a file").path());
    let texts = files.map(|file| std::fs::read_to_string(file).expect("SQL"));
    texts.map(|text| text.lines().filter(|line| line.starts_with("CREATE TABLE ")).count()).sum()
}

fn catalogued() -> BTreeMap<String, BTreeSet<String>> {
    let of = |table: &Table| table.columns.iter().map(|column| column.name.to_owned()).collect();
    let ours = catalogue::tables().map(|table| (table.name.to_owned(), of(table)));
    let others = catalogue::nobodys()
        .map(|(name, columns)| (name.to_owned(), columns.iter().map(|name| (*name).to_owned()).collect()));
    ours.chain(others).collect()
}

on_both!(every_column_of_the_schema_is_in_the_catalogue, |test: TestDb| async move {
    let db = test.open().await;
    let (there, mut known) = (schema(&db).await, catalogued());
    assert_eq!(there.len(), created(), "the schema is read, all of it");
    if db.dialect() == mintreu::db::Dialect::Sqlite {
        // What PostgreSQL searches stands in the tables themselves.
        for table in ["products", "articles"] {
            assert!(known.get_mut(table).expect("listed").remove("search"), "{table}");
        }
    }
    let names = |tables: &BTreeMap<String, BTreeSet<String>>| -> BTreeSet<String> {
        tables
            .iter()
            .flat_map(|(table, columns)| columns.iter().map(move |column| format!("{table}.{column}")))
            .collect()
    };
    let (there, known) = (names(&there), names(&known));
    let missing: Vec<_> = there.difference(&known).collect();
    assert!(missing.is_empty(), "say in src/privacy/catalogue what these hold of people: {missing:#?}");
    let gone: Vec<_> = known.difference(&there).collect();
    assert!(gone.is_empty(), "not in the schema any more: {gone:#?}");
});

/// The catalogue as people read it.
fn as_markdown() -> String {
    let mut text =
        String::from("| table | columns | when the account is deleted | in the archive |\n|---|---|---|---|\n");
    for table in catalogue::tables() {
        let file = table.file.map_or("no".to_owned(), |file| format!("`{}.json`", file.name));
        let mut row = |columns: &[&str], becomes: &str, shown: &str| {
            let columns: Vec<_> = columns.iter().map(|name| format!("`{name}`")).collect();
            writeln!(text, "| `{}` | {} | {becomes} | {shown} |", table.name, columns.join(", ")).expect("a text");
        };
        for hidden in [false, true] {
            let mut fates = BTreeMap::<String, Vec<&str>>::new();
            for column in table.columns.iter().filter(|column| column.hidden == hidden) {
                let becomes = match (column.fate, table.rows) {
                    (Fate::Becomes(expression), _) => format!("becomes `{}`", expression.replace('|', "\\|")),
                    (Fate::Unreadable, _) => "cannot be read any more".to_owned(),
                    (Fate::Searched, _) => "overwritten where the person is found".to_owned(),
                    (Fate::Forgotten, _) => "forgotten once the last letter went".to_owned(),
                    (Fate::Stays, Rows::Deleted) => "deleted".to_owned(),
                    (Fate::Stays, Rows::Afterwards) => "deleted once the last letter went".to_owned(),
                    (Fate::Stays, Rows::Otherwise(how)) => how.to_owned(),
                    (Fate::Stays, Rows::Kept(why)) => format!("kept: {why}"),
                    (Fate::Stays, Rows::Overwritten | Rows::Last) => "stays".to_owned(),
                };
                fates.entry(becomes).or_default().push(column.name);
            }
            for (becomes, columns) in fates {
                row(&columns, &becomes, if hidden && table.file.is_some() { "left out" } else { &file });
            }
        }
    }
    text
}

#[test]
fn the_documentation_holds_the_catalogue() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/privacy.md");
    let page = std::fs::read_to_string(&path).expect("docs/privacy.md");
    let (start, end) = ("<!-- the catalogue -->\n", "<!-- the end of the catalogue -->");
    let (before, rest) = page.split_once(start).expect("a place for the catalogue");
    let (written, after) = rest.split_once(end).expect("its end");
    let table = as_markdown();
    if std::env::var_os("MINTREU_WRITE_DOCS").is_some() {
        std::fs::write(&path, format!("{before}{start}{table}{end}{after}")).expect("written");
        return;
    }
    assert_eq!(written, table, "write it anew with MINTREU_WRITE_DOCS=1");
}
