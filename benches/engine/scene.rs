//! A fresh database for a measurement.

use std::{sync::Arc, time::Duration};

use mintreu::{
    db::{Db, DbOptions},
    execute,
    kernel::{IdSource, SystemClock},
};

/// Which database is measured.
pub(crate) enum Scene {
    Sqlite,
    Postgres(String),
}

/// An open database, and its directory if it has one.
pub(crate) struct Fresh {
    pub(crate) db: Db,
    pub(crate) url: String,
    _dir: Option<tempfile::TempDir>,
}

impl Fresh {
    /// The same database, opened as another process would.
    pub(crate) async fn again(&self) -> Db {
        Db::open(&DbOptions::new(&self.url), IdSource::new(Arc::new(SystemClock))).await.expect("opens")
    }
}

impl Scene {
    pub(crate) fn all() -> Vec<Self> {
        let mut scenes = vec![Self::Sqlite];
        match std::env::var("MINTREU_BENCH_POSTGRES") {
            Ok(url) => scenes.push(Self::Postgres(url)),
            Err(_) => println!("PostgreSQL is not measured: MINTREU_BENCH_POSTGRES is not set"),
        }
        scenes
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres(_) => "postgres",
        }
    }

    /// A migrated, empty database with a scratch table.
    pub(crate) async fn fresh(&self) -> Fresh {
        let (url, dir) = match self {
            Self::Sqlite => {
                let base =
                    std::env::var_os("CARGO_TARGET_TMPDIR").unwrap_or_else(|| env!("CARGO_TARGET_TMPDIR").into());
                let dir = tempfile::tempdir_in(base).expect("a directory");
                (format!("sqlite://{}", dir.path().join("bench.db").display()), Some(dir))
            }
            Self::Postgres(admin) => {
                let ids = IdSource::new(Arc::new(SystemClock));
                let name = format!("bench_{}", ids.next_uuid().simple());
                let db = Db::open(&DbOptions::new(admin), ids).await.expect("PostgreSQL answers");
                let mintreu::db::On::Postgres(pool) = db.on() else {
                    panic!("MINTREU_BENCH_POSTGRES names PostgreSQL")
                };
                sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}")))
                    .execute(pool)
                    .await
                    .expect("creates");
                let (base, _) = admin.rsplit_once('/').expect("a database in the url");
                (format!("{base}/{name}"), None)
            }
        };
        let db = Db::open(&DbOptions::new(&url), IdSource::new(Arc::new(SystemClock))).await.expect("opens");
        db.migrate().await.expect("migrates");
        db.write(async |tx| {
            let text = tx.dialect().pick(
                "CREATE TABLE scratch (id BLOB NOT NULL PRIMARY KEY, n INTEGER NOT NULL) STRICT",
                "CREATE TABLE scratch (id UUID NOT NULL PRIMARY KEY, n BIGINT NOT NULL)",
            );
            execute!(tx, sqlx::query(text))
        })
        .await
        .expect("creates the scratch table");
        Fresh { db, url, _dir: dir }
    }
}

/// How long a rate is measured.
pub(crate) const ROUND: Duration = Duration::from_millis(1500);
/// How many rounds, ours and the limit in turn.
pub(crate) const ROUNDS: usize = 3;
