//! How usage is kept.

use std::{num::NonZeroU32, path::PathBuf, time::Duration};

/// Which calls are kept one by one in `api_usage_logs`; the summaries count all of them in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogPolicy {
    /// None.
    Off,
    /// One in so many, chosen by the request's id: every replica and every replay chooses the same.
    Sample(NonZeroU32),
    /// All.
    All,
}

impl LogPolicy {
    /// Whether the call with this request id is kept.
    #[must_use]
    pub fn keeps(self, request_id: &str) -> bool {
        match self {
            Self::Off => false,
            Self::Sample(one_in) => crc32fast::hash(request_id.as_bytes()).is_multiple_of(one_in.get()),
            Self::All => true,
        }
    }
}

/// Settings of the usage journal and its aggregator.
#[derive(Debug, Clone)]
pub struct Config {
    /// The journal's directory, on a local disk, for this process alone.
    pub dir: PathBuf,
    /// From what size a journal file is followed by the next.
    pub segment_bytes: u64,
    /// How often the journal is forced to the disk: what a power cut can lose.
    pub fsync_interval: Duration,
    /// How often counts go to the database.
    pub flush_interval: Duration,
    /// How many rows (counts and calls) one transaction adds at most; reaching it flushes early. Each count is three
    /// rows of the summaries, and on SQLite everyone who writes waits for them.
    pub batch_rows: usize,
    /// How many rows wait in memory while the database is away; beyond it they are read back from the journal.
    pub pending_rows: usize,
    /// Which calls are logged one by one.
    pub log: LogPolicy,
}

impl Config {
    /// The defaults, with the journal in `dir`.
    #[must_use]
    pub fn in_dir(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            segment_bytes: 16 * 1024 * 1024,
            fsync_interval: Duration::from_secs(1),
            flush_interval: Duration::from_secs(2),
            batch_rows: 1_000,
            pending_rows: 200_000,
            log: LogPolicy::Off,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_the_same_calls_every_time_and_about_as_many_as_asked_for() {
        let policy = LogPolicy::Sample(NonZeroU32::new(10).expect("not zero"));
        let kept = |from: u32| (from..from + 10_000).filter(|n| policy.keeps(&format!("req_{n}"))).collect::<Vec<_>>();
        assert_eq!(kept(0), kept(0));
        assert!((800..1_200).contains(&kept(0).len()), "{}", kept(0).len());
        assert!(!LogPolicy::Off.keeps("req_1"));
        assert!(LogPolicy::All.keeps("req_1"));
    }
}
