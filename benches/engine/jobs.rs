//! Jobs per second from the table to completion, and how soon an idle one starts.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use mintreu::{
    actors::{Capability, System},
    db::{Db, Dialect},
    execute, fetch_one,
    jobs::{Attempt, External, Failure, Handlers, Job, QueueOptions, Worker, WorkerOptions},
};
use serde::{Deserialize, Serialize};
use sqlx::{Connection, SqliteConnection};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
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

pub(crate) async fn run(scene: &Scene, report: &Report<'_>) {
    if report.wants("noop") {
        let (mut empty, mut full) = (Vec::new(), Vec::new());
        let filled = scene.fresh().await;
        fill(&filled.db).await;
        for _ in 0..ROUNDS {
            empty.push(drain::<Noop>(&scene.fresh().await, JOBS).await);
            full.push(drain::<Noop>(&filled, JOBS).await);
        }
        Report::plain_rate(
            "noop: claimed, acted, completed",
            &mut empty.clone(),
            "25,000/s (SQLite), 30,000/s (PostgreSQL)",
        );
        Report::rate("noop: beside 1 M finished, 100 k waiting", &mut full, &mut empty, "ratio 0.80");
    }
    if report.wants("effect") {
        let (mut ours, mut limit) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ours.push(drain::<InsertRow>(&scene.fresh().await, JOBS / 3).await);
            limit.push(effect_by_hand(&scene.fresh().await).await);
        }
        Report::rate("effect: one row in the completing tx", &mut ours, &mut limit, "ratio 0.60");
    }
    if report.wants("latency") {
        let fresh = scene.fresh().await;
        let mut times = latency(&fresh.db, &fresh.db).await;
        times.print("in process", "p50 < 1 ms");
        if fresh.db.dialect() == Dialect::Postgres {
            let mut times = latency(&fresh.db, &fresh.again().await).await;
            times.print("across processes", "p50 < 4 ms");
        }
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
                 SELECT unhex(printf('%012x7000800000%010x', $5, i)), 'bench', $2, '{}', $3, 2, $4, 20, $4, CASE WHEN $3 = 'completed' THEN $4 END FROM n",
                "INSERT INTO jobs (id, queue, kind, payload, state, priority, run_at, max_attempts, created_at, finished_at)
                 SELECT (lpad(to_hex($5::bigint), 12, '0') || '7000800000' || lpad(to_hex(n), 10, '0'))::uuid, 'bench', $2, '{}', $3, 2, $4, 20, $4, CASE WHEN $3 = 'completed' THEN $4 END
                 FROM generate_series(1, $1) AS n",
            );
            let at = if state == "scheduled" { tx.now() + Duration::from_hours(24) } else { tx.now() };
            let millis = tx.now().as_millis();
            execute!(tx, sqlx::query(text).bind(count).bind(kind).bind(state).bind(at).bind(millis))
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

/// A worker, its actors, and the gate that keeps its queue open.
struct Started {
    worker: Worker,
    actors: System,
    _open: watch::Sender<bool>,
}

impl Started {
    async fn stop(self) {
        self.worker.shutdown(Duration::from_secs(1)).await;
        self.actors.drain(Duration::from_secs(1)).await;
    }
}

async fn start(db: &Db, handlers: Handlers<()>) -> Started {
    let actors = System::start(tokio::runtime::Handle::current(), Arc::clone(db.ids().clock())).expect("starts");
    let bench = actors.add(Capability::new("bench", || (), Arc::new(handlers)).shards(64)).await.expect("starts");
    let worker = Worker::start(db.clone(), WorkerOptions::default(), Vec::new()).await.expect("starts");
    let (open, gate) = watch::channel(true);
    let options = QueueOptions {
        queue: "bench",
        concurrency: 512,
        poll_interval: Duration::from_secs(1),
        spacing: Duration::ZERO,
        gate,
    };
    worker.consume(options, bench.consumer());
    Started { worker, actors, _open: open }
}

