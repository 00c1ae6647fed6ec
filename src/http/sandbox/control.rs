//! What tests and demonstrations tell the sandbox, as JSON.

use axum::{extract::State, http::StatusCode, response::IntoResponse};
use serde::{Deserialize, Serialize};

use super::{named, sandbox};
use crate::{
    app::App,
    http::{Json, Path, Problem},
    kernel::Currency,
    payments::sandbox::{
        Completion, Delivering, DisputeMove, PayOutcome, RenewalOutcome, SandboxError, SandboxSession,
    },
};

/// How events are delivered: once, at once and in their order unless it says otherwise.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(default)]
struct How {
    copies: u32,
    delay_seconds: u32,
    reversed: bool,
}

impl Default for How {
    fn default() -> Self {
        let Delivering { copies, delay_seconds, reversed } = Delivering::default();
        Self { copies, delay_seconds, reversed }
    }
}

impl From<How> for Delivering {
    fn from(How { copies, delay_seconds, reversed }: How) -> Self {
        Self { copies, delay_seconds, reversed }
    }
}

/// What a buyer does.
#[derive(Debug, Deserialize)]
pub(super) struct Complete {
    outcome: PayOutcome,
    amount: Option<i64>,
    currency: Option<Currency>,
    #[serde(flatten)]
    how: How,
}

/// `POST /sandbox/sessions/{session}/complete`
pub(super) async fn complete(
    State(app): State<App>,
    Path(session): Path<String>,
    Json(asked): Json<Complete>,
) -> Result<Json<SandboxSession>, Problem> {
    let Complete { outcome, amount, currency, how } = asked;
    let completion = Completion { outcome, delivering: how.into(), amount, currency };
    Ok(Json(sandbox(&app)?.complete(named(&session)?, completion).await?))
}

/// `GET /sandbox/sessions/{session}`
pub(super) async fn show(State(app): State<App>, Path(session): Path<String>) -> Result<Json<SandboxSession>, Problem> {
    let found = sandbox(&app)?.session(named(&session)?).await?;
    Ok(Json(found.ok_or(SandboxError::Unknown)?))
}

/// The name of what was made.
#[derive(Debug, Serialize)]
struct Made {
    id: String,
}

/// A refund that somebody makes at the provider.
#[derive(Debug, Deserialize)]
pub(super) struct RefundAsked {
    amount: Option<i64>,
    #[serde(flatten)]
    how: How,
}

/// `POST /sandbox/sessions/{session}/refund`
pub(super) async fn refund(
    State(app): State<App>,
    Path(session): Path<String>,
    Json(asked): Json<RefundAsked>,
) -> Result<impl IntoResponse, Problem> {
    let id = sandbox(&app)?.refund_session(named(&session)?, asked.amount, asked.how.into()).await?;
    Ok((StatusCode::CREATED, Json(Made { id })))
}

/// What the buyer's bank does.
#[derive(Debug, Deserialize)]
pub(super) struct DisputeAsked {
    action: DisputeMove,
    #[serde(flatten)]
    how: How,
}

/// `POST /sandbox/sessions/{session}/dispute`
pub(super) async fn dispute(
    State(app): State<App>,
    Path(session): Path<String>,
    Json(asked): Json<DisputeAsked>,
) -> Result<impl IntoResponse, Problem> {
    let id = sandbox(&app)?.dispute(named(&session)?, asked.action, asked.how.into()).await?;
    Ok(Json(Made { id }))
}

/// How the next period's charge ends.
#[derive(Debug, Deserialize)]
pub(super) struct RenewalAsked {
    outcome: RenewalOutcome,
    #[serde(flatten)]
    how: How,
}

/// `POST /sandbox/subscriptions/{subscription}/renew`
pub(super) async fn renew(
    State(app): State<App>,
    Path(subscription): Path<String>,
    Json(asked): Json<RenewalAsked>,
) -> Result<StatusCode, Problem> {
    sandbox(&app)?.renew(named(&subscription)?, asked.outcome, asked.how.into()).await?;
    Ok(StatusCode::NO_CONTENT)
}
