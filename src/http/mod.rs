//! The front: how work is asked for.
//!
//! Promise: whatever a client sends, the answer is what the route means or a problem that says what is wrong and how
//! to mend it; never a panic, a hang or another tenant's data. What it costs is bounded: in size, time and number.
//!
//! [`Front::router`] puts the layers around an application's routes, from outside to inside:
//! request id, trace, metrics, access log and security headers; panics; size of the head; then, for the application
//! alone and not for the probes, the number of requests, their time and the size of their bodies.

mod answer;
pub mod api;
pub mod auth;
mod because;
mod checkout;
mod context;
mod docs;
mod etag;
mod export;
mod extract;
mod forwarded;
mod idempotency;
mod limits;
mod observe;
mod openapi;
mod page;
mod patch;
pub mod probes;
mod problem;
mod rate;
mod routes;
mod sandbox;
mod server;
mod switch;
mod webhooks;

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use aide::axum::ApiRouter;
use axum::{Router, body::Bytes, extract::DefaultBodyLimit, handler::Handler, middleware, routing};
use tower::ServiceBuilder;

pub use answer::{
    Accepted, Archive, Created, File, FirstRevision, Limited, NoContent, NotStored, Once, Promised, WithCookie,
};
pub use auth::{Admin, Caller, SameOrigin, Vendor};
pub use because::{Because, reason, sought};
pub use context::{Context, RequestId, RequestMarker};
pub use etag::{Conditional, IfMatch, IfNoneMatch, Tagged, tag, tag_of};
pub use export::{ExportQuery, Exported, Format, ListFile};
pub(crate) use extract::unread;
pub use extract::{Json, Path, Query};
pub use idempotency::{IdempotencyKey, Keyed, once};
pub use page::PageQuery;
pub use patch::MergePatch;
pub use probes::{Check, Readiness, check};
pub use problem::{FieldError, Kind, Problem};
pub use rate::{Allowance, Limiter, address_key};
pub use routes::routes;
pub use server::{BindError, Drained, Server, bind};
pub use switch::under_switch;

use crate::{
    kernel::{IdSource, Network},
    telemetry::Metrics,
};
use limits::Bounds;
use observe::Observe;

/// What a request may cost, and how the server is called from outside.
#[derive(Debug, Clone)]
pub struct FrontOptions {
    /// Where clients reach the server, e.g. `https://shop.example.com`; the `type` of problems begins with it.
    pub public_url: String,
    /// How large a body may be, in bytes. A route may set another `DefaultBodyLimit` for itself.
    pub body_limit: usize,
    /// How large the request line and the headers may be together, in bytes.
    pub head_limit: usize,
    /// How long receiving and answering a request may take until the answer's head.
    pub request_timeout: Duration,
    /// How many requests are answered at a time before others are refused.
    pub max_in_flight: usize,
    /// The proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
}

impl FrontOptions {
    /// The defaults for a server that is reached at `public_url`.
    #[must_use]
    pub fn new(public_url: impl Into<String>) -> Self {
        Self {
            public_url: public_url.into(),
            body_limit: 1 << 20,
            head_limit: 16 << 10,
            request_timeout: Duration::from_secs(30),
            max_in_flight: 1_024,
            trusted_proxies: Vec::new(),
        }
    }
}

/// What the outermost layer knows.
#[derive(Debug)]
struct Edge {
    public_url: String,
    https: bool,
    ids: IdSource,
    counters: observe::Counters,
    proxies: Vec<Network>,
    head_limit: usize,
}

/// The front door, before the application's routes are put behind it.
#[derive(Debug, Clone)]
pub struct Front {
    options: FrontOptions,
    edge: Arc<Edge>,
    readiness: Readiness,
}

impl Front {
    /// A front that makes its ids from `ids` and is ready when `readiness` says so.
    #[must_use]
    pub fn new(options: FrontOptions, ids: IdSource, readiness: Readiness) -> Self {
        let public_url = options.public_url.trim_end_matches('/').to_owned();
        let https = public_url.starts_with("https://");
        let proxies = options.trusted_proxies.clone();
        let counters = observe::Counters::default();
        let head_limit = options.head_limit;
        Self { options, edge: Arc::new(Edge { public_url, https, ids, counters, proxies, head_limit }), readiness }
    }

    /// Everything that the public listener serves: `app` behind all layers, the probes, the problems' pages, and the
    /// description of all that is described.
    ///
    /// `app` has its state already and no fallback.
    pub fn router(&self, app: impl Into<ApiRouter>) -> Router {
        let (routes, document) = self.described(app.into());
        routes
            .merge(openapi::pages(document).merge(docs::pages()).layer(self.observe()))
            .fallback(not_found.layer(self.observe()))
            .method_not_allowed_fallback(method_not_allowed.layer(self.observe()))
    }

    /// What `/api/openapi.json` says where [`Self::router`] serves `app`.
    pub fn description(&self, app: impl Into<ApiRouter>) -> Bytes {
        self.described(app.into()).1
    }

    fn described(&self, app: ApiRouter) -> (Router, Bytes) {
        let FrontOptions { body_limit, request_timeout, max_in_flight, .. } = self.options;
        // One layer for the router: it clones and boxes all that is inside of each once more for every request.
        let application = ServiceBuilder::new()
            .layer(self.observe())
            .layer(Bounds::new(max_in_flight, request_timeout))
            .layer(DefaultBodyLimit::max(body_limit));
        let probes = probes::public(&self.readiness).layer(self.observe());
        openapi::finish(app.layer(application).merge(probes), &self.edge.public_url)
    }

    fn observe(&self) -> Observe {
        Observe(Arc::clone(&self.edge))
    }

    /// Everything that the operators' listener serves: `/metrics`, and the probes with the reasons of failures.
    pub fn operations(&self, metrics: &Metrics) -> Router {
        let metrics = metrics.clone();
        let scrape = move || {
            let text = metrics.render();
            async move { ([(axum::http::header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text) }
        };
        probes::operators(&self.readiness)
            .route("/metrics", routing::get(scrape))
            .fallback(not_found)
            .method_not_allowed_fallback(method_not_allowed)
            .layer(middleware::from_fn(limits::catch_panics))
    }
}

async fn not_found() -> Problem {
    Problem::new(Kind::NotFound).detail("there is nothing at this path")
}

async fn method_not_allowed() -> Problem {
    Problem::new(Kind::MethodNotAllowed).detail("the path exists; the `Allow` header names the methods it takes")
}
