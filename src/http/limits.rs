//! What one request may cost: time, size of its head, and its place among the others.

use std::{any::Any, sync::Arc, time::Duration};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderValue, Version, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tokio::sync::Semaphore;

use super::problem::{Kind, Problem};

/// Refuses at once what would have to queue: a client that is told to come back is served sooner than one that waits
/// behind a thousand others, and the queue cannot grow until memory ends.
pub(super) async fn shed(State(places): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    let Ok(_place) = places.try_acquire() else {
        metrics::counter!("mintreu_http_shed_total").increment(1);
        return Problem::new(Kind::TemporaryReducedCapacity)
            .retry_after(Duration::from_secs(1))
            .detail("the server is answering as many requests as it can; try again shortly")
            .into_response();
    };
    next.run(request).await
}

/// Routes that receive as much as there is, and so bound the time between two pieces themselves.
const UNTIMED: [&str; 1] = ["/api/admin/products/{id}/files"];

/// Gives up on what is not answered in time. The handler is dropped, and with it its transaction.
pub(super) async fn deadline(State(limit): State<Duration>, request: Request, next: Next) -> Response {
    if request.extensions().get::<MatchedPath>().is_some_and(|path| UNTIMED.contains(&path.as_str())) {
        return next.run(request).await;
    }
    let version = request.version();
    let Ok(response) = tokio::time::timeout(limit, next.run(request)).await else {
        metrics::counter!("mintreu_http_timeouts_total").increment(1);
        let mut response = Problem::new(Kind::RequestTimeout)
            .detail(format!("the request was not received and answered within {} ms", limit.as_millis()))
            .into_response();
        if version < Version::HTTP_2 {
            // RFC 9110, 15.5.9; the rest of the body is not waited for.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        return response;
    };
    response
}

/// Refuses a head above the limit.
///
/// The HTTP library answers by itself, without a body, only what is above its own and larger buffer.
pub(super) async fn head(State(limit): State<usize>, request: Request, next: Next) -> Response {
    // As in HTTP/1: name, colon, space, value, line end.
    let headers: usize = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if headers + target > limit {
        return Problem::new(Kind::HeadersTooLarge)
            .detail(format!("the request line and the headers may have {limit} bytes together"))
            .into_response();
    }
    next.run(request).await
}

/// A panic is answered like any other failure of this side; the panic hook has logged what it said.
pub(super) fn panicked(_payload: Box<dyn Any + Send>) -> Response {
    metrics::counter!("mintreu_http_panics_total").increment(1);
    Problem::internal("the handler panicked").into_response()
}
