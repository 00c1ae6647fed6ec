//! Kill switches thrown at every step of a purchase, and lifted again: nothing is lost, and nothing happens twice.

use std::time::Duration;

use reqwest::Response;
use serde_json::{Value, json};

use crate::{
    journey_shop::{PRODUCT, Shop, new_order, paid_event, problem, until},
    support::Running,
};

/// Throws or lifts a switch from another process, and waits until the server has seen it.
async fn flip(shop: &Shop, command: &str, switch: &str) {
    shop.run(&["flags", command, switch, "--reason", "a test of the switch"]);
    let line = format!(r#"mintreu_flags_switch_killed{{switch="{switch}"}} {}"#, u8::from(command == "kill"));
    until(&format!("{command} {switch} is seen"), async || {
        let metrics = shop.client.get(shop.mintreu.metrics_url()).send().await.expect("an answer");
        let metrics = metrics.text().await.expect("text");
        if metrics.lines().any(|seen| seen == line) { Ok(()) } else { Err(line.clone()) }
    })
    .await;
}

/// A refusal that says which switch, and when to come back.
async fn stopped(answer: Response, switch: &str) {
    let wait = answer.headers().get("retry-after").map(|value| value.to_str().expect("text").parse::<u64>());
    assert!(wait.is_some_and(|wait| wait.is_ok_and(|seconds| seconds >= 1)), "Retry-After of {switch}");
    assert_eq!(problem(answer, 503, "capability-disabled").await["capability"], switch);
}

/// Longer than workers take to look for jobs: what would be taken up is taken up by now.
async fn a_while() {
    tokio::time::sleep(Duration::from_millis(1_500)).await;
}

/// One purchase in the end: one licence, one sale in the ledger, one event for each thing.
async fn once(shop: &Shop, order: &str, orders: i64) {
    shop.until_order_is(order, "fulfilled").await;
    for query in [
        "SELECT COUNT(*) FROM licenses",
        "SELECT COUNT(*) FROM ledger_transactions WHERE kind = 'sale'",
        "SELECT COUNT(*) FROM domain_events WHERE name = 'order.paid'",
        "SELECT COUNT(*) FROM audit_entries WHERE action = 'order.paid'",
    ] {
        assert_eq!(shop.number(query).await, orders, "{query}");
    }
    shop.is_sound();
}

async fn started(db: &crate::support::TestDb) -> (Shop, Running) {
    let shop = Shop::on(db);
    let server = shop.serve().await;
    (shop, server)
}

on_both!(payments_thrown_at_every_step_delay_a_purchase_and_no_more, |db| async move {
    let (shop, mut server) = started(&db).await;
    // Before the order: it is refused, and its key is still good afterwards.
    flip(&shop, "kill", "payments").await;
    let cookie = shop.buyer().await.cookie.clone();
    let order = || {
        let request = shop.client.post(shop.mintreu.url("/api/orders")).header("cookie", &cookie);
        request.header("idempotency-key", "k").json(&new_order()).send()
    };
    stopped(order().await.expect("an answer"), "payments").await;
    stopped(shop.post("/api/quotes", &new_order()).await, "payments").await;
    assert_eq!(shop.number("SELECT COUNT(*) FROM orders").await, 0);
    flip(&shop, "restore", "payments").await;
    let opened = order().await.expect("an answer");
    assert_eq!(opened.status(), 201);
    let first: Value = opened.json().await.expect("JSON");
    let first = first["id"].as_str().expect("an id").to_owned();

    // Before the payment: the order can be seen and called off, but not paid.
    flip(&shop, "kill", "payments").await;
    stopped(shop.get(&format!("/pay/{first}")).await, "payments").await;
    assert_eq!(shop.order(&first).await["status"], "pending");
    flip(&shop, "restore", "payments").await;
    shop.pay(&first).await;
    once(&shop, &first, 1).await;

    // Before the webhook: the buyer is with the provider already, who sends what it sends.
    let second = shop.open().await;
    let session = shop.session(&second).await;
    flip(&shop, "kill", "payments").await;
    let complete = format!("/sandbox/sessions/{session}/complete");
    let paid = shop.post(&complete, &json!({ "outcome": "paid", "copies": 3 })).await;
    assert_eq!(paid.status(), 200, "the provider is no part of the shop");
    for _ in 0..3 {
        let event = paid_event("evt_again", &second, &json!({ "id": session }));
        assert_eq!(shop.deliver(&event).await.status(), 200, "what providers send is kept");
    }
    a_while().await;
    assert_eq!(shop.order(&second).await["status"], "awaiting_payment");
    let unhandled = "SELECT COUNT(*) FROM webhook_inbox WHERE handled_at IS NULL";
    let kept = shop.number(unhandled).await;
    assert!(kept >= 2, "the provider's own and ours: {kept}");
    assert_eq!(shop.number("SELECT COUNT(*) FROM webhook_inbox WHERE event_id = 'evt_again'").await, 1);

    // Between webhook and settlement the server is killed as well, and comes back under the switch.
    server.kill_9();
    let _server = shop.serve().await;
    a_while().await;
    assert_eq!(shop.number(unhandled).await, kept);
    stopped(shop.post("/api/orders", &new_order()).await, "payments").await;
    flip(&shop, "restore", "payments").await;
    once(&shop, &second, 2).await;
    until("every event is handled", async || match shop.number(unhandled).await {
        0 => Ok(()),
        left => Err(left),
    })
    .await;
    once(&shop, &second, 2).await;
});

on_both!(licensing_thrown_between_settlement_and_licence_gives_the_licence_later, |db| async move {
    let (shop, mut server) = started(&db).await;
    let first = shop.open().await;
    shop.pay(&first).await;
    let view = shop.until_order_is(&first, "fulfilled").await;
    let (key, license) = (view["licenses"][0]["license_key"].clone(), view["licenses"][0]["id"].clone());
    let place = json!({ "license_key": key, "instance_name": "desk", "fingerprint": "desk" });
    let activated: Value = shop.post("/api/license/activate", &place).await.json().await.expect("JSON");
    let instance = &activated["instance"]["id"];

    flip(&shop, "kill", "licensing").await;
    // New places wait; what runs goes on, and owners and operators keep their hands on it.
    let uuid =
        json!({ "license_key": key, "instance_name": "x", "instance_id": "0196f2a0-0000-7000-8000-000000000000" });
    for (path, body) in [
        ("/api/license/activate", &place),
        ("/api/license/deactivate", &place),
        ("/v1/licenses/activate", &uuid),
        ("/v1/licenses/deactivate", &uuid),
    ] {
        stopped(shop.post(path, body).await, "licensing").await;
    }
    let path =
        format!("/api/licenses/{}/activations/{}", license.as_str().expect("id"), instance.as_str().expect("id"));
    let request = shop.client.delete(shop.mintreu.url(&path)).header("cookie", &shop.buyer().await.cookie);
    stopped(request.send().await.expect("an answer"), "licensing").await;
    let valid: Value = shop.post("/api/license/validate", &place).await.json().await.expect("JSON");
    assert_eq!(valid["code"], "VALID", "{valid}");
    assert_eq!(shop.post("/v1/licenses/validate", &json!({ "license_key": key })).await.status(), 200);

    // Orders are taken and settled; their licences wait.
    let second = shop.open().await;
    shop.pay(&second).await;
    shop.until_order_is(&second, "paid").await;
    a_while().await;
    assert_eq!(shop.order(&second).await["licenses"], json!([]));
    assert_eq!(shop.number("SELECT COUNT(*) FROM licenses").await, 1);
    server.kill_9();
    let _server = shop.serve().await;
    a_while().await;
    assert_eq!(shop.number("SELECT COUNT(*) FROM licenses").await, 1, "a restart lifts no switch");
    // What is to be taken back is taken back all the same.
    let revoked = shop.run(&["licenses", "revoke", key.as_str().expect("a key"), "--reason", "stolen"]);
    assert!(!revoked.is_empty());
    until("the revocation is seen", async || {
        let answer: Value = shop.post("/api/license/validate", &place).await.json().await.expect("JSON");
        if answer["code"] == "REVOKED" { Ok(()) } else { Err(answer) }
    })
    .await;
    flip(&shop, "restore", "licensing").await;
    once(&shop, &second, 2).await;
});

on_both!(both_thrown_and_lifted_in_either_order_end_in_one_licence_each, |db| async move {
    let (shop, _server) = started(&db).await;
    for (number, order_of_lifting) in [["payments", "licensing"], ["licensing", "payments"]].into_iter().enumerate() {
        let order = shop.open().await;
        let session = shop.session(&order).await;
        flip(&shop, "kill", "payments").await;
        flip(&shop, "kill", "licensing").await;
        let event = paid_event(&format!("evt_{number}"), &order, &json!({ "id": session }));
        assert_eq!(shop.deliver(&event).await.status(), 200);
        a_while().await;
        assert_eq!(shop.order(&order).await["status"], "awaiting_payment");
        for switch in order_of_lifting {
            flip(&shop, "restore", switch).await;
            a_while().await;
        }
        once(&shop, &order, i64::try_from(number).expect("small") + 1).await;
    }
});

on_both!(while_all_switches_are_thrown_the_shop_can_be_looked_at_and_signed_into, |db| async move {
    let (shop, _server) = started(&db).await;
    for switch in ["payments", "licensing", "downloads", "referrals", "ai", "support"] {
        flip(&shop, "kill", switch).await;
    }
    for path in ["/api/products", "/api/categories", "/api/orders", "/api/licenses", "/api/account", "/readyz"] {
        assert_eq!(shop.get(path).await.status(), 200, "{path}");
    }
    assert_eq!(shop.get(&format!("/api/products/{PRODUCT}")).await.status(), 200);
    let register = json!({ "name": "Ada", "email": "ada@example.com", "password": "correct horse battery" });
    assert_eq!(shop.post("/api/register", &register).await.status(), 202);
});
