//! What one request may cost: time, size of its head, and its place among the others.

use std::{
    any::Any,
    convert::Infallible,
    future::ready,
    panic::AssertUnwindSafe,
    sync::Arc,
    task::{self, Poll},
    time::Duration,
};

use axum::{
    extract::{MatchedPath, Request},
    http::{HeaderValue, Version, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures::{FutureExt, future::BoxFuture};
use tokio::sync::Semaphore;
use tower::{Layer, Service};

use super::problem::{Kind, Problem};

/// The layer around the application: its requests have a place each, and a time.
#[derive(Debug, Clone)]
pub(super) struct Bounds {
    places: Arc<Semaphore>,
    time: Duration,
}

impl Bounds {
    /// At most `places` requests at a time, each of which may take `time` until its answer's head.
    pub(super) fn new(places: usize, time: Duration) -> Self {
        Self { places: Arc::new(Semaphore::new(places)), time }
    }
}

impl<S> Layer<S> for Bounds {
    type Service = Bounded<S>;

    fn layer(&self, inner: S) -> Bounded<S> {
        Bounded { bounds: self.clone(), inner }
    }
}

/// What [`Bounds`] makes of a service.
#[derive(Debug, Clone)]
pub(super) struct Bounded<S> {
    bounds: Bounds,
    inner: S,
}

impl<S> Service<Request> for Bounded<S>
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

    fn call(&mut self, request: Request) -> Self::Future {
        let Ok(place) = Arc::clone(&self.bounds.places).try_acquire_owned() else {
            return Box::pin(ready(Ok(shed())));
        };
        let untimed = is_untimed(&request);
        let (version, limit) = (request.version(), self.bounds.time);
        let answer = self.inner.call(request);
        Box::pin(async move {
            let _place = place;
            if untimed {
                return answer.await;
            }
            tokio::time::timeout(limit, answer).await.unwrap_or_else(|_| Ok(late(limit, version)))
        })
    }
}

/// Refuses at once what would have to queue: a client that is told to come back is served sooner than one that waits
/// behind a thousand others, and the queue cannot grow until memory ends.
fn shed() -> Response {
    metrics::counter!("mintreu_http_shed_total").increment(1);
    Problem::new(Kind::TemporaryReducedCapacity)
        .retry_after(Duration::from_secs(1))
        .detail("the server is answering as many requests as it can; try again shortly")
        .into_response()
}

/// Routes that receive as much as there is, and so bound the time between two pieces themselves.
const UNTIMED: [&str; 1] = ["/api/admin/products/{id}/files"];

fn is_untimed(request: &Request) -> bool {
    request.extensions().get::<MatchedPath>().is_some_and(|path| UNTIMED.contains(&path.as_str()))
}

/// What is not answered in time is given up: the handler is dropped, and with it its transaction.
fn late(limit: Duration, version: Version) -> Response {
    metrics::counter!("mintreu_http_timeouts_total").increment(1);
    let mut response = Problem::new(Kind::RequestTimeout)
        .detail(format!("the request was not received and answered within {} ms", limit.as_millis()))
        .into_response();
    if version < Version::HTTP_2 {
        // RFC 9110, 15.5.9; the rest of the body is not waited for.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Refuses a head above the limit.
///
/// The HTTP library answers by itself, without a body, only what is above its own and larger buffer.
pub(super) fn head(request: &Request, limit: usize) -> Result<(), Problem> {
    // As in HTTP/1: name, colon, space, value, line end.
    let headers: usize = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if headers + target <= limit {
        return Ok(());
    }
    Err(Problem::new(Kind::HeadersTooLarge)
        .detail(format!("the request line and the headers may have {limit} bytes together")))
}

/// A panic is answered like any other failure of this side; the panic hook has logged what it said.
pub(super) async fn unpanicked(answer: impl Future<Output = Response>) -> Response {
    AssertUnwindSafe(answer).catch_unwind().await.unwrap_or_else(|payload: Box<dyn Any + Send>| {
        // What was thrown says no more than the log does.
        drop(payload);
        metrics::counter!("mintreu_http_panics_total").increment(1);
        Problem::internal("the handler panicked").into_response()
    })
}

/// The same, as a layer.
pub(super) async fn catch_panics(request: Request, next: Next) -> Response {
    unpanicked(next.run(request)).await
}
