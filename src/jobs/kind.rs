//! Kinds of jobs: a small struct each, whose constants say how it waits.

use std::{borrow::Cow, time::Duration};

use serde::{Serialize, de::DeserializeOwned};

/// A kind of job: its arguments, and how it is queued and retried.
pub trait Job: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Its name in the database, e.g. `licenses.issue`; never changes once jobs of it may wait.
    const KIND: &'static str;
    /// The queue it waits in.
    const QUEUE: &'static str;
    /// When and how often it is tried again.
    const RETRY: RetryPolicy = RetryPolicy::DEFAULT;
    /// Who goes first among those that wait, from 1 (first) to 4.
    const PRIORITY: i32 = 2;
    /// How long an attempt may take.
    const TIMEOUT: Duration = Duration::from_secs(30);

    /// Jobs that share it never run at the same time, anywhere, and of those that wait the first begins: an order, an
    /// endpoint. All of them wait in one queue.
    fn group_key(&self) -> Option<Cow<'_, str>> {
        None
    }

    /// While a job with it has not ended, enqueueing another is no more than finding the first.
    fn unique_key(&self) -> Option<Cow<'_, str>> {
        None
    }
}

/// When a failed job is tried again: exponential backoff with full jitter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// After how many attempts the job is dead.
    pub max_attempts: i32,
    /// The longest wait after the first failure; it doubles with each further one.
    pub base: Duration,
    /// The longest wait there is.
    pub cap: Duration,
}

impl RetryPolicy {
    /// 20 attempts over about two days.
    pub const DEFAULT: Self = Self { max_attempts: 20, base: Duration::from_secs(1), cap: Duration::from_hours(6) };

    /// The wait after failed attempt number `attempt` (from 1), chosen by `random` from nothing to the whole.
    #[must_use]
    pub fn backoff(&self, attempt: i32, random: u64) -> Duration {
        let doublings = u32::try_from(attempt - 1).unwrap_or(0).min(31);
        let longest = self.base.saturating_mul(1 << doublings).min(self.cap);
        let micros = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(if micros == u64::MAX { random } else { random % (micros + 1) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn a_backoff_never_exceeds_its_cap(attempt: i32, random: u64, base in 1_u64..100_000, cap in 1_u64..1_000_000) {
            let policy = RetryPolicy { max_attempts: 5, base: Duration::from_millis(base), cap: Duration::from_millis(cap) };
            let attempt = attempt.saturating_abs().max(1);
            proptest::prop_assert!(policy.backoff(attempt, random) <= policy.cap);
        }
    }

    #[test]
    fn the_wait_doubles_up_to_the_cap() {
        let policy = RetryPolicy { max_attempts: 9, base: Duration::from_secs(1), cap: Duration::from_secs(10) };
        let longest = |attempt| (0..20_000_000).step_by(9_973).map(|random| policy.backoff(attempt, random)).max();
        for (attempt, seconds) in [(1, 1.0), (2, 2.0), (3, 4.0), (4, 8.0), (5, 10.0), (60, 10.0)] {
            let longest = longest(attempt).expect("some").as_secs_f64();
            assert!(longest <= seconds && longest > seconds * 0.95, "attempt {attempt}: {longest}");
        }
    }
}
