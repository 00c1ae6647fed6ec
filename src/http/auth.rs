//! Who is asking: a session's cookie or a personal access token, as an argument of handlers.

use axum::{
    extract::{FromRequestParts, OptionalFromRequestParts},
    http::{HeaderMap, header, request::Parts},
};

use super::problem::{Kind, Problem};
use crate::{
    accounts::{self, Credential, Identity, Role, Scope},
    app::App,
    audit::Actor,
};

/// The session's cookie.
pub const SESSION_COOKIE: &str = "mintreu_session";

/// Somebody signed in; without a valid credential the answer is 401. `Option<Caller>` is `None` without any credential,
/// and still 401 for a wrong one.
#[derive(Debug, Clone)]
pub struct Caller(pub Identity);

impl std::ops::Deref for Caller {
    type Target = Identity;
    fn deref(&self) -> &Identity {
        &self.0
    }
}

impl Caller {
    /// Refuses a token that was not made for this.
    pub fn require(&self, scope: Scope) -> Result<(), Problem> {
        match &self.credential {
            Credential::Session(_) => Ok(()),
            Credential::Token(_, scopes) if scopes.contains(scope) => Ok(()),
            Credential::Token(..) => Err(Problem::new(Kind::Forbidden)
                .detail(format!("the token lacks the scope `{}`", scope.as_str()))
                .member("scope", scope.as_str())),
        }
    }

    /// As the audit trail names them.
    #[must_use]
    pub fn actor(&self) -> Actor {
        match self.role {
            Role::Admin => Actor::operator(self.user.to_string()),
            Role::Customer | Role::Developer | Role::Affiliate => Actor::user(self.user.to_string()),
        }
    }
}

/// An operator; anyone else gets 403.
#[derive(Debug, Clone)]
pub struct Admin(pub Caller);

impl std::ops::Deref for Admin {
    type Target = Caller;
    fn deref(&self) -> &Caller {
        &self.0
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        identify(parts, app).await?.ok_or_else(|| {
            Problem::new(Kind::Unauthorized).detail("sign in, or send `Authorization: Bearer` with an access token")
        })
    }
}

impl OptionalFromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Option<Self>, Problem> {
        identify(parts, app).await
    }
}

impl FromRequestParts<App> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let caller = <Caller as FromRequestParts<App>>::from_request_parts(parts, app).await?;
        if caller.role != Role::Admin {
            return Err(Problem::new(Kind::Forbidden).detail("this is for operators"));
        }
        caller.require(Scope::Admin)?;
        Ok(Self(caller))
    }
}

async fn identify(parts: &Parts, app: &App) -> Result<Option<Caller>, Problem> {
    let refused = || Problem::new(Kind::Unauthorized).detail("the credential is not valid, or not any more");
    if let Some(token) = bearer(&parts.headers) {
        let identity = accounts::identify_token(&app.db, token).await?.ok_or_else(refused)?;
        return Ok(Some(Caller(identity)));
    }
    let Some(token) = cookie(&parts.headers, SESSION_COOKIE) else { return Ok(None) };
    let identity = accounts::identify_session(&app.db, token).await?.ok_or_else(refused)?;
    Ok(Some(Caller(identity)))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let pairs = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    pairs.flat_map(|value| value.split(';')).find_map(|pair| {
        let (key, value) = pair.trim().split_once('=')?;
        (key == name).then_some(value)
    })
}
