//! The shell of one shard: owns its state, has it rebuilt when it is lost, and never loses mail.
//!
//! The actor itself does next to nothing that could panic: the factory and the handlers run in tasks on the main
//! runtime, which also owns the database connections that they use.

use std::{sync::Arc, time::Instant};

use actix::{
    Actor, ActorContext, AsyncContext, Context, Handler, Message, Recipient, SpawnHandle, WrapFuture,
    fut::ActorFutureExt,
};
use tokio::{
    runtime,
    sync::oneshot,
    task::{AbortHandle, JoinError, JoinHandle},
};

use super::{
    ActorState,
    capability::{Node, Shard, Spec},
    policy::{Meter, Verdict},
    run::{self, Ended},
    status::panic_message,
    supervisor::ShardFell,
};

/// There is mail.
pub(super) struct Call;
impl Message for Call {
    type Result = ();
}

/// What the supervisor wants of a shard.
#[derive(Debug, Clone, Copy)]
pub(super) enum Command {
    /// Throw the state away, if there is one, and build another. Ends a failure.
    Rebuild,
    /// The capability has failed: return the mail, throw the state away.
    Fail,
    /// Stop for good; a job that is still running is interrupted.
    Stop,
}
impl Message for Command {
    type Result = ();
}

/// What the shell is up to.
enum Mode {
    /// Work, and build the state when it is missing.
    Up,
    /// Wait before the next try to build the state.
    Backoff(SpawnHandle),
    /// Wait for the supervisor.
    Escalated,
    /// Have no state.
    Down,
}

pub(super) struct Shell<S> {
    node: Arc<Node>,
    index: usize,
    spec: Arc<Spec<S>>,
    runtime: runtime::Handle,
    supervisor: Recipient<ShardFell>,
    meter: Meter,
    state: Option<S>,
    mode: Mode,
    /// The task that has the state in its hands.
    task: Option<AbortHandle>,
    /// The state is to be replaced as soon as it is back.
    stale: bool,
    /// Dropped after the first try to build the state.
    first_try: Option<oneshot::Sender<()>>,
}

/// What all shells of a capability are made from.
pub(super) struct Mold<S> {
    pub(super) node: Arc<Node>,
    pub(super) spec: Arc<Spec<S>>,
    pub(super) runtime: runtime::Handle,
    pub(super) supervisor: Recipient<ShardFell>,
    pub(super) meter: Meter,
}

