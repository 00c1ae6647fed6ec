//! Kinds of jobs that do as the tests want, and the scene on which their handlers meet the test.

use std::{
    borrow::Cow,
    collections::HashMap,
    future::pending,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use mintreu::{
    db::{Db, Tx},
    jobs::{Attempt, External, Failure, Handlers, Job, JobId, RetryPolicy, Transactional},
    kernel::trace,
};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::support::{Effect, NoFail, QUEUE, Shop, ShopOptions, TestDb, create_effects, write_effect};

/// What handlers and the test share; each actor owns a handle to it.
#[derive(Debug)]
pub(crate) struct Scene {
    events: Mutex<Vec<String>>,
    running: Mutex<HashMap<String, usize>>,
    /// How many of one group ran at once, at most.
    worst: Mutex<usize>,
    /// A permit lets one [`Hold`] finish.
    pub(crate) go: Semaphore,
}

impl Scene {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            events: Mutex::default(),
            running: Mutex::default(),
            worst: Mutex::default(),
            go: Semaphore::new(0),
        })
    }

    fn say(&self, what: impl Into<String>) {
        lock(&self.events).push(what.into());
    }

    /// What happened so far.
    pub(crate) fn events(&self) -> Vec<String> {
        lock(&self.events).clone()
    }

    pub(crate) fn has(&self, what: &str) -> bool {
        lock(&self.events).iter().any(|event| event == what)
    }

    pub(crate) fn count(&self, prefix: &str) -> usize {
        lock(&self.events).iter().filter(|event| event.starts_with(prefix)).count()
    }

    pub(crate) fn worst_overlap(&self) -> usize {
        *lock(&self.worst)
    }

    fn enter(&self, group: &str) {
        let mut running = lock(&self.running);
        let now = running.entry(group.to_owned()).or_default();
        *now += 1;
        let mut worst = lock(&self.worst);
        *worst = (*worst).max(*now);
    }

    fn leave(&self, group: &str) {
        *lock(&self.running).entry(group.to_owned()).or_default() -= 1;
    }

    /// A worker whose handlers know this scene.
    pub(crate) async fn open(self: &Arc<Self>, db: &Db, options: ShopOptions) -> Shop {
        let scene = self.clone();
        Shop::start(db, handlers(db), move || scene.clone(), options).await
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

type State = Arc<Scene>;

fn handlers(db: &Db) -> Handlers<State> {
    Handlers::new(db.clone())
        .transactional::<Effect>()
        .transactional::<Flaky>()
        .transactional::<Snoozer>()
        .transactional::<Bomb>()
        .transactional::<Dozer>()
        .transactional::<Tracer>()
        .external::<Say>()
        .external::<SayFirst>()
        .external::<SayLast>()
        .external::<Hold>()
        .external::<Grouped>()
        .external::<Sleeper>()
}

/// The test's database, with a table for what jobs do.
pub(crate) async fn open(test: &TestDb) -> Db {
    let db = test.open().await;
    create_effects(&db).await;
    db
}

pub(crate) fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{prefix}{n:04}")).collect()
}

/// Enqueues jobs, each in a transaction of its own.
pub(crate) async fn enqueue<J: Job>(db: &Db, jobs: impl IntoIterator<Item = J>) -> Vec<JobId> {
    let mut ids = Vec::new();
    for job in jobs {
        ids.push(db.write(async |tx| tx.enqueue(&job).await).await.expect("it is enqueued").id());
    }
    ids
}

/// Enqueues many jobs in one transaction.
pub(crate) async fn enqueue_all<J: Job>(db: &Db, jobs: &[J]) {
    db.write(async |tx| {
        for job in jobs {
            tx.enqueue(job).await?;
        }
        NoFail::Ok(())
    })
    .await
    .expect("they are enqueued");
}

const SOON: RetryPolicy =
    RetryPolicy { max_attempts: 3, base: Duration::from_millis(5), cap: Duration::from_millis(20) };

macro_rules! job {
    ($name:ident, $kind:literal $(, $const:ident: $type:ty = $value:expr)*) => {
        impl Job for $name {
            const KIND: &'static str = $kind;
            const QUEUE: &'static str = QUEUE;
            $(const $const: $type = $value;)*
        }
    };
}

macro_rules! sayer {
    ($name:ident, $kind:literal, $priority:literal) => {
        #[derive(Debug, Serialize, Deserialize)]
        pub(crate) struct $name(pub(crate) String);
        job!($name, $kind, PRIORITY: i32 = $priority);
        impl External<State> for $name {
            async fn run(self, scene: &mut State, _: &Db, _: Attempt) -> Result<(), Failure> {
                scene.say(self.0);
                Ok(())
            }
        }
    };
}

sayer!(SayFirst, "test.say_first", 1);
sayer!(Say, "test.say", 2);
sayer!(SayLast, "test.say_last", 4);

/// Fails `failures` times, with its effect written each time.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Flaky {
    pub(crate) name: String,
    pub(crate) failures: i32,
}
job!(Flaky, "test.flaky", RETRY: RetryPolicy = SOON);

