//! Whatever is sent to whichever route, the answer is one that is documented, and never a failure of the shop.

use std::{collections::BTreeSet, fs, path::Path};

use futures::{StreamExt, stream};
use mintreu::accounts::Role;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::{
    journey_premises::{Premises, sent},
    journey_routes::{Route, Takes, Who, routes},
    journey_shop::problem,
    support::sign_in,
};

/// How many are asked at a time.
const AT_ONCE: usize = 8;

/// The problems that have a page.
fn documented() -> BTreeSet<String> {
    let pages = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/problems")).expect("the pages");
    let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("a page").path().with_extension("");
    pages.map(name).map(|path| path.file_name().expect("a name").to_string_lossy().into_owned()).collect()
}

/// Those that speak as others do, also when they refuse.
fn is_compatible(route: &Route) -> bool {
    matches!(route.takes, Takes::Fields(_))
}

/// Asserts that an answer is no failure, and if it is a refusal, that it is one that is documented.
async fn fits(told: &str, answer: Response, compatible: bool, documented: &BTreeSet<String>) -> u16 {
    let (status, kind) = (answer.status().as_u16(), answer.headers().get("content-type").cloned());
    let kind = kind.map(|kind| kind.to_str().expect("text").to_owned()).unwrap_or_default();
    let text = answer.text().await.expect("text");
    assert!(status < 500, "{told} is answered {status}: {text}");
    if status < 400 {
        return status;
    }
    let body: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{told}: {status}: {error}: {text}"));
    assert!(text.len() < 4_000, "{told}: what was sent comes back whole");
    if compatible && kind == "application/json" {
        return status;
    }
    assert_eq!(kind, "application/problem+json", "{told}: {status} {text}");
    assert_eq!(body["status"], status, "{told}: {text}");
    let name = body["type"].as_str().and_then(|uri| uri.rsplit(['/', '#']).next()).unwrap_or_default();
    assert!(documented.contains(name), "{told}: `{name}` has no page: {text}");
    assert!(body["detail"].is_string() || body["errors"].is_array(), "{told}: nobody is told what is wrong: {text}");
    status
}

/// Whoever a route is for. Sessions are spent: each request has one of its own.
async fn as_somebody(premises: &Premises, route: &Route, request: RequestBuilder) -> RequestBuilder {
    let cookie = match route.who {
        Who::Operator => premises.operator.cookie.clone(),
        Who::SignedIn | Who::Session | Who::OwnSession => {
            let email = format!("somebody{}@example.com", premises.number());
            sign_in(&premises.db, &email, Role::Customer).await.cookie
        }
        Who::Anybody | Who::OwnPages => return request,
        Who::Vendor(_) => premises.vendor.cookie.clone(),
        Who::Guest | Who::Account(_) | Who::Owner(_) | Who::Entitled(_) => premises.shop.buyer().await.cookie.clone(),
    };
    request.header("cookie", cookie)
}

/// Sends them all. `allowed` says which answers are right; what is right depends on who made it.
async fn all_fit(premises: &Premises, requests: Vec<(&Route, RequestBuilder)>, allowed: impl Fn(u16) -> bool) {
    let documented = &documented();
    let allowed = &allowed;
    stream::iter(requests)
        .for_each_concurrent(AT_ONCE, async |(route, request)| {
            let request = as_somebody(premises, route, request).await;
            let (told, answer) = sent(premises, request).await;
            let status = fits(&told, answer, is_compatible(route), documented).await;
            assert!(allowed(status), "{told}: {status}");
        })
        .await;
}

