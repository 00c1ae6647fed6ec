//! Where a ticket stands, and its clocks: how soon somebody is to answer, and how soon it is to be solved.
//!
//! The clocks run while the ticket waits for us. While it waits for its customer, or is solved, they stand; when they go
//! on, what is due moves by as long as they stood. Nothing here asks a clock: every function is told what time it is.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use sqlx::FromRow;

use crate::{kernel::Time, text_enum};

text_enum! {
    /// Where a ticket stands.
    #[schemars(rename = "TicketStatus")]
    pub enum Status {
        /// Nobody has looked at it.
        New = "new",
        /// It waits for us.
        Open = "open",
        /// It waits for the customer.
        Pending = "pending",
        /// It waits for somebody else, e.g. a provider.
        OnHold = "on_hold",
        /// Solved, unless the customer writes again.
        Solved = "solved",
        /// Over for good.
        Closed = "closed",
    }
}

text_enum! {
    /// How much it presses, the least first.
    #[schemars(rename = "TicketPriority")]
    pub enum Priority {
        /// Whenever there is time.
        Low = "low",
        /// As everything.
        Normal = "normal",
        /// Before the others.
        High = "high",
        /// At once.
        Urgent = "urgent",
    }
}

text_enum! {
    /// Which clock.
    pub enum ClockName {
        /// Until somebody answers.
        FirstResponse = "first_response",
        /// Until it is solved.
        Resolution = "resolution",
    }
}

impl Status {
    /// Whether the clocks stand.
    const fn stops_clocks(self) -> bool {
        matches!(self, Self::Pending | Self::Solved | Self::Closed)
    }

    /// Whether there is nothing left to do.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Solved | Self::Closed)
    }
}

/// How soon somebody is to answer, and to solve; one pair for each priority, the least pressing first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Targets {
    /// Until the first answer.
    pub first_response: [Duration; 4],
    /// Until it is solved.
    pub resolution: [Duration; 4],
}

impl Targets {
    const fn of(&self, priority: Priority) -> (Duration, Duration) {
        let place = match priority {
            Priority::Low => 0,
            Priority::Normal => 1,
            Priority::High => 2,
            Priority::Urgent => 3,
        };
        (self.first_response[place], self.resolution[place])
    }
}

/// Where a ticket stands, and since when.
#[derive(Debug, Clone, PartialEq, Eq, FromRow, Serialize, JsonSchema)]
pub struct Progress {
    /// Where it stands.
    pub status: Status,
    /// How much it presses.
    pub priority: Priority,
    /// When it was opened.
    pub created_at: Time,
    /// Until when somebody is to answer.
    pub first_response_due_at: Time,
    /// When somebody answered first.
    pub first_responded_at: Option<Time>,
    /// Until when it is to be solved.
    pub resolution_due_at: Time,
    /// When it was solved last, if it is.
    pub solved_at: Option<Time>,
    /// When it was closed.
    pub closed_at: Option<Time>,
    /// Since when the clocks stand, if they do.
    pub stopped_at: Option<Time>,
    /// For how long they stood before, in microseconds.
    #[serde(skip)]
    pub stopped_micros: i64,
    /// When it was found that nobody had answered in time.
    pub first_response_breached_at: Option<Time>,
    /// When it was found that it was not solved in time.
    pub resolution_breached_at: Option<Time>,
}

fn stood(micros: i64) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

impl Progress {
    /// A ticket opened now.
    #[must_use]
    pub fn begin(priority: Priority, targets: &Targets, now: Time) -> Self {
        let (first_response, resolution) = targets.of(priority);
        Self {
            status: Status::New,
            priority,
            created_at: now,
            first_response_due_at: now + first_response,
            first_responded_at: None,
            resolution_due_at: now + resolution,
            solved_at: None,
            closed_at: None,
            stopped_at: None,
            stopped_micros: 0,
            first_response_breached_at: None,
            resolution_breached_at: None,
        }
    }

    /// Takes it to another status. A closed ticket stays closed: whoever calls has looked.
    pub fn go_to(&mut self, status: Status, now: Time) {
        self.notice(now);
        if status.is_over() {
            self.solved_at = self.solved_at.or(Some(now));
        } else {
            self.solved_at = None;
        }
        if status == Status::Closed {
            self.closed_at = self.closed_at.or(Some(now));
        }
        match (self.stopped_at, status.stops_clocks()) {
            (None, true) => self.stopped_at = Some(now),
            (Some(since), false) => self.go_on(since, now),
            (None, false) | (Some(_), true) => {}
        }
        self.status = status;
    }

    fn go_on(&mut self, since: Time, now: Time) {
        let pause = now.since(since);
        self.stopped_micros += i64::try_from(pause.as_micros()).unwrap_or(i64::MAX);
        self.stopped_at = None;
        self.resolution_due_at = self.resolution_due_at + pause;
        if self.first_responded_at.is_none() {
            self.first_response_due_at = self.first_response_due_at + pause;
        }
    }

    /// Somebody answered the customer.
    pub fn answered(&mut self, now: Time) {
        self.notice(now);
        self.first_responded_at = self.first_responded_at.or(Some(now));
    }

