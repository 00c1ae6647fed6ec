//! Waiting jobs of one shard. Bounded: who brings a job waits for room. No job is dropped unanswered, whatever falls.
//!
//! actix's own mailbox holds control messages only. Its bound does not bind `send().await` (a sender that finds it full
//! is cloned, and every clone has a slot of its own), it dies with its actor, and control would queue behind work.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::{Semaphore, oneshot};

use super::status::Meters;
use crate::jobs::{Claimed, Outcome};

/// A job and whoever waits for what becomes of it. Dropped without an answer, it says [`Outcome::Returned`].
pub(super) struct Mail {
    job: Option<Claimed>,
    reply: Option<oneshot::Sender<(Claimed, Outcome)>>,
}

impl Mail {
    pub(super) fn new(job: Claimed) -> (Self, oneshot::Receiver<(Claimed, Outcome)>) {
        let (reply, answer) = oneshot::channel();
        (Self { job: Some(job), reply: Some(reply) }, answer)
    }

    /// The job, as long as somebody still waits for it.
    pub(super) fn wanted(&self) -> Option<&Claimed> {
        if self.reply.as_ref().is_none_or(oneshot::Sender::is_closed) { None } else { self.job.as_ref() }
    }

    pub(super) fn answer(mut self, outcome: Outcome) {
        self.reply_with(outcome);
    }

    fn reply_with(&mut self, outcome: Outcome) {
        if let (Some(job), Some(reply)) = (self.job.take(), self.reply.take()) {
            // Fails only when nobody waits any more; then the job's lease runs out.
            let _ = reply.send((job, outcome));
        }
    }
}

impl Drop for Mail {
    fn drop(&mut self) {
        self.reply_with(Outcome::Returned);
    }
}

/// Who looks after the mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attendance {
    /// The actor has the state and sleeps: new mail must call it.
    Asleep,
    /// The actor has been called and will come.
    Called,
    /// A task on the main runtime has the state and takes one job after the other.
    Working,
    /// Nobody until the actor says so: the state is missing or being rebuilt.
    Held,
}

/// Whether mail is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Door {
    Open,
    /// Until the capability is revived.
    Closed,
    /// For good.
    Sealed,
}

struct Inner {
    mail: VecDeque<Mail>,
    attendance: Attendance,
    door: Door,
    paused: bool,
}

impl Inner {
    fn accepts(&self) -> bool {
        self.door == Door::Open && !self.paused
    }
}

/// What whoever put mail in has to do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Posted {
    /// Nothing.
    Queued,
    /// Call the actor.
    Call,
    /// Not accepted; the mail has been answered.
    Refused,
}

pub(super) struct Mailbox {
    room: Semaphore,
    inner: Mutex<Inner>,
    depth: AtomicUsize,
    metrics: Arc<Meters>,
}

impl Mailbox {
    pub(super) fn new(capacity: usize, metrics: Arc<Meters>) -> Self {
        let inner = Inner { mail: VecDeque::new(), attendance: Attendance::Held, door: Door::Open, paused: false };
        let room = Semaphore::new(capacity.clamp(1, Semaphore::MAX_PERMITS));
        Self { room, inner: Mutex::new(inner), depth: AtomicUsize::new(0), metrics }
    }

    /// A panic while the lock was held left a whole queue: no operation stops half-way.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn depth(&self) -> usize {
        self.depth.load(Ordering::Relaxed)
    }

    pub(super) fn accepts(&self) -> bool {
        self.lock().accepts()
    }

    /// Waits until a job may be put in. Fair: first come, first served.
    pub(super) async fn room(&self) {
        // Most often there is room. Nobody is overtaken: permits that come back go to those who wait.
        if let Ok(permit) = self.room.try_acquire() {
            return permit.forget();
        }
        // Fails only for a closed semaphore, and this one never is.
        if let Ok(permit) = self.room.acquire().await {
            permit.forget();
        }
    }

    /// Puts mail in, for which [`Self::room`] has been waited.
    pub(super) fn post(&self, mail: Mail) -> Posted {
        let mut inner = self.lock();
        if !inner.accepts() {
            drop(inner);
            self.room.add_permits(1);
            return Posted::Refused;
        }
        inner.mail.push_back(mail);
        self.depth.store(inner.mail.len(), Ordering::Relaxed);
        let posted = if inner.attendance == Attendance::Asleep {
            inner.attendance = Attendance::Called;
            Posted::Call
        } else {
            Posted::Queued
        };
        drop(inner);
        self.metrics.depth.increment(1);
        posted
    }

    /// Begins work if there is mail, else falls asleep. Called by the actor while it has the state.
    pub(super) fn begin(&self) -> bool {
        let mut inner = self.lock();
        let work = !inner.mail.is_empty();
        inner.attendance = if work { Attendance::Working } else { Attendance::Asleep };
        work
    }

    /// The next job, for the task that works.
    pub(super) fn take(&self) -> Option<Mail> {
        let inner = self.lock();
        if inner.attendance == Attendance::Working { self.pop(inner) } else { None }
    }

    /// The next job; without one the work is over and new mail calls the actor.
    pub(super) fn take_or_end(&self) -> Option<Mail> {
        let mut inner = self.lock();
        if inner.attendance != Attendance::Working {
            return None;
        }
        if inner.mail.is_empty() {
            inner.attendance = Attendance::Asleep;
            return None;
        }
        self.pop(inner)
    }

    fn pop(&self, mut inner: MutexGuard<'_, Inner>) -> Option<Mail> {
        let mail = inner.mail.pop_front()?;
        self.depth.store(inner.mail.len(), Ordering::Relaxed);
        drop(inner);
        self.gone(1);
        Some(mail)
    }

    fn gone(&self, count: usize) {
        self.room.add_permits(count);
        #[expect(clippy::cast_precision_loss, reason = "a mailbox holds far fewer than 2^52 jobs")]
        self.metrics.depth.decrement(count as f64);
    }

    /// Mail waits from now on; a job that is being done is the last for now.
    pub(super) fn hold(&self) {
        self.lock().attendance = Attendance::Held;
    }

    /// The call did not reach the actor: the next mail shall try again.
    pub(super) fn call_failed(&self) {
        let mut inner = self.lock();
        if inner.attendance == Attendance::Called {
            inner.attendance = Attendance::Asleep;
        }
    }

    /// Refuses mail until [`Self::reopen`], and returns what waits. Says how much that was.
    pub(super) fn close(&self) -> usize {
        let mut inner = self.lock();
        if inner.door == Door::Open {
            inner.door = Door::Closed;
        }
        inner.attendance = Attendance::Held;
        self.return_all(inner)
    }

    /// Refuses mail for good, and returns what waits. Says how much that was.
    pub(super) fn seal(&self) -> usize {
        let mut inner = self.lock();
        inner.door = Door::Sealed;
        inner.attendance = Attendance::Held;
        self.return_all(inner)
    }

    /// Accepts mail again, unless sealed.
    pub(super) fn reopen(&self) {
        let mut inner = self.lock();
        if inner.door == Door::Closed {
            inner.door = Door::Open;
        }
    }

    /// Refuses mail until [`Self::resume`], and returns what waits.
    pub(super) fn pause(&self) {
        let mut inner = self.lock();
        inner.paused = true;
        self.return_all(inner);
    }

    pub(super) fn resume(&self) {
        self.lock().paused = false;
    }

    fn return_all(&self, mut inner: MutexGuard<'_, Inner>) -> usize {
        let mail = std::mem::take(&mut inner.mail);
        self.depth.store(0, Ordering::Relaxed);
        drop(inner);
        self.gone(mail.len());
        mail.len()
    }
}
