//! A large file through a masked link, beside nginx sending the same file.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{
    ROUND, ROUNDS,
    http::{self, Connection},
    nginx::Nginx,
    orders,
    report::{Report, median},
    scene::Scene,
    shop::{PRODUCT, Shop, offer},
};

/// How many fetch at once.
const FETCHERS: usize = 8;
/// What is put where the shop's files are.
const FILE: &str = "benchmark.bin";

/// The file's length: 100 MB, or as many as `MINTREU_BENCH_MB` says.
fn size() -> usize {
    let told = std::env::var("MINTREU_BENCH_MB").ok();
    told.map_or(100, |told| told.parse().expect("MINTREU_BENCH_MB is a number")) * 1_000_000
}

/// The path of a link that the shop gives to whoever this is.
pub(crate) async fn link(connection: &mut Connection, cookie: &str) -> String {
    let answer = connection.post(&format!("/api/products/{PRODUCT}/download"), cookie, b"{}").await;
    assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
    let link: Value = serde_json::from_slice(&answer.body).expect("JSON");
    let token = link["url"].as_str().expect("a URL").rsplit('/').next().expect("a token").to_owned();
    format!("/api/download/{token}")
}

/// Every fetcher sends its request again and again; megabytes a second.
async fn fetch(address: &str, requests: &[Vec<u8>], size: usize, for_how_long: Duration) -> f64 {
    let began = Instant::now();
    let fetchers = requests.iter().map(|request| {
        let (address, request) = (address.to_owned(), request.clone());
        tokio::spawn(async move {
            let (mut connection, mut files) = (Connection::open(&address).await, 0_usize);
            while files == 0 || began.elapsed() < for_how_long {
                assert_eq!(connection.drain(&request).await, (200, size));
                files += 1;
            }
            files
        })
    });
    let mut files = 0;
    for fetcher in futures::future::join_all(fetchers).await {
        files += fetcher.expect("no panic");
    }
    (files * size) as f64 / 1e6 / began.elapsed().as_secs_f64()
}

pub(crate) async fn run(scene: &Scene, report: &Report<'_>) {
    // The database has little to do with it.
    if !report.wants("download") || matches!(scene, Scene::Postgres(_)) {
        return;
    }
    let size = size();
    let settings = [("MINTREU__DOWNLOADS__LINK_USES", "1000")];
    let shop =
        Shop::open_with(scene, FETCHERS, &settings, async |db, goods| offer(db, goods, "local", FILE, size).await)
            .await;
    let files = shop.place(FILE, size);
    orders::sell(&shop, 1).await;
    let (mut connection, mut ours) = (Connection::open(&shop.address).await, Vec::new());
    for cookie in &shop.cookies {
        ours.push(http::get_with(&link(&mut connection, cookie).await, cookie));
    }
    let theirs = vec![http::get(&format!("/{FILE}")); FETCHERS];
    let nginx = Nginx::serve(&files).await;
    fetch(&shop.address, &ours[..1], size, Duration::ZERO).await;
    let before = shop.memory();
    let (mut our_rates, mut their_rates) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        our_rates.push(fetch(&shop.address, &ours, size, *ROUND).await);
        if let Some(nginx) = &nginx {
            their_rates.push(fetch(&nginx.address, &theirs, size, *ROUND).await);
        }
    }
    let after = shop.memory();
    let name = format!("download of {} MB, {FETCHERS} clients", size / 1_000_000);
    let ours = median(&mut our_rates);
    if their_rates.is_empty() {
        println!("{name:<46} {ours:>10.0} MB/s   goal 0.40 of nginx, which is not here: apt-get install nginx-light");
    } else {
        let theirs = median(&mut their_rates);
        println!("{name:<46} {ours:>10.0} MB/s nginx {theirs:>10.0} MB/s ratio {:>5.2}   goal 0.40", ours / theirs);
    }
    println!(
        "{:<46} {:.0} MB before, {:.0} MB after, {:.0} MB at most   goal flat",
        "the server's memory meanwhile", before.now, after.now, after.most
    );
}
