//! What tests and demonstrations tell the sandbox, as JSON.

use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{named, sandbox};
use crate::{
    app::App,
    http::{Created, Json, NoContent, Path, Problem},
    kernel::Currency,
    payments::sandbox::{
        Completion, Delivering, DisputeMove, PayOutcome, RenewalOutcome, SandboxError, SandboxSession,
    },
};

/// How events are delivered: once, at once and in their order unless it says otherwise.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(default)]
struct How {
    /// How often each event is sent.
    #[schemars(range(min = 1, max = 50))]
    copies: u32,
    /// How much later, in seconds.
    #[schemars(range(max = 86_400))]
    delay_seconds: u32,
    /// The last first.
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
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "SandboxCompletion")]
pub(super) struct Complete {
    /// How it ends.
    outcome: PayOutcome,
    /// What is paid, in minor units; what is to be paid if nothing is said.
    amount: Option<i64>,
    /// Of what.
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
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "SandboxMade")]
pub(super) struct Made {
    /// Its name.
    id: String,
}

/// A refund that somebody makes at the provider.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "SandboxRefund")]
pub(super) struct RefundAsked {
    /// How much, in minor units; all that is left if nothing is said.
    amount: Option<i64>,
    #[serde(flatten)]
    how: How,
}

/// `POST /sandbox/sessions/{session}/refund`
pub(super) async fn refund(
    State(app): State<App>,
    Path(session): Path<String>,
    Json(asked): Json<RefundAsked>,
) -> Result<Created<Made>, Problem> {
    let id = sandbox(&app)?.refund_session(named(&session)?, asked.amount, asked.how.into()).await?;
    Ok(Created(Made { id }))
}

/// What the buyer's bank does.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "SandboxDispute")]
pub(super) struct DisputeAsked {
    /// What the bank does.
    action: DisputeMove,
    #[serde(flatten)]
    how: How,
}

/// `POST /sandbox/sessions/{session}/dispute`
pub(super) async fn dispute(
    State(app): State<App>,
    Path(session): Path<String>,
    Json(asked): Json<DisputeAsked>,
) -> Result<Json<Made>, Problem> {
    let id = sandbox(&app)?.dispute(named(&session)?, asked.action, asked.how.into()).await?;
    Ok(Json(Made { id }))
}

/// How the next period's charge ends.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "SandboxRenewal")]
pub(super) struct RenewalAsked {
    /// How it ends.
    outcome: RenewalOutcome,
    #[serde(flatten)]
    how: How,
}

/// `POST /sandbox/subscriptions/{subscription}/renew`
pub(super) async fn renew(
    State(app): State<App>,
    Path(subscription): Path<String>,
    Json(asked): Json<RenewalAsked>,
) -> Result<NoContent, Problem> {
    sandbox(&app)?.renew(named(&subscription)?, asked.outcome, asked.how.into()).await?;
    Ok(NoContent)
}
