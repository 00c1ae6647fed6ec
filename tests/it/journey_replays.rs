//! A request that is sent twice under one key does its work once and is answered twice alike.

use futures::future::join_all;
use mintreu::accounts::Role;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::{
    catalog_shop::patch_plan_price,
    journey_premises::Premises,
    journey_routes::{Route, Who, routes},
    journey_shop::{Shop, new_order, problem},
    support::{TestDb, sign_in},
};

const KEY: &str = "idempotency-key";
const REPLAYED: &str = "idempotent-replayed";

fn order(shop: &Shop, cookie: &str, key: &str, body: &Value) -> RequestBuilder {
    let request = shop.client.post(shop.mintreu.url("/api/orders")).header("cookie", cookie);
    request.header(KEY, key).json(body)
}

/// Status, whether it was given before, and the body to the letter.
async fn read(request: RequestBuilder) -> (u16, bool, String) {
    let answer = request.send().await.expect("an answer");
    let replayed = answer.headers().get(REPLAYED).is_some_and(|value| value == "true");
    (answer.status().as_u16(), replayed, answer.text().await.expect("text"))
}

fn id(text: &str) -> String {
    let body: Value = serde_json::from_str(text).expect("JSON");
    body["id"].as_str().unwrap_or_else(|| panic!("no id in {text}")).to_owned()
}

on_both!(an_order_sent_again_is_the_same_order_also_after_a_restart, |db| async move {
    let shop = Shop::on(&db);
    let mut server = shop.serve().await;
    let cookie = shop.buyer().await.cookie.clone();
    let (status, replayed, first) = read(order(&shop, &cookie, "k-1", &new_order())).await;
    assert_eq!((status, replayed), (201, false), "{first}");
    assert_eq!(read(order(&shop, &cookie, "k-1", &new_order())).await, (201, true, first.clone()));

    // What is priced otherwise meanwhile was answered already.
    let store = shop.db().await;
    patch_plan_price(&store, crate::journey_shop::PRODUCT, "plan", 9_999).await;
    assert_eq!(read(order(&shop, &cookie, "k-1", &new_order())).await, (201, true, first.clone()));

    let mut other = new_order();
    other["items"][0]["quantity"] = json!(2);
    let answer = order(&shop, &cookie, "k-1", &other).send().await.expect("an answer");
    problem(answer, 422, "invalid-input").await;

    let (_, _, second) = read(order(&shop, &cookie, "k-2", &new_order())).await;
    let stranger = sign_in(&store, "stranger@example.com", Role::Customer).await;
    let (_, replayed, theirs) = read(order(&shop, &stranger.cookie, "k-1", &new_order())).await;
    assert!(!replayed);
    let mut guest = new_order();
    guest["email"] = json!("guest@example.com");
    let mut guests = Vec::new();
    for email in ["guest@example.com", "guest@example.com", "other@example.com"] {
        guest["email"] = json!(email);
        let request = shop.client.post(shop.mintreu.url("/api/orders")).header(KEY, "k-1").json(&guest);
        guests.push(read(request).await);
    }
    assert_eq!(guests.iter().map(|guest| guest.1).collect::<Vec<_>>(), [false, true, false]);
    assert_eq!(guests[0].2, guests[1].2, "with the token that shows it");
    let ids: std::collections::BTreeSet<_> =
        [&first, &second, &theirs, &guests[0].2, &guests[2].2].into_iter().map(|text| id(text)).collect();
    assert_eq!(ids.len(), 5, "each caller's keys are their own");

    server.kill_9();
    let _server = shop.serve().await;
    assert_eq!(read(order(&shop, &cookie, "k-1", &new_order())).await, (201, true, first));
    assert_eq!(shop.number("SELECT COUNT(*) FROM orders").await, 5);
    shop.is_sound();
});

on_both!(twenty_at_once_under_one_key_are_one_order, |db| async move {
    let shop = Shop::on(&db);
    let _server = shop.serve().await;
    let cookie = shop.buyer().await.cookie.clone();
    let answers = join_all((0..20).map(|_| read(order(&shop, &cookie, "k", &new_order())))).await;
    let first = &answers[0].2;
    assert!(answers.iter().all(|(status, _, body)| *status == 201 && body == first), "{answers:?}");
    assert_eq!(answers.iter().filter(|(_, replayed, _)| !replayed).count(), 1);
    assert_eq!(shop.number("SELECT COUNT(*) FROM orders").await, 1);
    assert_eq!(shop.number("SELECT COUNT(*) FROM audit_entries WHERE action = 'order.opened'").await, 1);
});

on_both!(a_refusal_is_not_kept_and_the_key_is_good_for_what_is_mended, |db| async move {
    let shop = Shop::on(&db);
    let _server = shop.serve().await;
    let cookie = shop.buyer().await.cookie.clone();
    let mut wrong = new_order();
    wrong["coupon"] = json!("NONE");
    let refused = order(&shop, &cookie, "k", &wrong).send().await.expect("an answer");
    problem(refused, 422, "invalid-input").await;
    let refused = shop.client.post(shop.mintreu.url("/api/orders")).header(KEY, "k").header("cookie", &cookie);
    let refused = refused.header("content-type", "application/json").body("{").send().await.expect("an answer");
    problem(refused, 400, "malformed-body").await;
    assert_eq!(read(order(&shop, &cookie, "k", &new_order())).await.0, 201);
    for key in ["", &"k".repeat(256)] {
        let refused: Response = order(&shop, &cookie, key, &new_order()).send().await.expect("an answer");
        let told = problem(refused, 400, "invalid-parameter").await;
        assert_eq!(told["errors"][0]["pointer"], "#/Idempotency-Key", "{told}");
    }
    assert_eq!(shop.number("SELECT COUNT(*) FROM orders").await, 1);
});

