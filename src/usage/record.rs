//! The hot path: recording a count.

use std::{
    fs, io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use metrics::{Counter, counter, gauge};
use tokio::sync::Notify;

use super::{
    config::Config,
    count::{Count, decode, encode},
    journal::{Journal, JournalError, JournalId, Opened, Retired, Segment, frame, payloads},
    pending::{Added, Batch, Pending},
};
use crate::kernel::{IdSource, Time};

/// Where counts are recorded. Clones share one journal.
///
/// **Promise.** When [`record`](Self::record) has returned, the count survives the death of this process. It never
/// fails: while the disk refuses, counts stay in memory, are flushed from there, and a metric and the log tell.
#[derive(Debug, Clone)]
pub struct Usage {
    pub(super) shared: Arc<Shared>,
}

/// How the journal fares: for readiness, `doctor` and the operator's page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// Whether counts reach the disk; if not, a crash loses what is pending.
    pub writable: bool,
    /// Counts and calls in memory that the database does not have.
    pub pending_rows: usize,
    /// Bytes of journal files in use.
    pub journal_bytes: u64,
    /// Bytes that a power cut would lose now.
    pub unsynced_bytes: u64,
    /// Journals of earlier processes that are not flushed yet.
    pub retired: usize,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: Config,
    ids: IdSource,
    journal: JournalId,
    gathered: Mutex<Gathered>,
    /// The number of the last record that was written.
    written: AtomicU64,
    state: Mutex<State>,
    /// Journals of earlier processes that may hold records the database lacks.
    pub(super) retired: Mutex<Vec<Retired>>,
    /// Rung when a batch is full.
    pub(super) full: Notify,
    /// Held by whoever flushes: one at a time.
    pub(super) flushing: tokio::sync::Mutex<()>,
}

/// Records that nobody has written yet.
#[derive(Debug, Default)]
struct Gathered {
    frames: Vec<u8>,
    /// The number of the last of them; 1 is this process's first.
    last: u64,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) journal: Journal,
    pub(super) pending: Pending,
    frames: Vec<u8>,
    recorded: u64,
    /// When the oldest record arrived that a power cut would lose.
    unsynced_since: Option<Instant>,
    dropped_calls: Counter,
    write_errors: Counter,
}

