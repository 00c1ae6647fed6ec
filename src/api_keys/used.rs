//! When keys were last used: kept in memory, written down every few seconds. A killed process forgets the last of them.

use std::{sync::PoisonError, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{ApiKeyId, ApiKeys};
use crate::{db::DbError, execute, kernel::Time};

/// How often it is written down.
const EVERY: Duration = Duration::from_secs(10);
/// How many keys one transaction writes.
const BATCH: usize = 200;

impl ApiKeys {
    pub(super) fn note_use(&self, key: ApiKeyId, at: Time) {
        self.0.used.lock().unwrap_or_else(PoisonError::into_inner).insert(key, at);
    }

    /// Writes down when keys were used, every now and then until `stop`, and then once more.
    pub async fn note_uses(&self, stop: CancellationToken) {
        loop {
            let stopped = tokio::select! {
                () = stop.cancelled() => true,
                () = tokio::time::sleep(EVERY) => false,
            };
            if let Err(error) = self.write_uses().await {
                tracing::warn!(%error, "when API keys were used could not be written down");
            }
            if stopped {
                return;
            }
        }
    }

    /// Writes down when keys were used. What cannot be written is kept for the next time.
    pub async fn write_uses(&self) -> Result<(), DbError> {
        let taken = std::mem::take(&mut *self.0.used.lock().unwrap_or_else(PoisonError::into_inner));
        let mut taken: Vec<(ApiKeyId, Time)> = taken.into_iter().collect();
        // In one order, so that processes do not wait for each other in a circle.
        taken.sort_unstable();
        for (number, batch) in taken.chunks(BATCH).enumerate() {
            let written = self.0.db.write(async |tx| {
                for (key, at) in batch {
                    execute!(
                        tx,
                        sqlx::query(
                            "UPDATE api_keys SET last_used_at = $2
                             WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)"
                        )
                        .bind(*key)
                        .bind(*at)
                    )?;
                }
                Ok::<_, DbError>(())
            });
            if let Err(error) = written.await {
                let mut used = self.0.used.lock().unwrap_or_else(PoisonError::into_inner);
                for (key, at) in &taken[number * BATCH..] {
                    used.entry(*key).or_insert(*at);
                }
                return Err(error);
            }
        }
        Ok(())
    }
}
