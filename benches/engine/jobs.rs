//! Jobs per second from the table to completion, and how soon an idle one starts.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use mintreu::{
    db::{Db, DbError, Dialect},
    execute, fetch_one,
    jobs::{
        Attempt, Claimed, Consumer, External, Failure, Handlers, Outcome, Perform, QueueOptions, Worker, WorkerOptions,
    },
};
use sqlx::Connection;
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use super::{
    commits::{InsertRow, Noop, sqlite_connection},
    report::Report,
    scene::{Fresh, ROUND, ROUNDS, Scene},
};

impl External<()> for Noop {
    async fn run(self, (): &mut (), _: &Db, _: Attempt) -> Result<(), Failure> {
        Ok(())
    }
}

const JOBS: i64 = 60_000;

pub async fn run(scene: &Scene, report: &mut Report<'_>) {
    if report.wants("noop") {
        let (mut empty, mut full) = (Vec::new(), Vec::new());
        let filled = scene.fresh().await;
        fill(&filled.db).await;
        for _ in 0..ROUNDS {
            empty.push(drain::<Noop>(&scene.fresh().await, JOBS).await);
            full.push(drain::<Noop>(&filled, JOBS).await);
        }
        report.plain_rate(
            "noop: claimed, acted, completed",
            &mut empty.clone(),
            "25,000/s (SQLite), 30,000/s (PostgreSQL)",
        );
        report.rate("noop: beside 1 M finished, 100 k waiting", &mut full, &mut empty, "ratio 0.80");
    }
    if report.wants("effect") {
        let (mut ours, mut limit) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ours.push(drain::<InsertRow>(&scene.fresh().await, JOBS / 3).await);
            limit.push(effect_by_hand(&scene.fresh().await).await);
        }
        report.rate("effect: one row in the completing tx", &mut ours, &mut limit, "ratio 0.60");
    }
    if report.wants("latency") {
        let mut times = latency(&scene.fresh().await.db).await;
        report.times("latency: enqueue to handler, idle", &mut times, "p50 < 1 ms in process");
    }
}

/// A job kind that the benchmark can consume and make rows of.
trait Kind {
    const KIND: &'static str;
    fn handlers(db: &Db) -> Handlers<()>;
}

impl Kind for Noop {
    const KIND: &'static str = <Self as mintreu::jobs::Job>::KIND;
    fn handlers(db: &Db) -> Handlers<()> {
        Handlers::new(db.clone()).external::<Self>()
    }
}

impl Kind for InsertRow {
    const KIND: &'static str = <Self as mintreu::jobs::Job>::KIND;
    fn handlers(db: &Db) -> Handlers<()> {
        Handlers::new(db.clone()).transactional::<Self>()
    }
}

/// Rows as enqueueing would have written them.
async fn rows(db: &Db, count: i64, kind: &str, state: &str) {
    for chunk in 0..(count + 9_999) / 10_000 {
        let count = (count - chunk * 10_000).min(10_000);
        db.write(async |tx| {
            let text = tx.dialect().pick(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
                 INSERT INTO jobs (id, queue, kind, payload, state, priority, run_at, max_attempts, created_at, finished_at)
                 SELECT randomblob(16), 'bench', $2, '{}', $3, 2, $4, 20, $4, CASE WHEN $3 = 'completed' THEN $4 END FROM n",
                "INSERT INTO jobs (id, queue, kind, payload, state, priority, run_at, max_attempts, created_at, finished_at)
                 SELECT gen_random_uuid(), 'bench', $2, '{}', $3, 2, $4, 20, $4, CASE WHEN $3 = 'completed' THEN $4 END
                 FROM generate_series(1, $1)",
            );
            let at = if state == "scheduled" { tx.now() + Duration::from_secs(86_400) } else { tx.now() };
            execute!(tx, sqlx::query(text).bind(count).bind(kind).bind(state).bind(at))
        })
        .await
        .expect("fills");
    }
}

async fn fill(db: &Db) {
    rows(db, 1_000_000, "bench.noop", "completed").await;
    rows(db, 100_000, "bench.noop", "scheduled").await;
    if db.dialect() == Dialect::Postgres {
        let mintreu::db::On::Postgres(pool) = db.on() else { return };
        sqlx::query("VACUUM ANALYZE jobs").execute(pool).await.expect("analyzes");
    }
}

struct Inline(Arc<Handlers<()>>);

impl Consumer for Inline {
    fn consume(&self, job: Claimed) -> BoxFuture<'static, (Claimed, Outcome)> {
        let handlers = Arc::clone(&self.0);
        Box::pin(async move {
            let outcome = handlers.perform(&mut (), &job).await;
            (job, outcome)
        })
    }
}