/// Jobs per second until `count` of them are done.
async fn drain<K: Kind>(fresh: &Fresh, count: i64) -> f64 {
    // Asked so that the partial indexes answer: a look must not cost what is measured.
    const ANY_LEFT: &str =
        "SELECT EXISTS (SELECT 1 FROM jobs WHERE queue = 'bench' AND state = 'available' AND NOT parked)
        OR EXISTS (SELECT 1 FROM jobs WHERE state = 'running')";
    let db = &fresh.db;
    rows(db, count, K::KIND, "available").await;
    let began = Instant::now();
    let started = start(db, K::handlers(db)).await;
    while fetch_one!(db, sqlx::query_scalar::<_, bool>(ANY_LEFT)).expect("answers") {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let rate = count as f64 / began.elapsed().as_secs_f64();
    started.stop().await;
    rate
}

/// The insert and one update of a jobs row, by a plain loop.
async fn effect_by_hand(fresh: &Fresh) -> f64 {
    rows(&fresh.db, 20_000, "bench.insert", "available").await;
    let mintreu::db::On::Sqlite(pool) = fresh.db.on() else { return postgres_effect_by_hand(fresh).await };
    let ids: Vec<Uuid> = sqlx::query_scalar("SELECT id FROM jobs").fetch_all(pool).await.expect("reads");
    let conn = sqlite_connection(fresh).await;
    tokio::spawn(sqlite_effect_loop(conn, ids)).await.expect("no panic")
}

const INSERT: &str = "INSERT INTO scratch (id, n) VALUES ($1, $2)";
const UPDATE: &str = "UPDATE jobs SET state = 'completed' WHERE id = $1";

/// In a task on the runtime's threads, as a server's loop would be.
async fn sqlite_effect_loop(mut conn: SqliteConnection, ids: Vec<Uuid>) -> f64 {
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

/// Tells when its handler starts.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Tick {}

impl Job for Tick {
    const KIND: &'static str = "bench.tick";
    const QUEUE: &'static str = "bench";
}

static STARTED: Mutex<Option<mpsc::UnboundedSender<Instant>>> = Mutex::new(None);

impl External<()> for Tick {
    async fn run(self, (): &mut (), _: &Db, _: Attempt) -> Result<(), Failure> {
        let started = Instant::now();
        if let Some(sender) = &*STARTED.lock().expect("not poisoned") {
            sender.send(started).expect("someone listens");
        }
        Ok(())
    }
}

/// How long it took until the handlers started.
struct Latency {
    /// Since the enqueueing transaction was begun, its own commit included.
    called: Vec<Duration>,
    /// Since it was acknowledged.
    acknowledged: Vec<Duration>,
}

impl Latency {
    fn print(&mut self, between: &str, goal: &str) {
        Report::times(&format!("latency: enqueued to handler, {between}"), &mut self.acknowledged, goal);
        Report::times(&format!("latency: the same and the enqueueing, {between}"), &mut self.called, "none");
    }
}

/// From enqueueing a job to the start of its handler, one at a time. With `enqueue_to` the enqueueing
/// process is another one, as far as the database knows.
async fn latency(db: &Db, enqueue_to: &Db) -> Latency {
    let started = start(db, Handlers::new(db.clone()).external::<Tick>()).await;
    let (sender, mut receiver) = mpsc::unbounded_channel();
    *STARTED.lock().expect("not poisoned") = Some(sender);
    let stop = CancellationToken::new();
    let (signals, other, until) = (enqueue_to.signals().clone(), enqueue_to.clone(), stop.clone());
    let carrying = tokio::spawn(async move { signals.run(&other, until).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut times = Latency { called: Vec::new(), acknowledged: Vec::new() };
    for _ in 0..300 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let began = Instant::now();
        enqueue_to.write(async |tx| tx.enqueue(&Tick {}).await).await.expect("enqueues");
        let acknowledged = Instant::now();
        let handled = receiver.recv().await.expect("runs");
        times.called.push(handled.duration_since(began));
        times.acknowledged.push(handled.saturating_duration_since(acknowledged));
    }
    stop.cancel();
    carrying.await.expect("no panic");
    started.stop().await;
    times
}
