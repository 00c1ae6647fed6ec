//! What a capability consists of, and what it looks like from outside.

use std::sync::{Arc, OnceLock};

use actix::Recipient;
use arc_swap::ArcSwapOption;
use futures::{FutureExt, future::BoxFuture};
use tokio_util::task::TaskTracker;

use super::{
    ActorState, ActorStatus, Policy,
    mailbox::{Mail, Mailbox, Posted},
    shard::Call,
    status::{Cell, Meters},
};
use crate::{
    jobs::{Claimed, Consumer, Outcome, Perform},
    kernel::{Clock, Time},
};

/// The child specification of a capability whose shards each own an `S`.
///
/// ```
/// # use std::sync::Arc;
/// # use mintreu::{actors::Capability, jobs::{Claimed, Outcome, Perform}};
/// # use futures::{FutureExt, future::BoxFuture};
/// # struct Handlers;
/// # impl Perform<u32> for Handlers {
/// #     fn perform<'a>(&'a self, state: &'a mut u32, _: &'a Claimed) -> BoxFuture<'a, Outcome> {
/// #         async move { *state += 1; Outcome::Completed }.boxed()
/// #     }
/// # }
/// let licensing = Capability::new("licensing", || 0_u32, Arc::new(Handlers)).shards(4).mailbox(64);
/// ```
pub struct Capability<S> {
    pub(super) name: &'static str,
    pub(super) shards: usize,
    pub(super) mailbox: usize,
    pub(super) policy: Policy,
    pub(super) spec: Arc<Spec<S>>,
}

/// What a shard needs to build its state and do its jobs.
pub(super) struct Spec<S> {
    pub(super) factory: Box<dyn Fn() -> S + Send + Sync>,
    pub(super) perform: Arc<dyn Perform<S>>,
}

impl<S: Send + 'static> Capability<S> {
    /// A capability with 16 shards, mailboxes for 32 jobs each and the default policy.
    ///
    /// `factory` makes the state of a shard, at the start and after each panic; it runs on the main runtime.
    pub fn new(
        name: &'static str,
        factory: impl Fn() -> S + Send + Sync + 'static,
        perform: Arc<dyn Perform<S>>,
    ) -> Self {
        let spec = Spec { factory: Box::new(factory), perform };
        Self { name, shards: 16, mailbox: 32, policy: Policy::default(), spec: Arc::new(spec) }
    }

    /// With this many shards, at least one.
    #[must_use]
    pub fn shards(mut self, shards: usize) -> Self {
        self.shards = shards.max(1);
        self
    }

    /// With room for this many waiting jobs per shard, at least one.
    #[must_use]
    pub fn mailbox(mut self, capacity: usize) -> Self {
        self.mailbox = capacity.max(1);
        self
    }

    /// With this restart policy.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }
}

/// One shard, as far as threads other than the actors' know it.
pub(super) struct Shard {
    pub(super) index: usize,
    pub(super) mailbox: Mailbox,
    pub(super) cell: Cell,
    pub(super) actor: OnceLock<Recipient<Call>>,
}

impl Shard {
    /// The state is lost: mail waits until the actor has built another.
    pub(super) fn fell(&self, error: &str) {
        self.mailbox.hold();
        self.cell.fell(error);
    }

    /// Answers the job once it is done, or at once if it is not accepted.
    async fn deliver(&self, job: Claimed) -> (Claimed, Outcome) {
        if !self.mailbox.accepts() {
            return (job, Outcome::Returned);
        }
        self.mailbox.room().await;
        let (mail, answer) = Mail::new(job);
        if self.mailbox.post(mail) == Posted::Call {
            self.call();
        }
        match answer.await {
            Ok(answer) => answer,
            // Cannot be: mail answers even when it is dropped. Without the job there is nothing to say.
            Err(_) => std::future::pending().await,
        }
    }

