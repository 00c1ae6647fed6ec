//! What a database is to the rest of the program, the same on SQLite and PostgreSQL.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use mintreu::{
    db::{
        AppendTable, Column, Db, DbError, DbOptions, GroupLimits, Tx,
        migrate::{SchemaError, SchemaState},
    },
    execute, fetch_all, fetch_one, fetch_optional,
    kernel::{Id, IdSource, SystemClock, Time},
};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::support::{NoFail, PostgresDb, TestDb, count, eventually, open_with, soon};

#[derive(Debug)]
enum Refused {
    Db(DbError),
    OnPurpose,
}

impl From<DbError> for Refused {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

/// Tables with every kind of constraint.
async fn create_tables(db: &Db) {
    for text in [
        "CREATE TABLE parents (name TEXT NOT NULL PRIMARY KEY)",
        "CREATE TABLE children (name TEXT NOT NULL UNIQUE, size BIGINT NOT NULL CHECK (size > 0),
            parent TEXT NOT NULL REFERENCES parents (name))",
        "INSERT INTO parents (name) VALUES ('ada')",
    ] {
        db.write(async |tx| execute!(tx, sqlx::query(text))).await.expect("the tables are made");
    }
}

async fn insert(tx: &mut Tx, name: &str) -> NoFail<u64> {
    execute!(tx, sqlx::query("INSERT INTO parents (name) VALUES ($1)").bind(name))
}

async fn add_child(db: &Db, name: Option<&str>, size: i64, parent: &str) -> NoFail<u64> {
    db.write(async |tx| {
        execute!(
            tx,
            sqlx::query("INSERT INTO children (name, size, parent) VALUES ($1, $2, $3)")
                .bind(name)
                .bind(size)
                .bind(parent)
        )
    })
    .await
}

async fn parents(db: &Db) -> Vec<String> {
    fetch_all!(db, sqlx::query_scalar("SELECT name FROM parents WHERE name <> 'ada' ORDER BY name")).expect("answers")
}

/// Never commits a group because it is old: tests decide who is in it.
fn patient(url: String) -> DbOptions {
    DbOptions { group: GroupLimits { members: 256, age: Duration::from_hours(1) }, ..DbOptions::new(url) }
}

async fn open_patient(test: &TestDb) -> Db {
    let db = open_with(&patient(test.url()), Arc::new(SystemClock)).await;
    create_tables(&db).await;
    db
}

on_both!(a_violated_constraint_is_told_by_its_kind, |test| async move {
    let db = test.open().await;
    create_tables(&db).await;
    add_child(&db, Some("joan"), 1, "ada").await.expect("a good row");
    let unique = add_child(&db, Some("joan"), 1, "ada").await;
    assert!(matches!(unique, Err(DbError::Unique(_))), "{unique:?}");
    let foreign = add_child(&db, Some("other"), 1, "nobody").await;
    assert!(matches!(foreign, Err(DbError::ForeignKey(_))), "{foreign:?}");
    let check = add_child(&db, Some("other"), 0, "ada").await;
    assert!(matches!(check, Err(DbError::Check(_))), "{check:?}");
    let null = add_child(&db, None, 1, "ada").await;
    assert!(matches!(null, Err(DbError::Check(_))), "{null:?}");
    let referenced = db.write(async |tx| execute!(tx, sqlx::query("DELETE FROM parents WHERE name = 'ada'"))).await;
    assert!(matches!(referenced, Err(DbError::ForeignKey(_))), "{referenced:?}");
    let defect = db.write(async |tx| execute!(tx, sqlx::query("SELECT nonsense FROM parents"))).await;
    assert!(matches!(defect, Err(DbError::Other(_))), "{defect:?}");
    for error in [unique, foreign, check, null, defect] {
        assert!(!error.expect_err("refused").is_transient(), "trying again is in vain");
    }
    assert_eq!(count(&db, "SELECT COUNT(*) FROM children").await, 1, "a refused row leaves nothing");
});

