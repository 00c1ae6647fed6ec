//! Wake-ups after a commit: at once in this process, coalesced to other processes.
//!
//! A wake-up is a hint, never the truth: whoever waits also looks now and then. On PostgreSQL a `NOTIFY` inside each
//! transaction would serialise all commits on one lock, so the topics of many commits go out in one message of their own.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{Db, Dialect};

const CHANNEL: &str = "mintreu_wake";
/// The least time between two messages to other processes.
const COALESCE: Duration = Duration::from_millis(2);
/// After a lost connection.
const RECONNECT: Duration = Duration::from_millis(500);

/// Who is woken after a commit, by topic; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Signals {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    topics: RwLock<HashMap<Cow<'static, str>, Arc<Notify>>>,
    outgoing: Mutex<BTreeSet<Cow<'static, str>>>,
    has_outgoing: Notify,
}

impl Signals {
    /// What is notified when `topic` is woken. One waiter a topic: a wake-up that comes early is kept for it.
    #[must_use]
    pub fn topic(&self, topic: impl Into<Cow<'static, str>>) -> Arc<Notify> {
        let mut topics = self.shared.topics.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(topics.entry(topic.into()).or_default())
    }

    /// Wakes those in this process who wait for `topic`.
    pub fn wake_here(&self, topic: &str) {
        let topics = self.shared.topics.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(waiter) = topics.get(topic) {
            waiter.notify_one();
        }
    }

    /// Wakes those who wait for `topics`, everywhere.
    pub(super) fn raise(&self, topics: Vec<Cow<'static, str>>) {
        for topic in &topics {
            self.wake_here(topic);
        }
        self.shared.outgoing.lock().unwrap_or_else(PoisonError::into_inner).extend(topics);
        self.shared.has_outgoing.notify_one();
    }

    /// Wakes everyone in this process: something may have been missed.
    fn wake_all_here(&self) {
        let topics = self.shared.topics.read().unwrap_or_else(PoisonError::into_inner);
        topics.values().for_each(|waiter| waiter.notify_one());
    }

    /// Carries wake-ups between processes until `stop`; on SQLite there is nobody to carry them to.
    pub async fn run(&self, db: &Db, stop: CancellationToken) {
        if db.dialect() == Dialect::Sqlite {
            stop.cancelled().await;
            return;
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.send(db) => {}
            () = self.receive(db) => {}
        }
    }

    async fn send(&self, db: &Db) {
        loop {
            self.shared.has_outgoing.notified().await;
            let topics = std::mem::take(&mut *self.shared.outgoing.lock().unwrap_or_else(PoisonError::into_inner));
            let payload = topics.iter().map(AsRef::as_ref).collect::<Vec<_>>().join("\n");
            if let Err(error) = db.notify(CHANNEL, &payload).await {
                // The others look by themselves within their poll interval.
                tracing::warn!(%error, "other processes were not woken");
            }
            tokio::time::sleep(COALESCE).await;
        }
    }

    async fn receive(&self, db: &Db) {
        loop {
            let result = db
                .listen(CHANNEL, |payload| {
                    for topic in payload.split('\n') {
                        self.wake_here(topic);
                    }
                })
                .await;
            if let Err(error) = result {
                tracing::warn!(%error, "wake-ups from other processes are interrupted");
            }
            self.wake_all_here();
            tokio::time::sleep(RECONNECT).await;
        }
    }
}
