mod context;
mod extract;
mod limits;
mod metrics;
mod probes;
mod problems;
mod server;

use std::{sync::Arc, time::Duration};

use aide::axum::ApiRouter;
use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request, StatusCode, request},
};
use serde_json::Value;
use tower::ServiceExt;

use super::{Front, FrontOptions, Readiness};
use crate::kernel::{IdSource, ManualClock, Time};

/// What came back.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    /// The problem document, whose common members are as they must be.
    #[track_caller]
    fn problem(&self, kind: &str) -> Value {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.body);
        assert_eq!(self.header("cache-control"), "no-store");
        let document: Value = serde_json::from_str(&self.body).expect("JSON");
        let uri = document["type"].as_str().expect("a type");
        assert_eq!(uri.rsplit(['/', '#']).next(), Some(kind), "{}", self.body);
        assert_eq!(document["status"], self.status.as_u16());
        assert_eq!(document["request_id"], self.header("x-request-id"), "{}", self.body);
        assert!(!self.header("x-request-id").is_empty());
        if let Some(length) = self.headers.get("content-length") {
            assert_eq!(length.to_str().expect("text"), self.body.len().to_string());
        }
        document
    }
}

fn ids() -> IdSource {
    IdSource::seeded(Arc::new(ManualClock::new(Time::from_micros(1_800_000_000_000_000))), 7)
}

fn options() -> FrontOptions {
    FrontOptions {
        body_limit: 1_000,
        head_limit: 2_000,
        request_timeout: Duration::from_secs(20),
        max_in_flight: 8,
        ..FrontOptions::new("https://shop.example/")
    }
}

fn front(app: impl Into<ApiRouter>) -> Router {
    Front::new(options(), ids(), Readiness::new(Vec::new())).router(app)
}

async fn send(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.expect("infallible");
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.expect("a body");
    Answer { status: parts.status, headers: parts.headers, body: String::from_utf8(body.to_vec()).expect("text") }
}

fn request(method: &str, uri: &str) -> request::Builder {
    Request::builder().method(method).uri(uri)
}

async fn get(router: &Router, uri: &str) -> Answer {
    send(router, request("GET", uri).body(Body::empty()).expect("valid")).await
}

async fn post(router: &Router, uri: &str, body: impl Into<Body>) -> Answer {
    let builder = request("POST", uri).header("content-type", "application/json");
    send(router, builder.body(body.into()).expect("valid")).await
}
