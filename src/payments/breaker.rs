//! A circuit breaker: who fails several times in a row is left alone for a while, and then asked by one call alone.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::kernel::{Clock, Time};

/// When it opens, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct BreakerOptions {
    /// After how many failures in a row.
    pub failures: u32,
    /// A row of failures counts only within this time.
    pub window: Duration,
    /// How long it stays open before a call may try.
    pub rest: Duration,
}

impl Default for BreakerOptions {
    fn default() -> Self {
        Self { failures: 5, window: Duration::from_mins(1), rest: Duration::from_secs(30) }
    }
}

/// What a breaker lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// Everything.
    Closed,
    /// One call, to try.
    HalfOpen,
    /// Nothing.
    Open,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Closed {
        failures: u32,
        since: Time,
    },
    Open {
        since: Time,
    },
    /// A call tries.
    HalfOpen,
}

/// Counts failures and refuses calls.
pub struct Breaker {
    options: BreakerOptions,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

impl fmt::Debug for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breaker").field("state", &self.state()).finish_non_exhaustive()
    }
}

/// Leave to make one call. Dropped without [`Permit::settle`], the call counts for nothing.
#[derive(Debug)]
pub struct Permit<'a> {
    breaker: &'a Breaker,
    tries: bool,
    settled: bool,
}

impl Breaker {
    /// A closed one.
    #[must_use]
    pub fn new(options: BreakerOptions, clock: Arc<dyn Clock>) -> Self {
        let since = clock.now();
        Self { options, clock, state: Mutex::new(State::Closed { failures: 0, since }) }
    }

    /// Asks for leave to make a call; none while it is open.
    pub fn admit(&self) -> Option<Permit<'_>> {
        let mut state = self.lock();
        match *state {
            State::Closed { .. } => Some(Permit { breaker: self, tries: false, settled: false }),
            State::Open { since } if self.has_rested(since) => {
                *state = State::HalfOpen;
                Some(Permit { breaker: self, tries: true, settled: false })
            }
            State::Open { .. } | State::HalfOpen => None,
        }
    }

    /// What it lets through now.
    #[must_use]
    pub fn state(&self) -> BreakerState {
        match *self.lock() {
            State::Closed { .. } => BreakerState::Closed,
            State::Open { .. } => BreakerState::Open,
            State::HalfOpen => BreakerState::HalfOpen,
        }
    }

    /// A clock that was set back must not keep it open for long.
    fn has_rested(&self, since: Time) -> bool {
        let now = self.clock.now();
        now < since || now.since(since) >= self.options.rest
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit<'_> {
    /// Tells how the call went; gives the state that this led to, if it is another.
    #[must_use = "a change of state is to be shown"]
    pub fn settle(mut self, worked: bool) -> Option<BreakerState> {
        self.settled = true;
        let now = self.breaker.clock.now();
        let mut state = self.breaker.lock();
        let next = match (*state, worked) {
            (State::Closed { .. }, true) => State::Closed { failures: 0, since: now },
            (State::Closed { failures, since }, false) => {
                let begins_anew = failures == 0 || now < since || now.since(since) > self.breaker.options.window;
                let (failures, since) = if begins_anew { (1, now) } else { (failures + 1, since) };
                if failures >= self.breaker.options.failures {
                    State::Open { since: now }
                } else {
                    State::Closed { failures, since }
                }
            }
            (State::HalfOpen, true) if self.tries => State::Closed { failures: 0, since: now },
            (State::HalfOpen, false) if self.tries => State::Open { since: now },
            // A call that began before it opened: the one that tries decides.
            (other, _) => other,
        };
        let was = std::mem::discriminant(&*state);
        *state = next;
        let changed = was != std::mem::discriminant(&*state);
        drop(state);
        changed.then(|| self.breaker.state())
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if self.tries && !self.settled {
            // The try was called off: the next call may try at once.
            let mut state = self.breaker.lock();
            if matches!(*state, State::HalfOpen) {
                *state = State::Open { since: self.breaker.clock.now() - self.breaker.options.rest };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::ManualClock;

    fn breaker() -> (Breaker, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::new(Time::from_micros(1_800_000_000_000_000)));
        (Breaker::new(BreakerOptions::default(), clock.clone()), clock)
    }

    fn fail(breaker: &Breaker, times: u32) {
        for _ in 0..times {
            let _ = breaker.admit().expect("a permit").settle(false);
        }
    }

    #[test]
    fn five_failures_in_a_row_open_it_and_a_success_between_does_not() {
        let (breaker, _) = breaker();
        fail(&breaker, 4);
        let _ = breaker.admit().expect("a permit").settle(true);
        fail(&breaker, 4);
        assert_eq!(breaker.state(), BreakerState::Closed);
        fail(&breaker, 1);
        assert_eq!(breaker.state(), BreakerState::Open);
        assert!(breaker.admit().is_none());
    }

    #[test]
    fn failures_far_apart_are_no_row() {
        let (breaker, clock) = breaker();
        for _ in 0..20 {
            fail(&breaker, 1);
            clock.advance(Duration::from_secs(61));
        }
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[test]
    fn after_its_rest_one_call_tries_and_decides() {
        let (breaker, clock) = breaker();
        fail(&breaker, 5);
        clock.advance(Duration::from_secs(29));
        assert!(breaker.admit().is_none());
        clock.advance(Duration::from_secs(1));
        let trying = breaker.admit().expect("one may try");
        assert!(breaker.admit().is_none(), "one alone");
        assert_eq!(trying.settle(false), Some(BreakerState::Open));
        clock.advance(Duration::from_secs(30));
        assert_eq!(breaker.admit().expect("one may try").settle(true), Some(BreakerState::Closed));
        assert!(breaker.admit().is_some());
    }

    #[test]
    fn a_try_that_is_called_off_leaves_room_for_the_next() {
        let (breaker, clock) = breaker();
        fail(&breaker, 5);
        clock.advance(Duration::from_secs(30));
        drop(breaker.admit().expect("one may try"));
        assert!(breaker.admit().is_some());
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_keep_it_open() {
        let (breaker, clock) = breaker();
        fail(&breaker, 5);
        clock.set(Time::from_micros(1_000_000_000_000_000));
        assert!(breaker.admit().is_some());
    }

    #[test]
    fn a_call_from_before_it_opened_decides_nothing() {
        let (breaker, _) = breaker();
        let early = breaker.admit().expect("a permit");
        fail(&breaker, 5);
        assert_eq!(early.settle(true), None);
        assert_eq!(breaker.state(), BreakerState::Open);
    }
}
