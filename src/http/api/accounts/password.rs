//! `/api/password/…`

use std::sync::Arc;

use axum::{Extension, extract::State};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    fields,
    limits::Limits,
    register::{EmailBody, Mailed},
};
use crate::{
    accounts::{self, PasswordError},
    app::App,
    http::{Accepted, Caller, Context, Json, Limited, NoContent, Problem, SameOrigin},
};

/// `POST /api/password/forgot`
pub async fn forgot(
    _: SameOrigin,
    State(app): State<App>,
    Extension(limits): Extension<Arc<Limits>>,
    context: Context,
    Json(body): Json<EmailBody>,
) -> Result<Limited<Accepted<Mailed>>, Problem> {
    let email = fields::email(&body.email)?;
    let allowance = limits.mail(&context, &email)?;
    accounts::forgot_password(&app.db, &email).await?;
    let answer = Mailed::new("if this address has an account, the link for a new password is on its way");
    Ok(Limited::of(allowance, Accepted(answer)))
}

/// A link's token, and the password to set.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "PasswordReset")]
pub struct ResetBody {
    /// The link's token.
    token: String,
    /// The new password.
    password: String,
}

/// `POST /api/password/reset`
pub async fn reset(
    _: SameOrigin,
    State(app): State<App>,
    Extension(limits): Extension<Arc<Limits>>,
    context: Context,
    Json(body): Json<ResetBody>,
) -> Result<Limited<NoContent>, Problem> {
    let allowance = limits.link(&context)?;
    let request = Some(context.request_id().to_owned());
    accounts::reset_password(&app.db, (&app.keys, &app.passwords), &body.token, body.password, request).await?;
    Ok(Limited::of(allowance, NoContent))
}

/// The password there is, and the one to set.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "PasswordChange")]
pub struct ChangeBody {
    /// The password there is.
    current_password: String,
    /// The new password.
    password: String,
}

/// `POST /api/password/change`
pub async fn change(
    State(app): State<App>,
    Extension(limits): Extension<Arc<Limits>>,
    caller: Caller,
    context: Context,
    Json(body): Json<ChangeBody>,
) -> Result<Limited<NoContent>, Problem> {
    let session = caller.session()?;
    let current = fields::password(body.current_password, "#/current_password")?;
    let allowance = limits.password(&caller.email)?;
    let request = Some(context.request_id().to_owned());
    let words = (current, body.password);
    accounts::change_password(&app.db, &app.passwords, (&caller, session), words, request).await?;
    Ok(Limited::of(allowance, NoContent))
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
