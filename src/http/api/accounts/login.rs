//! `/api/login`, `/api/logout`

use std::sync::Arc;

use axum::{Extension, extract::State, http::HeaderMap};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{fields, limits::Limits};
use crate::{
    accounts::{
        self, Account, Credential, LoginError, PasswordShown, SecondFactor, SecondFactorError, SessionId, SignIn,
        SignedIn,
    },
    app::App,
    http::{Caller, Context, Json, Kind, Limited, NoContent, NotStored, Problem, SameOrigin, WithCookie, auth},
    kernel::Id,
};

/// Who wants to sign in.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "Login")]
pub struct LoginBody {
    /// The account's address.
    email: String,
    /// Its password.
    password: String,
    /// The code that the second factor shows, where there is one.
    totp: Option<String>,
    /// One of the codes that stand in for it.
    recovery_code: Option<String>,
    /// Whether a token for programs is wanted too.
    #[serde(default)]
    token: bool,
}

impl LoginBody {
    fn second_factor(&mut self) -> Option<SecondFactor> {
        second_factor(self.totp.take(), self.recovery_code.take())
    }
}

/// The one that was given; codes by the clock go first.
pub(super) fn second_factor(totp: Option<String>, recovery_code: Option<String>) -> Option<SecondFactor> {
    totp.map(SecondFactor::Totp).or(recovery_code.map(SecondFactor::RecoveryCode))
}

/// Somebody who signed in.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SignedIn")]
pub struct LoginView {
    /// Who.
    user: Account,
    /// An access token for programs, if one was wished for.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

/// `POST /api/login`
pub async fn login(
    _: SameOrigin,
    State(app): State<App>,
    Extension(limits): Extension<Arc<Limits>>,
    context: Context,
    headers: HeaderMap,
    Json(mut body): Json<LoginBody>,
) -> Result<WithCookie<NotStored<Limited<Json<LoginView>>>>, Problem> {
    let (email, second) = (fields::email(&body.email)?, body.second_factor());
    let password = fields::password(body.password, "#/password")?;
    let allowance = limits.login(&context, &email)?;
    let how = SignIn {
        second,
        device: auth::device(&context, &headers),
        replaces: auth::session_token(&headers).map(str::to_owned),
        wants_token: body.token,
        request: Some(context.request_id().to_owned()),
    };
    let shown = accounts::check_password(&app.db, &app.passwords, &email, password).await;
    let signed_in = open(&app, &limits, shown, how).await;
    let outcome = if signed_in.is_ok() { "signed_in" } else { "refused" };
    metrics::counter!("mintreu_logins_total", "outcome" => outcome).increment(1);
    let SignedIn { user, session, token } = signed_in?;
    let account = accounts::find_any_account(&app.db, user).await?;
    let user = account.ok_or_else(|| Problem::internal("an account is gone right after its login"))?;
    let answer = NotStored(Limited::of(allowance, Json(LoginView { user, token })));
    Ok(WithCookie(auth::set_session(&app, &session), answer))
}

/// Opens the session of somebody whose password is right. Tries of the second factor are counted for themselves.
async fn open(
    app: &App,
    limits: &Limits,
    shown: Result<PasswordShown, LoginError>,
    how: SignIn,
) -> Result<SignedIn, Problem> {
    let shown = shown?;
    if shown.needs_second_factor() && how.second.is_some() {
        limits.second_factor(shown.user())?;
    }
    Ok(accounts::sign_in(&app.db, &app.keys, shown, how).await?)
}

/// `POST /api/logout`: ends the session; with a token, that token.
pub async fn logout(
    State(app): State<App>,
    caller: Caller,
    context: Context,
) -> Result<WithCookie<NoContent>, Problem> {
    let by = caller.by(&context);
    match &caller.credential {
        Credential::Session(id) => {
            let session: SessionId = Id::from_uuid(*id);
            accounts::end_session(&app.db, caller.user, session, &by).await?;
        }
        Credential::Token(id, _) => {
            accounts::revoke_token(&app.db, caller.user, Id::from_uuid(*id), &by).await?;
        }
    }
    Ok(WithCookie(auth::end_session(&app), NoContent))
}

impl From<LoginError> for Problem {
    fn from(error: LoginError) -> Self {
        let unauthorized = || Self::new(Kind::Unauthorized).detail(error.to_string());
        match error {
            LoginError::Credentials => unauthorized(),
            LoginError::SecondFactorNeeded | LoginError::SecondFactor => {
                unauthorized().member("second_factor", "required")
            }
            LoginError::Disabled => Self::new(Kind::Forbidden).detail(error.to_string()),
            LoginError::Unreadable(error) => error.into(),
            LoginError::Hash(error) => error.into(),
            LoginError::Token(error) => error.into(),
            LoginError::Db(error) => error.into(),
        }
    }
}

impl From<SecondFactorError> for Problem {
    fn from(error: SecondFactorError) -> Self {
        match error {
            SecondFactorError::InForce | SecondFactorError::Absent => {
                Self::new(Kind::Conflict).detail(error.to_string())
            }
            SecondFactorError::Code => fields::invalid("#/totp", error),
            SecondFactorError::Password => fields::invalid("#/password", error),
            SecondFactorError::Sealed(error) => Self::internal(error),
            SecondFactorError::Setup(error) => Self::internal(error),
            SecondFactorError::Hash(error) => error.into(),
            SecondFactorError::Db(error) => error.into(),
        }
    }
}
