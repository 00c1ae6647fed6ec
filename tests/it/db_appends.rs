//! Rows that go with the commit: written in an order that their references allow, changed by their keys, all or none.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

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

// Sold books keep their titles.
static SOLD_OUT: AppendTable =
    AppendTable::new("the_books", &[("id", Column::Uuid), ("was", Column::Text), ("title", Column::Text)])
        .updating_exactly(2, "the_books.title <> 'sold'");

async fn shelf(test: &TestDb) -> Db {
    let db = test.open().await;
    let id = db.dialect().pick("BLOB", "UUID");
    for text in [
        format!(
            "CREATE TABLE the_books (id {id} NOT NULL PRIMARY KEY, title TEXT NOT NULL, was TEXT GENERATED ALWAYS AS (title) STORED)"
        ),
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

/// On PostgreSQL they share statements; what the server refuses must not fail for another one's row, nor wait for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_only_append_at_once_fail_for_their_own_rows_alone() {
    let Some(test) = TestDb::postgres().await else { return };
    let db = shelf(&test).await;
    publish(&db, 1_000, "first", &[0]).await.expect("it is written");
    let publishing = (1..=200_i64).map(|number| {
        let db = db.clone();
        // The page of every tenth is taken.
        let page = if number % 10 == 0 { 0 } else { number };
        tokio::spawn(async move { publish(&db, number.unsigned_abs().into(), "book", &[page]).await })
    });
    let publishing: Vec<_> = publishing.collect();
    let told = Arc::new(AtomicI64::new(0));
    let gone: Vec<_> = (300..340_u64)
        .map(|number| (number, db.clone(), told.clone()))
        .map(async |(number, db, told)| {
            let telling: NoFail<()> = db
                .write(async |tx| {
                    tx.append(&BOOKS, |row| _ = row.uuid(Uuid::from_u128(number.into())).text("gone"));
                    tx.after_commit(move || _ = told.fetch_add(1, Ordering::SeqCst));
                    Ok(())
                })
                .await;
            telling
        })
        .map(tokio::spawn)
        .collect();
    tokio::task::yield_now().await;
    gone.iter().for_each(tokio::task::JoinHandle::abort);
    for (number, outcome) in (1..).zip(futures::future::join_all(publishing).await) {
        match outcome.expect("no panic") {
            Ok(()) => assert_ne!(number % 10, 0, "{number} has a page that is taken"),
            Err(error) => assert!(number % 10 == 0 && matches!(error, DbError::Unique(_)), "{number}: {error:?}"),
        }
    }
    assert_eq!(count(&db, "SELECT COUNT(*) FROM the_books WHERE title = 'book'").await, 180);
    publish(&db, 2_000, "last", &[1_000]).await.expect("nobody waits for ever");
    // Whoever went away before the answer: what was to follow a commit follows it all the same.
    let written = count(&db, "SELECT COUNT(*) FROM the_books WHERE title = 'gone'").await;
    assert_eq!(told.load(Ordering::SeqCst), written);
}

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

async fn retitle(db: &Db, pairs: &[(u128, &str, &str)]) -> NoFail<()> {
    db.write(async |tx| {
        for (id, from, to) in pairs {
            tx.append(&SOLD_OUT, |row| _ = row.uuid(Uuid::from_u128(*id)).text(*from).text(*to));
        }
        Ok(())
    })
    .await
}

on_both!(a_change_that_must_find_its_row_keeps_all_else_from_being_kept, |test| async move {
    let db = shelf(&test).await;
    publish(&db, 1, "ink", &[]).await.expect("it is written");
    publish(&db, 2, "quill", &[]).await.expect("it is written");
    retitle(&db, &[(1, "ink", "sold"), (2, "quill", "old quill")]).await.expect("both are as believed");
    let titles = async || -> Vec<String> {
        fetch_all!(&db, sqlx::query_scalar("SELECT title FROM the_books ORDER BY id")).expect("answers")
    };
    assert_eq!(titles().await, ["sold", "old quill"]);
    for wrong in [(2, "quill", "lost"), (9, "old quill", "lost"), (1, "sold", "sold again")] {
        let refused = db
            .write(async |tx| {
                tx.append(&BOOKS, |row| _ = row.uuid(Uuid::from_u128(7)).text("sand"));
                tx.append(&SOLD_OUT, |row| _ = row.uuid(Uuid::from_u128(wrong.0)).text(wrong.1).text(wrong.2));
                Ok(())
            })
            .await;
        let refused: DbError = NoFail::expect_err(refused, "the belief is wrong");
        assert!(matches!(refused, DbError::Aborted(_)), "{wrong:?}: {refused:?}");
    }
    assert_eq!(titles().await, ["sold", "old quill"]);
    retitle(&db, &[(2, "old quill", "quill")]).await.expect("the next one is not held up");
});
