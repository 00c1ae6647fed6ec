//! The whole tree: one thread that runs the actors, and the handle through which the process starts, watches and drains
//! them.

use std::{io, sync::Arc, thread, time::Duration};

use actix::{Actor, Addr, ArbiterHandle, AsyncContext, Recipient};
use arc_swap::ArcSwap;
use futures::future::{BoxFuture, join_all};
use tokio::{
    runtime,
    sync::{Mutex, oneshot},
    time::{Instant, timeout, timeout_at},
};

use super::{
    ActorState, ActorStatus, Capability, Handle, Service,
    capability::Node,
    policy::Meter,
    root::{Enlist, Halt, Restart, Revive, Root, Stop},
    service::{ServiceNode, ServiceShell},
    shard::{Command, Mold, Shell},
    status::describe_metrics,
    supervisor::Supervisor,
};
use crate::{
    app::{Tree, UnknownChild},
    kernel::Clock,
};

/// How long services may finish when the jobs have used up the time to drain.
const GRACE: Duration = Duration::from_secs(1);

/// Why a capability or service was not started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// Names are what operators and metrics know it by.
    #[error("there is a capability or service named `{0}` already: give this one another name")]
    Duplicate(&'static str),
    /// The process shuts down.
    #[error("`{0}` is not started: the supervisor tree has been stopped")]
    Stopped(&'static str),
}

/// What a drain had to leave undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Drained {
    /// Jobs that had waited in a mailbox and went back.
    pub returned: usize,
    /// Jobs that were still running at the deadline, were interrupted and went back.
    pub interrupted: usize,
}

#[derive(Clone)]
enum Child {
    Capability(Arc<Node>, Recipient<Stop>),
    Service(Arc<ServiceNode>, Recipient<Stop>),
}

impl Child {
    fn name(&self) -> &'static str {
        match self {
            Self::Capability(node, _) => node.name,
            Self::Service(node, _) => node.name,
        }
    }

    /// Stops for good; a service may take until `deadline` to finish.
    async fn stop(&self, deadline: Instant) {
        let (tasks, stop) = match self {
            Self::Capability(node, stop) => (&node.tasks, stop),
            Self::Service(node, stop) => {
                node.stop.cancel();
                node.tasks.close();
                if timeout_at(deadline, node.tasks.wait()).await.is_err() {
                    tracing::warn!(service = node.name, "a service did not end in time and is interrupted");
                }
                (&node.tasks, stop)
            }
        };
        // An error means that it has been stopped before.
        let _ = stop.send(Stop).await;
        if timeout(GRACE, tasks.wait()).await.is_err() {
            tracing::warn!(capability = self.name(), "a task does not let itself be interrupted and is left behind");
        }
    }
}

struct Thread {
    ended: oneshot::Receiver<()>,
    join: thread::JoinHandle<()>,
}

/// The supervisor tree.
///
/// The actors share one thread; handlers, factories and services run on the runtime that was handed in, because the
/// database's connections belong to it.
pub struct System {
    runtime: runtime::Handle,
    clock: Arc<dyn Clock>,
    actix: actix::System,
    root: Addr<Root>,
    /// In the order of their start.
    children: ArcSwap<Vec<Child>>,
    /// Held while a child is started or the end begins; empty afterwards.
    thread: Mutex<Option<Thread>>,
}

impl System {
    /// Starts the thread and the root supervisor. Install the metrics recorder before.
    pub fn start(runtime: runtime::Handle, clock: Arc<dyn Clock>) -> io::Result<Self> {
        describe_metrics();
        let (ready, started) = std::sync::mpsc::sync_channel(1);
        let (end, ended) = oneshot::channel();
        let join = thread::Builder::new().name("actors".to_owned()).spawn(move || {
            run(&ready);
            let _ = end.send(());
        })?;
        let (actix, root) = started.recv().map_err(io::Error::other)??;
        let thread = Mutex::new(Some(Thread { ended, join }));
        Ok(Self { runtime, clock, actix, root, children: ArcSwap::default(), thread })
    }

