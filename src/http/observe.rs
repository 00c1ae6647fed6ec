//! The outermost layer: names the request, watches it, and finishes what goes out.
//!
//! Promise: every request, also one whose client has left, is counted once, under labels that no client can multiply.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, OnceLock},
    task::{self, Poll},
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use axum::{
    extract::{MatchedPath, Request},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures::future::BoxFuture;
use metrics::{Counter, Gauge, Histogram};
use tower::{Layer, Service};
use tracing::Instrument;

use super::{
    Edge,
    context::{Context, Peer, X_REQUEST_ID},
    forwarded, limits,
    problem::{Occurrence, Problem},
};
use crate::kernel::trace;

/// The route label of everything that no route matches.
const UNMATCHED: &str = "unmatched";
/// What logs of the widely used proxies call a client that left before its answer.
const CLIENT_LEFT: &str = "499";

/// The outermost layer.
#[derive(Debug, Clone)]
pub(super) struct Observe(pub(super) Arc<Edge>);

impl<S> Layer<S> for Observe {
    type Service = Observed<S>;

    fn layer(&self, inner: S) -> Observed<S> {
        Observed { edge: Arc::clone(&self.0), inner }
    }
}

/// What [`Observe`] makes of a service.
#[derive(Debug, Clone)]
pub(super) struct Observed<S> {
    edge: Arc<Edge>,
    inner: S,
}

impl<S> Service<Request> for Observed<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut task::Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let edge = Arc::clone(&self.edge);
        let peer = request.extensions().get::<Peer>().map(|peer| peer.0.ip());
        let peer = peer.map(|peer| forwarded::client(peer, request.headers(), &edge.proxies));
        let context = Context::of(request.headers(), peer, &edge.ids);
        let route = request.extensions().get::<MatchedPath>().cloned();
        let uri = request.uri().clone();
        let span = tracing::info_span!(
            target: "mintreu::http",
            "request",
            request_id = context.request_id(),
            trace_id = context.trace().id(),
        );
        let exchange = Exchange::begin(Arc::clone(&edge), method_label(request.method()), route);
        request.extensions_mut().insert(context.clone());
        let answer = limits::head(&request, edge.head_limit).map(|()| self.inner.call(request));
        Box::pin(async move {
            let answer = limits::unpanicked(async {
                match answer {
                    Ok(answer) => answer.await.unwrap_or_else(|never| match never {}),
                    Err(problem) => problem.into_response(),
                }
            });
            let mut response = trace::scope(Some(context.trace()), answer.instrument(span.clone())).await;
            Problem::stamp(
                &mut response,
                Occurrence { public_url: &edge.public_url, instance: uri.path(), request_id: context.request_id() },
            );
            finish_headers(&mut response, &context, &edge);
            span.in_scope(|| exchange.end(response.status()));
            Ok(response)
        })
    }
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

/// The metrics of what was answered so far. Finding a metric by its labels costs more than counting, so what was found is
/// kept: routes are ours and few, and so are methods and statuses.
#[derive(Debug, Default)]
pub(super) struct Counters {
    in_flight: OnceLock<Gauge>,
    answered: ArcSwap<HashMap<String, Vec<Counted>>>,
}

/// The metrics of a route's answers to one method with one status.
#[derive(Debug, Clone)]
struct Counted {
    method: &'static str,
    status: Box<str>,
    requests: Counter,
    duration: Histogram,
}

impl Counters {
    fn in_flight(&self) -> &Gauge {
        self.in_flight.get_or_init(|| metrics::gauge!("mintreu_http_requests_in_flight"))
    }

    fn count(&self, method: &'static str, route: &str, status: &str, took: Duration) {
        let known = self.answered.load();
        let found = known.get(route).and_then(|all| all.iter().find(|it| it.method == method && *it.status == *status));
        match found {
            Some(found) => found.count(took),
            None => self.learn(method, route, status).count(took),
        }
    }

    fn learn(&self, method: &'static str, route: &str, status: &str) -> Counted {
        let labels = [("method", method.to_owned()), ("route", route.to_owned())];
        let duration = metrics::histogram!("mintreu_http_request_duration_seconds", &labels);
        let [method_label, route_label] = labels;
        let labels = [method_label, route_label, ("status", status.to_owned())];
        let requests = metrics::counter!("mintreu_http_requests_total", &labels);
        let counted = Counted { method, status: status.to_owned().into(), requests, duration };
        self.answered.rcu(|known| {
            let mut known = HashMap::clone(known);
            let all = known.entry(route.to_owned()).or_default();
            // Another request may have learnt it meanwhile.
            if !all.iter().any(|it| it.method == method && *it.status == *status) {
                all.push(counted.clone());
            }
            known
        });
        counted
    }
}

impl Counted {
    fn count(&self, took: Duration) {
        self.requests.increment(1);
        self.duration.record(took);
    }
}

/// One request being answered; counted when it ends, or when it is dropped because its client left.
struct Exchange {
    edge: Arc<Edge>,
    method: &'static str,
    route: Option<MatchedPath>,
    began: Instant,
    ended: bool,
}

impl Exchange {
    fn begin(edge: Arc<Edge>, method: &'static str, route: Option<MatchedPath>) -> Self {
        edge.counters.in_flight().increment(1.0);
        Self { edge, method, route, began: Instant::now(), ended: false }
    }

    fn end(mut self, status: StatusCode) {
        self.ended = true;
        self.count(status.as_str());
        let (method, route, status) = (self.method, self.template(), status.as_u16());
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

    fn template(&self) -> &str {
        self.route.as_ref().map_or(UNMATCHED, MatchedPath::as_str)
    }

    fn count(&self, status: &str) {
        self.edge.counters.count(self.method, self.template(), status, self.began.elapsed());
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.edge.counters.in_flight().decrement(1.0);
        if !self.ended {
            self.count(CLIENT_LEFT);
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
    // Once, instead of twice while they are added.
    headers.reserve(SECURITY.len() + 2);
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