impl Transactional<State> for Flaky {
    async fn run(self, scene: &mut State, tx: &mut Tx, attempt: Attempt) -> Result<(), Failure> {
        scene.say(format!("{} {}", self.name, attempt.number));
        write_effect(tx, &self.name, attempt).await?;
        if attempt.number <= self.failures {
            return Err(Failure::retry(format_args!("failure {} of {}", attempt.number, self.failures)));
        }
        Ok(())
    }
}

/// Says three times "not yet".
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Snoozer;
job!(Snoozer, "test.snoozer", RETRY: RetryPolicy = SOON);

impl Transactional<State> for Snoozer {
    async fn run(self, scene: &mut State, tx: &mut Tx, attempt: Attempt) -> Result<(), Failure> {
        scene.say(format!("snoozer {}", attempt.number));
        write_effect(tx, "snoozer", attempt).await?;
        if scene.count("snoozer") <= 3 {
            return Err(Failure::Snooze { until: tx.now() + Duration::from_millis(20) });
        }
        Ok(())
    }
}

/// Panics after it has written its effect.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Bomb(pub(crate) String);
job!(Bomb, "test.bomb", RETRY: RetryPolicy = RetryPolicy { max_attempts: 2, ..SOON });

impl Transactional<State> for Bomb {
    async fn run(self, _: &mut State, tx: &mut Tx, attempt: Attempt) -> Result<(), Failure> {
        write_effect(tx, &self.0, attempt).await?;
        panic!("boom {}", self.0);
    }
}

/// Never ends by itself; writes its effect first.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Dozer;
job!(Dozer, "test.dozer",
    RETRY: RetryPolicy = RetryPolicy { max_attempts: 1, ..SOON }, TIMEOUT: Duration = Duration::from_millis(50));

impl Transactional<State> for Dozer {
    async fn run(self, _: &mut State, tx: &mut Tx, attempt: Attempt) -> Result<(), Failure> {
        write_effect(tx, "dozer", attempt).await?;
        pending().await
    }
}

/// The same without a transaction.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Sleeper;
job!(Sleeper, "test.sleeper",
    RETRY: RetryPolicy = RetryPolicy { max_attempts: 1, ..SOON }, TIMEOUT: Duration = Duration::from_millis(50));

impl External<State> for Sleeper {
    async fn run(self, _: &mut State, _: &Db, _: Attempt) -> Result<(), Failure> {
        pending().await
    }
}

/// Tells its trace context and enqueues another of its kind.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Tracer {
    pub(crate) hops: u32,
}
job!(Tracer, "test.tracer");

impl Transactional<State> for Tracer {
    async fn run(self, scene: &mut State, tx: &mut Tx, _: Attempt) -> Result<(), Failure> {
        scene.say(trace::current().map_or_else(|| "no trace".to_owned(), |trace| trace.to_string()));
        if self.hops > 0 {
            tx.enqueue(&Self { hops: self.hops - 1 }).await?;
        }
        Ok(())
    }
}

/// Says that it has started and waits for a permit. One whose name begins with `stuck` waits for ever, one whose name
/// begins with `fails` fails after it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Hold {
    pub(crate) name: String,
    pub(crate) group: Option<String>,
    pub(crate) unique: Option<String>,
}

impl Hold {
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }
}

impl Job for Hold {
    const KIND: &'static str = "test.hold";
    const QUEUE: &'static str = QUEUE;
    const TIMEOUT: Duration = Duration::from_hours(1);

    fn group_key(&self) -> Option<Cow<'_, str>> {
        self.group.as_deref().map(Cow::Borrowed)
    }

    fn unique_key(&self) -> Option<Cow<'_, str>> {
        self.unique.as_deref().map(Cow::Borrowed)
    }
}

impl External<State> for Hold {
    async fn run(self, scene: &mut State, _: &Db, attempt: Attempt) -> Result<(), Failure> {
        scene.say(format!("started {} {}", self.name, attempt.number));
        if self.name.starts_with("stuck") {
            pending::<()>().await;
        }
        scene.go.acquire().await.map_err(Failure::dead)?.forget();
        if self.name.starts_with("fails") {
            return Err(Failure::retry("on purpose"));
        }
        scene.say(format!("finished {}", self.name));
        Ok(())
    }
}

/// Notes how many of its group run at once.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Grouped {
    pub(crate) group: String,
    pub(crate) number: u32,
}

impl Job for Grouped {
    const KIND: &'static str = "test.grouped";
    const QUEUE: &'static str = QUEUE;

    fn group_key(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(&self.group))
    }
}

impl External<State> for Grouped {
    async fn run(self, scene: &mut State, _: &Db, _: Attempt) -> Result<(), Failure> {
        scene.enter(&self.group);
        tokio::time::sleep(Duration::from_millis(u64::from(self.number % 3))).await;
        scene.leave(&self.group);
        scene.say(format!("{} {}", self.group, self.number));
        Ok(())
    }
}
