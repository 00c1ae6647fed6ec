//! `/api/account/totp`

use std::sync::Arc;

use axum::{Extension, extract::State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{fields, limits::Limits, login};
use crate::{
    accounts::{self, Enrolment},
    app::App,
    http::{Caller, Context, Created, Json, Limited, NoContent, NotStored, Problem},
};

/// `POST /api/account/totp`: a secret that waits for its confirmation.
pub async fn begin(State(app): State<App>, caller: Caller) -> Result<NotStored<Created<Enrolment>>, Problem> {
    caller.session()?;
    let enrolment = accounts::begin_second_factor(&app.db, &app.keys, &caller, &app.shop.name).await?;
    Ok(NotStored(Created(enrolment)))
}

/// The first code.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "SecondFactorCode")]
pub struct ConfirmBody {
    /// What the new second factor shows.
    totp: String,
}

/// The second factor is in force.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RecoveryCodes")]
pub struct ConfirmedView {
    /// Each stands in for the second factor once; they are not shown again.
    recovery_codes: Vec<String>,
}

/// `POST /api/account/totp/confirm`
pub async fn confirm(
    State(app): State<App>,
    Extension(limits): Extension<Arc<Limits>>,
    caller: Caller,
    context: Context,
    Json(body): Json<ConfirmBody>,
) -> Result<NotStored<Limited<Json<ConfirmedView>>>, Problem> {
    caller.session()?;
    let allowance = limits.second_factor(caller.user)?;
    let by = caller.by(&context);
    let recovery_codes = accounts::confirm_second_factor(&app.db, &app.keys, &caller, &body.totp, &by).await?;
    Ok(NotStored(Limited::of(allowance, Json(ConfirmedView { recovery_codes }))))
}

/// The password, and a code.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "SecondFactorEnd")]
pub struct DisableBody {
    /// The account's password.
    password: String,
    /// What the second factor shows.
    totp: Option<String>,
    /// Or one of the codes that stand in for it.
    recovery_code: Option<String>,
}

/// `POST /api/account/totp/disable`
pub async fn disable(
    State(app): State<App>,
    Extension(limits): Extension<Arc<Limits>>,
    caller: Caller,
    context: Context,
    Json(body): Json<DisableBody>,
) -> Result<Limited<NoContent>, Problem> {
    caller.session()?;
    let password = fields::password(body.password, "#/password")?;
    let code = login::second_factor(body.totp, body.recovery_code)
        .ok_or_else(|| fields::invalid("#/totp", "a code is needed: `totp` or `recovery_code`"))?;
    limits.password(&caller.email)?;
    let allowance = limits.second_factor(caller.user)?;
    let (by, tools) = (caller.by(&context), (&app.keys, &app.passwords));
    accounts::disable_second_factor(&app.db, tools, &caller, (password, code), &by).await?;
    Ok(Limited::of(allowance, NoContent))
}