async fn start(db: &Db, handlers: Handlers<()>) -> (Worker, watch::Sender<bool>) {
    let worker = Worker::start(db.clone(), WorkerOptions::default(), Vec::new()).await.expect("starts");
    let (open, gate) = watch::channel(true);
    let options = QueueOptions { queue: "bench", concurrency: 512, poll_interval: Duration::from_secs(1), gate };
    worker.consume(options, Arc::new(Inline(Arc::new(handlers))));
    (worker, open)
}

/// Jobs per second until `count` of them are done.
async fn drain<K: Kind>(fresh: &Fresh, count: i64) -> f64 {
    let db = &fresh.db;
    rows(db, count, K::KIND, "available").await;
    let began = Instant::now();
    let (worker, _open) = start(db, K::handlers(db)).await;
    loop {
        let left: i64 =
            fetch_one!(db, sqlx::query_scalar("SELECT COUNT(*) FROM jobs WHERE state IN ('available', 'running')"))
                .expect("counts");
        if left == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let rate = count as f64 / began.elapsed().as_secs_f64();
    worker.shutdown(Duration::from_secs(1)).await;
    rate
}

/// The insert and one update of a jobs row, by a plain loop.
async fn effect_by_hand(fresh: &Fresh) -> f64 {
    const INSERT: &str = "INSERT INTO scratch (id, n) VALUES ($1, $2)";
    const UPDATE: &str = "UPDATE jobs SET state = 'completed' WHERE id = $1";
    rows(&fresh.db, 20_000, "bench.insert", "available").await;
    let mintreu::db::On::Sqlite(pool) = fresh.db.on() else { return postgres_effect_by_hand(fresh).await };
    let ids: Vec<Uuid> = sqlx::query_scalar("SELECT id FROM jobs").fetch_all(pool).await.expect("reads");
    let mut conn = sqlite_connection(fresh).await;
    let (began, mut done) = (Instant::now(), 0_u64);
    for group in ids.chunks(64) {
        sqlx::query("BEGIN IMMEDIATE").execute(&mut conn).await.expect("begins");
        for id in group {
            sqlx::query(INSERT).bind(id).bind(1_i64).execute(&mut conn).await.expect("inserts");
            sqlx::query(UPDATE).bind(id).execute(&mut conn).await.expect("updates");
        }
        sqlx::query("COMMIT").execute(&mut conn).await.expect("commits");
        done += group.len() as u64;
        if began.elapsed() > ROUND {
            break;
        }
    }
    let rate = done as f64 / began.elapsed().as_secs_f64();
    conn.close().await.expect("closes");
    rate
}

async fn postgres_effect_by_hand(fresh: &Fresh) -> f64 {
    let mintreu::db::On::Postgres(pool) = fresh.db.on() else { unreachable!("asked for PostgreSQL") };
    let ids: Vec<Uuid> = sqlx::query_scalar("SELECT id FROM jobs").fetch_all(pool).await.expect("reads");
    let began = Instant::now();
    let mut loops = Vec::new();
    for part in ids.chunks(ids.len().div_ceil(16)) {
        let (pool, part) = (pool.clone(), part.to_vec());
        loops.push(tokio::spawn(async move {
            for id in part {
                let mut tx = pool.begin().await.expect("begins");
                sqlx::query("INSERT INTO scratch (id, n) VALUES ($1, $2)")
                    .bind(id)
                    .bind(1_i64)
                    .execute(&mut *tx)
                    .await
                    .expect("inserts");
                sqlx::query("UPDATE jobs SET state = 'completed' WHERE id = $1")
                    .bind(id)
                    .execute(&mut *tx)
                    .await
                    .expect("updates");
                tx.commit().await.expect("commits");
            }
        }));
    }
    for one in loops {
        one.await.expect("no panic");
    }
    ids.len() as f64 / began.elapsed().as_secs_f64()
}

struct Stopwatch(mpsc::UnboundedSender<Instant>);

impl Consumer for Stopwatch {
    fn consume(&self, job: Claimed) -> BoxFuture<'static, (Claimed, Outcome)> {
        self.0.send(Instant::now()).expect("someone listens");
        Box::pin(std::future::ready((job, Outcome::Completed)))
    }
}

/// From the moment `write` is called to the moment the consumer has the job, one at a time.
async fn latency(db: &Db) -> Vec<Duration> {
    let worker = Worker::start(db.clone(), WorkerOptions::default(), Vec::new()).await.expect("starts");
    let (_open, gate) = watch::channel(true);
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let options = QueueOptions { queue: "bench", concurrency: 64, poll_interval: Duration::from_secs(1), gate };
    worker.consume(options, Arc::new(Stopwatch(sender)));
    let mut times = Vec::new();
    for _ in 0..300 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let began = Instant::now();
        db.write(async |tx| tx.enqueue(&Noop {}).await.map_err(DbError::from)).await.expect("enqueues");
        times.push(receiver.recv().await.expect("runs").duration_since(began));
    }
    worker.shutdown(Duration::from_secs(1)).await;
    times
}
