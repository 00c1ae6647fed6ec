//! Licences in memory: validation without a statement, never older than a second.
//!
//! Promise: an answer from memory was true less than a second ago. A follower (see `follow.rs`) reads what changed and
//! notes as of when everything in here is true; when that is too long ago, validations read the database. When the
//! database does not answer either, what is in memory is given out marked `stale`, for as long as the configuration
//! says; then nothing.
//!
//! A read that was under way while its licence changed must not put the old row back. So every eviction moves the
//! generation of its shard on, and a row is kept only if the generation is still what it was before the read.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use metrics::{Counter, counter};
use quick_cache::sync::Cache;
use uuid::Uuid;

use super::{
    KeyHash, KeyMaker, Stepped,
    known::{self, Known},
    validate::{Code, Question, Verdict, decide},
};
use crate::db::{Db, DbError, Tx};

/// How the cache works.
#[derive(Debug, Clone, Copy)]
pub struct CacheOptions {
    /// How many licences are kept.
    pub size: usize,
    /// For how long memory answers while the database is away.
    pub stale_grace: Duration,
}

impl Default for CacheOptions {
    fn default() -> Self {
        Self { size: 100_000, stale_grace: Duration::from_hours(1) }
    }
}

/// How often a minute programs may ask; 0 for no limit.
#[derive(Debug, Clone, Copy, Default)]
pub struct CallLimits {
    /// About one licence.
    pub per_key: u32,
    /// From one address.
    pub per_address: u32,
}

/// How long an answer may come from memory since everything in it was last known to be true.
const FRESH: Duration = Duration::from_secs(1);
/// How long a validation waits for the database.
const PATIENCE: Duration = Duration::from_secs(2);
/// After a failure, how long memory answers without trying the database.
const REST: Duration = Duration::from_secs(1);
const SHARDS: usize = 256;

/// The database does not answer, and memory does not know or is too old.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("licences cannot be validated while the database is away")]
pub struct Unavailable;

/// Licences in memory. Clones share them.
#[derive(Debug, Clone)]
pub struct LicenseCache(pub(super) Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) db: Db,
    keys: KeyMaker,
    options: CacheOptions,
    entries: Cache<KeyHash, Arc<Known>>,
    generations: Box<[Mutex<u64>]>,
    began: Instant,
    /// When all in here was last known to be true, in microseconds since `began`; 0 for never.
    fresh_at: AtomicU64,
    /// When the database last failed a validation.
    failed_at: AtomicU64,
    hits: Counter,
    misses: Counter,
    stale: Counter,
    verdicts: Box<[Counter]>,
    followers: OnceLock<Arc<dyn Follower>>,
}

/// A memory of what belongs to licences: told what changed by the follower of licences' changes, and as true as that
/// is ([`LicenseCache::age`]).
pub trait Follower: std::fmt::Debug + Send + Sync {
    /// Something changed: a licence, or what [`tell_followers`](super::tell_followers) named.
    fn forget(&self, what: Uuid);
    /// Something may have changed.
    fn forget_all(&self);
}

impl LicenseCache {
    /// An empty cache over a database. Install the metrics recorder first.
    #[must_use]
    pub fn new(db: Db, keys: KeyMaker, options: CacheOptions) -> Self {
        let found = |how: &'static str| counter!("mintreu_license_lookups_total", "from" => how);
        let verdict = |code: &Code| counter!("mintreu_license_validations_total", "code" => code.as_str());
        Self(Arc::new(Inner {
            entries: Cache::new(options.size.max(1)),
            generations: (0..SHARDS).map(|_| Mutex::new(0)).collect(),
            began: Instant::now(),
            fresh_at: AtomicU64::new(0),
            failed_at: AtomicU64::new(0),
            hits: found("memory"),
            misses: found("database"),
            stale: found("stale_memory"),
            verdicts: Code::ALL.iter().map(verdict).collect(),
            followers: OnceLock::new(),
            db,
            keys,
            options,
        }))
    }

    /// What makes and recognises the keys.
    #[must_use]
    pub fn keys(&self) -> &KeyMaker {
        &self.0.keys
    }

    /// Answers a question about the licence whose key has this hash.
    pub async fn validate(&self, hash: KeyHash, question: &Question<'_>) -> Result<Verdict, Unavailable> {
        let (license, stale) = self.find(hash).await?;
        let Some(license) = license else {
            self.count(Code::NotFound);
            return Ok(Verdict { code: Code::NotFound, license: None, place: None, stale });
        };
        let mut code = decide(&license, question, self.0.db.now());
        let mut place = None;
        if let Some(asked) = &question.place {
            place = license.place(asked).cloned();
            if place.is_none() && !license.complete {
                place =
                    known::find_place(&self.0.db, license.id(), asked).await.map_err(|error| self.failed(&error))?;
            }
            if place.is_none() && code == Code::Valid {
                code = Code::NoMachine;
            }
        }
        self.count(code);
        Ok(Verdict { code, license: Some(license), place, stale })
    }

    /// Counts an answer in the metrics.
    pub fn count(&self, code: Code) {
        if let Some(counter) = self.0.verdicts.get(code as usize) {
            counter.increment(1);
        }
    }

    /// The licence whose key has this hash, and whether the answer is stale.
    pub async fn find(&self, hash: KeyHash) -> Result<(Option<Arc<Known>>, bool), Unavailable> {
        let inner = &*self.0;
        if inner.age().is_some_and(|age| age < FRESH)
            && let Some(license) = inner.entries.get(&hash)
        {
            inner.hits.increment(1);
            return Ok((Some(license), false));
        }
        if inner.is_resting()
            && let Some(license) = inner.remembered(hash)
        {
            return Ok((Some(license), true));
        }
        inner.misses.increment(1);
        let read = tokio::time::timeout(PATIENCE, self.load(hash)).await;
        let error = match read {
            Ok(Ok(license)) => return Ok((license, false)),
            Ok(Err(error)) => self.failed(&error),
            Err(_) => self.failed(&"it does not answer in time"),
        };
        inner.remembered(hash).map(|license| (Some(license), true)).ok_or(error)
    }

