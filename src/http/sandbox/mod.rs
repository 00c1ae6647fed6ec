//! The sandbox provider's own pages and controls: not the shop's, but those of the provider that it pretends to be. Only
//! there while the sandbox is on, which production refuses; whoever reaches the server may then pretend to pay.

mod control;
mod page;

use axum::{
    Router,
    routing::{get, post},
};

use crate::{
    app::App,
    http::{Kind, Problem},
    payments::sandbox::{Sandbox, SandboxError},
};

/// The routes; none while the sandbox is off.
pub(super) fn routes(app: &App) -> Router<App> {
    if app.sandbox.is_none() {
        return Router::new();
    }
    Router::new()
        .route("/sandbox/style.css", get(page::style))
        .route("/sandbox/pay/{session}", get(page::show).post(page::act))
        .route("/sandbox/sessions/{session}", get(control::show))
        .route("/sandbox/sessions/{session}/complete", post(control::complete))
        .route("/sandbox/sessions/{session}/refund", post(control::refund))
        .route("/sandbox/sessions/{session}/dispute", post(control::dispute))
        .route("/sandbox/subscriptions/{subscription}/renew", post(control::renew))
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
