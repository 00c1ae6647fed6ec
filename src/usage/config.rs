//! How usage is kept.

use std::{path::PathBuf, time::Duration};

/// Which calls are kept one by one in `api_usage_logs`; the summaries count all of them in any case.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LogPolicy {
    /// None.
    Off,
    /// This share of them, from 0 to 1, chosen by the request's id: every replica chooses the same.
    Sample(f64),
    /// All.
    All,
}

impl LogPolicy {
    /// Whether the call with this request id is kept.
    #[must_use]
    pub fn keeps(self, request_id: &str) -> bool {
        match self {
            Self::Off => false,
            Self::Sample(share) => f64::from(crc32fast::hash(request_id.as_bytes())) < share * HASHES,
            Self::All => true,
        }
    }
}

/// How many values the hash of a request id has.
const HASHES: f64 = 4_294_967_296.0;

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
            fsync_interval: Duration::from_millis(100),
            flush_interval: Duration::from_secs(1),
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
        let kept = |share| {
            let policy = LogPolicy::Sample(share);
            (0..10_000).filter(|n| policy.keeps(&format!("req_{n:026}"))).collect::<Vec<_>>()
        };
        assert_eq!(kept(0.1), kept(0.1));
        for (share, few, many) in [(0.0, 0, 0), (0.01, 70, 130), (0.1, 900, 1_100), (1.0, 10_000, 10_000)] {
            assert!((few..=many).contains(&kept(share).len()), "{share}: {}", kept(share).len());
        }
        assert!(kept(0.01).iter().all(|n| kept(0.1).contains(n)), "a larger share keeps what a smaller one keeps");
        assert!(!LogPolicy::Off.keeps("req_1"));
        assert!(LogPolicy::All.keeps("req_1"));
    }
}