on_both!(garbage_in_paths_is_nothing_that_there_is, |db| async move {
    let premises = Premises::on(&db).await;
    let (long, table) = ("x".repeat(3_000), routes());
    let values = [
        "1",
        "-1",
        "%00",
        "a%00b",
        "%ff",
        "%F0%28",
        "%2e%2e",
        "..%2f..%2fetc",
        "%20",
        "null",
        "%E2%80%AE",
        "'%20OR%201=1--",
        "ord_01kae41rr5f71r9kjywk21ja4c",
        "lic_01kae41rr5f71r9kjywk21ja4c",
        "lic_",
        "ord_zzzzzzzzzzzzzzzzzzzzzzzzzz",
        "0196f2a0-0000-7000-8000-000000000000",
        "%F0%9F%92%A5",
        &long,
    ];
    let with_parameter: Vec<_> = table.iter().filter(|route| route.path.contains('{')).collect();
    assert!(with_parameter.len() > 40);
    let mut requests = Vec::new();
    for route in with_parameter {
        for value in values {
            if value == "%2e%2e" && !route.path.ends_with('}') {
                // Where more follows the client itself goes up a step, and asks for something else.
                continue;
            }
            let path = premises.path_with(route, Some(value));
            let request = premises.ask(route.method.clone(), &path).header("if-match", "\"1\"");
            let request = match premises.body(route) {
                Some((kind, body)) => request.header("content-type", kind).body(body),
                None => request,
            };
            requests.push((route, request));
        }
    }
    all_fit(&premises, requests, |status| matches!(status, 400 | 404)).await;
});

on_both!(garbage_in_queries_is_refused_or_finds_nothing, |db| async move {
    let premises = Premises::on(&db).await;
    let (long, table) = ("x".repeat(5_000), routes());
    let values = [
        "",
        "%00",
        "a%00b",
        "%ff",
        "0",
        "-1",
        "1e9",
        "65536",
        "99999999999999999999",
        "1.5",
        "null",
        "true",
        "'%20OR%201=1--",
        "%25%25__%5C",
        "%E2%80%AE",
        "%F0%9F%92%A5",
        "ord_01kae41rr5f71r9kjywk21ja4c",
        "eyJhIjoxfQ",
        "%22",
        "*",
        "a%0d%0aX:y",
        &long,
    ];
    let mut requests = Vec::new();
    for route in &table {
        for name in route.query {
            for value in values {
                let request = premises.ask(route.method.clone(), &premises.target_with(route, name, value));
                let request = match premises.body(route) {
                    Some((kind, body)) => request.header("content-type", kind).body(body),
                    None => request,
                };
                requests.push((route, request));
            }
        }
    }
    assert!(requests.len() > 1_500, "{}", requests.len());
    all_fit(&premises, requests, |status| matches!(status, 200 | 201 | 204 | 302 | 303 | 400 | 401 | 404 | 409 | 422))
        .await;
});

on_both!(each_list_takes_its_page_with_its_filters_and_refuses_what_is_no_page, |db| async move {
    let premises = Premises::on(&db).await;
    let table = routes();
    let lists: Vec<_> = table.iter().filter(|route| route.query.contains(&"before")).collect();
    assert!(lists.len() > 12);
    for route in lists {
        let path = premises.target(route) + if route.with.is_empty() { "?" } else { "&" };
        for wrong in ["limit=0", "limit=101", "limit=x", "limit=-1", "after=garbage", "before=%00", "limit=1&limit=2"] {
            let request = premises.ask(Method::GET, &format!("{path}{wrong}"));
            let (told, answer) = sent(&premises, as_somebody(&premises, route, request).await).await;
            let refused = problem(answer, 400, "invalid-parameter").await;
            let pointer = refused["errors"][0]["pointer"].as_str().expect("a pointer").to_owned();
            assert_eq!(pointer, format!("#/{}", wrong.split('=').next().expect("a name")), "{told}");
        }
        // What a guest may read is behind a link that was mailed: its pages are tried where there is one.
        if route.with.contains("token=") {
            continue;
        }
        let request = premises.ask(Method::GET, &format!("{path}limit=1"));
        let (told, answer) = sent(&premises, as_somebody(&premises, route, request).await).await;
        assert_eq!(answer.status(), 200, "{told}");
        let page: Value = answer.json().await.expect("JSON");
        assert!(page["data"].as_array().is_some_and(|data| data.len() <= 1), "{told}: {page}");
        assert!(page["has_more"].is_boolean() && page.get("next_cursor").is_some(), "{told}: {page}");
        if let Some(cursor) = page["next_cursor"].as_str() {
            let request = premises.ask(Method::GET, &format!("{path}limit=100&after={cursor}"));
            let (told, answer) = sent(&premises, as_somebody(&premises, route, request).await).await;
            assert_eq!(answer.status(), 200, "{told}");
        }
    }
});

