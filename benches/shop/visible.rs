//! From the paid webhook to the licence that others can see, at a steady hundred orders a second.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use mintreu::{fetch_all, kernel::OrderId};

use crate::{http::Connection, orders, report::Report, scene::Scene, shop::Shop};

/// Orders a second.
const RATE: u32 = 100;
/// How many in all.
const ORDERS: usize = 1_000;

pub(crate) async fn run(scene: &Scene, report: &Report<'_>) {
    if !report.wants("visible") {
        return;
    }
    let shop = Shop::open(scene, 1, async |_, _| {}).await;
    let mut connection = Connection::open(&shop.address).await;
    let mut opened = Vec::new();
    for _ in 0..ORDERS {
        opened.push(orders::open(&mut connection, &shop.cookies[0]).await);
    }
    let (sent, mut received) = tokio::sync::mpsc::unbounded_channel::<(OrderId, Instant)>();
    let address = shop.address.clone();
    let sender = tokio::spawn(async move {
        let mut connection = Connection::open(&address).await;
        let mut tick = tokio::time::interval(Duration::from_secs(1) / RATE);
        for order in opened {
            tick.tick().await;
            let (body, header) = orders::paid(&order);
            sent.send((order.parse().expect("an identifier"), Instant::now())).expect("somebody listens");
            assert_eq!(connection.post("/webhooks/sandbox", &header, &body).await.status, 200);
        }
    });
    let (mut waiting, mut times) = (HashMap::new(), Vec::new());
    while times.len() < ORDERS {
        while let Ok((order, at)) = received.try_recv() {
            waiting.insert(order, at);
        }
        let recent: Vec<(OrderId,)> =
            fetch_all!(shop.db, sqlx::query_as("SELECT order_id FROM licenses ORDER BY id DESC LIMIT 200"))
                .expect("answers");
        for (order,) in recent {
            if let Some(at) = waiting.remove(&order) {
                times.push(at.elapsed());
            }
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    sender.await.expect("no panic");
    Report::times("webhook to visible licence, 100 orders/s", &mut times, "p50 10 ms, p99 50 ms");
}
