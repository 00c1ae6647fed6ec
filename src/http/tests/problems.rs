use std::{collections::HashSet, time::Duration};

use axum::{Router, routing};
use serde_json::json;

use super::{super::docs, front, get, request, send};
use crate::{
    db::DbError,
    http::{Kind, Problem},
};

fn refusing(problem: Problem) -> Router {
    front(Router::new().route("/it", routing::get(move || async move { problem })))
}

#[tokio::test]
async fn every_problem_has_a_type_a_status_and_a_page() {
    let mut names = HashSet::new();
    for kind in Kind::ALL {
        assert!(names.insert(kind.name()), "{} is there twice", kind.name());
        let router = refusing(Problem::new(kind));
        let answer = get(&router, "/it").await;
        let document = answer.problem(kind.name());
        assert_eq!(answer.status, kind.status());
        assert_eq!(document["title"], kind.title());
        assert_eq!(document["instance"], "/it");
        assert!(document.get("errors").is_none() && document.get("detail").is_none(), "{document}");

        let page = get(&router, &format!("/docs/problems/{}", kind.name())).await;
        assert_eq!(page.status, 200);
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
        assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
        let heading = format!("# {} ({})\n", kind.name(), kind.status().as_u16());
        assert!(docs::text(kind).starts_with(&heading), "the page of {} must begin with {heading}", kind.name());
        assert!(page.body.contains(&format!("<pre># {}", kind.name())), "{}", page.body);
        let index = get(&router, "/docs/problems").await;
        assert!(index.body.contains(&format!("href=\"/docs/problems/{}\"", kind.name())), "{}", index.body);
    }
}

#[tokio::test]
async fn a_problem_in_full() {
    let problem = Problem::new(Kind::QuotaExceeded)
        .detail("100 requests a minute are allowed")
        .error("#/items/0", "one too many")
        .retry_after(Duration::from_millis(1_200))
        .member("violated-policies", vec!["burst"])
        .member("status", 200);
    let answer = get(&refusing(problem), "/it?token=secret").await;
    assert_eq!(answer.header("retry-after"), "2", "whole seconds, rounded up");
    let document = answer.problem("quota-exceeded");
    let expected = json!({
        "type": "https://iana.org/assignments/http-problem-types#quota-exceeded",
        "title": "A quota is used up",
        "status": 429,
        "detail": "100 requests a minute are allowed",
        "instance": "/it",
        "request_id": answer.header("x-request-id"),
        "errors": [{"pointer": "#/items/0", "detail": "one too many"}],
        "violated-policies": ["burst"],
    });
    assert_eq!(document, expected, "the path without its query, and no standard member replaced");
}

#[tokio::test]
async fn types_of_this_server_begin_with_its_public_url() {
    let answer = get(&front(Router::new()), "/nowhere").await;
    assert_eq!(answer.problem("not-found")["type"], "https://shop.example/docs/problems/not-found");
}

#[tokio::test]
async fn a_database_error_tells_the_client_nothing() {
    for (error, retry_after) in [
        (DbError::Unavailable("password rejected by db.internal".to_owned()), "1"),
        (DbError::Unique("users_email_key".to_owned()), ""),
    ] {
        let answer = get(&refusing(error.into()), "/it").await;
        let document = answer.problem("internal");
        assert!(document.get("detail").is_none(), "{document}");
        assert!(!answer.body.contains("internal\",\"detail") && !answer.body.contains("users_email"), "{document}");
        assert!(!answer.body.contains("password"), "{document}");
        assert_eq!(answer.header("retry-after"), retry_after);
    }
}

#[tokio::test]
async fn a_refusal_for_want_of_credentials_names_the_scheme() {
    let answer = get(&refusing(Problem::new(Kind::Unauthorized)), "/it").await;
    assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"mintreu\"");
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems() {
    let router = front(Router::new().route("/it", routing::get(|| async { "ok" }).post(|| async { "ok" })));
    get(&router, "/other").await.problem("not-found");
    get(&router, "/docs/problems/none").await.problem("not-found");
    let answer = send(&router, request("DELETE", "/it").body("".into()).expect("valid")).await;
    answer.problem("method-not-allowed");
    assert_eq!(answer.header("allow"), "GET,HEAD,POST");
}

#[tokio::test]
async fn answers_carry_the_security_headers_and_a_handler_may_set_its_own() {
    let own = || async { ([("content-security-policy", "default-src 'self'")], "page") };
    let router = front(Router::new().route("/page", routing::get(own)));
    let page = get(&router, "/page").await;
    assert_eq!(page.header("content-security-policy"), "default-src 'self'");
    let problem = get(&router, "/nowhere").await;
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("strict-transport-security", "max-age=31536000"),
    ] {
        assert_eq!(page.header(name), value);
        assert_eq!(problem.header(name), value);
    }
}
