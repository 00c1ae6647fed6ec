//! The order's journey: from a request to its licence, and everything that providers may send on the way.

use futures::future::join_all;
use mintreu::{kernel::Time, payments::signature};
use serde_json::{Value, json};

use crate::{
    journey_shop::{SECRET, Shop, new_order, now, paid_event, problem},
    support::TestDb,
};

on_both!(a_paid_order_is_fulfilled_with_one_license, |db| async move {
    let shop = Shop::on(&db);
    let server = shop.serve().await;
    let answer = shop.post("/api/orders", &new_order()).await;
    assert_eq!(answer.status(), 201);
    let opened: Value = answer.json().await.expect("JSON");
    let order = opened["id"].as_str().expect("an identifier");
    assert_eq!((&opened["status"], &opened["licenses"]), (&json!("pending"), &Value::Null));
    assert_eq!(opened["total"], json!({ "amount": 1999, "currency": "USD" }));
    shop.session(order).await;
    assert_eq!(shop.order(order).await["status"], "awaiting_payment");

    shop.pay(order).await;
    let fulfilled = shop.until_order_is(order, "fulfilled").await;
    let license = &fulfilled["licenses"][0];
    assert!(license["id"].as_str().is_some_and(|id| id.starts_with("lic_")), "{fulfilled}");
    assert!(license["license_key"].as_str().is_some_and(|key| key.starts_with("MINTREU-")), "{fulfilled}");

    problem(shop.get(&format!("/pay/{order}")).await, 409, "conflict").await;
    assert_eq!(shop.outcomes().await.iter().filter(|outcome| *outcome == "settled").count(), 1);
    assert_eq!(&shop.order(order).await["licenses"][0], license);
    let key = license["license_key"].as_str().expect("a key");
    for private in [key, shop.buyer().await.email.as_str(), SECRET] {
        assert!(!server.stderr().contains(private), "{private} is in the log");
    }
    assert_eq!(shop.number("SELECT COUNT(*) FROM licenses").await, 1);
    shop.is_sound();
});

on_both!(the_same_event_a_hundred_times_at_once_has_one_effect, |db| async move {
    let shop = Shop::on(&db);
    let _server = shop.serve().await;
    let order = shop.open().await;
    let event = paid_event("evt_same", &order, &json!({}));
    let deliveries = (0..100).map(async |_| shop.deliver(&event).await.status().as_u16());
    assert_eq!(join_all(deliveries).await, vec![200; 100]);
    shop.until_order_is(&order, "fulfilled").await;
    assert_eq!(shop.outcomes().await, ["settled"]);
    assert_eq!(shop.number("SELECT COUNT(*) FROM licenses").await, 1);
    assert_eq!(shop.deliver(&event).await.status(), 200, "long after, too");
    assert_eq!(shop.outcomes().await, ["settled"]);
    shop.is_sound();
});

