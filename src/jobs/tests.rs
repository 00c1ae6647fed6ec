use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::*;
use crate::{
    db::{Db, DbError, DbOptions, Tx},
    execute, fetch_one,
    kernel::{IdSource, SystemClock},
};

/// Does jobs in the caller's task: what an actor does, without the actor.
struct Inline(Handlers<()>);

impl Inline {
    fn new(handlers: Handlers<()>) -> Arc<dyn Consumer> {
        Arc::new(InlineConsumer(Arc::new(Self(handlers))))
    }
}

struct InlineConsumer(Arc<Inline>);

impl Consumer for InlineConsumer {
    fn consume(&self, job: Claimed) -> BoxFuture<'static, (Claimed, Outcome)> {
        let inline = Arc::clone(&self.0);
        Box::pin(async move {
            let outcome = inline.0.perform(&mut (), &job).await;
            (job, outcome)
        })
    }
}

#[derive(Serialize, Deserialize)]
struct Note {
    key: String,
    group: Option<String>,
}

impl Job for Note {
    const KIND: &'static str = "test.note";
    const QUEUE: &'static str = "test";
    fn group_key(&self) -> Option<Cow<'_, str>> {
        self.group.as_deref().map(Cow::Borrowed)
    }
}

static RUNNING: AtomicUsize = AtomicUsize::new(0);

impl Transactional<()> for Note {
    async fn run(self, (): &mut (), tx: &mut Tx, attempt: Attempt) -> Result<(), Failure> {
        if self.group.is_some() {
            assert_eq!(RUNNING.fetch_add(1, Ordering::SeqCst), 0, "two of a group at once");
        }
        execute!(
            tx,
            sqlx::query("INSERT INTO job_keys (key, job_id) VALUES ($1, $2)").bind(&self.key).bind(attempt.job)
        )?;
        if self.group.is_some() {
            tokio::task::yield_now().await;
            RUNNING.fetch_sub(1, Ordering::SeqCst);
        }
        if self.key.ends_with("odd") && attempt.number == 1 {
            return Err(Failure::Retry { error: "odd".into(), after: Some(Duration::ZERO) });
        }
        Ok(())
    }
}

async fn open(url: String) -> Db {
    let db = Db::open(&DbOptions::new(url), IdSource::new(Arc::new(SystemClock))).await.expect("opens");
    db.migrate().await.expect("migrates");
    db
}

async fn finished(db: &Db) -> i64 {
    fetch_one!(db, sqlx::query_scalar("SELECT COUNT(*) FROM jobs WHERE state = 'completed'")).expect("counts")
}

async fn journey(db: Db) {
    let options = WorkerOptions { lease: Duration::from_secs(2), ..WorkerOptions::default() };
    let worker = Worker::start(db.clone(), options, Vec::new()).await.expect("starts");
    let (_gate, gate) = watch::channel(true);
    let handlers = Handlers::new(db.clone()).transactional::<Note>();
    let queue = QueueOptions { queue: "test", concurrency: 32, poll_interval: Duration::from_secs(1), gate };
    worker.consume(queue, Inline::new(handlers));
    for n in 0..200 {
        let key = if n % 10 == 3 { format!("{n}odd") } else { format!("{n}") };
        let group = (n % 4 == 0).then(|| "one".to_owned());
        db.write(async |tx| tx.enqueue(&Note { key, group }).await).await.expect("enqueues");
    }
    let all = async {
        while finished(&db).await < 200 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), all).await.expect("all done");
    let rows: i64 = fetch_one!(db, sqlx::query_scalar("SELECT COUNT(*) FROM job_keys")).expect("counts");
    assert_eq!(rows, 200);
    worker.shutdown(Duration::from_secs(2)).await;
    let left: i64 = fetch_one!(db, sqlx::query_scalar("SELECT COUNT(*) FROM job_workers")).expect("counts");
    assert_eq!(left, 0);
    let _: Result<(), DbError> = Ok(());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_journey() {
    let dir = tempfile::tempdir().expect("a directory");
    journey(open(format!("sqlite://{}", dir.path().join("b.db").display())).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_journey() {
    if let Ok(url) = std::env::var("TMP_PG") {
        journey(open(url).await).await;
    }
}
