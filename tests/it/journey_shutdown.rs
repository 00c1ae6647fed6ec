//! The end of a server and the beginning of the next: what runs is finished, what waits is kept.

use std::time::{Duration, Instant};

use futures::future::join_all;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    journey_shop::{Shop, new_order, until},
    support::{Mintreu, Running},
};

/// The grace of the default configuration, after which a server is gone.
const GRACE: Duration = Duration::from_secs(10);

/// A request whose body is half sent.
struct HalfSent {
    stream: TcpStream,
    rest: Vec<u8>,
}

impl HalfSent {
    async fn begin(shop: &Shop) -> Self {
        let url = shop.mintreu.url("");
        let mut stream = TcpStream::connect(url.trim_start_matches("http://")).await.expect("a connection");
        let mut body = new_order().to_string().into_bytes();
        let rest = body.split_off(10);
        let length = body.len() + rest.len();
        let cookie = &shop.buyer().await.cookie;
        let head = format!(
            "POST /api/orders HTTP/1.1\r\nhost: shop\r\ncookie: {cookie}\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n"
        );
        stream.write_all(&[head.as_bytes(), &body].concat()).await.expect("it is sent");
        Self { stream, rest }
    }

    async fn finish(mut self) -> String {
        self.stream.write_all(&self.rest).await.expect("it is sent");
        let mut answer = Vec::new();
        self.stream.read_to_end(&mut answer).await.expect("an answer, then the end");
        String::from_utf8(answer).expect("text")
    }
}

/// Ends a server as an init system does, and gives what it said.
fn end(server: &mut Running) -> String {
    let began = Instant::now();
    server.terminate();
    let status = server.wait();
    assert!(status.success(), "{status}: {}", server.stderr());
    // What init systems rely on, and no figure about speed.
    assert!(began.elapsed() < GRACE + Duration::from_secs(5), "gone {:?} after it was told", began.elapsed());
    server.stderr()
}

on_both!(a_request_under_way_is_answered_and_the_next_server_starts_at_once, |db| async move {
    let shop = Shop::on(&db);
    let mut server = shop.serve().await;
    let half_sent = HalfSent::begin(&shop).await;
    // The server has the connection once it shows in its metrics.
    until("the connection is open", async || {
        let metrics = shop.client.get(shop.mintreu.metrics_url()).send().await.map_err(|error| error.to_string())?;
        let metrics = metrics.text().await.map_err(|error| error.to_string())?;
        let line = metrics.lines().find(|line| line.starts_with("mintreu_http_requests_in_flight")).map(str::to_owned);
        if line.as_deref().is_some_and(|line| !line.ends_with(" 0")) { Ok(()) } else { Err(format!("{line:?}")) }
    })
    .await;
    server.terminate();
    until("no more connections are taken", async || {
        let answer = shop.client.get(shop.mintreu.url("/livez")).send().await;
        answer.map_or(Ok(()), |answer| Err(answer.status()))
    })
    .await;
    let answer = half_sent.finish().await;
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    assert!(server.wait().success(), "{}", server.stderr());
    assert_eq!(shop.number("SELECT COUNT(*) FROM orders").await, 1);
    let _server = shop.serve().await;
    assert_eq!(shop.get("/livez").await.status(), 200);
});

on_both!(told_to_stop_amid_work_it_loses_nothing, |db| async move {
    let shop = Shop::on(&db);
    let mut server = shop.serve().await;
    let mut orders = Vec::new();
    for _ in 0..3 {
        let opened = join_all((0..20).map(async |_| {
            let order = shop.open().await;
            shop.pay(&order).await;
            order
        }))
        .await;
        orders.extend(opened);
        // At once: events wait, and handlers run.
        let told = end(&mut server);
        assert!(!told.contains("panic") && told.contains("\"stopped\""), "{told}");
        assert_eq!(shop.number("SELECT COUNT(*) FROM jobs WHERE state = 'running'").await, 0, "jobs were given back");
        server = shop.serve().await;
    }
    for order in &orders {
        shop.until_order_is(order, "fulfilled").await;
    }
    assert_eq!(shop.number("SELECT COUNT(*) FROM licenses").await, 60);
    // A fee that was told before its payment is asked again: that job says so.
    let spent = shop.number("SELECT COUNT(*) FROM jobs WHERE attempt > 1 AND errors IS NULL").await;
    assert_eq!(spent, 0, "a job that was given back has spent no attempt");
    shop.is_sound();
    end(&mut server);
});

#[tokio::test]
async fn a_client_that_never_finishes_does_not_hold_the_end_up_beyond_the_grace() {
    let mintreu = Mintreu::new().env("MINTREU__SHUTDOWN__GRACE", "1s");
    let url = format!("sqlite://{}", mintreu.directory().join("mintreu.db").display());
    let shop = Shop::of(mintreu, &url);
    let mut server = shop.serve().await;
    let half_sent = HalfSent::begin(&shop).await;
    let told = end(&mut server);
    assert!(told.contains("cut connections"), "{told}");
    drop(half_sent);
}

#[tokio::test]
async fn an_empty_directory_is_enough_and_interrupting_ends_it_too() {
    let mintreu = Mintreu::new();
    let mut server = mintreu.serve().await;
    for file in ["var/mintreu.db", "var/secret.key", "var/usage/lock"] {
        assert!(mintreu.directory().join(file).exists(), "{file}");
    }
    server.signal("INT");
    assert!(server.wait().success());
    assert!(server.stdout().is_empty(), "logs go to the standard error");
    assert!(!server.stderr().contains("whsec_"), "{}", server.stderr());
}

#[tokio::test]
async fn a_signal_during_the_start_ends_it_well() {
    let mintreu = Mintreu::new();
    for _ in 0..10 {
        let mut server = mintreu.spawn(&["serve"]);
        // Somewhere between nothing and ready.
        tokio::time::sleep(Duration::from_millis(20)).await;
        server.terminate();
        let status = server.wait();
        assert!(!server.stderr().contains("panic"), "{status}: {}", server.stderr());
    }
    let mut server = mintreu.serve().await;
    server.terminate();
    assert!(server.wait().success());
    assert!(mintreu.run(&["doctor"]).status.success());
}
