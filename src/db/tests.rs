use std::sync::Arc;

use super::*;
use crate::{execute, fetch_one, kernel::SystemClock};

#[derive(Debug)]
enum Refused {
    #[expect(dead_code, reason = "shown when the test fails")]
    Db(DbError),
    No,
}
impl From<DbError> for Refused {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

async fn scratch() -> (tempfile::TempDir, Db) {
    let dir = tempfile::tempdir().expect("a directory");
    let db = Db::open(
        &DbOptions::new(format!("sqlite://{}", dir.path().join("a/b.db").display())),
        IdSource::new(Arc::new(SystemClock)),
    )
    .await
    .expect("opens");
    db.migrate().await.expect("migrates");
    (dir, db)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neighbours_share_a_commit_and_keep_to_themselves() {
    let (_dir, db) = scratch().await;
    let mut tasks = Vec::new();
    for n in 0..64_i64 {
        let db = db.clone();
        tasks.push(tokio::spawn(async move {
            let key = format!("k{n}");
            db.write(async |tx| {
                let id = tx.new_id::<()>();
                execute!(tx, sqlx::query("INSERT INTO job_keys (key, job_id) VALUES ($1, $2)").bind(&key).bind(id))?;
                if n % 3 == 0 { Err(Refused::No) } else { Ok(()) }
            })
            .await
        }));
    }
    for (n, task) in tasks.into_iter().enumerate() {
        let result = task.await.expect("no panic");
        assert_eq!(result.is_ok(), n % 3 != 0, "{result:?}");
    }
    let kept: i64 = fetch_one!(db, sqlx::query_scalar("SELECT COUNT(*) FROM job_keys")).expect("counts");
    assert_eq!(kept, 42);
}
