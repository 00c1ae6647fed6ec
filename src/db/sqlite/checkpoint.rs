//! Keeps the write-ahead log short: copies what is committed into the database file, beside the writer.
//!
//! By itself SQLite does this inside whichever COMMIT finds the log long, and everybody waits for the disk. Here a connection
//! of its own copies while the writer goes on. Since there are always newer pages then, and the log begins anew only when all
//! of it was copied, the writer is asked for a moment when the log has grown: what is left to copy is little.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use sqlx::{ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::{sync::Notify, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{group::Shared, turn::Turn};

/// After how many transactions the log is looked after.
const OFTEN: usize = 1_000;
/// After how long, if there were fewer.
const SELDOM: Duration = Duration::from_secs(30);
/// From how many pages the log is to begin anew; one page has 4 KiB.
const LONG: i64 = 8_000;

/// How much was committed since the log was looked after.
#[derive(Debug, Default)]
pub(super) struct Committed {
    transactions: AtomicUsize,
    many: Notify,
}

impl Committed {
    pub(super) fn add(&self, transactions: usize) {
        if self.transactions.fetch_add(transactions, Ordering::Relaxed) + transactions >= OFTEN {
            self.many.notify_one();
        }
    }

    /// Waits until there is something to copy.
    async fn enough(&self) {
        loop {
            // Few are enough when time has passed.
            let _ = timeout(SELDOM, self.many.notified()).await;
            if self.transactions.swap(0, Ordering::Relaxed) > 0 {
                return;
            }
        }
    }
}

/// Looks after the log until `stop`, or until nobody has the writer any more.
pub(super) async fn run(writer: Weak<Shared>, options: SqliteConnectOptions, stop: CancellationToken) {
    let mut conn = None;
    while let Some(committed) = writer.upgrade().map(|shared| Arc::clone(&shared.committed)) {
        if stop.run_until_cancelled(committed.enough()).await.is_none() {
            break;
        }
        match look_after(&writer, &options, &mut conn).await {
            Ok(()) => {}
            Err(_) if stop.is_cancelled() => break,
            Err(error) => {
                tracing::warn!(%error, "what was committed could not be copied from the log into the database file");
                conn = None;
            }
        }
    }
    if let Some(conn) = conn
        && let Err(error) = conn.close().await
    {
        tracing::warn!(%error, "closing the connection that copies from the log");
    }
}

async fn look_after(
    writer: &Weak<Shared>,
    options: &SqliteConnectOptions,
    kept: &mut Option<SqliteConnection>,
) -> Result<(), sqlx::Error> {
    let conn = match kept {
        Some(conn) => conn,
        None => kept.insert(options.connect().await?),
    };
    if copy(conn).await? < LONG {
        return Ok(());
    }
    let Some(shared) = writer.upgrade() else { return Ok(()) };
    let mut turn = Turn::take(&shared).await?;
    // In a transaction the log goes on where it is.
    turn.commit().await;
    let copied = copy(conn).await;
    turn.finish();
    copied.map(drop)
}

/// Copies what no reader needs in the log any more; how many pages the log has.
async fn copy(conn: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    let (_busy, pages, _copied): (i64, i64, i64) =
        sqlx::query_as("PRAGMA wal_checkpoint(PASSIVE)").fetch_one(&mut *conn).await?;
    #[expect(clippy::cast_precision_loss, reason = "a log of 2^53 pages fits on no disk")]
    metrics::gauge!("mintreu_db_log_bytes").set(pages as f64 * 4_096.0);
    Ok(pages)
}

#[cfg(test)]
mod tests {
    use std::{io::Read, path::Path};

    use super::*;
    use crate::{
        db::{Db, DbError, DbOptions},
        execute,
        kernel::{IdSource, SystemClock},
    };

    /// How often the log has begun anew: the fourth word of its header (<https://www.sqlite.org/fileformat2.html#walformat>).
    fn beginnings(log: &Path) -> u32 {
        let mut header = [0; 16];
        std::fs::File::open(log).and_then(|mut file| file.read_exact(&mut header)).expect("a log");
        u32::from_be_bytes([header[12], header[13], header[14], header[15]])
    }

    async fn write(db: &Db, bytes: i64) {
        let written = db
            .write(async |tx| {
                execute!(tx, sqlx::query("INSERT INTO sheets VALUES (randomblob($1))").bind(bytes)).map(drop)
            })
            .await;
        written.map_err(|error: DbError| error).expect("written");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_log_begins_anew_while_others_go_on_writing() {
        let directory = tempfile::tempdir().expect("a directory");
        let (file, log) = (directory.path().join("shop.db"), directory.path().join("shop.db-wal"));
        let options = DbOptions::new(format!("sqlite://{}", file.display()));
        let db = Db::open(&options, IdSource::new(Arc::new(SystemClock))).await.expect("opened");
        db.write(async |tx| execute!(tx, sqlx::query("CREATE TABLE sheets (content BLOB NOT NULL) STRICT")).map(drop))
            .await
            .map_err(|error: DbError| error)
            .expect("made");
        let first = beginnings(&log);
        let pages = usize::try_from(LONG).expect("few");
        for _ in 0..OFTEN {
            write(&db, i64::try_from(4_096 * (pages / OFTEN + 1)).expect("small")).await;
        }
        for _ in 0..3_000 {
            write(&db, 1).await;
            if beginnings(&log) > first {
                db.close().await;
                assert!(!log.exists(), "whoever closes last leaves the file alone");
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the log has grown and did not begin anew");
    }
}