on_both!(headers_of_all_kinds_are_no_failure, |db| async move {
    let premises = Premises::on(&db).await;
    let (long, table) = ("k".repeat(256), routes());
    let headers: [(&str, &[u8]); 14] = [
        ("idempotency-key", b""),
        ("idempotency-key", b"\xff\xfe"),
        ("idempotency-key", b"a\tb"),
        ("idempotency-key", long.as_bytes()),
        ("if-match", b"\"99999999999999999999\""),
        ("if-match", b"W/\"1\""),
        ("if-match", b"\xff"),
        ("if-none-match", b"\xff, *, \"\""),
        ("x-request-id", b"\xff"),
        ("traceparent", b"00-00000000000000000000000000000000-0000000000000000-00"),
        ("accept", b"\xff"),
        ("user-agent", b"\xff\xfe"),
        ("x-forwarded-for", b"\xff, 999.1.1.1, ::::"),
        ("stripe-signature", b"t=99999999999999999999,v1=zz"),
    ];
    let mut requests = Vec::new();
    // A body that is refused: what the headers say is looked at before.
    for route in &table {
        for (name, value) in headers {
            let value = reqwest::header::HeaderValue::from_bytes(value).expect("a header");
            let request = premises.ask(route.method.clone(), &premises.path_with(route, Some("nothing")));
            requests.push((route, request.header(name, value).header("content-type", "application/json").body("[]")));
        }
    }
    all_fit(&premises, requests, |_| true).await;
});

/// What is put in the place of each value of a good body.
fn misfits() -> Vec<Value> {
    vec![
        Value::Null,
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(i64::MAX),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(1e300),
        json!(""),
        json!(" "),
        json!("\0"),
        json!("a\0b"),
        json!("a\u{1}\r\n\u{7f}\u{202e}b"),
        json!("💥'\"\\%_;--"),
        json!("x".repeat(300)),
        json!("x".repeat(40_000)),
        json!([]),
        json!({}),
        json!([null]),
        json!({ "\0": "\0" }),
        json!({ "a": { "b": ["\0", 1e300, i64::MIN] } }),
    ]
}

/// Every place in a value, the deepest last.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            for (name, inner) in object {
                let place = format!("{at}/{name}");
                found.push(place.clone());
                places(inner, &place, found);
            }
        }
        Value::Array(list) => {
            for (index, inner) in list.iter().enumerate() {
                let place = format!("{at}/{index}");
                found.push(place.clone());
                places(inner, &place, found);
            }
        }
        _ => {}
    }
}

/// A body with one thing wrong, for each thing and each wrong.
fn spoilt(good: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    let mut found = Vec::new();
    places(good, "", &mut found);
    for place in &found {
        for misfit in misfits() {
            let mut body = good.clone();
            *body.pointer_mut(place).expect("a place") = misfit;
            all.push(body);
        }
        let (parent, name) = place.rsplit_once('/').expect("a path");
        let mut body = good.clone();
        if let Some(Value::Object(object)) = body.pointer_mut(parent) {
            object.remove(name);
            object.insert("no_such_field".to_owned(), json!(1));
        }
        all.push(body);
    }
    all
}

on_both!(a_body_with_one_thing_wrong_is_refused_or_taken_and_never_a_failure, |db| async move {
    let premises = Premises::on(&db).await;
    let (table, mut requests) = (routes(), Vec::new());
    for route in &table {
        let (Takes::Json(good) | Takes::Optional(good) | Takes::Fields(good) | Takes::File(good)) = &route.takes else {
            continue;
        };
        let path = premises.path(route);
        for body in spoilt(good) {
            let request = premises.ask(route.method.clone(), &path).header("if-match", "\"1\"");
            let request = request.header("content-type", "application/json").body(premises.fill(&body));
            requests.push((route, request));
        }
    }
    assert!(requests.len() > 3_000, "{}", requests.len());
    all_fit(&premises, requests, |_| true).await;
    premises.shop.is_sound();
});