impl Usage {
    /// Takes the journal directory for this process and begins a journal.
    ///
    /// What earlier processes left there is checked now and flushed by the [`Aggregator`](super::Aggregator).
    pub fn open(config: Config, ids: IdSource) -> Result<Self, JournalError> {
        let Opened { journal, retired } = Journal::open(&config.dir, &ids)?;
        let state = State {
            pending: Pending::new(config.batch_rows, config.pending_rows),
            frames: Vec::new(),
            recorded: 0,
            unsynced_since: None,
            dropped_calls: counter!("mintreu_usage_calls_dropped_total"),
            write_errors: counter!("mintreu_usage_journal_write_errors_total"),
            journal,
        };
        let shared = Shared {
            config,
            ids,
            journal: state.journal.id(),
            gathered: Mutex::default(),
            written: AtomicU64::new(0),
            state: Mutex::new(state),
            retired: Mutex::new(retired),
            full: Notify::new(),
            flushing: tokio::sync::Mutex::new(()),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The time to give a [`Count`] that happens now.
    #[must_use]
    pub fn now(&self) -> Time {
        self.shared.ids.clock().now()
    }

    /// The journal that counts are recorded in.
    #[must_use]
    pub fn journal(&self) -> JournalId {
        self.shared.journal
    }

    /// How the journal fares at the moment.
    #[must_use]
    pub fn status(&self) -> Status {
        let retired = self.shared.retired.lock().unwrap_or_else(PoisonError::into_inner).len();
        let state = self.shared.lock();
        Status {
            writable: state.journal.writable(),
            pending_rows: state.pending.rows(),
            journal_bytes: state.journal.bytes(),
            unsynced_bytes: state.journal.unsynced_bytes(),
            retired,
        }
    }

    /// Records a count. Costs one small `write(2)` to the page cache, about a microsecond; waits for no disk.
    pub fn record(&self, count: &Count<'_>) {
        self.record_all(std::slice::from_ref(count));
    }

    /// Records several counts with one write: what one request adds to several metrics.
    pub fn record_all(&self, counts: &[Count<'_>]) {
        self.shared.gather(counts);
        self.shared.write();
    }

    /// Records several counts with one write for them and for what other tasks record at the moment: where there are
    /// thousands a second, that write is much of what an answer costs.
    ///
    /// They count when this returns, and also when the future is dropped; they survive this process when it is ready.
    #[must_use = "the counts survive this process when the future is ready"]
    pub fn record_together<'a>(&'a self, counts: &[Count<'_>]) -> impl Future<Output = ()> + Send + use<'a> {
        let (shared, number) = (&self.shared, self.shared.gather(counts));
        async move {
            // What else is ready to run records first. Who comes back first then writes for all.
            tokio::task::yield_now().await;
            if shared.written.load(Ordering::Acquire) < number {
                shared.write();
            }
        }
    }
}

impl State {
    /// Writes the frames that were gathered. Returns whether a batch is ready to be flushed.
    fn write(&mut self) -> bool {
        let Self { journal, pending, frames, .. } = self;
        let mut position = journal.offset();
        let was_writable = journal.writable();
        let written = journal.append(frames);
        if let Err(error) = &written {
            self.write_errors.increment(1);
            if was_writable {
                warn_refused(error);
            }
        }
        let mut full = false;
        for payload in payloads(frames) {
            position += payload.framed;
            self.recorded += 1;
            let Some(entry) = decode(payload.bytes) else { continue };
            match pending.add(&entry, position, written.is_ok()) {
                Added::Kept => {}
                Added::Sealed => full = true,
                Added::CallDropped => self.dropped_calls.increment(1),
            }
        }
        if written.is_ok() && self.unsynced_since.is_none() {
            self.unsynced_since = Some(Instant::now());
        }
        full
    }
}

fn warn_refused(error: &io::Error) {
    tracing::error!(%error, "the usage journal cannot be written: counts stay in memory until they are flushed, and a crash would lose them; make room on its disk");
}

impl Shared {
    /// Leaves counts for whoever writes next; returns the number of the last.
    fn gather(&self, counts: &[Count<'_>]) -> u64 {
        let mut gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        for count in counts {
            let logged = count.call.is_some_and(|call| self.config.log.keeps(call.request_id));
            frame(&mut gathered.frames, |payload| encode(count, logged, payload));
        }
        gathered.last += counts.len() as u64;
        gathered.last
    }

    /// Writes what was gathered.
    fn write(&self) {
        drop(self.lock());
    }

    /// The state, once what was gathered is written.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing inside can leave the state half-changed in a way that later records would suffer from.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.frames.clear();
        let last = {
            let mut gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::swap(&mut state.frames, &mut gathered.frames);
            gathered.last
        };
        if !state.frames.is_empty() {
            if state.write() {
                self.full.notify_one();
            }
            self.written.store(last, Ordering::Release);
        }
        state
    }

    /// Forces the journal to the disk and begins the next segment when the active one is full or refused. Blocks.
    pub(super) fn sync(&self) {
        let (syncing, wanted, since) = {
            let mut state = self.lock();
            let wanted = state.journal.wants_segment(self.config.segment_bytes);
            (state.journal.syncing(), wanted, state.unsynced_since.take())
        };
        if let Some(new) = wanted {
            // Made without the lock: recording goes on in the segment before.
            match new.create().and_then(|created| self.lock().journal.install(created)) {
                Ok(()) => {}
                Err(error) => tracing::warn!(%error, "the usage journal could not begin its next file"),
            }
        }
        if let Some(syncing) = syncing {
            let synced = syncing.sync();
            // What a power cut would have lost a moment ago, or, after an error, still would.
            gauge!("mintreu_usage_journal_fsync_lag_seconds")
                .set(since.map_or(0.0, |since| since.elapsed().as_secs_f64()));
            let mut state = self.lock();
            match synced {
                Ok(offset) => state.journal.set_synced(offset),
                Err(error) => {
                    state.unsynced_since = since.or(state.unsynced_since);
                    state.write_errors.increment(1);
                    tracing::error!(%error, "the usage journal could not be forced to the disk: a power cut may lose counts that are not flushed yet; check the disk");
                }
            }
        }
        self.measure();
    }

    /// Publishes what is measured here, so that recording need not.
    fn measure(&self) {
        let (recorded, rows, bytes) = {
            let mut state = self.lock();
            (std::mem::take(&mut state.recorded), state.pending.rows(), state.journal.bytes())
        };
        counter!("mintreu_usage_recorded_total").increment(recorded);
        #[expect(clippy::cast_precision_loss, reason = "gauges are floating point")]
        {
            gauge!("mintreu_usage_pending_rows").set(rows as f64);
            gauge!("mintreu_usage_journal_bytes").set(bytes as f64);
        }
    }

    /// Closes the batch that is being filled; returns the position up to which there is something to flush.
    pub(super) fn seal(&self) -> Option<u64> {
        let mut state = self.lock();
        state.pending.seal();
        state.pending.oldest().map(|_| state.journal.offset())
    }

    /// The oldest batch to flush.
    pub(super) fn oldest(&self) -> Option<Arc<Batch>> {
        self.lock().pending.oldest()
    }

    /// Forgets what the database has, and deletes journal files that hold nothing else. Blocks.
    pub(super) fn confirm(&self, position: u64) {
        let released = {
            let mut state = self.lock();
            state.pending.confirm(position);
            state.journal.release(position)
        };
        delete(&released);
    }
}

/// Deletes journal files that the database has all of. Blocks.
pub(super) fn delete(segments: &[Segment]) {
    for segment in segments {
        // Left behind, it is read at the next start and found to be counted.
        if let Err(error) = fs::remove_file(&segment.path) {
            tracing::warn!(path = %segment.path.display(), %error, "a usage journal file that is done could not be deleted");
        }
    }
}
