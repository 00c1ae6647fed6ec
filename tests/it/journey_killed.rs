//! The server is killed with `kill -9` again and again while orders are opened and paid: nothing that was
//! acknowledged is lost, and nothing is given twice.

use std::{
    collections::BTreeSet,
    hash::{BuildHasher, Hasher, RandomState},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::future::join_all;
use mintreu::usage::{self, Count, Usage};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use crate::journey_shop::{Shop, ids, new_order, now, session_in, until};

const CLIENTS: usize = 8;
const ORDERS: usize = 25;
const KILLS: usize = 5;
const COUNTED: u64 = 40;

/// What the clients were told.
#[derive(Default)]
struct Told {
    opened: Mutex<BTreeSet<String>>,
    paid: Mutex<BTreeSet<String>>,
    /// Requests that were answered well: by it the moments of the kills are chosen.
    answers: AtomicUsize,
}

/// Sends a request until it is answered well, however often the server dies meanwhile. What was done by a try whose
/// answer was lost cannot be done again: that is an answer too.
async fn insist(told: &Told, what: &str, send: impl AsyncFn() -> reqwest::Result<Response>) -> Option<Value> {
    let answer = until(what, async || {
        let answer = send().await.map_err(|error| error.to_string())?;
        match answer.status() {
            StatusCode::CONFLICT => Ok(None),
            status if status.is_success() => answer.json().await.map(Some).map_err(|error| error.to_string()),
            status => Err(status.to_string()),
        }
    })
    .await;
    told.answers.fetch_add(1, Ordering::Relaxed);
    answer
}

async fn buy(shop: &Shop, told: &Told) {
    for _ in 0..ORDERS {
        // With a key, a try whose answer was lost is answered again and does nothing twice.
        let key = ids().next_uuid().to_string();
        let opened = insist(told, "an order is opened", async || {
            let request = shop.client.post(shop.mintreu.url("/api/orders")).header("idempotency-key", &key);
            request.header("cookie", &shop.buyer().await.cookie).json(&new_order()).send().await
        });
        let opened = opened.await.expect("an order");
        let order = opened["id"].as_str().expect("an identifier").to_owned();
        told.opened.lock().expect("a lock").insert(order.clone());
        let pay = shop.mintreu.url(&format!("/pay/{order}"));
        let session = insist(told, "a session is opened", async || {
            shop.client.get(&pay).header("accept", "application/json").send().await
        });
        let session = session_in(&session.await.expect("a session"));
        let complete = shop.mintreu.url(&format!("/sandbox/sessions/{session}/complete"));
        insist(told, "it is paid", async || shop.post_at(&complete, &json!({ "outcome": "paid" })).await).await;
        told.paid.lock().expect("a lock").insert(order);
    }
}

/// Counts as a process does that is killed before it could flush: the counts are in the journal alone.
fn count_and_die(shop: &Shop) {
    let directory = shop.mintreu.directory().join("var/usage");
    let usage = Usage::open(usage::Config::in_dir(directory), ids()).expect("the journal is free");
    for _ in 0..COUNTED {
        let (subject, metric, endpoint) = ("lic_1", "requests", "GET /v1/posts");
        usage.record(&Count { subject, metric, endpoint, amount: 3, at: now(), call: None });
    }
}

/// Kills the server at random moments, spread over all that the clients do.
async fn kill_again_and_again(shop: &Shop, told: &Told) {
    let random = || RandomState::new().build_hasher().finish();
    let all_answers = CLIENTS * ORDERS * 3;
    let mut server = shop.serve().await;
    for kill in 1..=KILLS {
        let moment = all_answers * kill / (KILLS + 1);
        until(&format!("{moment} requests are answered"), async || {
            let answers = told.answers.load(Ordering::Relaxed);
            if answers >= moment { Ok(()) } else { Err(answers) }
        })
        .await;
        tokio::time::sleep(Duration::from_micros(random() % 30_000)).await;
        server.kill_9();
        count_and_die(shop);
        server = shop.serve().await;
    }
    until("all requests are answered", async || {
        let answers = told.answers.load(Ordering::Relaxed);
        if answers >= all_answers { Ok(()) } else { Err(answers) }
    })
    .await;
    server.kill_9();
}

on_both!(killed_again_and_again_it_loses_no_order_and_gives_each_one_license, |db| async move {
    let mut shop = Shop::on(&db);
    // A dead server's jobs are another's after the lease.
    shop.mintreu = shop.mintreu.env("MINTREU__JOBS__LEASE", "2s");
    let told = Told::default();
    tokio::join!(kill_again_and_again(&shop, &told), join_all((0..CLIENTS).map(|_| buy(&shop, &told))));

    let _server = shop.serve().await;
    let opened = told.opened.lock().expect("a lock").clone();
    assert_eq!(opened.len(), CLIENTS * ORDERS);
    assert_eq!(*told.paid.lock().expect("a lock"), opened);
    for order in &opened {
        shop.until_order_is(order, "fulfilled").await;
    }
    let outcomes = shop.outcomes().await;
    let settled = outcomes.iter().filter(|outcome| *outcome == "settled").count();
    assert!(settled <= opened.len(), "each is settled once: {outcomes:?}");
    let known = ["settled", "already_paid", "fee_booked", "no_change", "ignored"];
    assert!(outcomes.iter().all(|outcome| known.contains(&outcome.as_str())), "{outcomes:?}");

    let all_paid = i64::try_from(opened.len()).expect("a few");
    for (count, query) in [
        (all_paid, "SELECT COUNT(*) FROM licenses"),
        (all_paid, "SELECT COUNT(DISTINCT order_id) FROM licenses"),
        (all_paid, "SELECT COUNT(*) FROM orders WHERE paid_at IS NOT NULL AND fulfilled_at IS NOT NULL"),
        (0, "SELECT COUNT(*) FROM orders WHERE (paid_at IS NULL) != (fulfilled_at IS NULL)"),
        (all_paid, "SELECT COUNT(*) FROM audit_entries WHERE action = 'order.paid'"),
        (all_paid, "SELECT COUNT(*) FROM audit_entries WHERE action = 'order.fulfilled'"),
        (all_paid, "SELECT COUNT(*) FROM domain_events WHERE name = 'license.created'"),
    ] {
        assert_eq!(shop.number(query).await, count, "{query}");
    }
    let (orders, audited) = (
        shop.number("SELECT COUNT(*) FROM orders").await,
        shop.number("SELECT COUNT(*) FROM audit_entries WHERE action = 'order.opened'").await,
    );
    assert_eq!(orders, audited, "every order was audited");

    let counted = i64::try_from(COUNTED * 3 * KILLS as u64).expect("a few");
    until("every journal is counted", async || {
        let query = "SELECT CAST(COALESCE(SUM(count), 0) AS BIGINT) FROM usage_summaries
                     WHERE period = 'month' AND subject = 'lic_1' AND metric = 'requests'";
        let sum = shop.number(query).await;
        assert!(sum <= counted, "{sum}: none is counted twice");
        if sum == counted { Ok(()) } else { Err(sum) }
    })
    .await;
    until("the queue is empty", async || {
        // What is for later, such as mail that no one takes here, is not waited for.
        let left = shop
            .number("SELECT COUNT(*) FROM jobs WHERE state != 'completed' AND queue IN ('payments', 'licensing')")
            .await;
        if left == 0 { Ok(()) } else { Err(left) }
    })
    .await;
    shop.is_sound();
    until("every entry of the trail is sealed", async || {
        let trail = shop.json(&["audit", "verify"]);
        if trail["unsealed"] == 0 { Ok(()) } else { Err(trail) }
    })
    .await;
});
