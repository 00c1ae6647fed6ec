//! Licence validation beside a route that answers `hello`.

use std::time::{Duration, Instant};

use mintreu::{fetch_all, kernel::OrderId, licenses};

use crate::{
    CLIENTS, ROUND, ROUNDS,
    http::{self, Connection},
    limits::Limit,
    orders,
    report::Report,
    scene::Scene,
    shop::Shop,
};

/// Sends the requests in turn on every connection; how many a second are answered well.
async fn ask(address: &str, requests: &[Vec<u8>], for_how_long: Duration, good: &'static [u8]) -> f64 {
    let began = Instant::now();
    let clients = (0..CLIENTS).map(|client| {
        let (address, requests) = (address.to_owned(), requests.to_vec());
        tokio::spawn(async move {
            let mut connection = Connection::open(&address).await;
            let mut asked = 0_usize;
            while began.elapsed() < for_how_long {
                let answer = connection.send(&requests[(client * 7 + asked) % requests.len()]).await;
                assert_eq!(answer.status, 200);
                let found = answer.body.windows(good.len()).any(|part| part == good);
                assert!(found, "{}", String::from_utf8_lossy(&answer.body));
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

/// What programs ask about the licences of a shop's last thousand orders.
pub(crate) async fn questions(shop: &Shop) -> Vec<Vec<u8>> {
    let sold: Vec<(OrderId,)> = fetch_all!(
        shop.db,
        sqlx::query_as("SELECT id FROM orders WHERE fulfilment_state = 'fulfilled' ORDER BY id DESC LIMIT 1000")
    )
    .expect("answers");
    let mut questions = Vec::new();
    for (order,) in sold {
        for license in licenses::of_order(&shop.db, &shop.keys, order).await.expect("answers") {
            let key = license.license_key.expect("a key");
            let body = format!(r#"{{"license_key":"{key}"}}"#);
            let request = format!(
                "POST /api/license/validate HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            questions.push(request.into_bytes());
        }
    }
    assert!(!questions.is_empty(), "something was sold");
    questions
}

/// How many of a shop's licences are validated a second.
pub(crate) async fn rate(shop: &Shop, questions: &[Vec<u8>], for_how_long: Duration) -> f64 {
    ask(&shop.address, questions, for_how_long, b"\"valid\":true").await
}

pub(crate) async fn run(scene: &Scene, report: &Report<'_>) {
    if !report.wants("validate") {
        return;
    }
    let shop = Shop::open(scene, CLIENTS, async |_, _| {}).await;
    orders::sell(&shop, 32).await;
    let limit = Limit::hello().await;
    let (questions, hello) = (questions(&shop).await, vec![http::get("/hello")]);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    rate(&shop, &questions, Duration::from_secs(1).min(*ROUND)).await;
    for _ in 0..ROUNDS {
        ours.push(rate(&shop, &questions, *ROUND).await);
        theirs.push(ask(&limit.address, &hello, *ROUND, b"hello").await);
    }
    Report::rate("validate licences, 32 connections", &mut ours, &mut theirs, "0.50");
}