    fn call(&self) {
        let called = self.actor.get().is_some_and(|actor| actor.try_send(Call).is_ok());
        if !called {
            tracing::error!(shard = self.index, "a shard's actor cannot be reached");
            self.mailbox.call_failed();
        }
    }
}

/// A started capability, as far as threads other than the actors' know it.
pub(super) struct Node {
    pub(super) name: &'static str,
    pub(super) shards: Box<[Shard]>,
    pub(super) metrics: Arc<Meters>,
    /// The tasks on the main runtime that have a state in their hands.
    pub(super) tasks: TaskTracker,
    paused: ArcSwapOption<Time>,
    clock: Arc<dyn Clock>,
}

impl Node {
    pub(super) fn new<S>(capability: &Capability<S>, clock: &Arc<dyn Clock>) -> Self {
        let metrics = Arc::new(Meters::new(capability.name));
        let shard = |index| Shard {
            index,
            mailbox: Mailbox::new(capability.mailbox, metrics.clone()),
            cell: Cell::of_shard(clock.clone(), &metrics),
            actor: OnceLock::new(),
        };
        Self {
            name: capability.name,
            shards: (0..capability.shards).map(shard).collect(),
            metrics: metrics.clone(),
            tasks: TaskTracker::new(),
            paused: ArcSwapOption::empty(),
            clock: clock.clone(),
        }
    }

    /// Accepts no job any more, and returns those that wait. Says how many.
    pub(super) fn seal(&self) -> usize {
        self.shards.iter().map(|shard| shard.mailbox.seal()).sum()
    }

    pub(super) fn in_flight(&self) -> usize {
        self.shards.iter().map(|shard| shard.cell.jobs()).sum()
    }

    pub(super) fn status(&self) -> impl Iterator<Item = ActorStatus> + '_ {
        let paused = self.paused.load();
        self.shards.iter().map(move |shard| {
            let mut status = shard.cell.status(self.name);
            status.shard = Some(shard.index);
            status.mailbox_depth = shard.mailbox.depth();
            if let (Some(paused), ActorState::Running) = (paused.as_deref(), status.state) {
                status.state = ActorState::Paused;
                status.since = status.since.max(*paused);
            }
            status
        })
    }
}

/// A started capability: where its jobs go, and what an operator can do to it.
#[derive(Clone)]
pub struct Handle {
    pub(super) node: Arc<Node>,
}

impl Handle {
    /// The capability's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.node.name
    }

    /// The capability, seen from the queue.
    #[must_use]
    pub fn consumer(&self) -> Arc<dyn Consumer> {
        Arc::new(self.clone())
    }

    /// Whether any shard takes jobs. While none does, every job comes back at once, so that claiming more is in vain.
    #[must_use]
    pub fn accepts(&self) -> bool {
        self.node.shards.iter().any(|shard| shard.mailbox.accepts())
    }

    /// From now on jobs come back as [`Outcome::Returned`], those that wait included; what is running finishes.
    pub fn pause(&self) {
        if self.node.paused.load().is_none() {
            self.node.paused.store(Some(Arc::new(self.node.clock.now())));
        }
        self.node.shards.iter().for_each(|shard| shard.mailbox.pause());
    }

    /// Ends a pause.
    pub fn resume(&self) {
        self.node.paused.store(None);
        self.node.shards.iter().for_each(|shard| shard.mailbox.resume());
    }

    /// Each shard, now.
    #[must_use]
    pub fn status(&self) -> Vec<ActorStatus> {
        self.node.status().collect()
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Handle").field(&self.node.name).finish()
    }
}

impl Consumer for Handle {
    fn consume(&self, job: Claimed) -> BoxFuture<'static, (Claimed, Outcome)> {
        let node = self.node.clone();
        async move {
            let shards = node.shards.len() as u64;
            let index = usize::try_from(job.shard_key() % shards).unwrap_or(0);
            let (job, outcome) = node.shards[index].deliver(job).await;
            node.metrics.count(&outcome);
            (job, outcome)
        }
        .boxed()
    }
}
