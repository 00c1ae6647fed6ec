//! The supervisor of one capability: rebuilds all its shards' states when one of them falls too often, and tells the
//! root when that does not help either.

use std::{sync::Arc, time::Instant};

use actix::{
    Actor, ActorContext, Addr, AsyncContext, Context, Handler, Message, Recipient, ResponseFuture, SpawnHandle,
};
use futures::{FutureExt, future::join_all};

use super::{
    capability::Node,
    policy::{Meter, Verdict},
    root::{ChildFailed, Revive, Root, Stop},
    shard::Command,
};

/// A shard has exceeded its intensity and waits.
pub(super) struct ShardFell;
impl Message for ShardFell {
    type Result = ();
}

pub(super) struct Supervisor {
    node: Arc<Node>,
    root: Addr<Root>,
    shards: Vec<Recipient<Command>>,
    meter: Meter,
    mode: Mode,
}

enum Mode {
    Up,
    Backoff(SpawnHandle),
    Failed,
}

impl Supervisor {
    pub(super) fn new(node: Arc<Node>, root: Addr<Root>, shards: Vec<Recipient<Command>>, meter: Meter) -> Self {
        Self { node, root, shards, meter, mode: Mode::Up }
    }

    fn command(&self, command: Command) {
        for (index, shard) in self.shards.iter().enumerate() {
            // A shard has room for every command that a supervisor can have under way.
            if shard.try_send(command).is_err() {
                tracing::error!(capability = self.node.name, shard = index, ?command, "a shard cannot be reached");
            }
        }
    }
}

impl Actor for Supervisor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(self.node.shards.len() + 16);
    }
}

impl Handler<ShardFell> for Supervisor {
    type Result = ();

    fn handle(&mut self, _: ShardFell, ctx: &mut Self::Context) {
        if !matches!(self.mode, Mode::Up) {
            return;
        }
        self.mode = match self.meter.record(Instant::now()) {
            Verdict::Restart(wait) => {
                tracing::warn!(capability = self.node.name, ?wait, "a shard falls too often: rebuilding all");
                Mode::Backoff(ctx.run_later(wait, |supervisor, _| {
                    supervisor.mode = Mode::Up;
                    supervisor.command(Command::Rebuild);
                }))
            }
            Verdict::Escalate => {
                self.command(Command::Fail);
                if self.root.try_send(ChildFailed(self.node.name)).is_err() {
                    tracing::error!(capability = self.node.name, "the root supervisor cannot be reached");
                }
                Mode::Failed
            }
        };
    }
}

impl Handler<Revive> for Supervisor {
    type Result = ();

    fn handle(&mut self, _: Revive, ctx: &mut Self::Context) {
        if let Mode::Backoff(timer) = std::mem::replace(&mut self.mode, Mode::Up) {
            ctx.cancel_future(timer);
        }
        self.meter.reset();
        self.command(Command::Rebuild);
    }
}

impl Handler<Stop> for Supervisor {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) -> Self::Result {
        let stopped = join_all(self.shards.iter().map(|shard| shard.send(Command::Stop)));
        ctx.stop();
        stopped.map(drop).boxed_local()
    }
}
