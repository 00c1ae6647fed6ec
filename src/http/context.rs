//! Who is asking, in terms of tracing: the request's id, its trace (W3C Trace Context) and its address.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, request::Parts},
};

use super::problem::Problem;
use crate::{
    id_type,
    kernel::{Id, IdSource, trace::Trace},
};

id_type!(RequestId, RequestMarker, "req", "A request, unless its client named it.");

/// The header that carries a request's id, in both directions.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Longer ids are not taken from clients: they go into every log line and audit entry.
const MAX_REQUEST_ID: usize = 128;

/// The address that a connection comes from; the server puts it on every request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) SocketAddr);

/// What handlers are told about the request they answer; take it as an argument.
#[derive(Debug, Clone)]
pub struct Context {
    request_id: Arc<str>,
    trace: Trace,
    peer: Option<IpAddr>,
}

impl Context {
    /// Takes the client's id and trace when they are sane, else makes them.
    pub(super) fn of(headers: &HeaderMap, peer: Option<IpAddr>, ids: &IdSource) -> Self {
        let fresh = ids.next_uuid();
        let request_id =
            client_id(headers).map_or_else(|| Id::<RequestMarker>::from_uuid(fresh).to_string().into(), Arc::from);
        let (low, number) = (fresh.as_u64_pair().1, fresh.as_u128());
        let trace = match sole(headers, &TRACEPARENT).and_then(Trace::parse) {
            // This process is a span of its own in the caller's trace.
            Some(caller) => caller.child(low),
            None => Trace::new(number, low),
        };
        Self { request_id, trace, peer }
    }

    /// The id of the request, as logged and answered: `req_…`, or what the client called it.
    #[must_use]
    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    /// The trace of the work that this request causes; as text it is a `traceparent`.
    #[must_use]
    pub const fn trace(&self) -> Trace {
        self.trace
    }

    /// The client's address: the connection's, or, behind proxies that are trusted, what they say it is.
    #[must_use]
    pub fn peer(&self) -> Option<IpAddr> {
        self.peer
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Context {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let missing = || Problem::internal("the route is not behind the front's layers");
        parts.extensions.get::<Self>().cloned().ok_or_else(missing)
    }
}

/// The client's own id: one header, printable, short, and of characters that mean nothing to logs and shells.
fn client_id(headers: &HeaderMap) -> Option<&str> {
    let id = sole(headers, &X_REQUEST_ID)?;
    let sane = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':');
    (!id.is_empty() && id.len() <= MAX_REQUEST_ID && id.bytes().all(sane)).then_some(id)
}

/// The value of a header that was sent exactly once.
fn sole<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}
