//! What tests need around them: a database of their own on either engine, and the real binary in a directory of its own.

#![allow(dead_code, unused_imports, reason = "not every helper has a journey yet")]

mod nginx;
mod paypal;
mod people;
mod postgres;
mod postgres_server;
mod process;
mod shop;
mod smtp;
pub(crate) mod sold;
mod stripe;
mod till;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use mintreu::{
    db::{Db, DbOptions},
    kernel::{Clock, IdSource, SystemClock},
};
use tempfile::TempDir;

pub(crate) use self::{
    nginx::Nginx,
    paypal::{Forged, PAYPAL_CLIENT, PAYPAL_WEBHOOK, PaypalServer},
    people::{Person, sign_in},
    postgres::PostgresDb,
    postgres_server::{PostgresServer, is_root},
    process::{Finished, Mintreu, Running, free_port},
    shop::{
        Effect, NoFail, QUEUE, Shop, ShopOptions, count, create_effects, effects_once, jobs_in, settled, write_effect,
    },
    smtp::{CertificateAuthority, Identity, Manners, Mood, Received, SmtpServer, Tls},
    stripe::{STRIPE_KEY, StripeServer},
    till::{Sells, Till, charge, paid, put_on_sale, refunded},
};

/// A new, empty database that is gone when this is dropped.
#[derive(Debug)]
pub(crate) enum TestDb {
    /// A file in a directory of its own.
    Sqlite(TempDir),
    /// A database of its own on the server that `MINTREU_TEST_POSTGRES` names.
    Postgres(PostgresDb),
}

impl TestDb {
    /// An empty directory for a SQLite file.
    pub(crate) fn sqlite() -> Self {
        crypto();
        Self::Sqlite(tempfile::tempdir().expect("a temporary directory"))
    }

    /// A new database; none if no server is there to test with, which [`required`] forbids.
    pub(crate) async fn postgres() -> Option<Self> {
        crypto();
        PostgresDb::create().await.map(Self::Postgres)
    }

    /// What `database.url` takes.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite(directory) => format!("sqlite://{}", sqlite_file(directory.path()).display()),
            Self::Postgres(database) => database.url().to_owned(),
        }
    }

    /// The database opened, its schema brought up to date. Each call gives connections of their own.
    pub(crate) async fn open(&self) -> Db {
        self.open_at(Arc::new(SystemClock)).await
    }

    /// The same under another clock.
    pub(crate) async fn open_at(&self, clock: Arc<dyn Clock>) -> Db {
        open_with(&DbOptions::new(self.url()), clock).await
    }
}

/// A database opened with `options`, its schema brought up to date.
pub(crate) async fn open_with(options: &DbOptions, clock: Arc<dyn Clock>) -> Db {
    let db = Db::open(options, IdSource::new(clock)).await.expect("the database opens");
    db.migrate().await.expect("the schema is brought up to date");
    db
}

/// Names the cryptography that tests' own clients use; the program names its own.
pub(crate) fn crypto() {
    // Whoever comes second finds it done.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// How long anything may take on a busy machine before a test gives up.
const PATIENCE: Duration = Duration::from_secs(90);

/// Waits until `holds` says so.
///
/// # Panics
/// If it does not within a generous time; `what` says what was waited for.
pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Awaits what must come to an end.
///
/// # Panics
/// If it does not within a generous time.
pub(crate) async fn soon<F: Future>(what: &str, work: F) -> F::Output {
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {what}"))
}

fn sqlite_file(directory: &Path) -> PathBuf {
    directory.join("mintreu.db")
}

/// Whether a test that cannot run must fail: `./test` and CI pass over nothing.
pub(crate) fn required() -> bool {
    std::env::var_os("MINTREU_TEST_REQUIRE_ALL").is_some_and(|value| value == "1")
}

/// Runs a test's body. The closure's type is fixed here, so that tests need not write it.
pub(crate) async fn run<F: Future<Output = ()>>(db: TestDb, body: impl FnOnce(TestDb) -> F) {
    body(db).await;
}

/// One body, two tests: `name::sqlite` and `name::postgres`.
///
/// ```ignore
/// on_both!(an_order_is_kept, |db| async move {
///     let store = open(&db.url()).await;
///     …
/// });
/// ```
///
/// The body gets the [`TestDb`] and keeps it as long as it uses the database.
macro_rules! on_both {
    ($(#[$attribute:meta])* $name:ident, $body:expr) => {
        $(#[$attribute])*
        mod $name {
            #[allow(unused_imports, reason = "a body may need nothing from around it")]
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                $crate::support::run($crate::support::TestDb::sqlite(), $body).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                if let Some(db) = $crate::support::TestDb::postgres().await {
                    $crate::support::run(db, $body).await;
                }
            }
        }
    };
}
