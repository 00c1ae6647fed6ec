//! The root supervisor: tries failed children again after a growing pause, and lets an operator do so at once.

use std::time::Instant;

use actix::{Actor, AsyncContext, Context, Handler, Message, Recipient, SpawnHandle};

use super::policy::Backoff;

/// Begin anew with full credit. Sent to a child.
pub(super) struct Revive;
impl Message for Revive {
    type Result = ();
}

/// Stop for good, interrupting what still runs. Sent to a child; answered once it is done.
pub(super) struct Stop;
impl Message for Stop {
    type Result = ();
}

/// A new child.
pub(super) struct Enlist {
    pub(super) name: &'static str,
    pub(super) pause: Backoff,
    pub(super) revive: Recipient<Revive>,
}
impl Message for Enlist {
    type Result = ();
}

/// The child has exceeded its intensity and takes no work.
pub(super) struct ChildFailed(pub(super) &'static str);
impl Message for ChildFailed {
    type Result = ();
}

/// An operator wants the child begun anew. Answers whether there is such a child.
pub(super) struct Restart(pub(super) String);
impl Message for Restart {
    type Result = bool;
}

/// The process shuts down: revive nobody any more.
pub(super) struct Halt;
impl Message for Halt {
    type Result = ();
}

struct Child {
    name: &'static str,
    pause: Backoff,
    revive: Recipient<Revive>,
    /// How often in a row it has failed.
    failures: u32,
    revived: Option<Instant>,
    timer: Option<SpawnHandle>,
}

impl Child {
    /// The pause before the next try. A child that lived longer than the longest pause begins with the shortest again.
    fn next_pause(&mut self, now: Instant) -> std::time::Duration {
        if self.revived.is_some_and(|revived| now.duration_since(revived) > self.pause.last) {
            self.failures = 0;
        }
        let pause = self.pause.wait(self.failures);
        self.failures = self.failures.saturating_add(1);
        pause
    }

    fn revive(&mut self) {
        self.revived = Some(Instant::now());
        if self.revive.try_send(Revive).is_err() {
            tracing::error!(capability = self.name, "a failed child cannot be reached");
        }
    }
}

#[derive(Default)]
pub(super) struct Root {
    children: Vec<Child>,
    halted: bool,
}

impl Root {
    fn child(&mut self, name: &str) -> Option<&mut Child> {
        self.children.iter_mut().find(|child| child.name == name)
    }
}

impl Actor for Root {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // Room for one failure of every child that a process could sensibly have, and then some.
        ctx.set_mailbox_capacity(1024);
    }
}

impl Handler<Enlist> for Root {
    type Result = ();

    fn handle(&mut self, Enlist { name, pause, revive }: Enlist, _: &mut Self::Context) {
        self.children.push(Child { name, pause, revive, failures: 0, revived: None, timer: None });
    }
}

impl Handler<ChildFailed> for Root {
    type Result = ();

    fn handle(&mut self, ChildFailed(name): ChildFailed, ctx: &mut Self::Context) {
        if self.halted {
            return;
        }
        let Some(child) = self.child(name) else { return };
        let pause = child.next_pause(Instant::now());
        tracing::error!(capability = name, ?pause, "failed: it fell too often; tried again after a pause");
        child.timer = Some(ctx.run_later(pause, move |root, _| {
            if let Some(child) = root.child(name) {
                child.timer = None;
                child.revive();
            }
        }));
    }
}

impl Handler<Restart> for Root {
    type Result = bool;

    fn handle(&mut self, Restart(name): Restart, ctx: &mut Self::Context) -> bool {
        if self.halted {
            return false;
        }
        let Some(child) = self.child(&name) else { return false };
        if let Some(timer) = child.timer.take() {
            ctx.cancel_future(timer);
        }
        child.revive();
        true
    }
}

impl Handler<Halt> for Root {
    type Result = ();

    fn handle(&mut self, _: Halt, ctx: &mut Self::Context) {
        self.halted = true;
        for timer in self.children.iter_mut().filter_map(|child| child.timer.take()) {
            ctx.cancel_future(timer);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    struct Deaf;
    impl Actor for Deaf {
        type Context = Context<Self>;
    }
    impl Handler<Revive> for Deaf {
        type Result = ();
        fn handle(&mut self, _: Revive, _: &mut Self::Context) {}
    }

    #[test]
    fn the_pause_grows_until_the_child_has_lived_long_enough() {
        let pause = Backoff { first: Duration::from_secs(30), last: Duration::from_mins(5) };
        actix::System::new().block_on(async {
            let revive = Deaf.start().recipient();
            let mut child = Child { name: "", pause, revive, failures: 0, revived: None, timer: None };
            let start = Instant::now();
            let pauses: Vec<_> = (0..5).map(|_| child.next_pause(start).as_secs()).collect();
            assert_eq!(pauses, [30, 60, 120, 240, 300]);
            child.revived = Some(start);
            assert_eq!(child.next_pause(start + pause.last).as_secs(), 300, "it fell again too soon");
            assert_eq!(child.next_pause(start + pause.last + Duration::from_secs(1)).as_secs(), 30);
        });
    }
}
