//! The registry: what every part of the program asks, and where operators make their changes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU8, Ordering},
    },
    time::Duration,
};

use arc_swap::{ArcSwap, Guard};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::{Mutex, Notify, watch};

use super::{
    BoolFlag, Context, DECLARED, Declared, Definition, FlagValue, NumberFlag, Snapshot, StringFlag, Switch,
    SwitchState,
    snapshot::KnownFlag,
    store::{self, SwitchRow},
};
use crate::{
    db::{Db, DbError},
    kernel::Time,
};

/// How a registry works.
#[derive(Debug, Clone, Copy)]
pub struct RegistryOptions {
    /// How often it asks the database whether anything changed.
    pub poll: Duration,
    /// For how long it waits for that answer.
    pub patience: Duration,
    /// The flags that exist before anybody sets them.
    pub declared: &'static [Declared],
}

impl Default for RegistryOptions {
    fn default() -> Self {
        Self { poll: Duration::from_millis(500), patience: Duration::from_secs(2), declared: DECLARED }
    }
}

/// Flags and kill switches of one database; clones share everything.
#[derive(Debug, Clone)]
pub struct Registry {
    pub(super) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) db: Db,
    pub(super) options: RegistryOptions,
    /// The killed switches, for those who ask often: a bit each.
    killed: AtomicU8,
    snapshot: ArcSwap<Snapshot>,
    watch: watch::Sender<Arc<Snapshot>>,
    /// One refresh at a time, so that an older read never replaces a newer one.
    refreshing: Mutex<()>,
    /// When the database last confirmed the snapshot, in microseconds.
    confirmed: AtomicI64,
    /// Wakes the poll before its time.
    pub(super) nudge: Arc<Notify>,
}

/// A flag, as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Flag")]
pub struct FlagView {
    /// Its key.
    pub key: String,
    /// Whether the program itself asks it.
    pub declared: bool,
    /// Its version; `None` if nobody has set it.
    pub version: Option<i64>,
    /// Who last set it.
    pub changed_by: Option<String>,
    /// When.
    pub changed_at: Option<Time>,
    /// What holds.
    pub definition: Definition,
}

impl Registry {
    /// Reads flags and switches from a database.
    ///
    /// Install the metrics recorder first: counters are looked up when a flag is loaded, not when it is asked.
    pub async fn load(db: Db, options: RegistryOptions) -> Result<Self, DbError> {
        let start = Arc::new(Snapshot::declared(options.declared));
        let inner = Inner {
            db,
            options,
            killed: AtomicU8::new(0),
            snapshot: ArcSwap::new(Arc::clone(&start)),
            watch: watch::Sender::new(start),
            refreshing: Mutex::new(()),
            confirmed: AtomicI64::new(0),
            nudge: Arc::default(),
        };
        let registry = Self { inner: Arc::new(inner) };
        registry.refresh().await?;
        Ok(registry)
    }

    /// Whether a capability may work. One atomic load.
    #[must_use]
    pub fn is_on(&self, switch: Switch) -> bool {
        self.inner.killed.load(Ordering::Relaxed) & switch.bit() == 0
    }

    /// Everything, at one revision. Hold it for one decision, not for long.
    #[must_use]
    pub fn snapshot(&self) -> Guard<Arc<Snapshot>> {
        self.inner.snapshot.load()
    }

    /// What a flag says for `context`.
    #[must_use]
    pub fn bool(&self, flag: &BoolFlag, context: &Context<'_>) -> bool {
        match self.snapshot().evaluate(flag.key, context).map(|evaluation| evaluation.value) {
            Some(FlagValue::Boolean(truth)) => *truth,
            _ => flag.default,
        }
    }

    /// What a flag says for `context`.
    #[must_use]
    pub fn number(&self, flag: &NumberFlag, context: &Context<'_>) -> f64 {
        match self.snapshot().evaluate(flag.key, context).map(|evaluation| evaluation.value) {
            Some(FlagValue::Number(number)) => *number,
            _ => flag.default,
        }
    }

    /// What a flag says for `context`.
    #[must_use]
    pub fn string(&self, flag: &StringFlag, context: &Context<'_>) -> Arc<str> {
        match self.snapshot().evaluate(flag.key, context).map(|evaluation| evaluation.value) {
            Some(FlagValue::String(text)) => Arc::clone(text),
            _ => flag.default.into(),
        }
    }

    /// Follows all changes: the receiver always holds the newest snapshot.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.inner.watch.subscribe()
    }

    /// How long ago the database last confirmed what is served.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.inner.db.now().since(Time::from_micros(self.inner.confirmed.load(Ordering::Relaxed)))
    }

    /// The six switches.
    #[must_use]
    pub fn switches(&self) -> [SwitchState; 6] {
        self.snapshot().switches().clone()
    }

    /// A flag.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<FlagView> {
        self.snapshot().known_flag(key).map(|known| self.view(key, known))
    }

    /// All flags, by key.
    #[must_use]
    pub fn list(&self) -> Vec<FlagView> {
        let mut list: Vec<_> = self.snapshot().known().map(|(key, known)| self.view(key, known)).collect();
        list.sort_unstable_by(|left, right| left.key.cmp(&right.key));
        list
    }

    fn view(&self, key: &str, known: &KnownFlag) -> FlagView {
        let row = known.row.as_ref();
        FlagView {
            key: key.to_owned(),
            declared: self.declaration(key).is_some(),
            version: row.map(|row| row.version),
            changed_by: row.map(|row| row.changed_by.clone()),
            changed_at: row.map(|row| row.changed_at),
            definition: known.definition.clone(),
        }
    }

    pub(super) fn declaration(&self, key: &str) -> Option<&'static Declared> {
        self.inner.options.declared.iter().find(|flag| flag.key == key)
    }

    /// Obeys a switch that is known to be flipped, though the rest cannot be read.
    pub(super) async fn obey(&self, row: SwitchRow) {
        let _turn = self.inner.refreshing.lock().await;
        let mut snapshot = Snapshot::clone(&self.inner.snapshot.load());
        snapshot.set_switch(row);
        self.publish(snapshot);
    }

    /// Reads everything anew.
    pub async fn refresh(&self) -> Result<(), DbError> {
        let _turn = self.inner.refreshing.lock().await;
        let now = self.inner.db.now();
        let stored = store::load(&self.inner.db).await?;
        let before = self.inner.snapshot.load_full();
        self.confirm(now);
        self.publish(Snapshot::build(stored, self.inner.options.declared, &before));
        Ok(())
    }

    /// Notes that what is served was true at `now`.
    pub(super) fn confirm(&self, now: Time) {
        self.inner.confirmed.store(now.as_micros(), Ordering::Relaxed);
    }

    fn publish(&self, snapshot: Snapshot) {
        for state in snapshot.switches() {
            metrics::gauge!("mintreu_flags_switch_killed", "switch" => state.switch.as_str()).set(if state.killed {
                1.0
            } else {
                0.0
            });
        }
        let snapshot = Arc::new(snapshot);
        self.inner.killed.store(snapshot.killed_bits(), Ordering::Relaxed);
        self.inner.snapshot.store(Arc::clone(&snapshot));
        self.inner.watch.send_if_modified(|current| {
            let news = current.revision() != snapshot.revision() || current.switches() != snapshot.switches();
            *current = snapshot;
            news
        });
    }
}