    fn failed(&self, error: &dyn std::fmt::Display) -> Unavailable {
        let inner = &*self.0;
        if !inner.is_resting() {
            tracing::warn!(%error, "a licence could not be read; memory answers where it can");
        }
        inner.failed_at.store(inner.micros(), Ordering::Relaxed);
        Unavailable
    }

    /// Reads a licence, and keeps it unless it changed meanwhile.
    async fn load(&self, hash: KeyHash) -> Result<Option<Arc<Known>>, DbError> {
        let generation = *self.0.generation(hash);
        let Some(license) = known::read(&self.0.db, hash).await?.map(Arc::new) else { return Ok(None) };
        self.keep(hash, generation, &license);
        Ok(Some(license))
    }

    /// Keeps what was read when its shard was at `generation`, if it still is.
    fn keep(&self, hash: KeyHash, generation: u64, license: &Arc<Known>) {
        // Held while it is put in, so that no eviction comes between.
        let now = self.0.generation(hash);
        if *now == generation {
            self.0.entries.insert(hash, Arc::clone(license));
        }
        drop(now);
    }

    /// Forgets a licence: it has changed, and the change is committed.
    pub fn forget(&self, hash: KeyHash) {
        let mut generation = self.0.generation(hash);
        *generation += 1;
        self.0.entries.remove(&hash);
    }

    /// Forgets what a step changed when its transaction is committed, before anybody is told.
    pub fn forget_with(&self, tx: &mut Tx, step: Stepped) {
        let Some(hash) = step.0 else { return };
        let cache = self.clone();
        tx.after_commit(move || cache.forget(hash));
    }

    /// Has `follower` told of all changes. One is enough: a second is not heeded.
    pub fn tell(&self, follower: Arc<dyn Follower>) {
        if self.0.followers.set(follower).is_err() {
            tracing::error!("changes of licences are told to somebody else already");
        }
    }

    /// Forgets what changed, which this memory may know as `hash`.
    pub(super) fn forget_changed(&self, what: Uuid, hash: &str) {
        if let Some(hash) = KeyHash::parse(hash) {
            self.forget(hash);
        }
        if let Some(follower) = self.0.followers.get() {
            follower.forget(what);
        }
    }

    /// Forgets everything.
    pub(super) fn forget_all(&self) {
        if let Some(follower) = self.0.followers.get() {
            follower.forget_all();
        }
        // All generations first, and held: a read that ends in between is not kept.
        let mut generations: Vec<_> = (0..SHARDS).map(|shard| self.0.shard(shard)).collect();
        for generation in &mut generations {
            **generation += 1;
        }
        self.0.entries.clear();
    }

    /// How long ago all in here was known to be true; none for never.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        self.0.age()
    }

    /// How many licences are in memory.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.entries.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.entries.is_empty()
    }
}

impl Inner {
    /// Never 0.
    pub(super) fn micros(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX).max(1)
    }

    fn since(&self, moment: &AtomicU64) -> Option<Duration> {
        match moment.load(Ordering::Acquire) {
            0 => None,
            then => Some(Duration::from_micros(self.micros().saturating_sub(then))),
        }
    }

    fn age(&self) -> Option<Duration> {
        self.since(&self.fresh_at)
    }

    /// Notes that all in here was true at `moment`, from [`Inner::micros`].
    pub(super) fn confirm(&self, moment: u64) {
        self.fresh_at.store(moment, Ordering::Release);
    }

    fn is_resting(&self) -> bool {
        self.since(&self.failed_at).is_some_and(|since| since < REST)
    }

    /// What memory knows while the database is away.
    fn remembered(&self, hash: KeyHash) -> Option<Arc<Known>> {
        self.age().filter(|age| *age <= self.options.stale_grace.max(FRESH))?;
        let license = self.entries.get(&hash)?;
        self.stale.increment(1);
        Some(license)
    }

    fn generation(&self, hash: KeyHash) -> MutexGuard<'_, u64> {
        self.shard(hash.shard())
    }

    fn shard(&self, shard: usize) -> MutexGuard<'_, u64> {
        self.generations[shard % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        db::DbOptions,
        kernel::{
            IdSource, ManualClock, Time,
            seal::{Keyring, Random},
        },
    };

    #[tokio::test]
    async fn what_was_read_before_an_eviction_is_not_kept_after_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let options = DbOptions::new(format!("sqlite://{}", directory.path().join("test.db").display()));
        let ids = IdSource::seeded(Arc::new(ManualClock::new(Time::default())), 7);
        let db = Db::open(&options, ids).await.expect("opens");
        let keys = KeyMaker::new(&Keyring::new([[1; 32]], Random::seeded(7)).expect("has a key"));
        let cache = LicenseCache::new(db, keys, CacheOptions::default());
        let hash = KeyHash::parse(&"ab".repeat(24)).expect("a hash");
        let license = Arc::new(Known::sample());
        let before = || *cache.0.generation(hash);

        let generation = before();
        cache.forget(hash);
        cache.keep(hash, generation, &license);
        assert!(cache.is_empty(), "it changed while it was read");

        let generation = before();
        cache.keep(hash, generation, &license);
        assert_eq!(cache.len(), 1);
        cache.forget_all();
        assert!(cache.is_empty());
        cache.keep(hash, generation, &license);
        assert!(cache.is_empty(), "everything was forgotten while it was read");
    }
}
