//! Webhooks, the sandbox's page and the operators' view of the inbox, over the real server.

use std::fs;

use futures::future::join_all;
use mintreu::{
    accounts::Role,
    db::Db,
    payments::{Provider, sandbox::Sandbox, signature},
};
use reqwest::Response;
use serde_json::{Value, json};

use crate::{
    journey_shop::{SECRET, Shop, problem},
    payments_scene::{checkout, ids, intake, now, number, usd},
    support::{Mintreu, PAYPAL_CLIENT, PAYPAL_WEBHOOK, PaypalServer, STRIPE_KEY, StripeServer, TestDb, sign_in},
};

fn event(id: &str) -> Vec<u8> {
    json!({ "id": id, "type": "customer.created", "data": { "object": {} } }).to_string().into()
}

async fn deliver(shop: &Shop, provider: &str, secret: &str, body: &[u8]) -> Response {
    let header = signature::sign(secret, body, now());
    let request =
        shop.client.post(shop.mintreu.url(&format!("/webhooks/{provider}"))).header("stripe-signature", header);
    request.body(body.to_owned()).send().await.expect("an answer")
}

async fn handled(db: &Db) {
    crate::support::eventually("all events are handled", async || {
        number(db, "SELECT COUNT(*) FROM webhook_inbox WHERE handled_at IS NULL").await == 0
    })
    .await;
}

on_both!(the_same_delivery_a_hundred_times_at_once_is_answered_and_handled_once, |db| async move {
    let shop = Shop::on(&db);
    let _server = shop.serve().await;
    let (store, body) = (shop.db().await, event("evt_same"));
    let answers =
        join_all((0..100).map(async |_| deliver(&shop, "sandbox", SECRET, &body).await.status().as_u16())).await;
    assert_eq!(answers, vec![200; 100]);
    handled(&store).await;
    assert_eq!(number(&store, "SELECT COUNT(*) FROM webhook_inbox").await, 1);
    crate::support::settled(&store).await;
    assert_eq!(number(&store, "SELECT COUNT(*) FROM jobs WHERE state = 'discarded'").await, 0);
    shop.is_sound();
});

