//! The outermost layer: names the request, watches it, and finishes what goes out.
//!
//! Promise: every request, also one whose client has left, is counted once, under labels that no client can multiply.

use std::{sync::Arc, time::Instant};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::Response,
};
use tracing::Instrument;

use super::{
    Edge,
    context::{Context, Peer, X_REQUEST_ID},
    forwarded,
    problem::{Occurrence, Problem},
};
use crate::kernel::trace;

/// The route label of everything that no route matches.
const UNMATCHED: &str = "unmatched";
/// What logs of the widely used proxies call a client that left before its answer.
const CLIENT_LEFT: &str = "499";

pub(super) async fn observe(State(edge): State<Arc<Edge>>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0.ip());
    let peer = peer.map(|peer| forwarded::client(peer, request.headers(), &edge.proxies));
    let context = Context::of(request.headers(), peer, &edge.ids);
    let route = request.extensions().get::<MatchedPath>().map_or(UNMATCHED, MatchedPath::as_str).to_owned();
    let uri = request.uri().clone();
    let span = tracing::info_span!(
        target: "mintreu::http",
        "request",
        request_id = context.request_id(),
        trace_id = context.trace_id(),
    );
    let exchange = Exchange::begin(method_label(request.method()), route);
    request.extensions_mut().insert(context.clone());
    let traceparent = Some(context.traceparent());
    let mut response = trace::scope(traceparent, next.run(request).instrument(span.clone())).await;
    Problem::stamp(
        &mut response,
        Occurrence { public_url: &edge.public_url, instance: uri.path(), request_id: context.request_id() },
    );
    finish_headers(&mut response, &context, &edge);
    span.in_scope(|| exchange.end(response.status()));
    response
}

/// Methods are a label: what is not of the known ones is one value.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}

/// One request being answered; counted when it ends, or when it is dropped because its client left.
struct Exchange {
    method: &'static str,
    route: String,
    began: Instant,
    ended: bool,
}

impl Exchange {
    fn begin(method: &'static str, route: String) -> Self {
        metrics::gauge!("mintreu_http_requests_in_flight").increment(1.0);
        Self { method, route, began: Instant::now(), ended: false }
    }

    fn end(mut self, status: StatusCode) {
        self.ended = true;
        self.count(status.as_str().to_owned());
        let (method, route, status) = (self.method, self.route.as_str(), status.as_u16());
        let elapsed_seconds = self.began.elapsed().as_secs_f64();
        // The template, never the path or the query: those may hold a key or a token.
        if status >= 500 {
            tracing::warn!(target: "mintreu::access", method, route, status, elapsed_seconds, "answered");
        } else if is_probe(route) {
            tracing::debug!(target: "mintreu::access", method, route, status, elapsed_seconds, "answered");
        } else {
            tracing::info!(target: "mintreu::access", method, route, status, elapsed_seconds, "answered");
        }
    }

    fn count(&self, status: String) {
        let (method, route) = (self.method, self.route.clone());
        metrics::counter!("mintreu_http_requests_total", "method" => method, "route" => route, "status" => status)
            .increment(1);
        metrics::histogram!("mintreu_http_request_duration_seconds", "method" => method, "route" => self.route.clone())
            .record(self.began.elapsed());
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        metrics::gauge!("mintreu_http_requests_in_flight").decrement(1.0);
        if !self.ended {
            self.count(CLIENT_LEFT.to_owned());
        }
    }
}

fn is_probe(route: &str) -> bool {
    matches!(route, "/livez" | "/readyz" | "/metrics")
}

/// Nothing but what a handler allows itself may be loaded, framed or guessed from an answer.
const SECURITY: [(HeaderName, HeaderValue); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    // Links may carry download tokens.
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    ),
];

fn finish_headers(response: &mut Response, context: &Context, edge: &Edge) {
    let headers = response.headers_mut();
    for (name, value) in SECURITY {
        // A page that needs more says so itself.
        headers.entry(name).or_insert(value);
    }
    if edge.https {
        headers.entry(header::STRICT_TRANSPORT_SECURITY).or_insert(HeaderValue::from_static("max-age=31536000"));
    }
    // It was checked or made by us, so this cannot fail.
    if let Ok(id) = HeaderValue::from_str(context.request_id()) {
        headers.insert(X_REQUEST_ID, id);
    }
}