on_both!(a_lock_that_another_holds_is_busy_and_free_again_afterwards, |test| async move {
    let db = open_with(
        &DbOptions { patience: Duration::from_millis(50), ..DbOptions::new(test.url()) },
        Arc::new(SystemClock),
    )
    .await;
    create_tables(&db).await;
    let other = test.open().await;
    let (locked, is_locked) = oneshot::channel();
    let (release, released) = oneshot::channel();
    let holder = tokio::spawn(async move {
        other
            .write(async |tx| {
                execute!(tx, sqlx::query("UPDATE parents SET name = 'ada' WHERE name = 'ada'"))?;
                locked.send(()).expect("the test waits");
                released.await.expect("the test goes on");
                NoFail::Ok(())
            })
            .await
    });
    is_locked.await.expect("locked");
    let busy = db
        .write(async |tx| {
            if tx.dialect() == mintreu::db::Dialect::Postgres {
                execute!(tx, sqlx::query("SET LOCAL lock_timeout = '50ms'"))?;
            }
            execute!(tx, sqlx::query("UPDATE parents SET name = 'ada' WHERE name = 'ada'"))
        })
        .await
        .expect_err("another holds the lock");
    assert!(matches!(busy, DbError::Busy(_)), "{busy:?}");
    assert!(busy.is_transient());
    release.send(()).expect("it holds");
    holder.await.expect("no panic").expect("it commits");
    db.write(async |tx| insert(tx, "later").await).await.expect("the lock is free");
});

static VALUES: AppendTable = AppendTable::new(
    "stored",
    &[
        ("id", Column::Uuid),
        ("note", Column::Text),
        ("size", Column::Int),
        ("flag", Column::Bool),
        ("at", Column::Time),
    ],
);

type Stored = (Option<Id<mintreu::kernel::names::Order>>, Option<String>, Option<i64>, bool, Option<Time>);

fn samples(ids: &IdSource) -> Vec<Stored> {
    let at = |text: &str| Some(text.parse::<Time>().expect("a time"));
    vec![
        (Some(ids.next()), Some(String::new()), Some(0), false, at("1970-01-01T00:00:00Z")),
        (
            Some(ids.next()),
            Some("\"quoted\" 'and' \\ \u{7f} \n\t\r\u{1b}".into()),
            Some(i64::MAX),
            true,
            at("1969-12-31T23:59:59.999999Z"),
        ),
        (
            Some(Id::from_uuid(Uuid::nil())),
            Some("🦀 ünïcödé \u{202e} \u{ffff}".into()),
            Some(i64::MIN),
            false,
            at("2026-02-28T12:34:56.789012Z"),
        ),
        (Some(Id::from_uuid(Uuid::max())), Some("null".into()), Some(-1), true, at("1815-12-10T00:00:00.000001Z")),
        (None, None, None, false, None),
        (Some(ids.next()), Some("1e400".into()), Some(1 << 53), true, at("2999-12-31T23:59:59.999999Z")),
        (Some(ids.next()), Some("[1]".into()), Some((1 << 53) + 1), true, at("9999-12-31T23:59:59.999999Z")),
    ]
}

on_both!(a_value_comes_back_as_it_went_bound_or_appended, |test| async move {
    let db = test.open().await;
    let text = db.dialect().pick(
        "CREATE TABLE stored (id BLOB, note TEXT, size INTEGER, flag INTEGER NOT NULL, at INTEGER) STRICT",
        "CREATE TABLE stored (id UUID, note TEXT, size BIGINT, flag BOOLEAN NOT NULL, at TIMESTAMPTZ)",
    );
    db.write(async |tx| execute!(tx, sqlx::query(text))).await.expect("the table is made");
    for (id, note, size, flag, at) in samples(db.ids()) {
        let wrote: Stored = (id, note, size, flag, at);
        db.write(async |tx| {
            tx.append(&VALUES, |row| {
                row.uuid(wrote.0.map(Id::uuid)).text(wrote.1.as_deref()).int(wrote.2).bool(wrote.3).time(wrote.4);
            });
            execute!(
                tx,
                sqlx::query("INSERT INTO stored (id, note, size, flag, at) VALUES ($1, $2, $3, $4, $5)")
                    .bind(wrote.0)
                    .bind(&wrote.1)
                    .bind(wrote.2)
                    .bind(wrote.3)
                    .bind(wrote.4)
            )
        })
        .await
        .expect("both are kept");
        let read: Vec<Stored> =
            fetch_all!(db, sqlx::query_as("SELECT id, note, size, flag, at FROM stored")).expect("reads");
        assert_eq!(read, [wrote.clone(), wrote], "bound and appended");
        db.write(async |tx| execute!(tx, sqlx::query("DELETE FROM stored"))).await.expect("empties");
    }
    db.write(async |tx| {
        tx.append(&VALUES, |row| {
            row.uuid(None).text("a\0b").int(None).bool(true).time(None);
        });
        NoFail::Ok(())
    })
    .await
    .expect("kept");
    let note: String = fetch_one!(db, sqlx::query_scalar("SELECT note FROM stored")).expect("reads");
    assert_eq!(note, "a\u{fffd}b", "PostgreSQL cannot keep NUL, so neither does");
});

