//! Whether a key is good, answered from memory.
//!
//! Promise: an answer from memory was true less than a second ago. What changed is told by the follower of licences'
//! changes (see [`LicenseCache::tell`]): changes of keys and endpoints are told the same way, so that one clock says how
//! true all of it is. When that clock stands still, the database is asked; when the database is away too, memory
//! answers, and says so, for as long as the configuration lets it.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use metrics::counter;
use quick_cache::sync::Cache;
use uuid::Uuid;

use super::{
    Access, ApiKeyId, Entitled, KeyOptions, KnownKey, Presented,
    endpoint::{self, Callable},
    known,
    memory::Memory,
    secret::Secrets,
};
use crate::{
    db::{Db, DbError, Tx},
    fetch_optional,
    kernel::{LicenseId, PlanId, Time, seal::Keyring},
    licenses::{Follower, LicenseCache, LicenseStatus, Unavailable},
};

/// How long an answer may come from memory since everything in it was last known to be true.
const FRESH: Duration = Duration::from_secs(1);
/// How long somebody waits for the database.
const PATIENCE: Duration = Duration::from_secs(2);
/// After a failure, how long memory answers without trying the database.
const REST: Duration = Duration::from_secs(1);

/// Why a key opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No key has this secret, or has it any more.
    #[error("there is no such key, or its secret is another")]
    Unknown,
    /// Its time is over.
    #[error("the key has expired")]
    Expired,
    /// Its licence is not good.
    #[error("the licence is {0}")]
    License(LicenseStatus),
    /// The database does not answer, and memory does not know or is too old.
    #[error("keys cannot be looked up while the database is away")]
    Unavailable,
}

impl Refused {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Expired => "expired",
            Self::License(_) => "license",
            Self::Unavailable => "unavailable",
        }
    }
}

impl From<Unavailable> for Refused {
    fn from(_: Unavailable) -> Self {
        Self::Unavailable
    }
}

/// A key that is good, and what it stands for.
#[derive(Debug, Clone)]
pub struct Authenticated {
    /// The key.
    pub key: Arc<KnownKey>,
    /// Its licence.
    pub license: Arc<Entitled>,
    /// Whether the database is away and this is what memory knew last.
    pub stale: bool,
    callable: Arc<Vec<Callable>>,
}

impl Authenticated {
    /// Whether it may make this call.
    #[must_use]
    pub fn access(&self, method: &str, path: &str) -> Access {
        known::access(&self.callable, &self.key, method, path)
    }

    /// How the endpoint that a call is of is called: `GET /v1/posts/{id}`; empty if the plan names none.
    #[must_use]
    pub fn endpoint(&self, method: &str, path: &str) -> String {
        let mut mine = self.callable.iter().filter(|one| self.key.has(&one.scope) && one.is(method, path));
        mine.next().map(|one| format!("{} {}", one.method, one.path)).unwrap_or_default()
    }

    /// What it was made for, of what its plan's endpoints ask for.
    #[must_use]
    pub fn scopes(&self) -> Vec<String> {
        self.key.scopes_among(&self.callable)
    }

    /// What it may call: method and pattern of paths. Empty if the plan names no endpoints.
    pub fn endpoints(&self) -> impl Iterator<Item = (&str, String)> {
        let mine = self.callable.iter().filter(|one| self.key.has(&one.scope));
        mine.map(|one| (one.method.as_str(), one.path.to_string()))
    }
}

/// API keys in memory. Clones share them.
#[derive(Debug, Clone)]
pub struct ApiKeys(pub(super) Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) db: Db,
    pub(super) secrets: Secrets,
    pub(super) options: KeyOptions,
    /// Says how true memory is.
    clock: LicenseCache,
    /// Which licence a key is of: that never changes.
    owners: Cache<Uuid, LicenseId>,
    memories: Arc<Memories>,
    began: Instant,
    /// When the database last failed somebody, in microseconds since `began`; 0 for never.
    failed_at: AtomicU64,
    /// When keys were used since that was last written down.
    pub(super) used: Mutex<HashMap<ApiKeyId, Time>>,
}

#[derive(Debug)]
struct Memories {
    licenses: Memory<Entitled>,
    plans: Memory<Vec<Callable>>,
}

impl Follower for Memories {
    fn forget(&self, what: Uuid) {
        self.licenses.forget(what);
        self.plans.forget(what);
    }

    fn forget_all(&self) {
        self.licenses.forget_all();
        self.plans.forget_all();
    }
}

impl ApiKeys {
    /// An empty memory, told of changes by `clock`.
    #[must_use]
    pub fn new(db: Db, keys: &Keyring, clock: LicenseCache, options: KeyOptions) -> Self {
        let size = options.cache_size;
        let memories = Arc::new(Memories { licenses: Memory::new(size), plans: Memory::new(size) });
        clock.tell(Arc::clone(&memories) as Arc<dyn Follower>);
        Self(Arc::new(Inner {
            db,
            secrets: Secrets::new(keys),
            options,
            clock,
            owners: Cache::new(size.max(1)),
            memories,
            began: Instant::now(),
            failed_at: AtomicU64::new(0),
            used: Mutex::default(),
        }))
    }

    /// What the operator decided.
    #[must_use]
    pub fn options(&self) -> &KeyOptions {
        &self.0.options
    }

