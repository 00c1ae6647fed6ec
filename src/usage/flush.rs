//! Moving counts from the journal to the database, exactly once.

use std::{sync::PoisonError, time::Instant};

use metrics::{counter, histogram};

use super::{
    Usage,
    journal::{JournalId, Retired, Segment},
    pending::{Batch, Content},
    record::delete,
    replay::{ReplayError, read_chunk},
    store::{self, ApplyError, Step},
    tally::Tally,
};
use crate::db::{Db, DbError};

/// Why counts did not reach the database; they stay in the journal, and the next flush tries again.
#[derive(Debug, thiserror::Error)]
pub enum FlushError {
    /// The database refused or did not answer.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The journal could not be read back.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// Somebody else counted a part of what only this process has in memory.
    #[error("journal {journal} is at position {position} in the database, inside a batch that the disk refused")]
    Position {
        /// The journal.
        journal: JournalId,
        /// Its position in the database.
        position: u64,
    },
    /// The position keeps moving: another process flushes a copy of this journal.
    #[error("another process flushes journal {0}; give every process a journal directory of its own")]
    Contended(JournalId),
}

/// How often a flush finds itself overtaken before it gives up until the next.
const MOST_RETRIES: u32 = 8;

/// Flushes everything that was recorded before the call, and what earlier processes left.
pub(super) async fn flush(usage: &Usage, db: &Db) -> Result<(), FlushError> {
    let shared = &usage.shared;
    let _one_at_a_time = shared.flushing.lock().await;
    let began = Instant::now();
    let leftovers = flush_retired(usage, db).await;
    let live = flush_live(usage, db).await;
    histogram!("mintreu_usage_flush_duration_seconds").record(began.elapsed());
    live.and(leftovers)
}

async fn flush_retired(usage: &Usage, db: &Db) -> Result<(), FlushError> {
    let retired = usage.shared.retired.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let mut result = Ok(());
    for journal in retired {
        match flush_one_retired(usage, db, &journal).await {
            Ok(()) => {
                let mut left = usage.shared.retired.lock().unwrap_or_else(PoisonError::into_inner);
                left.retain(|other| other.id != journal.id);
            }
            // One that cannot be read does not hold up the others.
            Err(error) => result = Err(error),
        }
    }
    result
}

async fn flush_one_retired(usage: &Usage, db: &Db, journal: &Retired) -> Result<(), FlushError> {
    let mut flush = Flush::begin(usage, db, journal.id).await?;
    flush.replay(&journal.segments, journal.end()).await?;
    let segments = journal.segments.clone();
    run_blocking(move || delete(&segments)).await;
    Ok(())
}

async fn flush_live(usage: &Usage, db: &Db) -> Result<(), FlushError> {
    let shared = &usage.shared;
    let Some(target) = shared.seal() else { return Ok(()) };
    let mut flush = Flush::begin(usage, db, usage.journal()).await?;
    while let Some(batch) = shared.oldest().filter(|batch| batch.from < target) {
        flush.batch(&batch).await?;
        // Deleting files is quick but may block, as all of the file system may.
        let (shared, position) = (shared.clone(), flush.known());
        run_blocking(move || shared.confirm(position)).await;
    }
    Ok(())
}

/// Runs what may block; a panic inside is a panic here.
pub(super) async fn run_blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down and drops this task next.
            Err(_cancelled) => std::future::pending().await,
        },
    }
}

/// One journal's way into the database.
struct Flush<'a> {
    usage: &'a Usage,
    db: &'a Db,
    journal: JournalId,
    /// The position that the database had when it was last asked or moved.
    position: Option<u64>,
    retries: u32,
}

impl<'a> Flush<'a> {
    async fn begin(usage: &'a Usage, db: &'a Db, journal: JournalId) -> Result<Self, FlushError> {
        Ok(Self { usage, db, journal, position: store::position(db, journal).await?, retries: 0 })
    }

    /// Everything before this position is in the database.
    fn known(&self) -> u64 {
        self.position.unwrap_or(0)
    }

    /// Brings the database forward by a batch, or, if it is already inside or past it, as far as that says.
    async fn batch(&mut self, batch: &Batch) -> Result<(), FlushError> {
        let known = self.known();
        if known >= batch.to {
            // An earlier commit whose answer was lost.
            return Ok(());
        }
        if known < batch.from {
            tracing::error!(journal = %self.journal, known, from = batch.from, "the database went back behind what it had counted: was it restored? Counts in between are missing unless the journal still has them");
        }
        match &batch.content {
            Content::Memory(tally) if known == batch.from => self.apply(tally, batch.to).await,
            // Also finds what lies between an older position and this batch, if its file is still there.
            _ if batch.journaled() => {
                let segments = self.usage.shared.lock().journal.segments(known, batch.to);
                self.replay(&segments, batch.to).await
            }
            Content::Memory(tally) if known < batch.from => self.apply(tally, batch.to).await,
            _ => Err(FlushError::Position { journal: self.journal, position: known }),
        }
    }

    /// Reads a journal's files from the known position on and adds them in steps.
    async fn replay(&mut self, segments: &[Segment], to: u64) -> Result<(), FlushError> {
        let rows = self.usage.shared.config.batch_rows.max(1);
        while self.known() < to {
            let (segments, from) = (segments.to_vec(), self.known());
            let chunk = run_blocking(move || read_chunk(&segments, from, to, rows)).await?;
            self.apply(&chunk.tally, chunk.to).await?;
        }
        Ok(())
    }

    /// One transaction. If the database turns out to be elsewhere, nothing is added and its position is asked for.
    async fn apply(&mut self, tally: &Tally, to: u64) -> Result<(), FlushError> {
        let step = Step { journal: self.journal, expected: self.position, to };
        match store::apply(self.db, step, tally).await {
            Ok(()) => {
                self.position = Some(to);
                counter!("mintreu_usage_flushed_total").increment(tally.records());
                Ok(())
            }
            Err(ApplyError::Stale) if self.retries < MOST_RETRIES => {
                self.retries += 1;
                self.position = store::position(self.db, self.journal).await?;
                Ok(())
            }
            Err(ApplyError::Stale) => Err(FlushError::Contended(self.journal)),
            Err(ApplyError::Db(error)) => Err(error.into()),
        }
    }
}
