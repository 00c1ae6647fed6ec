//! Orders: opened by somebody signed in, paid by a webhook, settled, fulfilled.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use mintreu::{
    kernel::{Clock, SystemClock},
    payments::signature,
};
use serde_json::Value;

use crate::{
    CLIENTS, ROUNDS,
    http::Connection,
    ingest::BareRow,
    report::Report,
    scene::Scene,
    shop::{PRICE, PRODUCT, SECRET, Shop},
};

static EVENTS: AtomicU64 = AtomicU64::new(0);

/// How many orders a client opens and pays in a round.
const ORDERS: usize = 100;

/// Opens an order and gives its identifier.
pub(crate) async fn open(connection: &mut Connection, cookie: &str) -> String {
    let body = format!(r#"{{"items":[{{"product":"{PRODUCT}"}}],"provider":"sandbox"}}"#);
    let answer = connection.post("/api/orders", cookie, body.as_bytes()).await;
    assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
    let order: Value = serde_json::from_slice(&answer.body).expect("JSON");
    order["id"].as_str().expect("an identifier").to_owned()
}

/// What the provider sends when an order was paid.
pub(crate) fn paid(order: &str) -> (Vec<u8>, String) {
    let number = EVENTS.fetch_add(1, Ordering::Relaxed);
    let body = format!(
        r#"{{"id":"evt_paid_{number}","object":"event","type":"checkout.session.completed","created":1800000000,"data":{{"object":{{"id":"cs_{order}","object":"checkout.session","client_reference_id":"{order}","metadata":{{"order_id":"{order}"}},"amount_total":{PRICE},"currency":"usd","payment_status":"paid","payment_intent":"pi_{order}"}}}}}}"#
    )
    .into_bytes();
    let header = signature::sign(SECRET, &body, SystemClock.now());
    (body, format!("stripe-signature: {header}\r\n"))
}

/// Opens and pays `each` orders by every client; how many a second, until the last one is fulfilled.
pub(crate) async fn sell(shop: &Shop, each: usize) -> f64 {
    let before = fulfilled(shop).await;
    let began = Instant::now();
    let clients = shop.cookies.iter().map(|cookie| {
        let (address, cookie) = (shop.address.clone(), cookie.clone());
        tokio::spawn(async move {
            let mut connection = Connection::open(&address).await;
            for _ in 0..each {
                let order = open(&mut connection, &cookie).await;
                let (body, header) = paid(&order);
                assert_eq!(connection.post("/webhooks/sandbox", &header, &body).await.status, 200);
            }
        })
    });
    for client in futures::future::join_all(clients).await {
        client.expect("no panic");
    }
    let all = before + (shop.cookies.len() * each) as i64;
    while fulfilled(shop).await < all {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    (shop.cookies.len() * each) as f64 / began.elapsed().as_secs_f64()
}

/// How many orders the server has fulfilled, as its metrics say: counting rows would cost the database what is measured.
async fn fulfilled(shop: &Shop) -> i64 {
    metric(shop, "mintreu_orders_fulfilment_seconds_count").await as i64
}

/// One line of the server's metrics; nothing was counted yet if there is none.
pub(crate) async fn metric(shop: &Shop, name: &str) -> f64 {
    let mut connection = Connection::open(&shop.metrics).await;
    let answer = connection.send(&crate::http::get("/metrics")).await;
    let text = String::from_utf8(answer.body).expect("text");
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
        .map_or(0.0, |value| value.trim().parse().expect("a number"))
}

/// The statements that the server has sent so far: in transactions, and to read.
pub(crate) async fn statements(shop: &Shop) -> (f64, f64) {
    let of = async |kind: &str| metric(shop, &format!("mintreu_db_statements_total{{kind=\"{kind}\"}}")).await;
    (of("transaction").await, of("read").await)
}

pub(crate) async fn run(scene: &Scene, report: &Report<'_>) {
    if !report.wants("orders") {
        return;
    }
    let shop = Shop::open(scene, CLIENTS, async |_, _| {}).await;
    sell(&shop, 10).await;
    let (writes, reads) = statements(&shop).await;
    let busy = metric(&shop, "mintreu_process_cpu_seconds_total").await;
    let bare = BareRow::open(scene).await;
    let (mut rates, mut rows) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        rates.push(sell(&shop, ORDERS).await);
        rows.push(bare.rate().await);
    }
    let (all_writes, all_reads) = statements(&shop).await;
    let all_busy = metric(&shop, "mintreu_process_cpu_seconds_total").await;
    let sold = (ROUNDS * ORDERS * CLIENTS) as f64;
    let goal = if matches!(scene, Scene::Sqlite) { "1,000/s, 0.028" } else { "600/s, 0.063" };
    Report::rate("orders opened, paid and fulfilled, 32 clients", &mut rates, &mut rows, goal);
    println!(
        "{:<46} {:.1} in transactions, {:.1} reads   goal 25",
        "statements an order",
        (all_writes - writes) / sold,
        (all_reads - reads) / sold
    );
    println!("{:<46} {:.2} ms of the server's", "processor time an order", 1e3 * (all_busy - busy) / sold);
}
