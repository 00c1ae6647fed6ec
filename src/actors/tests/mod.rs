//! The tree at work with handlers that do what the job's payload says.

mod drains;
mod falls;
mod mail;
mod services;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use tokio::{runtime, sync::Semaphore, task::JoinHandle};

use super::*;
use crate::{
    jobs::{Claimed, Failure, Outcome, Perform},
    kernel::{Clock, IdSource, ManualClock, Time},
};

type Answer = JoinHandle<(Claimed, Outcome)>;

/// What the handlers and factories of a test share with it.
struct World {
    clock: Arc<ManualClock>,
    ids: IdSource,
    builds: AtomicUsize,
    broken_factory: AtomicBool,
    /// Jobs with the payload `wait` go on when there is a permit.
    gate: Semaphore,
    running: Mutex<HashMap<String, usize>>,
    most_at_once: AtomicUsize,
    overlapped: AtomicBool,
    order: Mutex<Vec<i64>>,
}

/// A shard's state: which build it is, and how many jobs it has seen.
struct State {
    build: usize,
    jobs: usize,
}

struct Obedient(Arc<World>);

impl Perform<State> for Obedient {
    fn perform<'a>(&'a self, state: &'a mut State, job: &'a Claimed) -> BoxFuture<'a, Outcome> {
        let world = &self.0;
        assert_ne!(job.payload, "panic synchronously", "{}", job.payload);
        async move {
            state.jobs += 1;
            let key = job.group_key.clone().unwrap_or_default();
            world.enter(&key);
            world.order.lock().unwrap().push(job.token);
            let outcome = match job.payload.as_str() {
                "panic" => panic!("boom {}", job.token),
                "wait" => {
                    world.gate.acquire().await.unwrap().forget();
                    Outcome::Completed
                }
                "state" => Outcome::Failed(Failure::dead(format!("build {} job {}", state.build, state.jobs))),
                _ => Outcome::Completed,
            };
            world.leave(&key);
            outcome
        }
        .boxed()
    }
}

impl World {
    fn new() -> Arc<Self> {
        let clock = Arc::new(ManualClock::new(Time::from_micros(1_800_000_000_000_000)));
        Arc::new(Self {
            ids: IdSource::seeded(clock.clone(), 1),
            clock,
            builds: AtomicUsize::new(0),
            broken_factory: AtomicBool::new(false),
            gate: Semaphore::new(0),
            running: Mutex::default(),
            most_at_once: AtomicUsize::new(0),
            overlapped: AtomicBool::new(false),
            order: Mutex::default(),
        })
    }

    fn build(&self) -> State {
        let build = self.builds.fetch_add(1, Ordering::SeqCst) + 1;
        assert!(!self.broken_factory.load(Ordering::SeqCst), "no state today");
        State { build, jobs: 0 }
    }

    fn enter(&self, key: &str) {
        let mut running = self.running.lock().unwrap();
        let same = running.entry(key.to_owned()).or_default();
        *same += 1;
        if *same > 1 {
            self.overlapped.store(true, Ordering::SeqCst);
        }
        let all = running.values().sum();
        self.most_at_once.fetch_max(all, Ordering::SeqCst);
    }

    fn leave(&self, key: &str) {
        *self.running.lock().unwrap().get_mut(key).unwrap() -= 1;
    }

    fn capability(self: &Arc<Self>, name: &'static str) -> Capability<State> {
        let world = self.clone();
        Capability::new(name, move || world.build(), Arc::new(Obedient(self.clone()))).policy(brisk()).shards(1)
    }

    fn system(&self) -> System {
        System::start(runtime::Handle::current(), self.clock.clone()).expect("the tree starts")
    }

    /// A job that does what `payload` says.
    fn job(&self, payload: &str) -> Claimed {
        let id = self.ids.next();
        Claimed {
            id,
            kind: "test.job".to_owned(),
            queue: "test".to_owned(),
            payload: payload.to_owned(),
            attempt: 1,
            max_attempts: 3,
            token: 0,
            group_key: None,
            unique: false,
            traceparent: None,
            cancel: tokio_util::sync::CancellationToken::new(),
            gate: crate::jobs::Gate::default(),
        }
    }

    /// Hands in a job that does what `payload` says. It is in the mailbox, or waits for room, when this returns.
    async fn send(&self, to: &Handle, payload: &str) -> Answer {
        self.send_job(to, self.job(payload)).await
    }

    async fn send_job(&self, to: &Handle, job: Claimed) -> Answer {
        // The limit only ends a test that would hang.
        let mut answer = Box::pin(tokio::time::timeout(LIMIT, to.consumer().consume(job)));
        // The first poll puts it in.
        let at_once = match futures::poll!(&mut answer) {
            std::task::Poll::Ready(answer) => Some(answer),
            std::task::Poll::Pending => None,
        };
        tokio::spawn(async {
            match at_once {
                Some(answer) => answer,
                None => answer.await,
            }
            .expect("a job is answered")
        })
    }

    async fn outcome(&self, to: &Handle, payload: &str) -> Outcome {
        self.send(to, payload).await.await.expect("a job is answered").1
    }
}

const LIMIT: Duration = Duration::from_secs(20);

/// Waits of a millisecond or two, so that tests need not wait for real ones; the root waits for an operator.
fn brisk() -> Policy {
    Policy {
        backoff: Backoff { first: Duration::from_millis(1), last: Duration::from_millis(2) },
        pause: Backoff { first: Duration::from_hours(1), last: Duration::from_hours(1) },
        ..Policy::default()
    }
}

/// Waits for what must come to pass. The limit only ends a test that would hang.
async fn until(what: &str, condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(LIMIT, wait).await.unwrap_or_else(|_| panic!("never: {what}"));
}

async fn until_state(handle: &Handle, state: ActorState) {
    until(&format!("{} is {state:?}", handle.name()), || handle.status().iter().all(|actor| actor.state == state))
        .await;
}
