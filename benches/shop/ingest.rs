//! Webhooks in: verified, stored and queued durably before they are answered.
//!
//! The payments switch is off meanwhile: events are kept and wait, so that it is the intake that is measured.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use mintreu::{
    audit::Actor,
    kernel::{Clock, SystemClock},
    payments::signature,
};

use crate::{
    CLIENTS, ROUND, ROUNDS,
    http::Connection,
    limits::Limit,
    report::Report,
    scene::Scene,
    shop::{SECRET, Shop},
};

static EVENTS: AtomicU64 = AtomicU64::new(0);

/// An event that no order is about: stored, queued, and found to concern nothing.
fn event() -> Vec<u8> {
    let number = EVENTS.fetch_add(1, Ordering::Relaxed);
    format!(
        r#"{{"id":"evt_{number:016}","object":"event","api_version":"2025-03-31","type":"customer.updated","created":1800000000,"data":{{"object":{{"id":"cus_{number}","object":"customer","email":"buyer@example.com","metadata":{{}}}}}},"livemode":false,"pending_webhooks":1}}"#
    )
    .into_bytes()
}

async fn deliver(address: &str, path: &str, for_how_long: Duration) -> (f64, Vec<Duration>) {
    let began = Instant::now();
    let clients = (0..CLIENTS).map(|_| {
        let (address, path) = (address.to_owned(), path.to_owned());
        tokio::spawn(async move {
            let mut connection = Connection::open(&address).await;
            let mut times = Vec::new();
            while began.elapsed() < for_how_long {
                let body = event();
                let header = signature::sign(SECRET, &body, SystemClock.now());
                let sent = Instant::now();
                let answer = connection.post(&path, &format!("stripe-signature: {header}\r\n"), &body).await;
                assert_eq!(answer.status, 200);
                times.push(sent.elapsed());
            }
            times
        })
    });
    let mut times = Vec::new();
    for client in futures::future::join_all(clients).await {
        times.extend(client.expect("no panic"));
    }
    (times.len() as f64 / began.elapsed().as_secs_f64(), times)
}

/// The bare row behind a signed webhook: how many a second the machine takes at the time.
pub(crate) struct BareRow(Limit);

impl BareRow {
    pub(crate) async fn open(scene: &Scene) -> Self {
        let url = match scene {
            Scene::Sqlite => None,
            Scene::Postgres(_) => Some(scene.url(&tempfile::tempdir().expect("a directory")).await),
        };
        let limit = Self(Limit::row(url.as_deref()).await);
        limit.deliver(Duration::from_secs(1).min(*ROUND)).await;
        limit
    }

    async fn deliver(&self, for_how_long: Duration) -> f64 {
        deliver(&self.0.address, "/webhook", for_how_long).await.0
    }

    pub(crate) async fn rate(&self) -> f64 {
        self.deliver(*ROUND).await
    }
}

pub(crate) async fn run(scene: &Scene, report: &Report<'_>) {
    if !report.wants("ingest") {
        return;
    }
    let shop = Shop::open(scene, 1, async |_, _| {}).await;
    let changed_by = mintreu::flags::ChangedBy::new(Actor::system("bench"), "the intake alone is measured");
    let registry = mintreu::flags::Registry::load(shop.db.clone(), mintreu::flags::RegistryOptions::default()).await;
    let registry = registry.expect("the flags");
    let changed_by = changed_by.expect("a reason");
    registry.kill(mintreu::flags::Switch::Payments, &changed_by).await.expect("it is off");
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let limit = BareRow::open(scene).await;
    let (mut ours, mut theirs, mut times) = (Vec::new(), Vec::new(), Vec::new());
    deliver(&shop.address, "/webhooks/sandbox", Duration::from_secs(1).min(*ROUND)).await;
    for _ in 0..ROUNDS {
        let (rate, mut took) = deliver(&shop.address, "/webhooks/sandbox", *ROUND).await;
        ours.push(rate);
        times.append(&mut took);
        theirs.push(limit.rate().await);
    }
    let goal = if matches!(scene, Scene::Sqlite) { "0.50" } else { "0.80" };
    Report::rate("ingest of webhooks, 32 connections", &mut ours, &mut theirs, goal);
    Report::times("ingest of webhooks, each", &mut times, "p99 10 ms");
}
