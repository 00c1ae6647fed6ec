//! A fresh, migrated database for each test, on both engines.

use std::{future::Future, sync::Arc};

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::{
    db::{Db, DbOptions},
    kernel::{
        IdSource, ManualClock, SystemClock, Time,
        seal::{Keyring, Random},
    },
};

/// Runs `test` on SQLite.
pub(crate) async fn sqlite<F: Future<Output = ()>>(test: impl FnOnce(Db, Arc<ManualClock>) -> F) {
    let dir = tempfile::tempdir().expect("a directory");
    let (db, clock) = open(&format!("sqlite://{}/test.db", dir.path().display())).await;
    test(db.clone(), clock).await;
    db.close().await;
}

/// Runs `test` on PostgreSQL, if `MINTREU_TEST_POSTGRES` names a server.
pub(crate) async fn postgres<F: Future<Output = ()>>(test: impl FnOnce(Db, Arc<ManualClock>) -> F) {
    let Ok(server) = std::env::var("MINTREU_TEST_POSTGRES") else {
        assert!(std::env::var_os("MINTREU_TEST_REQUIRE_ALL").is_none(), "MINTREU_TEST_POSTGRES is not set");
        eprintln!("skipped: MINTREU_TEST_POSTGRES is not set");
        return;
    };
    let name = format!("mintreu_test_{}", IdSource::new(Arc::new(SystemClock)).next_uuid().simple());
    let mut admin = PgConnection::connect(&server).await.expect("connects");
    sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut admin).await.expect("creates");
    let base = server.split('?').next().unwrap_or(&server);
    let (scheme, rest) = base.split_once("://").expect("a URL");
    let host = rest.split('/').next().unwrap_or(rest);
    let (db, clock) = open(&format!("{scheme}://{host}/{name}")).await;
    test(db.clone(), clock).await;
    db.close().await;
    sqlx::query(AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"))).execute(&mut admin).await.expect("drops");
}

/// Opens and migrates the database at `url`.
pub(crate) async fn open(url: &str) -> (Db, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new("2026-03-01T10:00:00Z".parse::<Time>().expect("a time")));
    let db = Db::open(&DbOptions::new(url), IdSource::new(clock.clone())).await.expect("opens");
    db.migrate().await.expect("migrates");
    (db, clock)
}

/// A keyring of the roots named by one byte each, the sealing one first.
pub(crate) fn keyring(roots: &[u8]) -> Keyring {
    Keyring::new(roots.iter().map(|byte| [*byte; 32]), Random::seeded(7)).expect("has a key")
}

/// Declares tests that run on both databases: each names an `async fn(Db, Arc<ManualClock>)`.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { $crate::audit::tests::scratch::sqlite(super::$name).await; })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { $crate::audit::tests::scratch::postgres(super::$name).await; })+
        }
    };
}
pub(crate) use on_both;
