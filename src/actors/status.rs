//! The tree seen from outside: readable from any thread at any time, without asking an actor.

use std::{
    any::Any,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use arc_swap::ArcSwap;
use metrics::{Counter, Gauge, Histogram};

use crate::{
    app::{ActorState, ActorStatus},
    jobs::{Failure, Outcome},
    kernel::{Clock, Time},
};

/// What changes only when an actor changes its state.
#[derive(Debug, Clone)]
struct Stage {
    state: ActorState,
    since: Time,
    restarts: u64,
    last_error: Option<Arc<str>>,
}

/// Where an actor writes what others read of it.
pub(super) struct Cell {
    clock: Arc<dyn Clock>,
    stage: ArcSwap<Stage>,
    in_flight: AtomicUsize,
    falls: Counter,
    busy: Gauge,
    failed: Gauge,
}

impl Cell {
    /// For a shard of the capability that `metrics` belong to.
    pub(super) fn of_shard(clock: Arc<dyn Clock>, metrics: &Meters) -> Self {
        Self::new(clock, metrics.restarts.clone(), metrics.in_flight.clone(), metrics.failed.clone())
    }

    /// For a service, which does no jobs.
    pub(super) fn of_service(clock: Arc<dyn Clock>, name: &'static str) -> Self {
        Self::new(clock, restarts(name), Gauge::noop(), failed(name))
    }

    fn new(clock: Arc<dyn Clock>, falls: Counter, busy: Gauge, failed: Gauge) -> Self {
        let stage = Stage { state: ActorState::Stopped, since: clock.now(), restarts: 0, last_error: None };
        Self { clock, stage: ArcSwap::from_pointee(stage), in_flight: AtomicUsize::new(0), falls, busy, failed }
    }

    pub(super) fn enter(&self, state: ActorState) {
        self.change(|stage| stage.state = state);
        self.failed.set(if state == ActorState::Failed { 1.0 } else { 0.0 });
    }

    /// Records a fall. A running actor is restarting from now on; one that is failed or stopped stays so.
    pub(super) fn fell(&self, error: &str) {
        self.falls.increment(1);
        self.change(|stage| {
            stage.restarts += 1;
            stage.last_error = Some(error.into());
            if stage.state == ActorState::Running {
                stage.state = ActorState::Restarting;
            }
        });
    }

    fn change(&self, change: impl Fn(&mut Stage)) {
        let now = self.clock.now();
        self.stage.rcu(|old| {
            let mut new = Stage::clone(old);
            change(&mut new);
            if new.state != old.state {
                new.since = now;
            }
            new
        });
    }

    pub(super) fn state(&self) -> ActorState {
        self.stage.load().state
    }

    /// How many jobs are being done.
    pub(super) fn jobs(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// A guard that counts one job as being done for as long as it lives.
    pub(super) fn in_flight(&self) -> InFlight<'_> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.busy.increment(1);
        InFlight(self)
    }

    /// What is known here; a node that has a mailbox or a pause adds them.
    pub(super) fn status(&self, capability: &'static str) -> ActorStatus {
        let stage = self.stage.load();
        ActorStatus {
            capability,
            shard: None,
            state: stage.state,
            restarts: stage.restarts,
            mailbox_depth: 0,
            in_flight: self.jobs(),
            last_error: stage.last_error.as_deref().map(str::to_owned),
            since: stage.since,
        }
    }
}

pub(super) struct InFlight<'a>(&'a Cell);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.0.busy.decrement(1);
    }
}

fn failed(capability: &'static str) -> Gauge {
    metrics::gauge!("mintreu_actor_failed", "capability" => capability)
}

fn restarts(capability: &'static str) -> Counter {
    metrics::counter!("mintreu_actor_restarts_total", "capability" => capability)
}

/// The metrics of a capability. Looked up once, because a look-up per job would cost more than the hop.
pub(super) struct Meters {
    restarts: Counter,
    in_flight: Gauge,
    failed: Gauge,
    pub(super) depth: Gauge,
    pub(super) duration: Histogram,
    outcomes: [Counter; OUTCOMES.len()],
}

const OUTCOMES: [&str; 8] = ["settled", "completed", "retry", "snoozed", "dead", "cancelled", "returned", "lease_lost"];

impl Meters {
    pub(super) fn new(capability: &'static str) -> Self {
        Self {
            restarts: restarts(capability),
            in_flight: metrics::gauge!("mintreu_actor_in_flight", "capability" => capability),
            failed: failed(capability),
            depth: metrics::gauge!("mintreu_actor_mailbox_depth", "capability" => capability),
            duration: metrics::histogram!("mintreu_actor_job_duration_seconds", "capability" => capability),
            outcomes: OUTCOMES.map(|outcome| {
                metrics::counter!("mintreu_actor_jobs_total", "capability" => capability, "outcome" => outcome)
            }),
        }
    }

    pub(super) fn count(&self, outcome: &Outcome) {
        let index = match outcome {
            Outcome::Settled => 0,
            Outcome::Completed => 1,
            Outcome::Failed(Failure::Retry { .. }) => 2,
            Outcome::Failed(Failure::Snooze { .. }) => 3,
            Outcome::Failed(Failure::Dead { .. }) => 4,
            Outcome::Cancelled => 5,
            Outcome::Returned => 6,
            Outcome::LeaseLost => 7,
        };
        self.outcomes[index].increment(1);
    }
}

/// Tells the exporter what the metrics mean.
pub(super) fn describe_metrics() {
    use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
    describe_counter!("mintreu_actor_restarts_total", "Falls of an actor or service: panics, errors of a service.");
    describe_counter!("mintreu_actor_jobs_total", "Jobs answered by a capability, by outcome.");
    describe_gauge!("mintreu_actor_mailbox_depth", "Jobs that wait in the mailboxes of a capability.");
    describe_gauge!("mintreu_actor_in_flight", "Jobs that a capability is doing.");
    describe_histogram!("mintreu_actor_job_duration_seconds", Unit::Seconds, "Time that a handler took for a job.");
}

/// The text of a panic.
pub(super) fn panic_message(payload: &(dyn Any + Send)) -> &str {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        text
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text
    } else {
        "a panic without a text"
    }
}
