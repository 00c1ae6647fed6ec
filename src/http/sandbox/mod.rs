//! The sandbox provider's own pages and controls: not the shop's, but those of the provider that it pretends to be. Only
//! there while the sandbox is on, which production refuses; whoever reaches the server may then pretend to pay.

mod control;
mod page;

use aide::axum::{
    ApiRouter,
    routing::{get_with, post_with},
};
use axum::routing::get;

use crate::{
    app::App,
    http::{Kind, Problem, openapi::Tell},
    payments::sandbox::{Sandbox, SandboxError},
};

/// The routes; none while the sandbox is off.
pub(super) fn routes(app: &App) -> ApiRouter<App> {
    if app.sandbox.is_none() {
        return ApiRouter::new();
    }
    ApiRouter::new()
        .route("/sandbox/style.css", get(page::style))
        .route("/sandbox/pay/{session}", get(page::show).post(page::act))
        .api_route(
            "/sandbox/sessions/{session}",
            get_with(control::show, |op| op.told("showSandboxSession", "Show a checkout of the sandbox")),
        )
        .api_route(
            "/sandbox/sessions/{session}/complete",
            post_with(control::complete, |op| {
                op.told("completeSandboxSession", "Pretend to pay, or to fail to").may(&[Kind::Conflict])
            }),
        )
        .api_route(
            "/sandbox/sessions/{session}/refund",
            post_with(control::refund, |op| {
                op.told("refundSandboxSession", "Pretend that the provider gave money back").may(&[Kind::Conflict])
            }),
        )
        .api_route(
            "/sandbox/sessions/{session}/dispute",
            post_with(control::dispute, |op| {
                op.told("disputeSandboxSession", "Pretend that the buyer's bank disputes a payment, or decides")
                    .may(&[Kind::Conflict])
            }),
        )
        .api_route(
            "/sandbox/subscriptions/{subscription}/renew",
            post_with(control::renew, |op| {
                op.told("renewSandboxSubscription", "Pretend that a further period is charged").may(&[Kind::Conflict])
            }),
        )
        .with_path_items(|item| item.tag("operations"))
}

fn sandbox(app: &App) -> Result<&Sandbox, Problem> {
    app.sandbox.as_ref().ok_or_else(|| Problem::new(Kind::NotFound).detail("the sandbox provider is off"))
}

/// Names of the sandbox's are short and plain; others are those of nothing.
fn named(id: &str) -> Result<&str, Problem> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if id.len() <= 64 && id.bytes().all(plain) { Ok(id) } else { Err(SandboxError::Unknown.into()) }
}

impl From<SandboxError> for Problem {
    fn from(error: SandboxError) -> Self {
        match error {
            SandboxError::Unknown => Self::new(Kind::NotFound).detail("the sandbox knows no such thing"),
            SandboxError::State(why) => Self::new(Kind::Conflict).detail(why),
            SandboxError::Copies => Self::new(Kind::InvalidInput).error("#/copies", error.to_string()),
            SandboxError::Delay => Self::new(Kind::InvalidInput).error("#/delay_seconds", error.to_string()),
            SandboxError::Amount => Self::new(Kind::InvalidInput).error("#/amount", error.to_string()),
            SandboxError::Intake(error) => Self::internal(error),
            SandboxError::Db(error) => error.into(),
        }
    }
}
