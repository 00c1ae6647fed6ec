//! What a client gets wrong is told to it: the status, a problem document, and where the fault is.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    journey_shop::{PRODUCT, Shop, new_order, problem},
    support::TestDb,
};

const ORDERS: &str = "/api/orders";
const JSON: &str = "application/json";

/// A request, and the problem that it must meet: status, name, and the pointer of the one error if there is one.
struct Case(Method, &'static str, &'static str, Vec<u8>, (u16, &'static str, Option<&'static str>));

fn post(kind: &'static str, body: impl Into<Vec<u8>>, met: (u16, &'static str, Option<&'static str>)) -> Case {
    Case(Method::POST, ORDERS, kind, body.into(), met)
}

fn bodies() -> Vec<Case> {
    let malformed = |pointer| (400, "malformed-body", pointer);
    let invalid = |pointer| (422, "invalid-input", Some(pointer));
    let with = |name: &str, value: Value| {
        let mut body = json!({ "items": [{ "product": PRODUCT }] });
        body[name] = value;
        body.to_string()
    };
    let item = |item: Value| json!({ "items": [item] }).to_string();
    let long = "x".repeat(300);
    vec![
        post(JSON, "", malformed(None)),
        post(JSON, "{", malformed(None)),
        post(JSON, "{\"email\": \"a@b.c\",}", malformed(None)),
        post(JSON, b"\xff\xff".as_slice(), malformed(None)),
        post(JSON, "[]", malformed(Some("#"))),
        post(JSON, "null", malformed(Some("#"))),
        post(JSON, r#"{"email":"a@b.c"}"#, malformed(Some("#/items"))),
        post(JSON, with("price", json!(1)), malformed(Some("#/price"))),
        post(JSON, with("currency", json!("ZZZ")), malformed(Some("#/currency"))),
        post(JSON, with("provider", json!("cash")), malformed(Some("#/provider"))),
        post(JSON, with("provider", json!("stripe")), invalid("#/provider")),
        post(JSON, with("currency", json!("EUR")), invalid("#/items/0")),
        post(JSON, with("coupon", json!("NONE")), invalid("#/coupon")),
        post(JSON, with("coupon", json!("\0")), invalid("#/coupon")),
        post(JSON, with("items", json!([])), invalid("#/items")),
        post(JSON, with("items", json!(vec![json!({ "product": PRODUCT }); 51])), invalid("#/items")),
        post(JSON, item(json!({ "product": PRODUCT, "quantity": 0 })), invalid("#/items/0")),
        post(JSON, item(json!({ "product": PRODUCT, "quantity": -1 })), invalid("#/items/0")),
        post(JSON, item(json!({ "product": PRODUCT, "quantity": i64::MAX })), invalid("#/items/0")),
        post(JSON, item(json!({ "product": PRODUCT, "quantity": 1.5 })), malformed(Some("#/items/0/quantity"))),
        post(JSON, item(json!({ "product": PRODUCT, "plan": "none" })), invalid("#/items/0")),
        post(JSON, item(json!({ "product": long })), invalid("#/items/0")),
        post(JSON, item(json!({ "product": "\0" })), invalid("#/items/0")),
        post(JSON, item(json!({ "product": "prd_01kae41rr5f71r9kjywk21ja4c" })), invalid("#/items/0")),
        post("text/plain", new_order().to_string(), (415, "unsupported-media-type", None)),
        post("application/x-www-form-urlencoded", "email=a", (415, "unsupported-media-type", None)),
        post(JSON, format!("\"{}\"", "x".repeat(1 << 20)), (413, "body-too-large", None)),
        Case(Method::POST, "/webhooks/sandbox", JSON, vec![b'x'; (1 << 20) + 1], (413, "body-too-large", None)),
    ]
}

fn paths() -> Vec<Case> {
    let parameter = (400, "invalid-parameter", Some("#/order"));
    let nowhere = (404, "not-found", None);
    let wrong_method = (405, "method-not-allowed", None);
    let case = |method, path, met| Case(method, path, JSON, Vec::new(), met);
    vec![
        case(Method::GET, "/api/orders/1", parameter),
        case(Method::GET, "/api/orders/ord_1", parameter),
        case(Method::GET, "/api/orders/%00", parameter),
        case(Method::GET, "/api/orders/%ff", parameter),
        case(Method::GET, "/api/orders/lic_01kae41rr5f71r9kjywk21ja4c", parameter),
        case(Method::GET, "/pay/nothing", parameter),
        case(Method::GET, "/api/orders/ord_01kae41rr5f71r9kjywk21ja4c", nowhere),
        case(Method::GET, "/pay/ord_01kae41rr5f71r9kjywk21ja4c", nowhere),
        case(Method::GET, "/pay/ord_01kae41rr5f71r9kjywk21ja4c/return", nowhere),
        case(Method::POST, "/pay/ord_01kae41rr5f71r9kjywk21ja4c", wrong_method),
        case(Method::POST, "/webhooks/unknown", nowhere),
        case(Method::GET, "/api/orders/", nowhere),
        case(Method::GET, "/no/such/path", nowhere),
        case(Method::PUT, ORDERS, wrong_method),
        case(Method::DELETE, "/api/orders/ord_01kae41rr5f71r9kjywk21ja4c", wrong_method),
        case(Method::GET, "/webhooks/sandbox", wrong_method),
        case(Method::PUT, "/readyz", wrong_method),
    ]
}

on_both!(every_refusal_is_a_problem_that_points_at_the_fault, |db| async move {
    let shop = Shop::on(&db);
    let _server = shop.serve().await;
    for Case(method, path, kind, body, (status, name, pointer)) in bodies().into_iter().chain(paths()) {
        let told = format!("{method} {path} {}", String::from_utf8_lossy(&body[..body.len().min(80)]));
        let request = shop.client.request(method, shop.mintreu.url(path)).header("content-type", kind).body(body);
        let request = request.header("cookie", &shop.buyer().await.cookie);
        let answer = request.send().await.unwrap_or_else(|error| panic!("{told}: {error}"));
        let allow = answer.headers().get("allow").cloned();
        assert_eq!(answer.status(), status, "{told}");
        let problem = problem(answer, status, name).await;
        let errors: Vec<&Value> =
            problem["errors"].as_array().map(|errors| errors.iter().collect()).unwrap_or_default();
        let pointers: Vec<_> = errors.iter().filter_map(|error| error["pointer"].as_str()).collect();
        assert_eq!(pointers, pointer.into_iter().collect::<Vec<_>>(), "{told}: {problem}");
        assert!(problem["detail"].is_string() || !errors.is_empty(), "{told}: {problem}");
        assert!(problem.to_string().len() < 1_000, "{told}: what the client sent is not sent back whole");
        assert_eq!(allow.is_some(), status == 405, "{told}: the methods that are allowed");
    }
    for table in ["SELECT COUNT(*) FROM orders", "SELECT COUNT(*) FROM webhook_inbox"] {
        assert_eq!(shop.number(table).await, 0, "{table}");
    }
});

#[tokio::test]
async fn every_problem_has_the_page_that_its_type_names() {
    let db = TestDb::sqlite();
    let mut shop = Shop::on(&db);
    let public_url = shop.mintreu.url("");
    shop.mintreu = shop.mintreu.env("MINTREU__HTTP__PUBLIC_URL", public_url);
    let _server = shop.serve().await;
    let problem = problem(shop.get("/nothing").await, 404, "not-found").await;
    let page = shop.client.get(problem["type"].as_str().expect("a type")).send().await.expect("an answer");
    assert_eq!(page.status(), 200);
}
