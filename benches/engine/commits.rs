//! Transactions per second, against a loop that sends the same statements by hand.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};

use mintreu::{
    db::{Db, DbError, Tx},
    execute,
    jobs::{Attempt, Failure, Job, Transactional},
};
use serde::{Deserialize, Serialize};
use sqlx::{
    ConnectOptions, Connection, PgConnection, SqliteConnection, postgres::PgConnectOptions,
    sqlite::SqliteConnectOptions,
};
use uuid::Uuid;

use super::{
    report::Report,
    scene::{Fresh, ROUND, ROUNDS, Scene},
};

const CALLERS: usize = 64;
const INSERT: &str = "INSERT INTO scratch (id, n) VALUES ($1, $2)";

/// A job with no effect.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Noop {}

impl Job for Noop {
    const KIND: &'static str = "bench.noop";
    const QUEUE: &'static str = "bench";
}

/// A job whose effect is one row.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct InsertRow {}

impl Job for InsertRow {
    const KIND: &'static str = "bench.insert";
    const QUEUE: &'static str = "bench";
}

impl Transactional<()> for InsertRow {
    async fn run(self, (): &mut (), tx: &mut Tx, attempt: Attempt) -> Result<(), Failure> {
        execute!(tx, sqlx::query(INSERT).bind(attempt.job).bind(1_i64))?;
        Ok(())
    }
}

pub(crate) async fn run(scene: &Scene, report: &Report<'_>) {
    if report.wants("commits") {
        let (mut ours, mut limit) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ours.push(grouped(&scene.fresh().await.db, false).await);
            limit.push(by_hand(&scene.fresh().await, 1).await);
        }
        Report::rate("commits: one insert, 64 callers", &mut ours, &mut limit, "15,000/s (SQLite), ratio 0.80");
    }
    if report.wants("enqueue") {
        let (mut ours, mut limit) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ours.push(grouped(&scene.fresh().await.db, true).await);
            limit.push(by_hand(&scene.fresh().await, 2).await);
        }
        Report::rate("enqueue: one insert and one job, 64 callers", &mut ours, &mut limit, "ratio 0.80");
    }
}

/// Transactions per second of many callers, each with one insert and perhaps a job.
async fn grouped(db: &Db, enqueue: bool) -> f64 {
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut callers = Vec::new();
    let began = Instant::now();
    for _ in 0..CALLERS {
        let (db, stop, done) = (db.clone(), Arc::clone(&stop), Arc::clone(&done));
        callers.push(tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                db.write(async |tx| {
                    let id = tx.new_id::<()>();
                    execute!(tx, sqlx::query(INSERT).bind(id).bind(1_i64))?;
                    if enqueue {
                        tx.enqueue(&Noop {}).await?;
                    }
                    Ok::<_, DbError>(())
                })
                .await
                .expect("commits");
                done.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    tokio::time::sleep(ROUND).await;
    let rate = done.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64();
    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.expect("no panic");
    }
    rate
}

const JOB_SQLITE: &str =
    "INSERT INTO jobs (id, queue, kind, payload, state, priority, run_at, max_attempts, created_at)
    VALUES ($1, 'bench', 'bench.noop', '{}', 'available', 2, $2, 20, $2)";
const JOB_POSTGRES: &str = "INSERT INTO jobs (id, queue, kind, payload, state, priority, run_at, max_attempts, created_at)
    VALUES ($1, 'bench', 'bench.noop', '{}', 'available', 2, TIMESTAMPTZ 'epoch' + $2 * INTERVAL '1 microsecond', 20, now())";

/// The same statements sent by a plain loop: SQLite in groups on one connection, PostgreSQL on sixteen.
async fn by_hand(fresh: &Fresh, inserts: usize) -> f64 {
    match fresh.db.dialect() {
        mintreu::db::Dialect::Sqlite => sqlite_by_hand(fresh, inserts).await,
        mintreu::db::Dialect::Postgres => postgres_by_hand(fresh, inserts).await,
    }
}

/// A bare connection with the settings of ours.
pub(crate) async fn sqlite_connection(fresh: &Fresh) -> SqliteConnection {
    fresh
        .url
        .parse::<SqliteConnectOptions>()
        .expect("a url")
        .journal_mode(sqlx::sqlite::SqliteJournalMode::Wal)
        .synchronous(sqlx::sqlite::SqliteSynchronous::Full)
        .pragma("wal_autocheckpoint", "4000")
        .pragma("cache_size", "-65536")
        .disable_statement_logging()
        .connect()
        .await
        .expect("connects")
}

/// In a task on the runtime's threads, as a server's loop would be.
async fn sqlite_by_hand(fresh: &Fresh, inserts: usize) -> f64 {
    let conn = sqlite_connection(fresh).await;
    tokio::spawn(sqlite_loop(conn, inserts)).await.expect("no panic")
}

async fn sqlite_loop(mut conn: SqliteConnection, inserts: usize) -> f64 {
    let began = Instant::now();
    let mut done = 0_u64;
    while began.elapsed() < ROUND {
        sqlx::query("BEGIN IMMEDIATE; SAVEPOINT member").execute(&mut conn).await.expect("begins");
        for n in 0..CALLERS {
            let first = if n == 0 { INSERT.to_owned() } else { format!("RELEASE member; SAVEPOINT member; {INSERT}") };
            sqlx::query(sqlx::AssertSqlSafe(first))
                .bind(fresh_uuid())
                .bind(1_i64)
                .execute(&mut conn)
                .await
                .expect("inserts");
            if inserts == 2 {
                sqlx::query(JOB_SQLITE).bind(fresh_uuid()).bind(1_i64).execute(&mut conn).await.expect("inserts");
            }
        }
        sqlx::query("COMMIT").execute(&mut conn).await.expect("commits");
        done += CALLERS as u64;
    }
    let rate = done as f64 / began.elapsed().as_secs_f64();
    conn.close().await.expect("closes");
    rate
}

async fn postgres_by_hand(fresh: &Fresh, inserts: usize) -> f64 {
    let done = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let mut loops = Vec::new();
    for _ in 0..16 {
        let options: PgConnectOptions = fresh.url.parse().expect("a url");
        let mut conn: PgConnection = options.disable_statement_logging().connect().await.expect("connects");
        let done = Arc::clone(&done);
        loops.push(tokio::spawn(async move {
            while began.elapsed() < ROUND {
                let mut tx = conn.begin().await.expect("begins");
                sqlx::query(INSERT).bind(fresh_uuid()).bind(1_i64).execute(&mut *tx).await.expect("inserts");
                if inserts == 2 {
                    sqlx::query(JOB_POSTGRES).bind(fresh_uuid()).bind(1_i64).execute(&mut *tx).await.expect("inserts");
                }
                tx.commit().await.expect("commits");
                done.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    for one in loops {
        one.await.expect("no panic");
    }
    done.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64()
}

/// As our source makes them, so that indexes grow alike.
fn fresh_uuid() -> Uuid {
    Uuid::now_v7()
}
