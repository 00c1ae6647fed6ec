//! A SQLite file that may not grow, or whose disk is full: a clear error, nothing acknowledged lost, nothing corrupt.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use mintreu::{
    db::{AppendTable, Column, Db, DbError, DbOptions, GroupLimits, Tx},
    execute, fetch_all, fetch_one,
    kernel::SystemClock,
};
use tokio::{sync::oneshot, task::JoinHandle};

use crate::support::{NoFail, TestDb, is_root, open_with, soon};

/// Much more than the pages that are left.
const TOO_MUCH: usize = 2_000_000;
/// Several hundred KiB beyond the schema, in which every table and index has a page.
const MAX_PAGES: u32 = 400;

fn narrow(url: String) -> DbOptions {
    DbOptions {
        max_pages: Some(MAX_PAGES),
        group: GroupLimits { members: 256, age: std::time::Duration::from_hours(1) },
        ..DbOptions::new(url)
    }
}

async fn open_narrow(test: &TestDb) -> Db {
    let db = open_with(&narrow(test.url()), Arc::new(SystemClock)).await;
    let create = "CREATE TABLE notes (name TEXT NOT NULL PRIMARY KEY, body TEXT NOT NULL)";
    db.write(async |tx| execute!(tx, sqlx::query(create))).await.expect("the table is made");
    db
}

async fn insert(tx: &mut Tx, name: &str, size: usize) -> NoFail<u64> {
    let text = "INSERT INTO notes (name, body) VALUES ($1, $2)";
    execute!(tx, sqlx::query(text).bind(name).bind("x".repeat(size)))
}

static NOTES: AppendTable = AppendTable::new("notes", &[("name", Column::Text), ("body", Column::Text)]);

async fn names(db: &Db) -> Vec<String> {
    fetch_all!(db, sqlx::query_scalar("SELECT name FROM notes ORDER BY name")).expect("answers")
}

async fn assert_sound(db: &Db) {
    let verdict: String = fetch_one!(db, sqlx::query_scalar("PRAGMA integrity_check")).expect("answers");
    assert_eq!(verdict, "ok");
}

/// Transactions that will be the members of one group, in this order: each is polled until it waits for the writer.
struct Group {
    go: oneshot::Sender<()>,
    members: Vec<JoinHandle<NoFail<u64>>>,
}

impl Group {
    /// The first member has the writer and keeps it until [`Self::end`].
    async fn begin(db: &Db) -> Self {
        let ((go, gone), (began, has_begun)) = (oneshot::channel::<()>(), oneshot::channel());
        let db = db.clone();
        let first = tokio::spawn(async move {
            db.write(async |tx| {
                let inserted = insert(tx, "first", 1).await;
                began.send(()).expect("the test waits");
                gone.await.expect("the test goes on");
                inserted
            })
            .await
        });
        has_begun.await.expect("it has the writer");
        Self { go, members: vec![first] }
    }

    async fn join(&mut self, member: impl Future<Output = NoFail<u64>> + Send + 'static) {
        let mut member = Box::pin(member);
        assert!(futures::poll!(&mut member).is_pending(), "it waits for the writer");
        self.members.push(tokio::spawn(member));
    }

    async fn end(self) -> Vec<NoFail<u64>> {
        self.go.send(()).expect("the first holds the writer");
        let mut results = Vec::new();
        for member in self.members {
            results.push(soon("every member is answered", member).await.expect("no panic"));
        }
        results
    }
}

