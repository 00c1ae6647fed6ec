//! Rows that go with the commit: written in an order that their references allow, changed by their keys, all or none.

use mintreu::{
    db::{AppendTable, Column, Db, DbError},
    execute, fetch_all,
};
use uuid::Uuid;

use crate::support::{NoFail, TestDb, count};

// By their names alone the pages would come before their book.
static BOOKS: AppendTable = AppendTable::new("the_books", &[("id", Column::Uuid), ("title", Column::Text)]);
static PAGES: AppendTable =
    AppendTable::new("its_pages", &[("number", Column::Int), ("book", Column::Uuid)]).referring(1);
static TITLES: AppendTable = AppendTable::new("the_books", &[("id", Column::Uuid), ("title", Column::Text)]).updating();

async fn shelf(test: &TestDb) -> Db {
    let db = test.open().await;
    let id = db.dialect().pick("BLOB", "UUID");
    for text in [
        format!("CREATE TABLE the_books (id {id} NOT NULL PRIMARY KEY, title TEXT NOT NULL)"),
        format!("CREATE TABLE its_pages (number BIGINT NOT NULL UNIQUE, book {id} NOT NULL REFERENCES the_books (id))"),
    ] {
        db.write(async |tx| execute!(tx, sqlx::query(sqlx::AssertSqlSafe(text)))).await.expect("the tables are made");
    }
    db
}

async fn publish(db: &Db, id: u128, title: &str, pages: &[i64]) -> NoFail<()> {
    let id = Uuid::from_u128(id);
    db.write(async |tx| {
        for page in pages {
            tx.append(&PAGES, |row| _ = row.int(*page).uuid(id));
        }
        tx.append(&BOOKS, |row| _ = row.uuid(id).text(title));
        Ok(())
    })
    .await
}

on_both!(what_refers_to_another_row_of_the_same_commit_comes_after_it, |test| async move {
    let db = shelf(&test).await;
    publish(&db, 1, "ink", &[1, 2]).await.expect("it is written");
    assert_eq!(count(&db, "SELECT COUNT(*) FROM its_pages").await, 2);
});

on_both!(a_transaction_that_only_appends_is_written_whole_or_not_at_all, |test| async move {
    let db = shelf(&test).await;
    publish(&db, 1, "ink", &[1]).await.expect("it is written");
    let refused = publish(&db, 2, "quill", &[2, 1]).await.expect_err("the page is taken");
    assert!(matches!(refused, DbError::Unique(_) | DbError::Aborted(_)), "{refused:?}");
    assert_eq!(count(&db, "SELECT COUNT(*) FROM the_books").await, 1);
    assert_eq!(count(&db, "SELECT COUNT(*) FROM its_pages").await, 1);
    publish(&db, 3, "sand", &[3]).await.expect("the next one is not held up");
});

on_both!(rows_are_changed_by_their_keys_and_nothing_else_is, |test| async move {
    let db = shelf(&test).await;
    for (id, title) in [(1, "ink"), (2, "quill"), (3, "sand")] {
        publish(&db, id, title, &[]).await.expect("it is written");
    }
    let rename: NoFail<()> = db
        .write(async |tx| {
            for (id, title) in [(1, "black ink"), (3, "fine sand"), (9, "nobody's")] {
                tx.append(&TITLES, |row| _ = row.uuid(Uuid::from_u128(id)).text(title));
            }
            Ok(())
        })
        .await;
    rename.expect("they are changed");
    let titles: Vec<String> =
        fetch_all!(&db, sqlx::query_scalar("SELECT title FROM the_books ORDER BY id")).expect("answers");
    assert_eq!(titles, ["black ink", "quill", "fine sand"]);
});
