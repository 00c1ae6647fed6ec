//! `/api/password/…`

use std::sync::Arc;

use axum::{Extension, extract::State, http::StatusCode, response::IntoResponse};
use serde::Deserialize;

use super::{
    fields,
    limits::Limits,
    register::{EmailBody, Mailed},
};
use crate::{
    accounts::{self, PasswordError},
    app::App,
    http::{Caller, Context, Json, Problem, SameOrigin},
};

/// `POST /api/password/forgot`
pub async fn forgot(
    _: SameOrigin,
    State(app): State<App>,
    Extension(limits): Extension<Arc<Limits>>,
    context: Context,
    Json(body): Json<EmailBody>,
) -> Result<impl IntoResponse, Problem> {
    let email = fields::email(&body.email)?;
    let allowance = limits.mail(&context, &email)?;
    accounts::forgot_password(&app.db, &email).await?;
    let answer = Mailed::new("if this address has an account, the link for a new password is on its way");
    Ok((StatusCode::ACCEPTED, allowance, Json(answer)))
}

/// A link's token, and the password to set.
#[derive(Deserialize)]
pub struct ResetBody {
    token: String,
    password: String,
}

/// `POST /api/password/reset`
pub async fn reset(
    _: SameOrigin,
    State(app): State<App>,
    Extension(limits): Extension<Arc<Limits>>,
    context: Context,
    Json(body): Json<ResetBody>,
) -> Result<impl IntoResponse, Problem> {
    let allowance = limits.link(&context)?;
    let request = Some(context.request_id().to_owned());
    accounts::reset_password(&app.db, (&app.keys, &app.passwords), &body.token, body.password, request).await?;
    Ok((allowance, StatusCode::NO_CONTENT))
}

/// The password there is, and the one to set.
#[derive(Deserialize)]
pub struct ChangeBody {
    current_password: String,
    password: String,
}

/// `POST /api/password/change`
pub async fn change(
    State(app): State<App>,
    Extension(limits): Extension<Arc<Limits>>,
    caller: Caller,
    context: Context,
    Json(body): Json<ChangeBody>,
) -> Result<impl IntoResponse, Problem> {
    let session = caller.session()?;
    let current = fields::password(body.current_password, "#/current_password")?;
    let allowance = limits.password(&caller.email)?;
    let request = Some(context.request_id().to_owned());
    let words = (current, body.password);
    accounts::change_password(&app.db, &app.passwords, (&caller, session), words, request).await?;
    Ok((allowance, StatusCode::NO_CONTENT))
}

impl From<PasswordError> for Problem {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Token => fields::invalid("#/token", error),
            PasswordError::Current => fields::invalid("#/current_password", error),
            PasswordError::Weak(error) => error.into(),
            PasswordError::Hash(error) => error.into(),
            PasswordError::Db(error) => error.into(),
        }
    }
}
