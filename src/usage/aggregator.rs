//! The service that keeps the journal on the disk and moves counts to the database.

use std::time::Duration;

use metrics::counter;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::{
    FlushError, Usage,
    flush::{flush, run_blocking},
};
use crate::db::Db;

/// How long the last flush may take at shutdown; what it does not reach is flushed at the next start.
const LAST_FLUSH: Duration = Duration::from_secs(5);

/// The usage aggregator.
///
/// **Promise.** Everything recorded is added to the summaries exactly once, however often this is stopped, killed,
/// panics or is started twice: all its state is the journal, and the journal's position in the database.
#[derive(Debug, Clone)]
pub struct Aggregator {
    usage: Usage,
    db: Db,
}

impl Aggregator {
    /// An aggregator of what is recorded in `usage`. Cheap: after a panic, make another one.
    #[must_use]
    pub fn new(usage: Usage, db: Db) -> Self {
        Self { usage, db }
    }

    /// Flushes everything that was recorded before the call, and what earlier processes left in the directory.
    pub async fn flush(&self) -> Result<(), FlushError> {
        let result = flush(&self.usage, &self.db).await;
        if result.is_err() {
            counter!("mintreu_usage_flush_errors_total").increment(1);
        }
        result
    }

    /// Syncs and flushes at their intervals until cancelled, then once more.
    ///
    /// Errors are logged and met again at the next interval; nothing is lost by them.
    pub async fn run(&self, cancel: CancellationToken) {
        tokio::select! {
            () = self.keep_synced() => {}
            () = self.keep_flushed(&cancel) => {}
        }
        match timeout(LAST_FLUSH, self.flush()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "usage was not flushed; it is in the journal for the next start"),
            Err(_elapsed) => tracing::warn!("usage was not flushed in time; it is in the journal for the next start"),
        }
        self.sync().await;
    }

    /// Forces the journal to the disk, and begins its next file when it is time.
    pub async fn sync(&self) {
        let shared = self.usage.shared.clone();
        run_blocking(move || shared.sync()).await;
    }

    async fn keep_synced(&self) {
        let mut ticks = ticks(self.usage.shared.config.fsync_interval);
        loop {
            ticks.tick().await;
            self.sync().await;
        }
    }

    async fn keep_flushed(&self, cancel: &CancellationToken) {
        let mut ticks = ticks(self.usage.shared.config.flush_interval);
        let mut failing = false;
        loop {
            tokio::select! {
                () = cancel.cancelled() => return,
                _ = ticks.tick() => {}
                // While the database is away, full batches do not make it come back sooner.
                () = self.usage.shared.full.notified(), if !failing => {}
            }
            let result = tokio::select! {
                () = cancel.cancelled() => return,
                result = self.flush() => result,
            };
            match &result {
                Err(error) if !failing => {
                    tracing::error!(%error, "usage cannot be flushed; it is kept in the journal and tried again");
                }
                Ok(()) if failing => tracing::info!("usage is flushed again"),
                _ => {}
            }
            failing = result.is_err();
        }
    }
}

fn ticks(period: Duration) -> tokio::time::Interval {
    let mut ticks = interval(period.max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
