//! How a change made elsewhere reaches this process: a message where the database carries them, a poll in any case.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{Registry, store};
use crate::db::DbError;

const CHANNEL: &str = "mintreu_flags";

/// How long to wait before listening again after the connection was lost.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);

impl Registry {
    /// Follows the changes of other processes until `stop`. Errors are logged; what is known goes on being served.
    pub async fn run(self, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.listen() => {}
            () = self.poll_on() => {}
        }
    }

    /// Tells the other processes. They find out without it, only later.
    pub(super) async fn tell(&self, revision: i64) {
        if let Err(error) = self.inner.db.notify(CHANNEL, &revision.to_string()).await {
            tracing::warn!(%error, "telling other processes of a flag's change; they find it by polling");
        }
    }

    async fn listen(&self) {
        loop {
            let nudge = Arc::clone(&self.inner.nudge);
            if let Err(error) = self.inner.db.listen(CHANNEL, move |_| nudge.notify_one()).await {
                tracing::debug!(%error, "listening for changes of flags; the poll goes on");
            }
            tokio::time::sleep(LISTEN_AGAIN).await;
        }
    }

    async fn poll_on(&self) {
        let mut failing = false;
        loop {
            tokio::select! {
                () = self.inner.nudge.notified() => {}
                () = tokio::time::sleep(self.inner.options.poll) => {}
            }
            match tokio::time::timeout(self.inner.options.patience, self.poll()).await {
                Ok(Ok(())) if failing => {
                    failing = false;
                    tracing::info!("flags are read again");
                }
                Ok(Ok(())) => {}
                Ok(Err(error)) => failing = note(failing, &error),
                Err(_) => failing = note(failing, &"the database does not answer"),
            }
            metrics::gauge!("mintreu_flags_snapshot_age_seconds").set(self.age().as_secs_f64());
        }
    }

    /// Reads the revision, and everything if it is another than the one that is served.
    pub async fn poll(&self) -> Result<(), DbError> {
        let now = self.inner.db.now();
        if store::revision(&self.inner.db).await? == self.snapshot().revision() {
            self.confirm(now);
            return Ok(());
        }
        self.refresh().await
    }
}

/// Warns once per outage.
fn note(failing: bool, error: &dyn std::fmt::Display) -> bool {
    if !failing {
        tracing::warn!(%error, "flags cannot be read; the last known ones are served");
    }
    true
}
