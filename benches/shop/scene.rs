//! Which database is measured.

use std::sync::Arc;

use mintreu::{
    db::{Db, DbOptions, On},
    kernel::{IdSource, SystemClock},
};

/// A database engine.
pub(crate) enum Scene {
    Sqlite,
    Postgres(String),
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

    /// A new, empty database: a file in `dir`, or one of the server's.
    pub(crate) async fn url(&self, dir: &tempfile::TempDir) -> String {
        match self {
            Self::Sqlite => format!("sqlite://{}", dir.path().join("bench.db").display()),
            Self::Postgres(admin) => {
                let ids = IdSource::new(Arc::new(SystemClock));
                let name = format!("bench_{}", ids.next_uuid().simple());
                let db = Db::open(&DbOptions::new(admin), ids).await.expect("PostgreSQL answers");
                let On::Postgres(pool) = db.on() else { panic!("MINTREU_BENCH_POSTGRES names PostgreSQL") };
                sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}")))
                    .execute(pool)
                    .await
                    .expect("creates");
                let (base, _) = admin.rsplit_once('/').expect("a database in the url");
                format!("{base}/{name}")
            }
        }
    }
}