/// What makes something for good, and takes a key.
fn creating() -> Vec<Route> {
    let creates = [
        "/api/account/tokens",
        "/api/licenses/{license}/rotate-key",
        "/api/admin/developers",
        "/api/admin/categories",
        "/api/admin/products",
        "/api/admin/products/{id}/plans",
        "/api/admin/coupons",
        "/api/admin/products/{id}/sources",
        "/api/developer/products/{id}/sources",
        "/api/products/{slug}/download",
        "/api/tickets",
        "/api/tickets/{ticket}/messages",
        "/api/developer/tickets/{ticket}/messages",
        "/api/admin/tickets/{ticket}/messages",
        "/api/admin/canned-answers",
        "/api/admin/articles",
    ];
    let is_one = |route: &Route| route.method == Method::POST && creates.contains(&route.path);
    let found: Vec<_> = routes().into_iter().filter(is_one).collect();
    assert_eq!(found.len(), creates.len());
    found
}

on_both!(whatever_is_made_under_a_key_is_made_once, |db| async move {
    let premises = Premises::on(&db).await;
    for route in creating() {
        let cookie = match route.who {
            Who::Operator => &premises.operator.cookie,
            Who::Vendor(_) => &premises.vendor.cookie,
            _ => &premises.shop.buyer().await.cookie,
        };
        let path = premises.path(&route);
        let body = premises.body(&route).map(|(_, body)| body).unwrap_or_default();
        let request = |body: &str| {
            let request = premises.ask(Method::POST, &path).header("cookie", cookie).header(KEY, "once");
            request.header("content-type", "application/json").body(body.to_owned())
        };
        // All at once: whoever comes second may find a name taken, by itself.
        let answers = join_all((0..6).map(|_| read(request(&body)))).await;
        let (status, _, first) = &answers[0];
        assert!(*status < 300, "{path}: {first}");
        assert!(answers.iter().all(|(other, _, body)| other == status && body == first), "{path}: {answers:?}");
        assert_eq!(answers.iter().filter(|(_, replayed, _)| !replayed).count(), 1, "{path}");
        assert_eq!(read(request(&body)).await, (*status, true, first.clone()), "{path}");
        if !body.is_empty() {
            let mut other: Value = serde_json::from_str(&body).expect("JSON");
            let told = match route.path {
                "/api/admin/products" | "/api/admin/canned-answers" | "/api/admin/articles" => "title",
                "/api/products/{slug}/download" => "version",
                path if path.contains("/tickets") => "body",
                _ => "name",
            };
            other[told] = json!("Another");
            let answer = request(&other.to_string()).send().await.expect("an answer");
            problem(answer, 422, "invalid-input").await;
        }
    }
    // A refund is asked for once, and another body is another request.
    let all = routes();
    let refunds = all.iter().find(|route| route.path.ends_with("/refunds")).expect("a route");
    let path = premises.path(refunds);
    let ask = |amount: i64| {
        let body = json!({ "amount": amount, "reason": "too dark" });
        premises.ask(Method::POST, &path).header("cookie", &premises.operator.cookie).header(KEY, "once").json(&body)
    };
    let before = premises.shop.number("SELECT COUNT(*) FROM refunds").await;
    let answers = join_all((0..6).map(|_| read(ask(100)))).await;
    assert!(answers.iter().all(|(status, _, body)| *status == 202 && *body == answers[0].2), "{answers:?}");
    problem(ask(200).send().await.expect("an answer"), 422, "invalid-input").await;
    assert_eq!(premises.shop.number("SELECT COUNT(*) FROM refunds").await, before + 1);
});

on_both!(the_last_use_of_a_coupon_is_not_taken_from_a_request_by_itself, |db| async move {
    let premises = Premises::on(&db).await;
    let body = json!({ "items": [{ "product": "candle" }], "coupon": "LAST1" });
    let cookie = &premises.shop.buyer().await.cookie;
    let answers = join_all((0..10).map(|_| read(order(&premises.shop, cookie, "last", &body)))).await;
    assert!(answers.iter().all(|(status, _, text)| *status == 201 && *text == answers[0].2), "{answers:?}");
    assert_eq!(premises.shop.number("SELECT used FROM coupons WHERE code = 'LAST1'").await, 1);
    let other = order(&premises.shop, cookie, "other", &body).send().await.expect("an answer");
    let told = problem(other, 422, "invalid-input").await;
    assert_eq!(told["errors"][0]["pointer"], "#/coupon", "{told}");
});

#[tokio::test]
async fn the_key_of_somebody_who_is_not_let_in_is_worth_nothing() {
    let shop = Shop::on(&TestDb::sqlite());
    let _server = shop.serve().await;
    let cookie = shop.buyer().await.cookie.clone();
    assert_eq!(read(order(&shop, &cookie, "k", &new_order())).await.0, 201);
    let answer = order(&shop, "mintreu_session=mss_wrong", "k", &new_order()).send().await.expect("an answer");
    problem(answer, 401, "unauthorized").await;
}
