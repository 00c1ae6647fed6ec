//! PostgreSQL that restarts, goes away or cuts connections: the queue recovers by itself and each job has its effect once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use mintreu::{
    db::{Db, DbError, DbOptions},
    execute,
    jobs::Handlers,
    kernel::SystemClock,
};

use crate::{
    queue_scene::{Hold, Scene, enqueue},
    support::{
        Effect, PostgresDb, PostgresServer, Shop, ShopOptions, count, create_effects, effects_once, eventually,
        jobs_in, open_with, settled, soon,
    },
};

const MOMENT: Duration = Duration::from_secs(10);

async fn open(url: &str) -> Db {
    let options = DbOptions { patience: Duration::from_secs(2), ..DbOptions::new(url) };
    let db = open_with(&options, Arc::new(SystemClock)).await;
    create_effects(&db).await;
    db
}

async fn worker(db: &Db) -> Shop {
    let handlers = Handlers::<()>::new(db.clone()).transactional::<Effect>();
    Shop::start(db, handlers, || (), ShopOptions::lease(Duration::from_secs(2))).await
}

/// Enqueues until told to stop, each job until it is acknowledged; a unique key makes the repetition harmless.
async fn load(db: Db, stop: Arc<AtomicBool>, feeder: usize) -> Vec<String> {
    let mut names = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        let name = format!("{feeder}-{:04}", names.len());
        let group = (names.len() % 10 == 0).then(|| "group".to_owned());
        // A completed job frees its key, so the name is looked for too before it is enqueued again.
        let job = Effect { group, ..Effect::new(&name) };
        loop {
            let enqueued = db
                .write(async |tx| {
                    let take = "INSERT INTO feed (name) VALUES ($1) ON CONFLICT DO NOTHING";
                    if execute!(tx, sqlx::query(take).bind(&name))? == 1 {
                        tx.enqueue(&job).await?;
                    }
                    Ok::<_, DbError>(())
                })
                .await;
            match enqueued {
                Ok(()) => break,
                Err(error) => assert!(error.is_transient(), "a lost connection is worth another try: {error:?}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        names.push(name);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    names
}

/// Runs `faults` while jobs are enqueued and done; then all must be done, each once.
async fn under_load(url: &str, faults: impl AsyncFnOnce(&Db)) {
    let db = open(url).await;
    db.write(async |tx| execute!(tx, sqlx::query("CREATE TABLE feed (name TEXT NOT NULL PRIMARY KEY)")))
        .await
        .expect("the table is made");
    let (one, two) = (worker(&db).await, worker(&db).await);
    let stop = Arc::new(AtomicBool::new(false));
    let feeders: Vec<_> = (0..4).map(|feeder| tokio::spawn(load(db.clone(), stop.clone(), feeder))).collect();
    eventually("jobs are done", async || jobs_in(&db, "completed").await >= 20).await;
    faults(&db).await;
    stop.store(true, Ordering::SeqCst);
    let mut names = Vec::new();
    for feeder in feeders {
        names.extend(soon("the feeder ends", feeder).await.expect("no panic"));
    }
    settled(&db).await;
    effects_once(&db, names).await;
    assert_eq!(jobs_in(&db, "discarded").await, 0);
    one.close(MOMENT).await;
    two.close(MOMENT).await;
    assert_eq!(count(&db, "SELECT COUNT(*) FROM job_workers").await, 0, "both took leave");
}

/// What is completed goes on growing.
async fn goes_on(db: &Db) {
    let mut before = None;
    eventually("jobs are done again", async || {
        let completed: Result<i64, DbError> =
            mintreu::fetch_one!(db, sqlx::query_scalar("SELECT COUNT(*) FROM jobs WHERE state = 'completed'"));
        let Ok(completed) = completed else { return false };
        completed >= *before.get_or_insert(completed) + 20
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_under_load_loses_no_job_and_repeats_no_effect() {
    let Some(server) = PostgresServer::start_new() else { return };
    let server = Arc::new(server);
    let url = server.url();
    under_load(&url, async |db| {
        for mode in ["fast", "immediate"] {
            let server = server.clone();
            tokio::task::spawn_blocking(move || {
                server.stop(mode);
                server.start();
            })
            .await
            .expect("it restarts");
            goes_on(db).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_connections_under_load_lose_no_job_and_repeat_no_effect() {
    let Some(database) = PostgresDb::create().await else { return };
    under_load(database.url(), async |db| {
        for _ in 0..25 {
            database.cut_connections().await;
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
        goes_on(db).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_server_is_unavailable_and_then_there_again() {
    let Some(server) = PostgresServer::start_new() else { return };
    let server = Arc::new(server);
    let db = open(&server.url()).await;
    let scene = Scene::new();
    let shop = scene.open(&db, ShopOptions::default()).await;
    // One whose outcome must be recorded while there is no database.
    enqueue(&db, [Hold::new("mail")]).await;
    eventually("it runs", async || scene.has("started mail 1")).await;
    let stopping = server.clone();
    tokio::task::spawn_blocking(move || stopping.stop("fast")).await.expect("it stops");
    scene.go.add_permits(1);
    eventually("it is done outside", async || scene.has("finished mail")).await;
    let error = db.write(async |tx| tx.enqueue(&Effect::new("no")).await).await.expect_err("the server is gone");
    assert!(matches!(error, DbError::Unavailable(_)), "{error:?}");
    assert!(error.is_transient());
    let error = db.ping().await.expect_err("the server is gone");
    assert!(matches!(error, DbError::Unavailable(_)), "{error:?}");
    let starting = server.clone();
    tokio::task::spawn_blocking(move || starting.start()).await.expect("it starts");
    settled(&db).await;
    assert_eq!(jobs_in(&db, "completed").await, 1);
    assert_eq!(scene.count("started"), 1, "its outcome was recorded, it was not done again");
    enqueue(&db, [Effect::new("again")]).await;
    settled(&db).await;
    effects_once(&db, ["again".to_owned()]).await;
    shop.close(MOMENT).await;
}