    /// Starts a capability under the root. Resolves when each shard has its state or has failed once to build it.
    pub async fn add<S: Send + 'static>(&self, capability: Capability<S>) -> Result<Handle, StartError> {
        let name = capability.name;
        let node = Arc::new(Node::new(&capability, &self.clock));
        let (first_tries, tried) = (0..capability.shards).map(|_| oneshot::channel()).unzip::<_, _, Vec<_>, Vec<_>>();
        let (start, runtime, root) = (node.clone(), self.runtime.clone(), self.root.clone());
        self.start_child(name, move || {
            let pause = capability.policy.pause;
            let supervisor = start_capability(capability, start.clone(), runtime, root, first_tries);
            let child = Child::Capability(start, supervisor.clone().recipient());
            (child, Enlist { name, pause, revive: supervisor.recipient() })
        })
        .await?;
        join_all(tried).await;
        Ok(Handle { node })
    }

    /// Starts a service under the root.
    pub async fn serve(&self, service: Service) -> Result<(), StartError> {
        let (name, pause) = (service.name, service.policy.pause);
        let node = Arc::new(ServiceNode::new(name, &self.clock));
        let (runtime, root) = (self.runtime.clone(), self.root.clone());
        self.start_child(name, move || {
            let shell = ServiceShell::new(node.clone(), &service, runtime, root).start();
            let child = Child::Service(node, shell.clone().recipient());
            (child, Enlist { name, pause, revive: shell.recipient::<Revive>() })
        })
        .await
    }

    async fn start_child(
        &self,
        name: &'static str,
        start: impl FnOnce() -> (Child, Enlist) + Send + 'static,
    ) -> Result<(), StartError> {
        let thread = self.thread.lock().await;
        if thread.is_none() {
            return Err(StartError::Stopped(name));
        }
        let mut children = self.children.load().to_vec();
        if children.iter().any(|child| child.name() == name) {
            return Err(StartError::Duplicate(name));
        }
        let (reply, started) = oneshot::channel();
        let root = self.root.clone();
        self.arbiter().spawn(async move {
            let (child, enlist) = start();
            let _ = root.send(enlist).await;
            let _ = reply.send(child);
        });
        children.push(started.await.map_err(|_| StartError::Stopped(name))?);
        self.children.store(Arc::new(children));
        drop(thread);
        Ok(())
    }

    fn arbiter(&self) -> &ArbiterHandle {
        self.actix.arbiter()
    }

    /// The capability of this name.
    #[must_use]
    pub fn capability(&self, name: &str) -> Option<Handle> {
        self.children.load().iter().find_map(|child| match child {
            Child::Capability(node, _) if node.name == name => Some(Handle { node: node.clone() }),
            _ => None,
        })
    }

    /// Every actor, in the order of their start. Never waits.
    #[must_use]
    pub fn status(&self) -> Vec<ActorStatus> {
        let mut actors = Vec::new();
        for child in self.children.load().iter() {
            match child {
                Child::Capability(node, _) => actors.extend(node.status()),
                Child::Service(node, _) => actors.push(node.cell.status(node.name)),
            }
        }
        actors
    }

    /// The names of the capabilities and services that have failed. Never waits.
    #[must_use]
    pub fn failed(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.status().into_iter().filter(|actor| actor.state == ActorState::Failed).collect();
        names.dedup_by_key(|actor| actor.capability);
        names.into_iter().map(|actor| actor.capability).collect()
    }

    /// Begins a capability or service anew, with full credit: at once, whether it has failed or not. Jobs that run
    /// finish before, mail waits.
    pub async fn restart(&self, name: &str) -> Result<(), UnknownChild> {
        match self.root.send(Restart(name.to_owned())).await {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(UnknownChild(name.to_owned())),
        }
    }

    /// Ends the tree: accepts no jobs, returns those that wait, lets running ones finish until `deadline` has passed,
    /// and stops the children in the reverse order of their start, then the thread. Services have at least a second.
    pub async fn drain(&self, deadline: Duration) -> Drained {
        let Some(thread) = self.thread.lock().await.take() else { return Drained::default() };
        let deadline = Instant::now() + deadline;
        let _ = self.root.send(Halt).await;
        let children = self.children.load_full();
        let capabilities = || {
            children.iter().filter_map(|child| match child {
                Child::Capability(node, _) => Some(node),
                Child::Service(..) => None,
            })
        };
        let returned = capabilities().map(|node| node.seal()).sum();
        let finished = capabilities().map(|node| {
            node.tasks.close();
            node.tasks.wait()
        });
        let _ = timeout_at(deadline, join_all(finished)).await;
        let interrupted = capabilities().map(|node| node.in_flight()).sum();
        let deadline = deadline.max(Instant::now() + GRACE);
        for child in children.iter().rev() {
            child.stop(deadline).await;
        }
        self.actix.stop();
        // The thread ends by now, so that joining it does not block.
        let _ = thread.ended.await;
        let _ = thread.join.join();
        Drained { returned, interrupted }
    }
}

/// As the front sees it.
impl Tree for System {
    fn status(&self) -> Vec<ActorStatus> {
        Self::status(self)
    }

    fn restart<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), UnknownChild>> {
        Box::pin(Self::restart(self, name))
    }
}

/// Whoever has not drained still gets an answer for every job, and no thread is left.
impl Drop for System {
    fn drop(&mut self) {
        for child in self.children.load().iter() {
            match child {
                Child::Capability(node, _) => drop(node.seal()),
                Child::Service(node, _) => node.stop.cancel(),
            }
        }
        self.actix.stop();
    }
}

type Started = io::Result<(actix::System, Addr<Root>)>;

/// The actors' thread.
fn run(ready: &std::sync::mpsc::SyncSender<Started>) {
    let runtime = match runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = ready.send(Err(error));
            return;
        }
    };
    let actix = actix::System::with_tokio_rt(|| runtime);
    let root = actix.block_on(async { Root::default().start() });
    let _ = ready.send(Ok((actix::System::current(), root)));
    if let Err(error) = actix.run() {
        tracing::error!(%error, "the actors' thread ended");
    }
}

fn start_capability<S: Send + 'static>(
    capability: Capability<S>,
    node: Arc<Node>,
    runtime: runtime::Handle,
    root: Addr<Root>,
    first_tries: Vec<oneshot::Sender<()>>,
) -> Addr<Supervisor> {
    Supervisor::create(move |ctx| {
        let supervisor = ctx.address();
        let start_shard = |(index, first_try)| {
            let mold = Mold {
                node: node.clone(),
                spec: capability.spec.clone(),
                runtime: runtime.clone(),
                supervisor: supervisor.clone().recipient(),
                meter: Meter::new(capability.policy),
            };
            let shell = Shell::new(mold, index, first_try).start();
            // Set once, here.
            let _ = node.shards[index].actor.set(shell.clone().recipient());
            shell.recipient::<Command>()
        };
        let shards = first_tries.into_iter().enumerate().map(start_shard).collect();
        Supervisor::new(node.clone(), root, shards, Meter::new(capability.policy))
    })
}