impl<S: Send + 'static> Shell<S> {
    pub(super) fn new(mold: Mold<S>, index: usize, first_try: oneshot::Sender<()>) -> Self {
        Self {
            node: mold.node,
            index,
            spec: mold.spec,
            runtime: mold.runtime,
            supervisor: mold.supervisor,
            meter: mold.meter,
            state: None,
            mode: Mode::Up,
            task: None,
            stale: false,
            first_try: Some(first_try),
        }
    }

    fn shard(&self) -> &Shard {
        &self.node.shards[self.index]
    }

    /// Does what is due now. Called after every event.
    fn step(&mut self, ctx: &mut Context<Self>) {
        if self.task.is_some() {
            return;
        }
        match (&self.mode, self.state.take()) {
            (Mode::Up, Some(state)) if !self.stale => {
                if self.shard().mailbox.begin() {
                    self.work(state, ctx);
                } else {
                    self.state = Some(state);
                }
            }
            (Mode::Up, old) => self.build(old, ctx),
            (Mode::Backoff(_) | Mode::Escalated, state) => self.state = state,
            (Mode::Down, Some(state)) => self.throw_away(state),
            (Mode::Down, None) => {}
        }
    }

    fn work(&mut self, state: S, ctx: &mut Context<Self>) {
        let work = run::work(self.node.clone(), self.index, self.spec.perform.clone(), state);
        let task = self.node.tasks.spawn_on(work, &self.runtime);
        self.watch(task, ctx, |shell, ended, ctx| match ended {
            Ended::Idle(state) => shell.state = Some(state),
            Ended::Panicked => shell.restart(ctx),
        });
    }

    fn build(&mut self, old: Option<S>, ctx: &mut Context<Self>) {
        self.stale = false;
        let spec = self.spec.clone();
        let build = async move {
            drop(old);
            (spec.factory)()
        };
        let task = self.node.tasks.spawn_on(build, &self.runtime);
        self.watch(task, ctx, |shell, state, _| {
            shell.state = Some(state);
            if matches!(shell.mode, Mode::Up) && !shell.stale {
                shell.shard().cell.enter(ActorState::Running);
            }
        });
    }

    /// Comes back to `done` when the task has ended well; a panic in it is a fall.
    fn watch<T: 'static>(
        &mut self,
        task: JoinHandle<T>,
        ctx: &mut Context<Self>,
        done: fn(&mut Self, T, &mut Context<Self>),
    ) {
        self.task = Some(task.abort_handle());
        ctx.spawn(task.into_actor(self).map(move |ended, shell, ctx| {
            shell.task = None;
            match ended {
                Ok(ended) => done(shell, ended, ctx),
                Err(error) => shell.broke_off(error, ctx),
            }
            shell.step(ctx);
            shell.first_try = None;
        }));
    }

    fn broke_off(&mut self, error: JoinError, ctx: &mut Context<Self>) {
        if let Ok(payload) = error.try_into_panic() {
            let error = format!("panicked: {}", panic_message(&*payload));
            tracing::error!(capability = self.node.name, shard = self.index, error, "building a state panicked");
            self.shard().fell(&error);
            self.restart(ctx);
        } else {
            // Aborted: the actor stops, or the main runtime does.
            self.mode = Mode::Down;
            self.shard().mailbox.seal();
            self.shard().cell.enter(ActorState::Stopped);
        }
    }

    /// After a fall: waits and builds the state again, or leaves it to the supervisor.
    fn restart(&mut self, ctx: &mut Context<Self>) {
        if !matches!(self.mode, Mode::Up) || self.stale {
            return;
        }
        self.mode = match self.meter.record(Instant::now()) {
            Verdict::Restart(wait) => Mode::Backoff(ctx.run_later(wait, |shell, ctx| {
                shell.mode = Mode::Up;
                shell.step(ctx);
            })),
            Verdict::Escalate => {
                // There is at most one such message per shard, and the supervisor has room for that.
                if self.supervisor.try_send(ShardFell).is_err() {
                    tracing::error!(
                        capability = self.node.name,
                        shard = self.index,
                        "the supervisor cannot be reached"
                    );
                }
                Mode::Escalated
            }
        };
    }

    fn enter(&mut self, mode: Mode, ctx: &mut Context<Self>) {
        if let Mode::Backoff(timer) = std::mem::replace(&mut self.mode, mode) {
            ctx.cancel_future(timer);
        }
    }

    /// A state may hold what wants the main runtime, and its drop may panic.
    fn throw_away(&self, state: S) {
        self.node.tasks.spawn_on(async move { drop(state) }, &self.runtime);
    }
}

/// An actor that goes without having been stopped has failed, and its mail must not wait for it.
impl<S> Drop for Shell<S> {
    fn drop(&mut self) {
        let shard = &self.node.shards[self.index];
        shard.mailbox.seal();
        if shard.cell.state() != ActorState::Stopped {
            shard.cell.enter(ActorState::Failed);
        }
    }
}

/// Nothing in the shell is pinned; actix wants to know.
impl<S> Unpin for Shell<S> {}

impl<S: Send + 'static> Actor for Shell<S> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.step(ctx);
    }
}

impl<S: Send + 'static> Handler<Call> for Shell<S> {
    type Result = ();

    fn handle(&mut self, _: Call, ctx: &mut Self::Context) {
        self.step(ctx);
    }
}

impl<S: Send + 'static> Handler<Command> for Shell<S> {
    type Result = ();

    fn handle(&mut self, command: Command, ctx: &mut Self::Context) {
        match command {
            Command::Rebuild => {
                self.enter(Mode::Up, ctx);
                self.meter.reset();
                self.stale = true;
                self.shard().mailbox.hold();
                self.shard().mailbox.reopen();
                self.shard().cell.enter(ActorState::Restarting);
            }
            Command::Fail => {
                self.enter(Mode::Down, ctx);
                self.shard().cell.enter(ActorState::Failed);
                self.shard().mailbox.close();
            }
            Command::Stop => {
                self.enter(Mode::Down, ctx);
                self.shard().mailbox.seal();
                self.shard().cell.enter(ActorState::Stopped);
                if let Some(task) = self.task.take() {
                    task.abort();
                }
                ctx.stop();
            }
        }
        self.step(ctx);
    }
}