    /// The key that a secret is of, without asking whether it is good: none if this installation has not made it. A
    /// client id, where one was sent, must be the secret's.
    #[must_use]
    pub fn recognise(&self, client_id: Option<&str>, secret: &str) -> Option<Presented> {
        let presented = self.0.secrets.recognise(secret)?;
        let fits = client_id.is_none_or(|client| client.parse() == Ok(presented.key));
        fits.then_some(presented)
    }

    /// Whether a key is good now, and what it stands for.
    pub async fn authenticate(&self, presented: &Presented) -> Result<Authenticated, Refused> {
        let answer = self.decide(presented).await;
        let outcome = answer.as_ref().map_or_else(|refused| refused.as_str(), |_| "good");
        counter!("mintreu_api_key_authentications_total", "outcome" => outcome).increment(1);
        if let Ok(good) = &answer {
            self.note_use(good.key.id, self.0.db.now());
        }
        answer
    }

    async fn decide(&self, presented: &Presented) -> Result<Authenticated, Refused> {
        let owner = self.owner(presented.key).await?.ok_or(Refused::Unknown)?;
        let (license, stale) = self.license(owner).await?;
        let license = license.ok_or(Refused::Unknown)?;
        let now = self.0.db.now();
        let key = license.key(presented.key).filter(|key| key.opens(&presented.hash, now)).ok_or(Refused::Unknown)?;
        if key.expires_at.is_some_and(|end| end <= now) {
            return Err(Refused::Expired);
        }
        match license.status(now) {
            LicenseStatus::Active => {}
            status => return Err(Refused::License(status)),
        }
        let (callable, plan_is_stale) = self.plan(license.plan).await?;
        let key = Arc::clone(key);
        Ok(Authenticated { key, callable, stale: stale || plan_is_stale, license })
    }

    async fn owner(&self, key: ApiKeyId) -> Result<Option<LicenseId>, Unavailable> {
        let inner = &*self.0;
        if let Some(license) = inner.owners.get(&key.uuid()) {
            return Ok(Some(license));
        }
        let read = async {
            fetch_optional!(&inner.db, sqlx::query_scalar("SELECT license_id FROM api_keys WHERE id = $1").bind(key))
        };
        let found: Option<LicenseId> = inner.patiently(read).await?;
        if let Some(license) = found {
            inner.owners.insert(key.uuid(), license);
        }
        Ok(found)
    }

    async fn license(&self, id: LicenseId) -> Result<(Option<Arc<Entitled>>, bool), Unavailable> {
        let inner = &*self.0;
        inner.recall(&inner.memories.licenses, id.uuid(), async || known::read(&inner.db, id).await).await
    }

    async fn plan(&self, id: PlanId) -> Result<(Arc<Vec<Callable>>, bool), Unavailable> {
        let inner = &*self.0;
        let read = async || endpoint::callable(&inner.db, id).await.map(Some);
        let (plan, stale) = inner.recall(&inner.memories.plans, id.uuid(), read).await?;
        Ok((plan.unwrap_or_default(), stale))
    }

    /// Forgets a licence's keys, which have changed, when the transaction is committed, before anybody is told.
    pub(super) fn forget_with(&self, tx: &mut Tx, license: LicenseId) {
        let memories = Arc::clone(&self.0.memories);
        tx.after_commit(move || memories.licenses.forget(license.uuid()));
    }
}

impl Inner {
    /// From memory while that is true, else from the database, else from memory and marked so.
    async fn recall<V>(
        &self,
        memory: &Memory<V>,
        what: Uuid,
        read: impl AsyncFnOnce() -> Result<Option<V>, DbError>,
    ) -> Result<(Option<Arc<V>>, bool), Unavailable> {
        let lookups = |from: &'static str| counter!("mintreu_api_key_lookups_total", "from" => from).increment(1);
        if self.clock.age().is_some_and(|age| age < FRESH)
            && let Some(value) = memory.get(what)
        {
            lookups("memory");
            return Ok((Some(value), false));
        }
        let remembered = || {
            self.clock.age().filter(|age| *age <= self.options.stale_grace.max(FRESH))?;
            memory.get(what)
        };
        if self.is_resting()
            && let Some(value) = remembered()
        {
            lookups("stale_memory");
            return Ok((Some(value), true));
        }
        lookups("database");
        let generation = memory.generation(what);
        match self.patiently(read()).await {
            Ok(found) => {
                let found = found.map(Arc::new);
                if let Some(found) = &found {
                    memory.keep(what, generation, found);
                }
                Ok((found, false))
            }
            Err(away) => {
                let value = remembered().ok_or(away)?;
                lookups("stale_memory");
                Ok((Some(value), true))
            }
        }
    }

    async fn patiently<T>(&self, read: impl Future<Output = Result<T, DbError>>) -> Result<T, Unavailable> {
        let error = match tokio::time::timeout(PATIENCE, read).await {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it does not answer in time".to_owned(),
        };
        if !self.is_resting() {
            tracing::warn!(%error, "an API key could not be looked up; memory answers where it can");
        }
        self.failed_at.store(self.micros(), Ordering::Relaxed);
        Err(Unavailable)
    }

    fn micros(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX).max(1)
    }

    fn is_resting(&self) -> bool {
        let failed_at = self.failed_at.load(Ordering::Relaxed);
        failed_at != 0 && Duration::from_micros(self.micros().saturating_sub(failed_at)) < REST
    }
}
