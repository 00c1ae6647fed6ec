//! What balancers and scrapers see: also while the database is away.

use serde_json::Value;

use crate::{
    journey_postgres::{PASSWORD, Server},
    journey_shop::{Shop, new_order, until},
    support::Mintreu,
};

on_both!(the_probes_answer_and_the_metrics_parse, |db| async move {
    let shop = Shop::on(&db);
    let _server = shop.serve().await;
    let order = shop.open().await;
    shop.pay(&order).await;
    shop.until_order_is(&order, "fulfilled").await;
    for (path, text) in [("/livez", "ok\n"), ("/readyz", "ok\n")] {
        let answer = shop.get(path).await;
        assert_eq!((answer.status().as_u16(), answer.text().await.expect("text").as_str()), (200, text), "{path}");
    }
    let verbose = shop.get("/readyz?verbose").await.text().await.expect("text");
    for check in ["database", "schema", "actors", "flags", "usage"] {
        assert!(verbose.contains(&format!("[+]{check} ok\n")), "{verbose}");
    }
    let request = shop.client.get(shop.mintreu.url("/readyz?verbose")).header("accept", "application/json");
    let json: Value = request.send().await.expect("an answer").json().await.expect("JSON");
    assert_eq!((&json["status"], json["checks"].as_array().map(Vec::len)), (&Value::from("ok"), Some(5)), "{json}");

    let metrics = shop.client.get(shop.mintreu.metrics_url()).send().await.expect("an answer");
    assert!(metrics.headers()["content-type"].to_str().is_ok_and(|kind| kind.starts_with("text/plain; version=0.0.4")));
    let metrics = metrics.text().await.expect("text");
    let samples = parse(&metrics);
    for name in [
        "mintreu_http_requests_total",
        "mintreu_http_request_duration_seconds_count",
        "mintreu_webhooks_total",
        "mintreu_db_wait_seconds_count",
        "mintreu_ready",
    ] {
        assert!(samples.iter().any(|(sample, value)| sample == name && *value > 0.0), "{name} in:\n{metrics}");
    }
    assert!(!metrics.contains(&order) && !metrics.contains("buyer@example.com"), "no label holds an id or an address");
    assert_eq!(shop.get("/metrics").await.status(), 404, "the public listener keeps them to itself");
});

/// The samples of a scrape, each line of which must be a comment, or a name, labels in braces, and a number.
fn parse(metrics: &str) -> Vec<(String, f64)> {
    let lines = metrics.lines().filter(|line| !line.is_empty() && !line.starts_with("# "));
    lines
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no sample: {line}"));
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            assert!(labels.ends_with('}') && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'), "{line}");
            (name.to_owned(), value.parse().unwrap_or_else(|_| panic!("no number: {line}")))
        })
        .collect()
}

#[tokio::test]
async fn while_postgresql_is_away_the_server_says_so_and_it_recovers_by_itself() {
    let Some(mut postgres) = Server::start_new().await else { return };
    let shop = Shop::of(Mintreu::new().env("MINTREU__DATABASE__PATIENCE", "500ms"), &postgres.url(PASSWORD));
    let mut server = shop.serve().await;
    let (paid, waiting) = (shop.open().await, shop.open().await);
    shop.pay(&paid).await;
    shop.until_order_is(&paid, "fulfilled").await;
    shop.pay(&waiting).await;

    postgres.stop();
    until("/readyz says that it is not ready", async || {
        let answer = shop.get("/readyz?verbose").await;
        let (status, text) = (answer.status().as_u16(), answer.text().await.expect("text"));
        if status == 503 && text.contains("[-]database failed\n") { Ok(()) } else { Err(text) }
    })
    .await;
    assert_eq!(shop.get("/livez").await.status(), 200, "nobody restarts a process for its database's sake");
    for answer in [shop.get(&format!("/api/orders/{paid}")).await, shop.post("/api/orders", &new_order()).await] {
        assert!([500, 503].contains(&answer.status().as_u16()), "{answer:?}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        assert!(answer.headers().contains_key("retry-after"), "{answer:?}");
        let text = answer.text().await.expect("text");
        assert!(!text.contains("onnection") && !text.contains("postgres"), "no word of what is inside: {text}");
    }
    let operators = shop.client.get(shop.mintreu.metrics_url().replace("/metrics", "/readyz?verbose")).send().await;
    let told = operators.expect("an answer").text().await.expect("text");
    assert!(told.contains("[-]database failed: "), "operators are told why: {told}");

    postgres.start().await;
    until("/readyz is well again", async || {
        let answer = shop.get("/readyz").await;
        if answer.status() == 200 { Ok(()) } else { Err(answer.status()) }
    })
    .await;
    shop.until_order_is(&waiting, "fulfilled").await;
    let after = shop.open().await;
    shop.pay(&after).await;
    shop.until_order_is(&after, "fulfilled").await;
    assert!(server.ended().is_none());
    shop.is_sound();
    server.terminate();
    assert!(server.wait().success(), "{}", server.stderr());
}
