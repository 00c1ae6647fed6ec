//! `/api/account/totp`

use std::sync::Arc;

use axum::{
    Extension,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use serde::{Deserialize, Serialize};

use super::{fields, limits::Limits, login};
use crate::{
    accounts,
    app::App,
    http::{Caller, Context, Json, Problem},
};

/// `POST /api/account/totp`: a secret that waits for its confirmation.
pub async fn begin(State(app): State<App>, caller: Caller) -> Result<impl IntoResponse, Problem> {
    caller.session()?;
    let enrolment = accounts::begin_second_factor(&app.db, &app.keys, &caller, &app.shop.name).await?;
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(enrolment)))
}

/// The first code.
#[derive(Deserialize)]
pub struct ConfirmBody {
    totp: String,
}

#[derive(Serialize)]
struct ConfirmedView {
    recovery_codes: Vec<String>,
}

/// `POST /api/account/totp/confirm`
pub async fn confirm(
    State(app): State<App>,
    Extension(limits): Extension<Arc<Limits>>,
    caller: Caller,
    context: Context,
    Json(body): Json<ConfirmBody>,
) -> Result<impl IntoResponse, Problem> {
    caller.session()?;
    let allowance = limits.second_factor(caller.user)?;
    let by = caller.by(&context);
    let recovery_codes = accounts::confirm_second_factor(&app.db, &app.keys, &caller, &body.totp, &by).await?;
    Ok(([(header::CACHE_CONTROL, "no-store")], allowance, Json(ConfirmedView { recovery_codes })))
}

/// The password, and a code.
#[derive(Deserialize)]
pub struct DisableBody {
    password: String,
    totp: Option<String>,
    recovery_code: Option<String>,
}

/// `POST /api/account/totp/disable`
pub async fn disable(
    State(app): State<App>,
    Extension(limits): Extension<Arc<Limits>>,
    caller: Caller,
    context: Context,
    Json(body): Json<DisableBody>,
) -> Result<impl IntoResponse, Problem> {
    caller.session()?;
    let password = fields::password(body.password, "#/password")?;
    let code = login::second_factor(body.totp, body.recovery_code)
        .ok_or_else(|| fields::invalid("#/totp", "a code is needed: `totp` or `recovery_code`"))?;
    limits.password(&caller.email)?;
    let allowance = limits.second_factor(caller.user)?;
    let (by, tools) = (caller.by(&context), (&app.keys, &app.passwords));
    accounts::disable_second_factor(&app.db, tools, &caller, (password, code), &by).await?;
    Ok((allowance, StatusCode::NO_CONTENT))
}