#[tokio::test]
async fn each_provider_is_there_only_when_it_is_on() {
    let db = TestDb::sqlite();
    let shop = Shop::on(&db);
    let _server = shop.serve().await;
    let body = event("evt_1");
    for provider in ["stripe", "paypal", "nobody", "..%2f", "STRIPE"] {
        problem_of(&deliver(&shop, provider, SECRET, &body).await, 404);
    }
    for header in [String::new(), signature::sign("whsec_x", &body, now()), "t=1,v1=00".to_owned()] {
        let request = shop.client.post(shop.mintreu.url("/webhooks/sandbox")).header("stripe-signature", header);
        problem(request.body(body.clone()).send().await.expect("an answer"), 401, "unauthorized").await;
    }
    let large = vec![b' '; (1 << 20) + 1];
    problem(deliver(&shop, "sandbox", SECRET, &large).await, 413, "body-too-large").await;
    assert_eq!(deliver(&shop, "sandbox", SECRET, b"{").await.status(), 200, "signed, so kept");
    let store = shop.db().await;
    assert_eq!(number(&store, "SELECT COUNT(*) FROM webhook_inbox").await, 1);
    let metrics =
        shop.client.get(shop.mintreu.metrics_url()).send().await.expect("metrics").text().await.expect("text");
    assert!(metrics.contains(r#"mintreu_webhooks_total{provider="sandbox",outcome="refused"} 3"#), "{metrics}");
}

fn problem_of(answer: &Response, status: u16) {
    assert_eq!(answer.status(), status);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
}

#[tokio::test]
async fn stripes_and_paypals_own_signatures_are_taken() {
    let (stripe, paypal) = (StripeServer::start().await, PaypalServer::start().await);
    let db = TestDb::sqlite();
    let mintreu = Mintreu::new();
    let roots = mintreu.directory().join("roots.pem");
    fs::write(&roots, paypal.roots()).expect("written");
    let shop = Shop::of(
        mintreu
            .env("MINTREU__PAYMENTS__STRIPE__API_BASE", stripe.base_url())
            .env("MINTREU__PAYMENTS__STRIPE__SECRET_KEY", STRIPE_KEY)
            .env("MINTREU__PAYMENTS__STRIPE__WEBHOOK_SECRET", "whsec_1,whsec_2")
            .env("MINTREU__PAYMENTS__PAYPAL__API_BASE", paypal.base_url())
            .env("MINTREU__PAYMENTS__PAYPAL__CLIENT_ID", PAYPAL_CLIENT.0)
            .env("MINTREU__PAYMENTS__PAYPAL__CLIENT_SECRET", PAYPAL_CLIENT.1)
            .env("MINTREU__PAYMENTS__PAYPAL__WEBHOOK_ID", PAYPAL_WEBHOOK)
            .env("MINTREU__PAYMENTS__PAYPAL__CERTIFICATE_ROOTS", "roots.pem"),
        &db.url(),
    );
    let server = shop.serve().await;
    stripe.deliver_to(shop.mintreu.url("/webhooks/stripe"), "whsec_2");
    paypal.deliver_to(shop.mintreu.url("/webhooks/paypal"));
    let told = json!({ "id": "evt_1", "type": "customer.created", "data": { "object": {} } });
    assert_eq!(stripe.deliver(&told).await, Some(200));
    let told = json!({ "id": "WH-1", "event_type": "BILLING.PLAN.CREATED", "resource": {} });
    for _ in 0..3 {
        assert_eq!(paypal.deliver(&told).await, Some(200), "{}", server.stderr());
    }
    stripe.deliver_to(shop.mintreu.url("/webhooks/stripe"), "whsec_3");
    assert_eq!(stripe.deliver(&json!({ "id": "evt_2", "type": "x" })).await, Some(401));
    let body =
        shop.client.post(shop.mintreu.url("/webhooks/paypal")).body(told.to_string()).send().await.expect("an answer");
    problem(body, 401, "unauthorized").await;
    let store = shop.db().await;
    handled(&store).await;
    assert_eq!(number(&store, "SELECT COUNT(*) FROM webhook_inbox").await, 2);
    for secret in [STRIPE_KEY, "whsec_2", PAYPAL_CLIENT.1] {
        assert!(!server.stderr().contains(secret), "{secret} is in the log");
    }
}

on_both!(operators_look_at_the_inbox_and_replay_and_nobody_else, |db| async move {
    let shop = Shop::on(&db);
    let _server = shop.serve().await;
    let store = shop.db().await;
    for number in 0..3 {
        assert_eq!(deliver(&shop, "sandbox", SECRET, &event(&format!("evt_{number}"))).await.status(), 200);
    }
    handled(&store).await;
    let admin = sign_in(&store, "root@example.com", Role::Admin).await;
    let buyer = sign_in(&store, "ada@example.com", Role::Customer).await;
    let get = async |path: &str, cookie: &str| {
        shop.client.get(shop.mintreu.url(path)).header("cookie", cookie).send().await.expect("an answer")
    };
    let post = async |path: &str, cookie: &str| {
        shop.client
            .post(shop.mintreu.url(path))
            .header("cookie", cookie)
            .json(&serde_json::json!({ "reason": "again" }))
            .send()
            .await
            .expect("an answer")
    };
    let page: Value = get("/api/admin/webhooks?limit=2", &admin.cookie).await.json().await.expect("JSON");
    assert_eq!((page["data"].as_array().map(Vec::len), &page["has_more"]), (Some(2), &json!(true)), "{page}");
    assert_eq!(page["data"][0]["event_id"], "evt_2");
    assert!(page["data"][0].get("payload").is_none());
    let id = page["data"][0]["id"].as_str().expect("a name").to_owned();
    let cursor = page["next_cursor"].as_str().expect("a cursor");
    let rest: Value =
        get(&format!("/api/admin/webhooks?after={cursor}"), &admin.cookie).await.json().await.expect("JSON");
    assert_eq!(rest["data"].as_array().map(Vec::len), Some(1), "{rest}");
    for (query, count) in [
        ("provider=sandbox", 3),
        ("provider=stripe", 0),
        ("type=customer.created", 3),
        ("outcome=none", 0),
        ("unhandled=true", 0),
    ] {
        let page: Value = get(&format!("/api/admin/webhooks?{query}"), &admin.cookie).await.json().await.expect("JSON");
        assert_eq!(page["data"].as_array().map(Vec::len), Some(count), "{query}: {page}");
    }
    let shown: Value = get(&format!("/api/admin/webhooks/{id}"), &admin.cookie).await.json().await.expect("JSON");
    assert!(shown["payload"].as_str().is_some_and(|body| body.contains("evt_2")), "{shown}");
    let replay = format!("/api/admin/webhooks/{id}/replay");
    assert_eq!(post(&replay, &admin.cookie).await.status(), 202);
    handled(&store).await;
    let shown: Value = get(&format!("/api/admin/webhooks/{id}"), &admin.cookie).await.json().await.expect("JSON");
    assert_eq!(shown["replays"], 1, "{shown}");

    for path in ["/api/admin/webhooks".to_owned(), format!("/api/admin/webhooks/{id}")] {
        problem(get(&path, "").await, 401, "unauthorized").await;
        problem(get(&path, &buyer.cookie).await, 403, "forbidden").await;
    }
    problem(post(&replay, "").await, 401, "unauthorized").await;
    problem(post(&replay, &buyer.cookie).await, 403, "forbidden").await;
    let none: mintreu::payments::WebhookId = ids().next();
    problem(get(&format!("/api/admin/webhooks/{none}"), &admin.cookie).await, 404, "not-found").await;
    problem(post(&format!("/api/admin/webhooks/{none}/replay"), &admin.cookie).await, 404, "not-found").await;
    for path in ["?provider=x", "?limit=0", "?limit=101", "?after=x", "?outcome=%00", "?unhandled=7", "/nonsense"] {
        problem(get(&format!("/api/admin/webhooks{path}"), &admin.cookie).await, 400, "invalid-parameter").await;
    }
    let long = format!("?type={}", "x".repeat(300));
    problem(get(&format!("/api/admin/webhooks{long}"), &admin.cookie).await, 400, "invalid-parameter").await;

    let listed = shop.json(&["webhooks", "list", "--provider", "sandbox", "--limit", "2"]);
    assert_eq!(listed.as_array().map(Vec::len), Some(2), "{listed}");
    assert!(shop.run(&["webhooks", "list"]).contains("customer.created"));
    let shown: Value = serde_json::from_str(&shop.run(&["webhooks", "show", &id])).expect("JSON");
    assert_eq!(shown["event_id"], "evt_2");
    assert_eq!(shop.json(&["webhooks", "replay", &id])["replayed"], json!(id));
    shop.refused(&["webhooks", "replay", &none.to_string()], 1);
    shop.refused(&["webhooks", "list", "--provider", "nobody"], 2);
    handled(&store).await;
    assert_eq!(number(&store, "SELECT COUNT(*) FROM audit_entries WHERE action = 'webhook.replayed'").await, 2);
    shop.is_sound();
});

on_both!(the_sandbox_has_a_page_to_pay_on_and_controls, |db| async move {
    let shop = Shop::on(&db);
    let _server = shop.serve().await;
    let store = shop.db().await;
    let provider = Sandbox::new(store.clone(), intake(), "http://shop.example.com");
    let mut asked = checkout(usd(1999));
    asked.description = "<script>alert(1)</script> & Ink".to_owned();
    let session = provider.open(&asked).await.expect("opened").reference;
    let path = format!("/sandbox/pay/{session}");
    let page = shop.get(&path).await;
    assert_eq!(page.status(), 200);
    let policy = page.headers()["content-security-policy"].to_str().expect("text").to_owned();
    assert!(policy.contains("form-action 'self' https://shop.example.com") && !policy.contains("unsafe"), "{policy}");
    let html = page.text().await.expect("text");
    assert!(html.contains("19.99 USD") && html.contains(&asked.order.to_string()), "{html}");
    assert!(!html.contains("<script>"), "{html}");
    assert_eq!(shop.get("/sandbox/style.css").await.headers()["content-type"], "text/css; charset=utf-8");

    let stay = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
    let send = async |form: &'static str| {
        let request = stay.post(shop.mintreu.url(&path)).header("content-type", "application/x-www-form-urlencoded");
        request.body(form).send().await.expect("an answer")
    };
    for form in [
        "",
        "outcome=free",
        "outcome=paid&copies=0",
        "outcome=paid&copies=x",
        "outcome=paid&currency=zzz",
        "outcome=paid&amount=-1",
    ] {
        assert!(send(form).await.status().is_client_error(), "{form}");
    }
    let declined = send("outcome=declined&copies=1&delay_seconds=0&amount=&currency=").await;
    assert_eq!(
        (declined.status().as_u16(), declined.headers()["location"].to_str().expect("text")),
        (303, path.as_str())
    );
    let paid = send("outcome=paid&copies=2&delay_seconds=0&amount=&currency=").await;
    assert_eq!(paid.headers()["location"], "https://shop.example.com/done");
    assert_eq!(send("outcome=paid").await.status(), 409);
    let after = shop.get(&path).await.text().await.expect("text");
    assert!(after.contains("This session is paid") && !after.contains("<form"), "{after}");
    assert_eq!(number(&store, "SELECT COUNT(*) FROM webhook_inbox").await, 4);

    let control = format!("/sandbox/sessions/{session}");
    let shown: Value = shop.get(&control).await.json().await.expect("JSON");
    assert_eq!((&shown["state"], &shown["amount"]), (&json!("paid"), &json!(1999)), "{shown}");
    assert_eq!(shop.post(&format!("{control}/refund"), &json!({ "amount": 999, "copies": 2 })).await.status(), 201);
    let refused = shop.post(&format!("{control}/refund"), &json!({ "amount": 1999 })).await;
    problem(refused, 422, "invalid-input").await;
    assert_eq!(shop.post(&format!("{control}/dispute"), &json!({ "action": "open" })).await.status(), 200);
    problem(shop.post(&format!("{control}/dispute"), &json!({ "action": "open" })).await, 409, "conflict").await;
    problem(shop.post(&format!("{control}/complete"), &json!({ "outcome": "paid" })).await, 409, "conflict").await;
    problem(shop.post(&format!("{control}/complete"), &json!({ "outcome": "rich" })).await, 400, "malformed-body")
        .await;
    problem(shop.post("/sandbox/subscriptions/sub_x/renew", &json!({ "outcome": "paid" })).await, 404, "not-found")
        .await;
    for unknown in ["/sandbox/pay/cs_none", "/sandbox/pay/%00", "/sandbox/sessions/%27", "/sandbox/sessions/cs_none"] {
        problem_of(&shop.get(unknown).await, 404);
    }
});

on_both!(what_the_sandbox_tells_late_is_told_by_the_server, |db| async move {
    let shop = Shop::on(&db);
    let _server = shop.serve().await;
    let store = shop.db().await;
    let provider = Sandbox::new(store.clone(), intake(), "http://shop.example.com");
    let session = provider.open(&checkout(usd(1999))).await.expect("opened").reference;
    let complete = format!("/sandbox/sessions/{session}/complete");
    let body = json!({ "outcome": "delayed", "delay_seconds": 1 });
    assert_eq!(shop.post(&complete, &body).await.status(), 200);
    crate::support::eventually("the transfer arrives", async || {
        let arrived =
            "SELECT COUNT(*) FROM webhook_inbox WHERE event_type = 'checkout.session.async_payment_succeeded'";
        number(&store, arrived).await == 1
    })
    .await;
    let other = provider.open(&checkout(usd(1))).await.expect("opened").reference;
    let complete = format!("/sandbox/sessions/{other}/complete");
    let body = json!({ "outcome": "paid", "delay_seconds": 1, "copies": 3 });
    assert_eq!(shop.post(&complete, &body).await.status(), 200);
    crate::support::eventually("the late events arrive", async || {
        number(&store, "SELECT COUNT(*) FROM webhook_inbox WHERE event_type = 'charge.updated'").await == 2
    })
    .await;
});

#[tokio::test]
async fn without_the_sandbox_nothing_of_it_is_there() {
    let db = TestDb::sqlite();
    let mut shop = Shop::on(&db);
    shop.mintreu = shop.mintreu.env("MINTREU__PAYMENTS__SANDBOX__ENABLED", "false");
    let _server = shop.serve().await;
    for path in ["/sandbox/style.css", "/sandbox/pay/cs_1", "/sandbox/sessions/cs_1"] {
        problem_of(&shop.get(path).await, 404);
    }
    problem(deliver(&shop, "sandbox", SECRET, &event("evt_1")).await, 404, "not-found").await;
}