on_both!(neighbours_keep_to_themselves_whoever_is_rolled_back, |test| async move {
    let db = test.open().await;
    create_tables(&db).await;
    let tasks: Vec<_> = (0..64_i64)
        .map(|n| {
            let db = db.clone();
            tokio::spawn(async move {
                db.write(async |tx| {
                    insert(tx, &format!("{n:02}")).await?;
                    // An error within that the transaction itself gets over is possible on SQLite alone, so none here.
                    insert(tx, &format!("{n:02}b")).await?;
                    if n % 3 == 0 { Err(Refused::OnPurpose) } else { Ok(()) }
                })
                .await
            })
        })
        .collect();
    for (n, task) in tasks.into_iter().enumerate() {
        match task.await.expect("no panic") {
            Ok(()) => assert!(n % 3 != 0),
            Err(Refused::OnPurpose) => assert!(n % 3 == 0),
            Err(Refused::Db(error)) => panic!("{error}"),
        }
    }
    let wanted: Vec<_> = (0..64).filter(|n| n % 3 != 0).flat_map(|n| [format!("{n:02}"), format!("{n:02}b")]).collect();
    assert_eq!(parents(&db).await, wanted);
});

/// A transaction that inserts `name`, says so, and goes on when told to.
struct Held {
    go: oneshot::Sender<()>,
    done: tokio::task::JoinHandle<NoFail<()>>,
}

async fn hold(db: &Db, name: &'static str) -> Held {
    let (inserted, is_inserted) = oneshot::channel();
    let held = hold_later(db, name, inserted);
    is_inserted.await.expect("it inserts");
    held
}

