//! What is answered from memory: kill switches, flags, and the hop to an actor and back.

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use mintreu::{
    actors::{Capability, System},
    audit::Actor,
    db::Db,
    flags::{Attribute, ChangedBy, Context, Definition, Expected, Registry, RegistryOptions, Switch},
    jobs::{Claimed, Consumer, Gate, Outcome, Perform},
};
use tokio_util::sync::CancellationToken;

use super::{report::Report, scene::Scene};

pub(crate) async fn run(report: &Report<'_>) {
    let fresh = Scene::Sqlite.fresh().await;
    if report.wants("flags") {
        flags(&fresh.db).await;
    }
    if report.wants("hop") {
        hops(&fresh.db).await;
    }
}

async fn flags(db: &Db) {
    let registry = Registry::load(db.clone(), RegistryOptions::default()).await.expect("loads");
    let by = ChangedBy::new(Actor::operator("bench"), "a measurement").expect("has a reason");
    let targeted = Definition::parse(
        r#"{"type": "boolean", "default": "off", "rules": [
            {"when": [{"attribute": "country", "op": "in", "value": ["FR", "DE", "ES"]}], "variant": "on"}]}"#,
    )
    .expect("a definition");
    registry.set("bench.targeted", &targeted, Expected::Any, &by).await.expect("sets");
    let attributes = [("plan", Attribute::Text("yearly")), ("country", Attribute::Text("ES"))];
    let context = Context::user("usr_01h455vb4pex5vsknk084sn02q").attributes(&attributes);
    let mut check = rounds(|| registry.is_on(black_box(Switch::Payments)));
    Report::times("flags: kill-switch check", &mut check, "< 20 ns");
    let mut rule =
        rounds(|| registry.snapshot().evaluate(black_box("bench.targeted"), &context).map(|found| found.reason));
    Report::times("flags: evaluation with a rule", &mut rule, "< 300 ns");
}

/// The mean of each of many rounds.
fn rounds<T>(mut work: impl FnMut() -> T) -> Vec<Duration> {
    const CALLS: u32 = 100_000;
    (0..50)
        .map(|_| {
            let began = Instant::now();
            for _ in 0..CALLS {
                black_box(work());
            }
            began.elapsed() / CALLS
        })
        .collect()
}

struct Nothing;

impl Perform<()> for Nothing {
    fn perform<'a>(&'a self, (): &'a mut (), _: &'a Claimed) -> BoxFuture<'a, Outcome> {
        Box::pin(std::future::ready(Outcome::Completed))
    }
}

async fn hops(db: &Db) {
    const JOBS: u32 = 200_000;
    let actors = System::start(tokio::runtime::Handle::current(), Arc::clone(db.ids().clock())).expect("starts");
    let handle = actors.add(Capability::new("nothing", || (), Arc::new(Nothing))).await.expect("starts");
    for tasks in [16_u32, 256] {
        let mut each = Vec::new();
        for _ in 0..5 {
            each.push(hop(db, handle.consumer(), tasks, JOBS / tasks).await);
        }
        Report::times(&format!("hop: to an actor and back, {tasks} senders"), &mut each, "< 10 µs");
    }
    actors.drain(Duration::from_secs(1)).await;
}

async fn hop(db: &Db, consumer: Arc<dyn Consumer>, tasks: u32, jobs: u32) -> Duration {
    let began = Instant::now();
    let mut senders = Vec::new();
    for _ in 0..tasks {
        let (consumer, ids) = (Arc::clone(&consumer), db.ids().clone());
        senders.push(tokio::spawn(async move {
            for _ in 0..jobs {
                let job = Claimed {
                    id: ids.next(),
                    kind: "bench.nothing".to_owned(),
                    queue: "bench".to_owned(),
                    payload: "{}".to_owned(),
                    attempt: 1,
                    max_attempts: 1,
                    token: 1,
                    group_key: None,
                    unique: false,
                    traceparent: None,
                    cancel: CancellationToken::new(),
                    gate: Gate::default(),
                };
                consumer.consume(job).await;
            }
        }));
    }
    for sender in senders {
        sender.await.expect("no panic");
    }
    began.elapsed() / (tasks * jobs)
}
