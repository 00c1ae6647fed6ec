//! The supervisor tree as the front sees it: the actors keep this handle filled, and no room has to know the other.

use std::sync::{Arc, OnceLock, Weak};

use futures::future::BoxFuture;
use schemars::JsonSchema;
use serde::Serialize;

use crate::kernel::Time;

/// What an actor is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActorState {
    /// It takes jobs (a service: it runs).
    Running,
    /// It is well, but an operator or a kill switch keeps jobs from it.
    Paused,
    /// It fell and will be up again; its mail waits.
    Restarting,
    /// It fell too often. Jobs go back; the root tries it again after a pause.
    Failed,
    /// Not started yet, ended by itself, or stopped for good.
    Stopped,
}

/// One actor at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "Actor")]
pub struct ActorStatus {
    /// The capability or service.
    pub capability: &'static str,
    /// Which shard of the capability; none for a service.
    pub shard: Option<usize>,
    /// What it is doing.
    pub state: ActorState,
    /// How often it fell since the process began.
    pub restarts: u64,
    /// How many jobs wait in its mailbox.
    pub mailbox_depth: usize,
    /// How many jobs it is doing: none or one.
    pub in_flight: usize,
    /// What it fell of last.
    pub last_error: Option<String>,
    /// Since when it has been in this state.
    pub since: Time,
}

/// There is no such capability or service, or the process shuts down.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no running tree with a capability or service named `{0}`: the list of actors has the names")]
pub struct UnknownChild(pub String);

/// A supervisor tree.
pub trait Tree: Send + Sync {
    /// Every actor, in the order of their start. Never waits.
    fn status(&self) -> Vec<ActorStatus>;

    /// Begins a capability or service anew, with full credit.
    fn restart<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), UnknownChild>>;
}

/// This process's tree, once it has been started. Clones share it.
#[derive(Clone, Default)]
pub struct Crew(Arc<OnceLock<Weak<dyn Tree>>>);

impl std::fmt::Debug for Crew {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Crew").finish_non_exhaustive()
    }
}

impl Crew {
    /// Tells of the tree. The first one stays; whoever started it keeps it alive, since its actors hold this.
    pub fn begin(&self, tree: &Arc<impl Tree + 'static>) {
        let tree: Weak<dyn Tree> = Arc::downgrade(tree) as Weak<dyn Tree>;
        let _ = self.0.set(tree);
    }

    fn tree(&self) -> Option<Arc<dyn Tree>> {
        self.0.get()?.upgrade()
    }

    /// Every actor, in the order of their start; none before and after the tree.
    #[must_use]
    pub fn status(&self) -> Vec<ActorStatus> {
        self.tree().map(|tree| tree.status()).unwrap_or_default()
    }

    /// Begins a capability or service anew: at once, whether it has failed or not. Jobs that run finish before.
    pub async fn restart(&self, name: &str) -> Result<(), UnknownChild> {
        match self.tree() {
            Some(tree) => tree.restart(name).await,
            None => Err(UnknownChild(name.to_owned())),
        }
    }
}
