//! `/api/register`, `/api/verify-email`

use std::sync::Arc;

use axum::{Extension, extract::State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{fields, limits::Limits};
use crate::{
    accounts::{self, ProofError, RegisterError, Registration},
    app::App,
    http::{Accepted, Context, Json, Kind, Limited, Problem, SameOrigin},
};

/// Who wants an account.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "Registration")]
pub struct RegisterBody {
    /// What you are called.
    name: String,
    /// Where you get mail; it is what you sign in with.
    email: String,
    /// The password that you choose.
    password: String,
}

/// What everybody who asks for a mail is answered.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Mailed {
    /// Always `mailed`: nobody learns whether the address has an account.
    status: &'static str,
    /// What to do now, for people.
    detail: &'static str,
}

impl Mailed {
    pub(super) const fn new(detail: &'static str) -> Self {
        Self { status: "mailed", detail }
    }
}

/// `POST /api/register`
pub async fn register(
    _: SameOrigin,
    State(app): State<App>,
    Extension(limits): Extension<Arc<Limits>>,
    context: Context,
    Json(body): Json<RegisterBody>,
) -> Result<Limited<Accepted<Mailed>>, Problem> {
    let (name, email) = (fields::name(&body.name)?, fields::email(&body.email)?);
    let password = fields::new_password(body.password, &email)?;
    let allowance = limits.register(&context, &email)?;
    let request = Some(context.request_id().to_owned());
    accounts::register(&app.db, &app.passwords, Registration { name, email, password }, request).await?;
    let answer = Mailed::new("a mail is on its way to this address; open its link to confirm it, then sign in");
    Ok(Limited::of(allowance, Accepted(answer)))
}

/// What a link carries.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "LinkToken")]
pub struct TokenBody {
    /// The link's token.
    token: String,
}

/// An address that is confirmed.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Verified")]
pub struct VerifiedView {
    /// Always `verified`.
    status: &'static str,
    /// The address.
    email: String,
    /// Whether one can sign in, or needs `POST /api/password/forgot` first.
    password_set: bool,
}

/// `POST /api/verify-email`
pub async fn verify(
    _: SameOrigin,
    State(app): State<App>,
    Extension(limits): Extension<Arc<Limits>>,
    context: Context,
    Json(body): Json<TokenBody>,
) -> Result<Limited<Json<VerifiedView>>, Problem> {
    let allowance = limits.link(&context)?;
    let request = Some(context.request_id().to_owned());
    let verified = accounts::verify_email(&app.db, &app.keys, &body.token, request).await?;
    let (email, password_set) = (verified.email.to_string(), verified.password_set);
    Ok(Limited::of(allowance, Json(VerifiedView { status: "verified", email, password_set })))
}

/// An address.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "Address")]
pub struct EmailBody {
    /// Where mail goes.
    pub(super) email: String,
}

/// `POST /api/verify-email/resend`
pub async fn resend(
    _: SameOrigin,
    State(app): State<App>,
    Extension(limits): Extension<Arc<Limits>>,
    context: Context,
    Json(body): Json<EmailBody>,
) -> Result<Limited<Accepted<Mailed>>, Problem> {
    let email = fields::email(&body.email)?;
    let allowance = limits.mail(&context, &email)?;
    accounts::resend_verification(&app.db, &email).await?;
    let answer = Mailed::new("if an account of this address waits to be confirmed, the link is on its way");
    Ok(Limited::of(allowance, Accepted(answer)))
}

impl From<RegisterError> for Problem {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::Hash(error) => error.into(),
            RegisterError::Db(error) => error.into(),
        }
    }
}

impl From<ProofError> for Problem {
    fn from(error: ProofError) -> Self {
        match error {
            ProofError::Token => Self::new(Kind::InvalidInput).error("#/token", error.to_string()),
            ProofError::Db(error) => error.into(),
        }
    }
}