on_both!(fifty_different_events_for_one_order_settle_it_once, |db| async move {
    let shop = Shop::on(&db);
    let _server = shop.serve().await;
    let order = shop.open().await;
    let deliveries = (0..50).map(async |number| {
        let event = paid_event(&format!("evt_{number}"), &order, &json!({}));
        shop.deliver(&event).await.status().as_u16()
    });
    assert_eq!(join_all(deliveries).await, vec![200; 50]);
    let mut outcomes = shop.outcomes().await;
    outcomes.sort();
    assert_eq!(outcomes.iter().filter(|outcome| *outcome == "settled").count(), 1, "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(|outcome| *outcome == "already_paid").count(), 49, "{outcomes:?}");
    shop.until_order_is(&order, "fulfilled").await;
    assert_eq!(shop.number("SELECT COUNT(*) FROM licenses").await, 1);
    assert_eq!(shop.number("SELECT COUNT(*) FROM audit_entries WHERE action = 'order.paid'").await, 1);
    assert_eq!(shop.number("SELECT COUNT(*) FROM domain_events WHERE name = 'order.paid'").await, 1);
    shop.is_sound();
});

on_both!(an_event_that_does_not_fit_its_order_settles_nothing, |db| async move {
    let shop = Shop::on(&db);
    let _server = shop.serve().await;
    let order = shop.open().await;
    let stranger = order.replace(&order[order.len() - 6..], "000000");
    let cases = [
        ("wrong_amount", paid_event("evt_less", &order, &json!({ "amount_total": 1998, "id": "cs_1" }))),
        ("wrong_amount", paid_event("evt_more", &order, &json!({ "amount_total": 2000, "id": "cs_2" }))),
        ("wrong_amount", paid_event("evt_currency", &order, &json!({ "currency": "eur", "id": "cs_3" }))),
        ("unreadable", paid_event("evt_none", &order, &json!({ "amount_total": null }))),
        ("unreadable", paid_event("evt_no_currency", &order, &json!({ "currency": null }))),
        ("ignored", paid_event("evt_unpaid", &order, &json!({ "payment_status": "unpaid" }))),
        ("unknown_order", paid_event("evt_stranger", &stranger, &json!({}))),
        ("ignored", paid_event("evt_no_order", "not an order", &json!({}))),
        ("ignored", paid_event("evt_null_order", &order, &json!({ "client_reference_id": null }))),
        ("ignored", br#"{"id":"evt_type","type":"customer.created","data":{}}"#.to_vec()),
        ("unreadable", br#"{"id":"evt_shape","type":"checkout.session.completed","data":7}"#.to_vec()),
    ];
    for (outcome, event) in &cases {
        assert_eq!(shop.deliver(event).await.status(), 200, "{outcome}");
        assert_eq!(shop.outcomes().await.last().map(String::as_str), Some(*outcome));
    }
    let expected: Vec<_> = cases.iter().map(|(outcome, _)| *outcome).collect();
    assert_eq!(shop.outcomes().await, expected);
    assert_eq!(shop.order(&order).await["status"], "pending");
    let audited = shop.json(&["audit", "list", "--action", "payment.not_applied", "--object", &order]);
    assert_eq!(audited["data"].as_array().map(Vec::len), Some(3), "{audited}");
    assert_eq!(shop.number("SELECT COUNT(*) FROM licenses").await, 0);

    assert_eq!(shop.deliver(&paid_event("evt_right", &order, &json!({}))).await.status(), 200);
    shop.until_order_is(&order, "fulfilled").await;
    shop.is_sound();
});

on_both!(a_bank_transfer_settles_when_it_arrives, |db| async move {
    let shop = Shop::on(&db);
    let _server = shop.serve().await;
    let order = shop.open().await;
    let completed = paid_event("evt_1", &order, &json!({ "payment_status": "unpaid" }));
    assert_eq!(shop.deliver(&completed).await.status(), 200);
    assert_eq!(shop.outcomes().await, ["ignored"]);
    let arrived = String::from_utf8(paid_event("evt_2", &order, &json!({})))
        .expect("text")
        .replace("checkout.session.completed", "checkout.session.async_payment_succeeded");
    assert_eq!(shop.deliver(arrived.as_bytes()).await.status(), 200);
    shop.until_order_is(&order, "fulfilled").await;
    assert_eq!(shop.outcomes().await, ["ignored", "settled"]);
});

on_both!(a_signed_body_that_is_no_event_is_kept_once_as_rejected_and_answered_200, |db| async move {
    let shop = Shop::on(&db);
    let _server = shop.serve().await;
    let long = format!(r#"{{"id":"{}","type":"x"}}"#, "i".repeat(3000));
    let bodies: [&[u8]; 6] =
        [b"{", b"[]", br#"{"id":"evt_1"}"#, br#"{"id":"","type":"x"}"#, b"\xff\xfe not text \0", long.as_bytes()];
    for body in bodies.into_iter().chain(bodies) {
        assert_eq!(shop.deliver(body).await.status(), 200);
    }
    assert_eq!(shop.outcomes().await, ["rejected"; 6]);
    assert_eq!(shop.number("SELECT COUNT(*) FROM jobs WHERE kind = 'payments.handle_event'").await, 0);
});

on_both!(an_unsigned_delivery_is_refused_and_nothing_of_it_is_kept, |db| async move {
    let shop = Shop::on(&db);
    let _server = shop.serve().await;
    let order = shop.open().await;
    let event = paid_event("evt_1", &order, &json!({}));
    let at = |seconds: i64| Time::from_micros(now().as_micros() + seconds * 1_000_000);
    let signatures = [
        String::new(),
        "t=1".to_owned(),
        "nonsense".to_owned(),
        signature::sign("whsec_another", &event, now()),
        signature::sign(SECRET, b"another body", now()),
        signature::sign(SECRET, &event, at(-330)),
        signature::sign(SECRET, &event, at(330)),
    ];
    for signature in &signatures {
        let refused = problem(shop.deliver_signed(&event, signature).await, 401, "unauthorized").await;
        assert!(!refused.to_string().contains(SECRET), "{refused}");
    }
    let bare = shop.client.post(shop.mintreu.url("/webhooks/sandbox")).body(event).send().await.expect("an answer");
    problem(bare, 401, "unauthorized").await;
    assert_eq!(shop.number("SELECT COUNT(*) FROM webhook_inbox").await, 0);
    assert_eq!(shop.number("SELECT COUNT(*) FROM jobs WHERE kind = 'payments.handle_event'").await, 0);
    assert_eq!(shop.order(&order).await["status"], "pending");
});

#[tokio::test]
async fn while_a_secret_rolls_both_are_good() {
    let db = TestDb::sqlite();
    let mut shop = Shop::on(&db);
    shop.mintreu = shop.mintreu.env("MINTREU__PAYMENTS__SANDBOX__WEBHOOK_SECRET", "whsec_new,whsec_old");
    let _server = shop.serve().await;
    let order = shop.open().await;
    for (secret, status) in [("whsec_new", 200), ("whsec_old", 200), (SECRET, 401)] {
        let event = paid_event(&format!("evt_{secret}"), &order, &json!({}));
        let answer = shop.deliver_signed(&event, &signature::sign(secret, &event, now())).await;
        assert_eq!(answer.status(), status, "{secret}");
    }
}

#[tokio::test]
async fn without_the_sandbox_its_routes_are_not_there() {
    let db = TestDb::sqlite();
    let mut shop = Shop::on(&db);
    shop.mintreu = shop.mintreu.env("MINTREU__PAYMENTS__SANDBOX__ENABLED", "false");
    let _server = shop.serve().await;
    let refused = problem(shop.post("/api/orders", &new_order()).await, 503, "capability-disabled").await;
    assert!(refused["detail"].as_str().is_some_and(|detail| detail.contains("no payment provider")), "{refused}");
    problem(shop.deliver(&paid_event("evt_1", "ord_1", &json!({}))).await, 404, "not-found").await;
    problem(shop.get("/sandbox/pay/cs_1").await, 404, "not-found").await;
}
