//! Kill switches at the door: a capability that an operator has switched off answers `capability-disabled`.
//!
//! Never put webhook routes under a switch: the provider's event must become durable even while what it causes stands
//! still. It waits in the queue, whose feed the switch pauses.

use aide::axum::ApiRouter;
use axum::{
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};

use super::{
    openapi::{Tell, TellEach},
    problem::{Kind, Problem},
};

/// Puts the routes of `router` under a switch: while `killed` says so, they refuse.
///
/// `killed` is asked for every request and must be as cheap as reading memory.
pub fn under_switch<S, F>(router: impl Into<ApiRouter<S>>, capability: &'static str, killed: F) -> ApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    F: Fn() -> bool + Clone + Send + Sync + 'static,
{
    router
        .into()
        .with_path_items(|item| item.each(|op| op.may(&[Kind::CapabilityDisabled])))
        .layer(middleware::from_fn_with_state((capability, killed), refuse_when_killed::<F>))
}

async fn refuse_when_killed<F>(
    State((capability, killed)): State<(&'static str, F)>,
    request: Request,
    next: Next,
) -> Response
where
    F: Fn() -> bool + Clone + Send + Sync + 'static,
{
    if killed() {
        metrics::counter!("mintreu_http_refused_by_switch_total", "capability" => capability).increment(1);
        return Problem::capability_disabled(capability).into_response();
    }
    next.run(request).await
}