async fn small(db: Db, name: &'static str) -> NoFail<u64> {
    db.write(async |tx| insert(tx, name, 1).await).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_database_fails_every_member_of_the_group_and_acknowledges_none() {
    let test = TestDb::sqlite();
    let db = open_narrow(&test).await;
    small(db.clone(), "before").await.expect("there is room");
    let mut group = Group::begin(&db).await;
    group.join(small(db.clone(), "second")).await;
    let large = db.clone();
    // The error is met and ignored: the transaction is lost all the same, and must not seem to have been kept.
    group.join(async move { large.write(async |tx| Ok(insert(tx, "large", TOO_MUCH).await.unwrap_or(0))).await }).await;
    for (member, result) in group.end().await.into_iter().enumerate() {
        let error = result.expect_err("no member is acknowledged");
        assert!(matches!(error, DbError::Full(_)), "member {member}: {error:?}");
        assert!(error.to_string().contains("no room left"), "{error}");
    }
    assert_eq!(names(&db).await, ["before"]);

    small(db.clone(), "after").await.expect("a small one still has room");
    let large = db.write(async |tx| insert(tx, "large", TOO_MUCH).await).await.expect_err("no room");
    assert!(matches!(large, DbError::Full(_)), "{large:?}");
    db.close().await;
    let reopened = test.open().await;
    assert_eq!(names(&reopened).await, ["after", "before"]);
    assert_sound(&reopened).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_find_no_room_at_the_commit_fail_the_group_too() {
    let test = TestDb::sqlite();
    let db = open_narrow(&test).await;
    let mut group = Group::begin(&db).await;
    let large = db.clone();
    group
        .join(async move {
            large
                .write(async |tx| {
                    tx.append(&NOTES, |row| _ = row.text("large").text("x".repeat(TOO_MUCH).as_str()));
                    Ok(1)
                })
                .await
        })
        .await;
    group.join(small(db.clone(), "third")).await;
    for result in group.end().await {
        let error = result.expect_err("no member is acknowledged");
        assert!(matches!(error, DbError::Full(_)), "{error:?}");
    }
    assert_eq!(names(&db).await, Vec::<String>::new());
    small(db.clone(), "after").await.expect("a small one still has room");
    assert_eq!(names(&db).await, ["after"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_while_the_database_filled_up_is_there_afterwards() {
    let test = TestDb::sqlite();
    let db = open_narrow(&test).await;
    let (kept, refused) = fill(&db).await;
    assert!(!kept.is_empty() && refused > 0, "it filled up: {} kept, {refused} refused", kept.len());
    db.close().await;
    let reopened = test.open().await;
    assert_eq!(names(&reopened).await, kept, "what was acknowledged, and nothing else");
    assert_sound(&reopened).await;
    small(reopened.clone(), "zzz").await.expect("with room again it goes on");
}

/// Many writers at once until each has been refused; the names that were acknowledged, and how many were refused.
async fn fill(db: &Db) -> (Vec<String>, usize) {
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let db = db.clone();
            tokio::spawn(async move {
                let mut kept = Vec::new();
                let mut refused = 0;
                for n in 0.. {
                    let name = format!("{writer}-{n:04}");
                    match db.write(async |tx| insert(tx, &name, 10_000).await).await {
                        Ok(_) => kept.push(name),
                        Err(DbError::Full(_)) => refused += 1,
                        Err(error) => panic!("a full database is called full: {error:?}"),
                    }
                    if refused == 3 {
                        break;
                    }
                }
                (kept, refused)
            })
        })
        .collect();
    let (mut kept, mut refused) = (Vec::new(), 0);
    for writer in writers {
        let (its, many) = soon("every writer is refused in the end", writer).await.expect("no panic");
        kept.extend(its);
        refused += many;
    }
    kept.sort_unstable();
    (kept, refused)
}

/// A filesystem of a few megabytes; unmounted when this is dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// None where this process may not mount one.
    fn mount(at: &Path) -> Option<Self> {
        fs::create_dir(at).expect("a directory");
        let mounted = is_root()
            && Command::new("mount")
                .args(["-t", "tmpfs", "-o", "size=3m", "mintreu-test"])
                .arg(at)
                .status()
                .is_ok_and(|status| status.success());
        mounted.then(|| Self(at.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_a_clear_error_and_corrupts_nothing() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    // Where none can be mounted, `max_page_count` (in the tests above) is all there is.
    let Some(disk) = SmallDisk::mount(&directory.path().join("disk")) else { return };
    let url = format!("sqlite://{}", disk.0.join("mintreu.db").display());
    // Space that is given back later.
    let ballast = disk.0.join("ballast");
    fs::write(&ballast, vec![0; 700_000]).expect("there is room");
    let db = open_with(&DbOptions::new(&*url), Arc::new(SystemClock)).await;
    let create = "CREATE TABLE notes (name TEXT NOT NULL PRIMARY KEY, body TEXT NOT NULL)";
    db.write(async |tx| execute!(tx, sqlx::query(create))).await.expect("the table is made");

    let (mut kept, refused) = fill(&db).await;
    assert!(!kept.is_empty() && refused > 0, "it filled up: {} kept, {refused} refused", kept.len());
    assert_eq!(names(&db).await, kept, "readers go on");
    assert_sound(&db).await;

    fs::remove_file(&ballast).expect("space is freed");
    small(db.clone(), "zzz").await.expect("with room again it goes on");
    kept.push("zzz".to_owned());
    db.close().await;
    let reopened = open_with(&DbOptions::new(&*url), Arc::new(SystemClock)).await;
    assert_eq!(names(&reopened).await, kept, "what was acknowledged, and nothing else");
    assert_sound(&reopened).await;
    reopened.close().await;
}
