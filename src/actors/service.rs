//! Long-lived tasks of the process that do no jobs: a flusher, a poller, a sealer. Restarted when they end in an error
//! or a panic, stopped in order through a cancellation token.

use std::{fmt::Display, sync::Arc, time::Instant};

use actix::{Actor, ActorContext, Addr, AsyncContext, Context, Handler, SpawnHandle, WrapFuture, fut::ActorFutureExt};
use futures::{FutureExt, TryFutureExt, future::BoxFuture};
use tokio::{runtime, task::AbortHandle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    ActorState, Policy,
    policy::{Meter, Verdict},
    root::{ChildFailed, Revive, Root, Stop},
    status::{Cell, panic_message},
};
use crate::kernel::Clock;

type Run = Arc<dyn Fn(CancellationToken) -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// The child specification of a service.
///
/// ```
/// # use std::{convert::Infallible, time::Duration};
/// # use mintreu::actors::Service;
/// let poller = Service::new("flag poller", |stop| async move {
///     while stop.run_until_cancelled(tokio::time::sleep(Duration::from_secs(1))).await.is_some() {
///         // poll
///     }
///     Ok::<_, Infallible>(())
/// });
/// ```
pub struct Service {
    pub(super) name: &'static str,
    pub(super) policy: Policy,
    pub(super) run: Run,
}

impl Service {
    /// A service with the default policy.
    ///
    /// `run` is called at the start and after each fall. Its future runs on the main runtime, shall go on until the
    /// token is cancelled, and then finish what it holds and end. Ending well earlier stops the service.
    pub fn new<F, E>(name: &'static str, run: impl Fn(CancellationToken) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Display + 'static,
    {
        let run = move |stop| run(stop).map_err(|error| error.to_string()).boxed();
        Self { name, policy: Policy::default(), run: Arc::new(run) }
    }

    /// With this restart policy.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }
}

/// A started service, as far as threads other than the actors' know it.
pub(super) struct ServiceNode {
    pub(super) name: &'static str,
    pub(super) cell: Cell,
    pub(super) tasks: TaskTracker,
    pub(super) stop: CancellationToken,
}

impl ServiceNode {
    pub(super) fn new(name: &'static str, clock: &Arc<dyn Clock>) -> Self {
        let cell = Cell::of_service(clock.clone(), name);
        Self { name, cell, tasks: TaskTracker::new(), stop: CancellationToken::new() }
    }
}

enum Mode {
    Up,
    Backoff(SpawnHandle),
    /// Failed, or ended by itself, or stopped.
    Down,
}

pub(super) struct ServiceShell {
    node: Arc<ServiceNode>,
    run: Run,
    runtime: runtime::Handle,
    root: Addr<Root>,
    meter: Meter,
    mode: Mode,
    task: Option<(AbortHandle, CancellationToken)>,
}

impl ServiceShell {
    pub(super) fn new(node: Arc<ServiceNode>, service: &Service, runtime: runtime::Handle, root: Addr<Root>) -> Self {
        let (run, meter) = (service.run.clone(), Meter::new(service.policy));
        Self { node, run, runtime, root, meter, mode: Mode::Up, task: None }
    }

    fn step(&mut self, ctx: &mut Context<Self>) {
        if self.task.is_some() || !matches!(self.mode, Mode::Up) {
            return;
        }
        let stop = self.node.stop.child_token();
        let (run, token) = (self.run.clone(), stop.clone());
        self.node.cell.enter(ActorState::Running);
        let task = self.node.tasks.spawn_on(async move { run(token).await }, &self.runtime);
        self.task = Some((task.abort_handle(), stop));
        ctx.spawn(task.into_actor(self).map(|ended, shell, ctx| {
            let error = match ended {
                Ok(ended) => ended.err(),
                Err(broken) => broken.try_into_panic().ok().map(|text| format!("panicked: {}", panic_message(&*text))),
            };
            let cancelled = shell.task.take().is_some_and(|(_, stop)| stop.is_cancelled());
            if let Some(error) = error {
                tracing::error!(service = shell.node.name, error, "a service fell");
                shell.node.cell.fell(&error);
                if !cancelled {
                    shell.restart(ctx);
                }
            } else if !cancelled {
                shell.mode = Mode::Down;
            }
            if shell.node.stop.is_cancelled() {
                shell.mode = Mode::Down;
            }
            shell.rest();
            shell.step(ctx);
        }));
    }

    /// Says what the service does while it does not run; a failed one has said so.
    fn rest(&self) {
        if matches!(self.mode, Mode::Down) && self.node.cell.state() != ActorState::Failed {
            self.node.cell.enter(ActorState::Stopped);
        }
    }

    fn restart(&mut self, ctx: &mut Context<Self>) {
        self.mode = match self.meter.record(Instant::now()) {
            Verdict::Restart(wait) => Mode::Backoff(ctx.run_later(wait, |shell, ctx| {
                shell.mode = Mode::Up;
                shell.step(ctx);
            })),
            Verdict::Escalate => {
                self.node.cell.enter(ActorState::Failed);
                if self.root.try_send(ChildFailed(self.node.name)).is_err() {
                    tracing::error!(service = self.node.name, "the root supervisor cannot be reached");
                }
                Mode::Down
            }
        };
    }
}

impl Actor for ServiceShell {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.step(ctx);
    }
}

impl Handler<Revive> for ServiceShell {
    type Result = ();

    fn handle(&mut self, _: Revive, ctx: &mut Self::Context) {
        if let Mode::Backoff(timer) = std::mem::replace(&mut self.mode, Mode::Up) {
            ctx.cancel_future(timer);
        }
        self.meter.reset();
        if let Some((_, stop)) = &self.task {
            stop.cancel();
        }
        self.step(ctx);
    }
}

impl Handler<Stop> for ServiceShell {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        if let Some((task, _)) = self.task.take() {
            task.abort();
        }
        self.node.cell.enter(ActorState::Stopped);
        ctx.stop();
    }
}
