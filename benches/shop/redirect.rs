//! Links to files in a bucket: checked, counted, logged, and answered with the bucket's own address.

use std::time::{Duration, Instant};

use crate::{
    CLIENTS, ROUND, ROUNDS,
    download::link,
    http::{self, Connection},
    limits::Limit,
    orders,
    report::Report,
    scene::Scene,
    shop::{Shop, offer},
};

/// How many links each client uses in turn: a link is good for a thousand downloads, and for so many a minute.
const LINKS: usize = 32;

/// Every client sends its requests in turn; how many a second are sent elsewhere.
async fn ask(address: &str, requests: &[Vec<Vec<u8>>], for_how_long: Duration) -> f64 {
    let began = Instant::now();
    let clients = requests.iter().map(|requests| {
        let (address, requests) = (address.to_owned(), requests.clone());
        tokio::spawn(async move {
            let (mut connection, mut asked) = (Connection::open(&address).await, 0_usize);
            while began.elapsed() < for_how_long {
                let answer = connection.send(&requests[asked % requests.len()]).await;
                assert_eq!(answer.status, 302, "{}", String::from_utf8_lossy(&answer.body));
                asked += 1;
            }
            asked
        })
    });
    let mut all = 0;
    for client in futures::future::join_all(clients).await {
        all += client.expect("no panic");
    }
    all as f64 / began.elapsed().as_secs_f64()
}

pub(crate) async fn run(scene: &Scene, report: &Report<'_>) {
    if !report.wants("redirect") {
        return;
    }
    // Nobody asks the bucket: its addresses are signed here.
    let settings = [
        ("MINTREU__DOWNLOADS__LINK_USES", "1000"),
        ("MINTREU__STORAGE__S3__BUCKET", "bench"),
        ("MINTREU__STORAGE__S3__ENDPOINT", "http://127.0.0.1:9"),
        ("MINTREU__STORAGE__S3__ACCESS_KEY", "bench"),
        ("MINTREU__STORAGE__S3__SECRET_KEY", "bench"),
    ];
    let shop =
        Shop::open_with(scene, CLIENTS, &settings, async |db, goods| offer(db, goods, "s3", "file.bin", 1_000).await)
            .await;
    orders::sell(&shop, 1).await;
    let (mut connection, mut ours) = (Connection::open(&shop.address).await, Vec::new());
    for cookie in &shop.cookies {
        let mut links = Vec::new();
        for _ in 0..LINKS {
            links.push(http::get_with(&link(&mut connection, cookie).await, cookie));
        }
        ours.push(links);
    }
    let limit = Limit::redirect().await;
    let theirs = vec![vec![http::get("/redirect")]; CLIENTS];
    ask(&shop.address, &ours, Duration::from_secs(1).min(*ROUND)).await;
    let (mut our_rates, mut their_rates) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        our_rates.push(ask(&shop.address, &ours, *ROUND).await);
        their_rates.push(ask(&limit.address, &theirs, *ROUND).await);
    }
    Report::rate("redirect by a link, limit: bare axum", &mut our_rates, &mut their_rates, "0.50");
}
