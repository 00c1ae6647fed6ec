//! The golden path of a buyer who is signed in: order, webhook, settled, licence, mail, link, file.

use std::time::{Duration, Instant};

use crate::{
    CLIENTS, ROUND, ROUNDS,
    download::link,
    http::{self, Connection},
    ingest::BareRow,
    orders::{self, metric},
    report::Report,
    scene::Scene,
    shop::{Shop, offer},
};

/// Buyers that a client is in turn: one account gets so many links a minute.
const BUYERS: usize = 12;
/// Orders that a client has under way, so that it waits for none of them.
const UNDER_WAY: usize = 4;
/// The file's name and length.
const FILE: &str = "small.bin";
const SIZE: usize = 4_000;

/// What one client did: paths, and how often it looked for an order in vain.
#[derive(Default)]
struct Walked {
    paths: usize,
    looks: usize,
}

/// Opens and pays an order.
async fn pay(connection: &mut Connection, cookie: &str) -> String {
    let order = orders::open(connection, cookie).await;
    let (body, header) = orders::paid(&order);
    assert_eq!(connection.post("/webhooks/sandbox", &header, &body).await.status, 200);
    order
}

/// Waits for what an order gave, asks for its file, and fetches it.
async fn receive(connection: &mut Connection, cookie: &str, order: &str) -> usize {
    let request = http::get_with(&format!("/api/orders/{order}"), cookie);
    let mut looks = 0;
    loop {
        let answer = connection.send(&request).await;
        assert_eq!(answer.status, 200);
        let text = String::from_utf8(answer.body).expect("text");
        if text.contains("\"status\":\"fulfilled\"") {
            assert!(text.contains("\"license_key\":\""), "{text}");
            break;
        }
        looks += 1;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let path = link(connection, cookie).await;
    let file = connection.send(&http::get_with(&path, cookie)).await;
    assert_eq!((file.status, file.body.len()), (200, SIZE));
    looks
}

/// Walks for a while; how many paths there were a second, and how many in all.
async fn walk(shop: &Shop, for_how_long: Duration) -> (f64, Walked) {
    let began = Instant::now();
    let clients = shop.cookies.chunks(BUYERS).map(|cookies| {
        let (address, cookies) = (shop.address.clone(), cookies.to_vec());
        tokio::spawn(async move {
            let (mut connection, mut walked) = (Connection::open(&address).await, Walked::default());
            while walked.paths == 0 || began.elapsed() < for_how_long {
                let mut orders = Vec::new();
                for number in 0..UNDER_WAY {
                    let cookie = &cookies[(walked.paths + number) % cookies.len()];
                    orders.push((cookie, pay(&mut connection, cookie).await));
                }
                for (cookie, order) in orders {
                    walked.looks += receive(&mut connection, cookie, &order).await;
                    walked.paths += 1;
                }
            }
            walked
        })
    });
    let mut all = Walked::default();
    for client in futures::future::join_all(clients).await {
        let walked = client.expect("no panic");
        all.paths += walked.paths;
        all.looks += walked.looks;
    }
    (all.paths as f64 / began.elapsed().as_secs_f64(), all)
}

/// What the server has spent so far.
struct Spent {
    processor: f64,
    writes: f64,
    reads: f64,
    commits: f64,
}

impl Spent {
    async fn by(shop: &Shop) -> Self {
        let (writes, reads) = orders::statements(shop).await;
        let processor = metric(shop, "mintreu_process_cpu_seconds_total").await;
        Self { processor, writes, reads, commits: metric(shop, "mintreu_db_commit_seconds_sum").await }
    }
}

pub(crate) async fn run(scene: &Scene, report: &Report<'_>) {
    if !report.wants("golden") {
        return;
    }
    let people = CLIENTS * BUYERS;
    let shop = Shop::open(scene, people, async |db, goods| offer(db, goods, "local", FILE, SIZE).await).await;
    shop.place(FILE, SIZE);
    walk(&shop, Duration::from_secs(1).min(*ROUND)).await;
    let bare = BareRow::open(scene).await;
    let (before, mut took) = (Spent::by(&shop).await, 0.0);
    let (mut rates, mut rows, mut all) = (Vec::new(), Vec::new(), Walked::default());
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let (rate, walked) = walk(&shop, *ROUND).await;
        took += began.elapsed().as_secs_f64();
        rates.push(rate);
        all.paths += walked.paths;
        all.looks += walked.looks;
        rows.push(bare.rate().await);
    }
    let after = Spent::by(&shop).await;
    let goal = if matches!(scene, Scene::Sqlite) { "600/s, 0.017" } else { "300/s, 0.031" };
    let paths = all.paths as f64;
    Report::rate("golden path to the fetched file, 32 clients", &mut rates, &mut rows, goal);
    println!(
        "{:<46} {:.1} in transactions, {:.1} reads; {:.1} looks in vain",
        "statements a path",
        (after.writes - before.writes) / paths,
        (after.reads - before.reads) / paths,
        all.looks as f64 / paths
    );
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let busy = after.processor - before.processor;
    println!(
        "{:<46} {:.2} ms a path, {:.0} % of {cores} cores, which the clients share",
        "the server's processor time",
        1e3 * busy / paths,
        100.0 * busy / took / cores as f64
    );
    println!("{:<46} {:.0} % of the time", "commits under way", 100.0 * (after.commits - before.commits) / took);
}