on_both!(what_is_not_the_expected_json_is_refused_before_anything_is_done, |db| async move {
    let premises = Premises::on(&db).await;
    let deep = "[".repeat(5_000);
    // Not much more than is taken: what is never read breaks the connection before the answer has arrived.
    let large = format!("\"{}\"", "x".repeat(1 << 20));
    let bodies: [(&str, &[u8]); 9] = [
        ("application/json", b""),
        ("application/json", b"{"),
        ("application/json", b"\xff\xfe{}"),
        ("application/json", b"{} {}"),
        ("application/json", b"[]"),
        ("application/json", b"null"),
        ("application/json", b"\"text\""),
        ("application/json", deep.as_bytes()),
        ("application/json", b"{\"\\ud800\": 1}"),
    ];
    for route in routes() {
        let path = premises.target(&route);
        if !matches!(route.takes, Takes::Nothing | Takes::File(_)) {
            let kind = premises.body(&route).map_or("", |(kind, _)| kind);
            let request = premises.ask(route.method.clone(), &path).header("content-type", kind);
            let request = request.header("if-match", "\"1\"").body(large.clone());
            let (told, answer) = sent(&premises, as_somebody(&premises, &route, request).await).await;
            assert_eq!(answer.status(), 413, "{told}");
            problem(answer, 413, "body-too-large").await;
        }
        let (Takes::Json(_) | Takes::Optional(_)) = route.takes else { continue };
        for (kind, body) in bodies {
            if body.is_empty() && matches!(route.takes, Takes::Optional(_)) {
                continue;
            }
            let request = premises.ask(route.method.clone(), &path).header("content-type", kind).body(body.to_owned());
            let request = request.header("if-match", "\"1\"");
            let (told, answer) = sent(&premises, as_somebody(&premises, &route, request).await).await;
            assert_eq!(answer.status(), 400, "{told}");
            problem(answer, 400, "malformed-body").await;
        }
        for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "json", ""] {
            let request = premises.good(&route);
            let request = request.header("content-type", kind).build().expect("a request");
            let (mut request, kind) = (request, reqwest::header::HeaderValue::from_static(kind));
            request.headers_mut().insert("content-type", kind);
            let request = RequestBuilder::from_parts(premises.shop.client.clone(), request);
            let (told, answer) = sent(&premises, as_somebody(&premises, &route, request).await).await;
            assert_eq!(answer.status(), 415, "{told}");
            problem(answer, 415, "unsupported-media-type").await;
        }
    }
});

on_both!(whoever_must_say_why_is_told_so_everywhere_alike, |db| async move {
    let premises = Premises::on(&db).await;
    let mut asked = 0;
    for route in routes() {
        let Takes::Json(good) = &route.takes else { continue };
        if !good["reason"].is_string() {
            continue;
        }
        asked += 1;
        for reason in [None, Some(""), Some(" \n"), Some("nul\0"), Some(&*"x".repeat(501))] {
            let mut body = good.clone();
            match reason {
                Some(reason) => body["reason"] = json!(reason),
                None => drop(body.as_object_mut().expect("an object").remove("reason")),
            }
            let request = premises.ask(route.method.clone(), &premises.target(&route)).header("if-match", "\"1\"");
            let request = request.header("content-type", "application/json").body(premises.fill(&body));
            let request = as_somebody(&premises, &route, request).await;
            let (told, answer) = sent(&premises, request).await;
            let refusal = problem(answer, 422, "invalid-input").await;
            assert_eq!(refusal["errors"][0]["pointer"], "#/reason", "{told}: {refusal}");
        }
    }
    assert!(asked > 25, "{asked}");
});