fn hold_later(db: &Db, name: &'static str, inserted: oneshot::Sender<()>) -> Held {
    let (go, gone) = oneshot::channel::<()>();
    let db = db.clone();
    let done = tokio::spawn(async move {
        db.write(async |tx| {
            insert(tx, name).await?;
            let _ = inserted.send(());
            // An error means that the test let go.
            let _ = gone.await;
            Ok(())
        })
        .await
    });
    Held { go, done }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_that_rests_on_a_neighbours_row_is_answered_after_the_commit_of_that_row() {
    let test = TestDb::sqlite();
    let db = open_patient(&test).await;
    let observer = test.open().await;
    let hook = Arc::new(AtomicBool::new(false));

    let first = hold(&db, "twice").await;
    // Polled once each: they wait for the writer, in this order.
    let (second_db, second_observer, hooked) = (db.clone(), observer.clone(), hook.clone());
    let mut duplicate = Box::pin(async move {
        let refusal = second_db
            .write(async |tx| {
                tx.after_commit(move || hooked.store(true, Ordering::SeqCst));
                insert(tx, "twice").await.map(|_| ())
            })
            .await;
        (refusal, parents(&second_observer).await)
    });
    assert!(futures::poll!(&mut duplicate).is_pending());
    let third_db = db.clone();
    let (third_began, third_has_begun) = oneshot::channel();
    let (third_go, third_gone) = oneshot::channel::<()>();
    let mut third = Box::pin(async move {
        third_db
            .write(async |tx| {
                insert(tx, "third").await?;
                third_began.send(()).expect("the test waits");
                third_gone.await.expect("the test goes on");
                NoFail::Ok(())
            })
            .await
    });
    assert!(futures::poll!(&mut third).is_pending());

    first.go.send(()).expect("it holds the writer");
    let duplicate = tokio::spawn(duplicate);
    let third = tokio::spawn(third);
    third_has_begun.await.expect("the third has its turn, so the first two have ended theirs");
    assert_eq!(parents(&observer).await, Vec::<String>::new(), "nothing is durable yet");
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!duplicate.is_finished(), "the refusal rests on a row that is not durable");
    assert!(!first.done.is_finished(), "nor is the first answered");

    third_go.send(()).expect("it holds the writer");
    let (refusal, durable_then) = soon("the refusal", duplicate).await.expect("no panic");
    assert!(matches!(refusal, Err(DbError::Unique(_))), "{refusal:?}");
    assert!(durable_then.contains(&"twice".to_owned()), "durable when the refusal arrives: {durable_then:?}");
    first.done.await.expect("no panic").expect("committed");
    third.await.expect("no panic").expect("committed");
    assert!(!hook.load(Ordering::SeqCst), "a refused transaction's hook never runs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_duplicate_that_was_found_is_answered_after_the_commit_of_the_first() {
    // The same for an answer that is no error: "already there".
    let test = TestDb::sqlite();
    let db = open_patient(&test).await;
    let observer = test.open().await;
    let first = hold(&db, "first").await;
    let reader = db.clone();
    let mut found = Box::pin(async move {
        reader
            .write(async |tx| {
                let found: Option<String> =
                    fetch_optional!(tx, sqlx::query_scalar("SELECT name FROM parents WHERE name = 'first'"))?;
                NoFail::Ok(found)
            })
            .await
    });
    assert!(futures::poll!(&mut found).is_pending());
    let (began, has_begun) = oneshot::channel();
    let (go, gone) = oneshot::channel::<()>();
    let third_db = db.clone();
    let mut third = Box::pin(async move {
        third_db
            .write(async |tx| {
                insert(tx, "third").await?;
                began.send(()).expect("the test waits");
                let _ = gone.await;
                NoFail::Ok(())
            })
            .await
    });
    assert!(futures::poll!(&mut third).is_pending());
    first.go.send(()).expect("it holds the writer");
    let (found, third) = (tokio::spawn(found), tokio::spawn(third));
    has_begun.await.expect("the third has its turn");
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!found.is_finished(), "what it found is not durable");
    go.send(()).expect("it holds the writer");
    let found = soon("the answer", found).await.expect("no panic").expect("read");
    assert_eq!(found.as_deref(), Some("first"));
    assert_eq!(parents(&observer).await, ["first", "third"]);
    third.await.expect("no panic").expect("committed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_answers_a_duplicate_after_the_commit_of_the_first() {
    let Some(test) = TestDb::postgres().await else { return };
    let db = open_patient(&test).await;
    let first = hold(&db, "twice").await;
    let (second, observer) = (db.clone(), test.open().await);
    let duplicate = tokio::spawn(async move {
        let refusal = second.write(async |tx| insert(tx, "twice").await).await;
        (refusal, parents(&observer).await)
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!duplicate.is_finished());
    first.go.send(()).expect("it holds");
    let (refusal, durable_then) = soon("the refusal", duplicate).await.expect("no panic");
    assert!(matches!(refusal, Err(DbError::Unique(_))), "{refusal:?}");
    assert_eq!(durable_then, ["twice"]);
}

on_both!(a_task_that_is_aborted_in_the_middle_of_its_transaction_undoes_only_itself, |test| async move {
    let db = open_patient(&test).await;
    let aborted = hold(&db, "aborted").await;
    let (began, has_begun) = oneshot::channel();
    let after = hold_later(&db, "after", began);
    aborted.done.abort();
    has_begun.await.expect("the next has its turn");
    after.go.send(()).expect("it holds");
    soon("the neighbour's commit", after.done).await.expect("no panic").expect("committed");
    assert!(aborted.done.await.expect_err("aborted").is_cancelled());
    assert_eq!(parents(&db).await, ["after"]);
    db.write(async |tx| insert(tx, "aborted").await).await.expect("the name is free");
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_stays_open_for_one_who_gives_up_commits_all_the_same() {
    let test = TestDb::sqlite();
    let db = open_patient(&test).await;
    for round in ["before its turn", "when its turn has come"] {
        let first = hold(&db, if round.starts_with('b') { "one" } else { "two" }).await;
        let waiting = db.clone();
        let mut waiting = Box::pin(async move { waiting.write(async |tx| insert(tx, "never").await).await });
        assert!(futures::poll!(&mut waiting).is_pending(), "it waits for the writer");
        if round.starts_with('b') {
            drop(waiting);
            first.go.send(()).expect("it holds the writer");
        } else {
            first.go.send(()).expect("it holds the writer");
            // The first has ended its turn and left the group open; the writer was handed to the one who waits.
            tokio::time::sleep(Duration::from_millis(50)).await;
            assert!(!first.done.is_finished(), "the group is open for the one who waits");
            drop(waiting);
        }
        soon(round, first.done).await.expect("no panic").expect("committed");
    }
    assert_eq!(parents(&db).await, ["one", "two"]);
}

on_both!(transactions_abandoned_at_any_moment_are_whole_or_not_there, |test| async move {
    let db = test.open().await;
    create_tables(&db).await;
    let tasks: Vec<_> = (0..200_u64)
        .map(|n| {
            let db = db.clone();
            tokio::spawn(async move {
                db.write(async |tx| {
                    insert(tx, &format!("{n:03}a")).await?;
                    tokio::task::yield_now().await;
                    insert(tx, &format!("{n:03}b")).await
                })
                .await
            })
        })
        .collect();
    for (n, task) in tasks.iter().enumerate() {
        if n % 2 == 0 {
            task.abort();
        }
        if n % 7 == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    let mut acknowledged = Vec::new();
    for (n, task) in tasks.into_iter().enumerate() {
        match soon("every one ends", task).await {
            Ok(result) => {
                result.unwrap_or_else(|error| panic!("{n}: an abandoned neighbour is no reason to fail: {error}"));
                acknowledged.push(format!("{n:03}"));
            }
            Err(error) => assert!(error.is_cancelled(), "{error}"),
        }
    }
    // Whatever is still being undone is through before this one.
    db.write(async |tx| insert(tx, "last").await).await.expect("goes on");
    let rows = parents(&db).await;
    let half: Vec<_> = rows.iter().filter(|row| row.ends_with('a')).map(|row| row.trim_end_matches('a')).collect();
    let other: Vec<_> = rows.iter().filter(|row| row.ends_with('b')).map(|row| row.trim_end_matches('b')).collect();
    assert_eq!(half, other, "whole or not there");
    assert!(acknowledged.iter().all(|name| half.contains(&name.as_str())), "what was acknowledged is there");
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_statement_that_is_cut_off_undoes_only_its_own_transaction() {
    let test = TestDb::sqlite();
    let db = open_patient(&test).await;
    // So often that it is cut off at each of its steps: nothing sent, sent, answered in part.
    for round in 0..300 {
        let first = hold(&db, "first").await;
        let cut_db = db.clone();
        let mut cut = Box::pin(async move { cut_db.write(async |tx| insert(tx, "cut").await).await });
        assert!(futures::poll!(&mut cut).is_pending(), "it waits for the writer");
        let last_db = db.clone();
        let mut last = Box::pin(async move { last_db.write(async |tx| insert(tx, "last").await).await });
        assert!(futures::poll!(&mut last).is_pending(), "it waits for the writer");
        first.go.send(()).expect("it holds the writer");
        for _ in 0..round % 6 {
            if futures::poll!(&mut cut).is_ready() {
                break;
            }
            if round % 2 == 0 {
                tokio::task::yield_now().await;
            }
        }
        drop(cut);
        soon("the last", last).await.unwrap_or_else(|error| panic!("round {round}: the last: {error}"));
        first.done.await.expect("no panic").unwrap_or_else(|error| panic!("round {round}: the first: {error}"));
        let kept = parents(&db).await;
        assert!(kept == ["first", "last"] || kept == ["cut", "first", "last"], "round {round}: {kept:?}");
        db.write(async |tx| execute!(tx, sqlx::query("DELETE FROM parents WHERE name <> 'ada'")))
            .await
            .expect("goes on");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_goes_on_after_giving_up_its_first_statement_is_never_kept_in_part() {
    let test = TestDb::sqlite();
    let db = open_patient(&test).await;
    for round in 0..100 {
        let result = db
            .write(async |tx| {
                {
                    let mut given_up = Box::pin(insert(tx, "given up"));
                    for _ in 0..=round % 3 {
                        if futures::poll!(&mut given_up).is_ready() {
                            break;
                        }
                    }
                }
                insert(tx, "next").await
            })
            .await;
        let kept = parents(&db).await;
        match result {
            Ok(_) => assert!(kept.contains(&"next".to_owned()), "acknowledged: {kept:?}"),
            Err(_) => assert_eq!(kept, Vec::<String>::new(), "round {round}: refused, so nothing is there"),
        }
        db.write(async |tx| execute!(tx, sqlx::query("DELETE FROM parents WHERE name <> 'ada'")))
            .await
            .expect("goes on");
    }
}

on_both!(a_panic_inside_a_transaction_undoes_only_that_one, |test| async move {
    let db = test.open().await;
    create_tables(&db).await;
    let tasks: Vec<_> = (0..32)
        .map(|n| {
            let db = db.clone();
            tokio::spawn(async move {
                db.write(async |tx| {
                    insert(tx, &format!("{n:02}")).await?;
                    assert!(n % 4 != 0, "on purpose");
                    NoFail::Ok(())
                })
                .await
            })
        })
        .collect();
    for (n, task) in tasks.into_iter().enumerate() {
        match soon("every one ends", task).await {
            Ok(result) => result.expect("a neighbour's panic is no reason to fail"),
            Err(error) => assert!(error.is_panic() && n % 4 == 0, "{n}: {error}"),
        }
    }
    let wanted: Vec<_> = (0..32).filter(|n| n % 4 != 0).map(|n| format!("{n:02}")).collect();
    assert_eq!(parents(&db).await, wanted);
    db.write(async |tx| insert(tx, "00").await).await.expect("goes on");
});

/// A table whose rows miss what the schema wants.
static BROKEN: AppendTable = AppendTable::new("children", &[("name", Column::Text)]);

on_both!(a_hook_runs_once_the_transaction_is_durable_and_only_then, |test| async move {
    let db = test.open().await;
    create_tables(&db).await;
    let ran = Arc::new(AtomicUsize::new(0));
    let hook = |ran: &Arc<AtomicUsize>| {
        let ran = ran.clone();
        move || _ = ran.fetch_add(1, Ordering::SeqCst)
    };
    let committed = hook(&ran);
    db.write(async |tx| {
        tx.after_commit(committed);
        insert(tx, "kept").await
    })
    .await
    .expect("commits");
    assert_eq!(ran.load(Ordering::SeqCst), 1);
    let rolled_back = hook(&ran);
    let refused = db
        .write(async |tx| {
            tx.after_commit(rolled_back);
            insert(tx, "undone").await?;
            Err::<(), _>(Refused::OnPurpose)
        })
        .await;
    assert!(matches!(refused, Err(Refused::OnPurpose)), "{refused:?}");
    // Appended rows are written with the commit, which this one makes fail.
    let failed = hook(&ran);
    db.write(async |tx| {
        tx.after_commit(failed);
        tx.append(&BROKEN, |row| _ = row.text("no size, no parent"));
        NoFail::Ok(())
    })
    .await
    .expect_err("the commit fails");
    assert_eq!(ran.load(Ordering::SeqCst), 1, "neither a rollback nor a failed commit runs a hook");
    db.write(async |tx| insert(tx, "later").await).await.expect("goes on");
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hook_that_panics_does_not_make_its_neighbours_believe_that_they_failed() {
    let test = TestDb::sqlite();
    let db = open_patient(&test).await;
    let first = hold(&db, "first").await;
    let second = db.clone();
    let mut second = Box::pin(async move {
        second
            .write(async |tx| {
                tx.after_commit(|| panic!("on purpose"));
                insert(tx, "second").await
            })
            .await
    });
    assert!(futures::poll!(&mut second).is_pending());
    let third = db.clone();
    let mut third = Box::pin(async move { third.write(async |tx| insert(tx, "third").await).await });
    assert!(futures::poll!(&mut third).is_pending());
    first.go.send(()).expect("it holds the writer");
    let (second, third) = (tokio::spawn(second), tokio::spawn(third));
    first.done.await.expect("no panic").expect("durable, and told so");
    third.await.expect("no panic").expect("durable, and told so");
    let _ = second.await;
    assert_eq!(parents(&db).await, ["first", "second", "third"]);
}

on_both!(closing_a_busy_database_keeps_what_it_acknowledged, |test| async move {
    let db = test.open().await;
    create_tables(&db).await;
    let tasks: Vec<_> = (0..8)
        .map(|task| {
            let db = db.clone();
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                for n in 0.. {
                    let name = format!("{task}-{n:05}");
                    match db.write(async |tx| insert(tx, &name).await).await {
                        Ok(_) => acknowledged.push(name),
                        Err(DbError::Unavailable(_)) => break,
                        Err(error) => panic!("{error:?}"),
                    }
                }
                acknowledged
            })
        })
        .collect();
    eventually("there is something to lose", async || count(&db, "SELECT COUNT(*) FROM parents").await > 20).await;
    soon("closing", db.close()).await;
    let mut acknowledged = Vec::new();
    for task in tasks {
        acknowledged.extend(soon("every task ends", task).await.expect("no panic"));
    }
    let kept = parents(&test.open().await).await;
    for name in acknowledged {
        assert!(kept.contains(&name), "{name} was acknowledged");
    }
});

on_both!(the_schema_tells_whether_it_is_this_programs, |test| async move {
    let db = Db::open(&DbOptions::new(test.url()), IdSource::new(Arc::new(SystemClock))).await.expect("opens");
    let SchemaState::Pending { versions } = db.schema_state().await.expect("answers") else { panic!("it is empty") };
    assert_eq!(db.migrate().await.expect("migrates"), versions);
    let newest = *versions.last().expect("there are migrations");
    assert_eq!(db.schema_state().await.expect("answers"), SchemaState::Current { version: newest });
    assert_eq!(db.migrate().await.expect("nothing to do"), Vec::<i64>::new());

    let text = db.dialect().pick(
        "INSERT INTO _sqlx_migrations SELECT 9999, description, installed_on, success, checksum, execution_time
            FROM _sqlx_migrations LIMIT 1",
        "INSERT INTO _sqlx_migrations (version, description, installed_on, success, checksum, execution_time)
            SELECT 9999, description, installed_on, success, checksum, execution_time FROM _sqlx_migrations LIMIT 1",
    );
    db.write(async |tx| execute!(tx, sqlx::query(text))).await.expect("a newer program was here");
    assert_eq!(db.schema_state().await.expect("answers"), SchemaState::Newer { version: 9999 });
    let refused = db.migrate().await.expect_err("not this program's");
    assert!(matches!(refused, SchemaError::Newer { version: 9999 }), "{refused}");

    db.write(async |tx| {
        execute!(tx, sqlx::query("DELETE FROM _sqlx_migrations WHERE version = 9999"))?;
        let altered = "UPDATE _sqlx_migrations SET checksum = $2 WHERE version = $1";
        execute!(tx, sqlx::query(altered).bind(newest).bind(&b"another text"[..]))
    })
    .await
    .expect("altered");
    assert_eq!(db.schema_state().await.expect("answers"), SchemaState::Altered { version: newest });
    let refused = db.migrate().await.expect_err("not this program's");
    assert!(matches!(refused, SchemaError::Altered { .. }), "{refused}");
});

on_both!(two_that_migrate_at_once_both_find_the_schema_done, |test| async move {
    let options = DbOptions::new(test.url());
    let open = || Db::open(&options, IdSource::new(Arc::new(SystemClock)));
    let (one, two) = (open().await.expect("opens"), open().await.expect("opens"));
    let (first, second) = tokio::join!(one.migrate(), two.migrate());
    first.expect("migrates");
    second.expect("migrates");
    assert!(matches!(one.schema_state().await.expect("answers"), SchemaState::Current { .. }));
});

/// Table, column, kind, whether it may be NULL; and the indexes: table, name, whether unique.
///
/// One thing is left out: what full-text search looks in. Each engine has a kind of index of its own for it, which the
/// other has not: SQLite the virtual table `product_search` with its tables, kept by triggers, and PostgreSQL the generated
/// column `products.search` with its index `products_search`; the same for articles. That both find the same is tested with
/// the catalogue and the desk.
type Schema = (Vec<(String, String, String, bool)>, Vec<(String, String, bool)>);

async fn sqlite_schema(db: &Db) -> Schema {
    let columns: Vec<(String, String, String, i64)> = fetch_all!(
        db,
        sqlx::query_as(
            "SELECT t.name, c.name, c.type, c.\"notnull\" FROM sqlite_master t, pragma_table_info(t.name) c
             WHERE t.type = 'table' AND t.name NOT LIKE '\\_sqlx%' ESCAPE '\\' AND t.name NOT LIKE 'sqlite%'
                AND t.name NOT LIKE 'product\\_search%' ESCAPE '\\' AND t.name NOT LIKE 'article\\_search%' ESCAPE '\\'"
        )
    )
    .expect("answers");
    let indexes: Vec<(String, String, i64)> = fetch_all!(
        db,
        sqlx::query_as(
            "SELECT t.name, i.name, i.\"unique\" FROM sqlite_master t, pragma_index_list(t.name) i
             WHERE t.type = 'table' AND i.origin = 'c'"
        )
    )
    .expect("answers");
    let mut columns: Vec<_> =
        columns.into_iter().map(|(table, column, kind, not_null)| (table, column, kind, not_null == 0)).collect();
    let mut indexes: Vec<_> = indexes.into_iter().map(|(table, name, unique)| (table, name, unique == 1)).collect();
    columns.sort_unstable();
    indexes.sort_unstable();
    (columns, indexes)
}

/// In SQLite's words.
async fn postgres_schema(db: &Db) -> Schema {
    let columns: Vec<(String, String, String, bool)> = fetch_all!(
        db,
        sqlx::query_as(
            "SELECT table_name::text, column_name::text, data_type::text, is_nullable = 'YES'
             FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> '_sqlx_migrations'
                AND (table_name, column_name) NOT IN (('products', 'search'), ('articles', 'search'))"
        )
    )
    .expect("answers");
    let indexes: Vec<(String, String, bool)> = fetch_all!(
        db,
        sqlx::query_as(
            "SELECT t.relname::text, i.relname::text, x.indisunique FROM pg_index x
             JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
             WHERE t.relnamespace = 'public'::regnamespace AND i.relname NOT IN ('products_search', 'articles_search')
                AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conindid = x.indexrelid)"
        )
    )
    .expect("answers");
    let kind = |column: &str, kind: String| match kind.as_str() {
        "uuid" | "bytea" => "BLOB".to_owned(),
        "text" => "TEXT".to_owned(),
        "bigint" | "integer" | "boolean" | "timestamp with time zone" => "INTEGER".to_owned(),
        other => panic!("{column}: {other} has no counterpart in SQLite"),
    };
    let mut columns: Vec<_> = columns
        .into_iter()
        .map(|(table, column, of, nullable)| {
            let kind = kind(&column, of);
            (table, column, kind, nullable)
        })
        .collect();
    let mut indexes = indexes;
    columns.sort_unstable();
    indexes.sort_unstable();
    (columns, indexes)
}

#[tokio::test]
async fn both_databases_have_the_same_schema() {
    let Some(postgres) = TestDb::postgres().await else { return };
    let sqlite = TestDb::sqlite();
    let (sqlite, postgres) = (sqlite_schema(&sqlite.open().await).await, postgres_schema(&postgres.open().await).await);
    assert!(sqlite.0.len() > 20 && sqlite.1.len() > 3, "there is a schema");
    for (one, other) in sqlite.0.iter().zip(&postgres.0) {
        assert_eq!(one, other, "table, column, kind, nullable");
    }
    assert_eq!(sqlite.0.len(), postgres.0.len());
    assert_eq!(sqlite.1, postgres.1, "indexes: table, name, unique");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_were_cut_while_idle_are_not_noticed() {
    let Some(database) = PostgresDb::create().await else { return };
    let db = TestDb::Postgres(database);
    let store = db.open().await;
    create_tables(&store).await;
    let TestDb::Postgres(database) = &db else { unreachable!("made above") };
    for round in 0..5 {
        // Several connections lie idle in the pool.
        let all: Vec<_> = (0..4).map(|_| store.ping()).collect();
        futures::future::try_join_all(all).await.expect("answers");
        database.cut_connections().await;
        store
            .write(async |tx| insert(tx, &format!("{round}")).await)
            .await
            .unwrap_or_else(|error| panic!("round {round}: nothing had run on the cut connection yet: {error}"));
    }
    let mut connection = PgConnection::connect(&db.url()).await.expect("connects");
    let rows: i64 = sqlx::query_scalar(AssertSqlSafe("SELECT COUNT(*) FROM parents"))
        .fetch_one(&mut connection)
        .await
        .expect("counts");
    assert_eq!(rows, 6);
}
