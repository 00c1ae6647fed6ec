//! The aggregator against both databases. PostgreSQL takes part when `MINTREU_TEST_POSTGRES` names a server on which
//! databases can be created.

mod exactly_once;
mod killed;
mod service;

use std::{path::Path, sync::Arc, time::Duration};

use sqlx::AssertSqlSafe;

use super::*;
use crate::{
    db::{Db, DbOptions},
    execute, fetch_all, fetch_one,
    kernel::{IdSource, ManualClock, SystemClock, Time},
};

/// A migrated database, and a directory for journals.
struct World {
    db: Db,
    ids: IdSource,
    dir: tempfile::TempDir,
    admin: Option<(Db, String)>,
}

fn ids() -> IdSource {
    IdSource::new(Arc::new(SystemClock))
}

async fn open_db(url: &str) -> Db {
    Db::open(&DbOptions::new(url), ids()).await.expect("the database opens")
}

/// One world per database.
async fn worlds() -> Vec<World> {
    let dir = tempfile::tempdir().expect("a directory");
    let db = open_db(&format!("sqlite://{}", dir.path().join("mintreu.db").display())).await;
    let mut worlds = vec![World { db, ids: ids(), dir, admin: None }];
    if let Ok(url) = std::env::var("MINTREU_TEST_POSTGRES") {
        let admin = open_db(&url).await;
        let name = format!("usage_{}", ids().next_uuid().simple());
        execute!(admin, sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}")))).expect("creates a database");
        let (server, _) = url.rsplit_once('/').expect("the URL ends with a database");
        let db = open_db(&format!("{server}/{name}")).await;
        let dir = tempfile::tempdir().expect("a directory");
        worlds.push(World { db, ids: ids(), dir, admin: Some((admin, name)) });
    } else {
        assert!(std::env::var_os("MINTREU_TEST_REQUIRE_ALL").is_none(), "MINTREU_TEST_POSTGRES is not set");
    }
    for world in &worlds {
        world.db.migrate().await.expect("migrates");
    }
    worlds
}

impl World {
    fn config(&self) -> Config {
        Config { log: LogPolicy::All, ..Config::in_dir(self.dir.path().join("usage")) }
    }

    fn open(&self) -> (Usage, Aggregator) {
        self.open_with(self.config())
    }

    fn open_with(&self, config: Config) -> (Usage, Aggregator) {
        let usage = Usage::open(config, self.ids.clone()).expect("the journal opens");
        (usage.clone(), Aggregator::new(usage, self.db.clone()))
    }

    /// What the journals in its directory hold, as another process would read them.
    fn on_disk(&self) -> i64 {
        inspect(&self.config().dir).expect("readable").iter().map(|journal| journal.amount).sum()
    }

    /// The sums of a period's summaries.
    async fn sum(&self, period: Period) -> i64 {
        let sql = "SELECT CAST(COALESCE(SUM(count), 0) AS BIGINT) FROM usage_summaries WHERE period = $1";
        fetch_one!(self.db, sqlx::query_scalar(sql).bind(period.as_str())).expect("a sum")
    }

    /// What the summaries say in all; the same in every period.
    async fn total(&self) -> i64 {
        let [hour, day, month] =
            [self.sum(Period::Hour).await, self.sum(Period::Day).await, self.sum(Period::Month).await];
        assert_eq!((hour, hour), (day, month), "the periods agree");
        hour
    }

    async fn logged(&self) -> i64 {
        fetch_one!(self.db, sqlx::query_scalar("SELECT COUNT(*) FROM api_usage_logs")).expect("a count")
    }

    /// Makes every flush fail inside its transaction, after the position was moved.
    async fn break_summaries(&self) {
        self.rename("usage_summaries", "usage_summaries_away").await;
    }

    async fn mend_summaries(&self) {
        self.rename("usage_summaries_away", "usage_summaries").await;
    }

    async fn rename(&self, from: &str, to: &str) {
        let sql = format!("ALTER TABLE {from} RENAME TO {to}");
        let renamed = self.db.write(async |tx| execute!(tx, sqlx::query(AssertSqlSafe(sql.clone())))).await;
        renamed.expect("renames");
    }

    async fn close(self) {
        self.db.close().await;
        if let Some((admin, name)) = self.admin {
            execute!(admin, sqlx::query(AssertSqlSafe(format!("DROP DATABASE {name}")))).expect("drops the database");
        }
    }
}

fn time(text: &str) -> Time {
    text.parse().expect("a time")
}

const NOON: &str = "2026-03-01T12:00:00Z";

/// Records `amount` at one endpoint, as one logged call.
fn record(usage: &Usage, endpoint: &str, amount: u64) {
    record_at(usage, NOON, endpoint, amount);
}

fn record_at(usage: &Usage, at: &str, endpoint: &str, amount: u64) {
    let call = Call { request_id: "req", status: 200, duration: Duration::from_millis(3), meta: None };
    usage.record(&Count { subject: "ten_1", metric: "requests", endpoint, amount, at: time(at), call: Some(call) });
}

fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory") {
        let path = entry.expect("an entry").path();
        std::fs::copy(&path, to.join(path.file_name().expect("a name"))).expect("copied");
    }
}