    /// Makes it press more or less: its targets are then those that it would have had from the start.
    pub fn press(&mut self, priority: Priority, targets: &Targets, now: Time) {
        if priority == self.priority {
            return;
        }
        self.notice(now);
        self.priority = priority;
        let (first_response, resolution) = targets.of(priority);
        let began = self.created_at + stood(self.stopped_micros);
        let at = self.stopped_at.unwrap_or(now);
        if self.first_responded_at.is_none() {
            self.first_response_due_at = began + first_response;
            if self.first_response_due_at > at {
                self.first_response_breached_at = None;
            }
        }
        self.resolution_due_at = began + resolution;
        if self.resolution_due_at > at {
            self.resolution_breached_at = None;
        }
    }

    /// Notes which targets were missed by now, if nobody has noted it before.
    fn notice(&mut self, now: Time) {
        if self.is_late(ClockName::FirstResponse, now) {
            self.first_response_breached_at = self.first_response_breached_at.or(Some(now));
        }
        if self.is_late(ClockName::Resolution, now) {
            self.resolution_breached_at = self.resolution_breached_at.or(Some(now));
        }
    }

    /// Whether a clock runs past its target right now.
    fn is_late(&self, clock: ClockName, now: Time) -> bool {
        self.stopped_at.is_none()
            && match clock {
                ClockName::FirstResponse => self.first_responded_at.is_none() && self.first_response_due_at <= now,
                ClockName::Resolution => self.resolution_due_at <= now,
            }
    }

    /// Whether a target was missed.
    #[must_use]
    pub fn is_breached(&self, now: Time) -> bool {
        self.first_response_breached_at.is_some()
            || self.resolution_breached_at.is_some()
            || self.is_late(ClockName::FirstResponse, now)
            || self.is_late(ClockName::Resolution, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);
    const TARGETS: Targets = Targets {
        first_response: [Duration::from_hours(48), Duration::from_hours(24), Duration::from_hours(8), HOUR],
        resolution: [
            Duration::from_hours(240),
            Duration::from_hours(120),
            Duration::from_hours(48),
            Duration::from_hours(24),
        ],
    };

    fn at(hours: u64) -> Time {
        Time::from_micros(1_800_000_000_000_000) + HOUR * u32::try_from(hours).expect("few")
    }

    fn normal() -> Progress {
        Progress::begin(Priority::Normal, &TARGETS, at(0))
    }

    #[test]
    fn the_clocks_stand_while_the_customer_is_waited_for() {
        let mut ticket = normal();
        ticket.answered(at(2));
        ticket.go_to(Status::Pending, at(2));
        assert!(!ticket.is_breached(at(1_000)), "however long the customer takes");
        ticket.go_to(Status::Open, at(302));
        assert_eq!(ticket.resolution_due_at, at(420));
        assert_eq!(ticket.first_response_due_at, at(24), "met, and so not moved");
        assert!(!ticket.is_breached(at(419)));
        assert!(ticket.is_breached(at(420)));
    }

    #[test]
    fn on_hold_is_our_affair_and_the_clocks_run() {
        let mut ticket = normal();
        ticket.go_to(Status::OnHold, at(1));
        assert!(ticket.is_breached(at(24)));
    }

    #[test]
    fn a_pause_before_the_first_answer_moves_both_targets() {
        let mut ticket = normal();
        ticket.go_to(Status::Pending, at(4));
        ticket.go_to(Status::Open, at(14));
        assert_eq!((ticket.first_response_due_at, ticket.resolution_due_at), (at(34), at(130)));
    }

    #[test]
    fn what_was_late_stays_noted_after_it_was_done() {
        let mut ticket = normal();
        ticket.answered(at(25));
        assert_eq!(ticket.first_response_breached_at, Some(at(25)));
        let mut ticket = normal();
        ticket.answered(at(1));
        ticket.go_to(Status::Solved, at(121));
        assert_eq!(ticket.resolution_breached_at, Some(at(121)));
        assert_eq!(ticket.solved_at, Some(at(121)));
    }

    #[test]
    fn another_priority_has_its_targets_from_the_start() {
        let mut ticket = normal();
        ticket.go_to(Status::Pending, at(2));
        ticket.go_to(Status::Open, at(5));
        ticket.press(Priority::Urgent, &TARGETS, at(6));
        assert_eq!((ticket.first_response_due_at, ticket.resolution_due_at), (at(4), at(27)));
        assert!(ticket.is_breached(at(6)));
        ticket.press(Priority::Low, &TARGETS, at(7));
        assert!(!ticket.is_breached(at(7)), "what was late for an urgent one is not for this");
    }

    #[test]
    fn reopening_goes_on_where_solving_stopped() {
        let mut ticket = normal();
        ticket.answered(at(1));
        ticket.go_to(Status::Solved, at(10));
        ticket.go_to(Status::Open, at(110));
        assert_eq!(ticket.solved_at, None);
        assert_eq!(ticket.resolution_due_at, at(220));
    }

    proptest::proptest! {
        /// However a ticket goes: the clocks ran exactly as long as it did not wait for its customer.
        #[test]
        fn only_what_we_took_counts(steps in proptest::collection::vec((0_usize..5, 1_u64..50), 1..20)) {
            let (mut ticket, mut hour, mut ran) = (normal(), 0, 0);
            for (status, hours) in steps {
                ticket.go_to(Status::ALL[status], at(hour));
                hour += hours;
                if ticket.stopped_at.is_none() {
                    ran += hours;
                }
            }
            ticket.go_to(Status::Open, at(hour));
            proptest::prop_assert_eq!(ticket.resolution_due_at, at(hour - ran + 120));
        }
    }
}
