//! How often something may fall before the level above takes over, and how long to wait in between.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Exponential waits: `first`, twice that, four times …, never more than `last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The shortest wait.
    pub first: Duration,
    /// The longest wait.
    pub last: Duration,
}

impl Backoff {
    /// The wait before try number `tries`, from 0.
    #[must_use]
    pub fn wait(self, tries: u32) -> Duration {
        self.first.saturating_mul(1_u32.checked_shl(tries).unwrap_or(u32::MAX)).min(self.last)
    }
}

/// The restart policy of one capability or service; the same at each level of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// This many restarts within [`window`](Self::window) are borne; one more escalates.
    pub intensity: usize,
    /// The time over which restarts are counted.
    pub window: Duration,
    /// The waits before a restart.
    pub backoff: Backoff,
    /// The waits before the root tries a failed capability again.
    pub pause: Backoff,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            intensity: 5,
            window: Duration::from_mins(1),
            backoff: Backoff { first: Duration::from_millis(100), last: Duration::from_secs(30) },
            pause: Backoff { first: Duration::from_secs(30), last: Duration::from_mins(5) },
        }
    }
}

/// What to do after a fall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Start again after this wait.
    Restart(Duration),
    /// Leave it to the level above.
    Escalate,
}

/// Counts the restarts of one node of the tree.
#[derive(Debug)]
pub(super) struct Meter {
    policy: Policy,
    falls: VecDeque<Instant>,
}

impl Meter {
    pub(super) fn new(policy: Policy) -> Self {
        Self { policy, falls: VecDeque::with_capacity(policy.intensity + 1) }
    }

    /// Records a fall at `now` and decides.
    pub(super) fn record(&mut self, now: Instant) -> Verdict {
        while self.falls.front().is_some_and(|fall| now.duration_since(*fall) >= self.policy.window) {
            self.falls.pop_front();
        }
        let before = self.falls.len();
        if before >= self.policy.intensity {
            return Verdict::Escalate;
        }
        self.falls.push_back(now);
        Verdict::Restart(self.policy.backoff.wait(u32::try_from(before).unwrap_or(u32::MAX)))
    }

    /// Forgets all falls: a level above has begun anew.
    pub(super) fn reset(&mut self) {
        self.falls.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let backoff = Policy::default().backoff;
        let waits: Vec<_> = (0..10).map(|tries| backoff.wait(tries).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000]);
        assert_eq!(backoff.wait(u32::MAX), backoff.last);
    }

    #[test]
    fn one_fall_more_than_the_intensity_escalates() {
        let mut meter = Meter::new(Policy::default());
        let start = Instant::now();
        let verdicts: Vec<_> = (0..6).map(|second| meter.record(start + Duration::from_secs(second))).collect();
        let waits = [100, 200, 400, 800, 1_600].map(|millis| Verdict::Restart(Duration::from_millis(millis)));
        assert_eq!(verdicts[..5], waits);
        assert_eq!(verdicts[5], Verdict::Escalate);
    }

    #[test]
    fn falls_older_than_the_window_are_forgotten() {
        let mut meter = Meter::new(Policy::default());
        let start = Instant::now();
        for fall in 0..100 {
            let verdict = meter.record(start + Duration::from_secs(13) * fall);
            assert!(matches!(verdict, Verdict::Restart(_)), "fall {fall}: {verdict:?}");
        }
    }

    #[test]
    fn a_node_that_may_never_fall_escalates_at_once() {
        let mut meter = Meter::new(Policy { intensity: 0, ..Policy::default() });
        assert_eq!(meter.record(Instant::now()), Verdict::Escalate);
    }
}
