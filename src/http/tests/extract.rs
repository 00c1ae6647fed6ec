use axum::{Router, body::Body, routing};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{front, get, post, request, send};
use crate::http::{Json, Path, Query, RequestId};

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    email: String,
    items: Vec<Item>,
    #[serde(default, rename = "a/b c")]
    odd: Option<u8>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Item {
    quantity: u32,
    kind: ItemKind,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ItemKind {
    License,
    Download,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    limit: u32,
    #[serde(default)]
    after: Option<String>,
}

fn router() -> Router {
    front(
        Router::new()
            .route("/orders", routing::post(|Json(order): Json<Order>| async { Json(order) }))
            .route("/anything", routing::post(|Json(value): Json<Value>| async { Json(value) }))
            .route(
                "/list",
                routing::get(|Query(page): Query<Page>| async move { format!("{} {:?}", page.limit, page.after) }),
            )
            .route("/by-id/{id}", routing::get(|Path(id): Path<RequestId>| async move { id.to_string() }))
            .route(
                "/two/{name}/{number}",
                routing::get(|Path((name, number)): Path<(String, u32)>| async move { format!("{name} {number}") }),
            ),
    )
}

#[tokio::test]
async fn a_good_body_is_read_and_written() {
    let body = json!({"email": "a@b.example", "items": [{"quantity": 1, "kind": "license"}], "a/b c": null});
    let answer = post(&router(), "/orders", body.to_string()).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(serde_json::from_str::<Value>(&answer.body).expect("JSON"), body);
}

#[tokio::test]
async fn what_does_not_fit_is_pointed_at() {
    for (body, pointer, detail) in [
        (json!({"items": []}), "#/email", "missing field `email`"),
        (json!({"email": 5, "items": []}), "#/email", "invalid type: integer `5`, expected a string"),
        (json!({"email": "a", "items": [{"kind": "license"}]}), "#/items/0/quantity", "missing field `quantity`"),
        (json!({"email": "a", "items": [{"quantity": -1}]}), "#/items/0/quantity", "invalid value: integer `-1`"),
        (json!({"email": "a", "items": [{"quantity": 1, "kind": "gift"}]}), "#/items/0/kind", "unknown variant `gift`"),
        (json!({"email": "a", "items": [], "extra": 1}), "#/extra", "unknown field `extra`"),
        (json!({"email": "a", "items": [], "a/b c": "x"}), "#/a~1b%20c", "invalid type: string"),
        (json!(["a", [], null]), "#", "invalid type: a list, expected an object"),
        (json!([1, 2]), "#/0", "invalid type: integer `1`, expected a string"),
        (json!("text"), "#", "invalid type: string \"text\""),
    ] {
        let answer = post(&router(), "/orders", body.to_string()).await;
        let document = answer.problem("malformed-body");
        assert_eq!(answer.status, 400);
        assert_eq!(document["errors"][0]["pointer"], pointer, "{document}");
        let told = document["errors"][0]["detail"].as_str().expect("text");
        assert!(told.starts_with(detail), "{told}");
    }
}

#[tokio::test]
async fn what_is_not_json_is_told_where_it_ends_to_be() {
    for (body, detail) in [
        ("{\"email\": }", "not JSON: expected value at line 1 column 11"),
        ("{\"email\": \"a", "not JSON: EOF while parsing a string at line 1 column 12"),
        ("{\"email\": \"a\", \"items\": []} tail", "not JSON: trailing characters at line 1 column 29"),
        ("", "the body is empty; JSON is expected"),
    ] {
        let document = post(&router(), "/orders", body).await.problem("malformed-body");
        assert_eq!(document["detail"], detail);
        assert!(document.get("errors").is_none(), "{document}");
    }
    let nested = "[".repeat(900);
    post(&router(), "/anything", nested).await.problem("malformed-body");
    post(&router(), "/anything", vec![b'"', 0xff, b'"']).await.problem("malformed-body");
}

#[tokio::test]
async fn a_clients_own_words_come_back_shortened() {
    let long = "x".repeat(900);
    let document = post(&router(), "/orders", format!("\"{long}\"")).await.problem("malformed-body");
    assert!(document["errors"][0]["detail"].as_str().is_some_and(|text| text.chars().count() == 201), "{document}");
}

#[tokio::test]
async fn other_media_types_are_refused() {
    for media_type in [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("application/jsonx")] {
        let mut builder = request("POST", "/anything");
        if let Some(media_type) = media_type {
            builder = builder.header("content-type", media_type);
        }
        let answer = send(&router(), builder.body(Body::from("1")).expect("valid")).await;
        answer.problem("unsupported-media-type");
        assert_eq!(answer.status, 415);
    }
    for media_type in ["application/json", "Application/JSON; charset=utf-8", "application/vnd.api+json"] {
        let builder = request("POST", "/anything").header("content-type", media_type);
        assert_eq!(send(&router(), builder.body(Body::from("1")).expect("valid")).await.body, "1", "{media_type}");
    }
}

#[tokio::test]
async fn a_body_above_the_limit_is_refused_whether_its_length_is_told_or_not() {
    let text = format!("\"{}\"", "x".repeat(998));
    assert_eq!(post(&router(), "/anything", text).await.status, 200, "the limit itself is allowed");
    let answer = post(&router(), "/anything", format!("\"{}\"", "x".repeat(999))).await;
    answer.problem("body-too-large");
    assert_eq!(answer.status, 413);
    let pieces = futures::stream::iter((0..20).map(|_| Ok::<_, std::io::Error>("x".repeat(100))));
    post(&router(), "/anything", Body::from_stream(pieces)).await.problem("body-too-large");
}

#[tokio::test]
async fn query_parameters_are_pointed_at() {
    assert_eq!(get(&router(), "/list?limit=5&after=a%20b").await.body, "5 Some(\"a b\")");
    for (query, pointer, detail) in [
        ("", "#/limit", "missing field `limit`"),
        ("?limit=many", "#/limit", "invalid digit found in string"),
        ("?limit=-1", "#/limit", "invalid digit found in string"),
        ("?limit=1&limit=2", "#/limit", "duplicate field `limit`"),
        ("?limit=1&page=2", "#/page", "unknown field `page`"),
        ("?limit=%ff", "#/limit", "invalid digit found in string"),
    ] {
        let answer = get(&router(), &format!("/list{query}")).await;
        let document = answer.problem("invalid-parameter");
        assert_eq!(answer.status, 400);
        assert_eq!(document["errors"][0]["pointer"], pointer, "{query}: {document}");
        assert!(document["errors"][0]["detail"].as_str().is_some_and(|text| text.starts_with(detail)), "{document}");
    }
}

#[tokio::test]
async fn path_parameters_are_pointed_at() {
    assert_eq!(get(&router(), "/two/a%2Fb/7").await.body, "a/b 7");
    for (path, pointer, detail) in [
        ("/two/a/seven", "#/number", "expected u32"),
        ("/two/%ff/7", "#/name", "not UTF-8 when decoded"),
        ("/by-id/ord_1", "#/id", "an identifier here starts with `req_`"),
        ("/by-id/req_1", "#/id", "an identifier ends with 26 characters"),
    ] {
        let document = get(&router(), path).await.problem("invalid-parameter");
        assert_eq!(document["errors"][0]["pointer"], pointer, "{path}: {document}");
        assert!(document["errors"][0]["detail"].as_str().is_some_and(|text| text.starts_with(detail)), "{document}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_body_makes_the_server_fail(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let answer = runtime.block_on(post(&router(), "/orders", body));
        prop_assert!(answer.status.is_client_error(), "{}", answer.status);
    }

    #[test]
    fn no_query_makes_the_server_fail(query in "[ -~&&[^#<>\"`{}\\\\^| ]]{0,60}") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let answer = runtime.block_on(get(&router(), &format!("/list?{query}")));
        prop_assert!(!answer.status.is_server_error(), "{}", answer.status);
    }
}
