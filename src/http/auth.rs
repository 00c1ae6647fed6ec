//! Who is asking: a session's cookie or a personal access token, as an argument of handlers.
//!
//! A browser sends the cookie by itself, also when another site makes it ask. So a request that changes something and
//! shows a cookie must come from our own pages: [`SameOrigin`]. A token is sent by whoever has it, on purpose.

use axum::{
    extract::{FromRequestParts, OptionalFromRequestParts},
    http::{HeaderMap, HeaderValue, Method, header, request::Parts},
};
use uuid::Uuid;

use super::{
    context::Context,
    problem::{Kind, Problem},
};
use crate::{
    accounts::{self, By, Credential, Device, Identity, Role, SESSION_LIFE, Scope},
    app::App,
    audit::Actor,
    catalog,
    kernel::DeveloperId,
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

    /// The session, for what only somebody who signed in may do: change what proves who they are.
    pub fn session(&self) -> Result<Uuid, Problem> {
        match self.credential {
            Credential::Session(id) => Ok(id),
            Credential::Token(..) => Err(Problem::new(Kind::Forbidden)
                .detail("an access token does not do here: sign in with `POST /api/login` and send its cookie")),
        }
    }

    /// As the audit trail names them.
    #[must_use]
    pub fn actor(&self) -> Actor {
        accounts::actor(self.user, self.role)
    }

    /// As the audit trail names them, with the request.
    #[must_use]
    pub fn by(&self, context: &Context) -> By {
        By { actor: self.actor(), request: Some(context.request_id().to_owned()) }
    }
}

/// An operator; anyone else gets 403. In production also an operator without a second factor.
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
        if app.shop.operators_need_second_factor() && !caller.second_factor {
            return Err(Problem::new(Kind::Forbidden)
                .detail(
                    "operators need a second factor here: set one up with `POST /api/account/totp`, then sign in again",
                )
                .member("second_factor", "required"));
        }
        Ok(Self(caller))
    }
}

/// Somebody who sells here; anyone else gets 403. What a token must have been made for, the route says.
#[derive(Debug, Clone)]
pub struct Vendor {
    /// Who asks.
    pub caller: Caller,
    /// As which developer they sell.
    pub developer: DeveloperId,
}

impl FromRequestParts<App> for Vendor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let caller = <Caller as FromRequestParts<App>>::from_request_parts(parts, app).await?;
        let refused = || Problem::new(Kind::Forbidden).detail("this is for developers who sell here");
        if caller.role != Role::Developer {
            return Err(refused());
        }
        let developer = catalog::developer_of(&app.db, caller.user).await?.ok_or_else(refused)?;
        Ok(Self { caller, developer })
    }
}

/// A request that no other site made a browser send; where there is nobody to be yet, such as at the login.
#[derive(Debug, Clone, Copy)]
pub struct SameOrigin;

impl FromRequestParts<App> for SameOrigin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        same_origin(&parts.method, &parts.headers, app).map(|()| Self)
    }
}

/// Refuses a request for a change that another site made a browser send. Programs send neither of the two headers.
fn same_origin(method: &Method, headers: &HeaderMap, app: &App) -> Result<(), Problem> {
    if method.is_safe() {
        return Ok(());
    }
    // <https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header>: `none` is a person who typed or chose it.
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    let from_here = site.is_none_or(|site| site == b"same-origin" || site == b"none");
    let origin = headers.get(header::ORIGIN).map(HeaderValue::as_bytes);
    // The browser's word counts as well where the site is reached by another name, as in development.
    let asked = || {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        site == Some(b"same-origin")
            && [format!("http://{host}"), format!("https://{host}")].iter().any(|own| origin == Some(own.as_bytes()))
    };
    let ours = origin.is_none_or(|origin| origin == app.shop.origin().as_bytes()) || asked();
    if from_here && ours {
        return Ok(());
    }
    Err(Problem::new(Kind::Forbidden)
        .detail("the request comes from another site; a browser may change something here only from the shop's pages"))
}

async fn identify(parts: &Parts, app: &App) -> Result<Option<Caller>, Problem> {
    let refused = || Problem::new(Kind::Unauthorized).detail("the credential is not valid, or not any more");
    let identity = if let Some(token) = bearer(&parts.headers) {
        accounts::identify_token(&app.db, token).await?
    } else if let Some(token) = session_token(&parts.headers) {
        same_origin(&parts.method, &parts.headers, app)?;
        accounts::identify_session(&app.db, token).await?
    } else {
        return Ok(None);
    };
    let identity = identity.ok_or_else(refused)?;
    if let Err(error) = accounts::note_use(&app.db, &identity).await {
        // The request can be answered all the same.
        tracing::warn!(%error, "the use of a credential could not be noted");
    }
    Ok(Some(Caller(identity)))
}

/// The session's token that a browser sends.
pub(super) fn session_token(headers: &HeaderMap) -> Option<&str> {
    cookie(headers, SESSION_COOKIE)
}

/// The header that gives a browser its session.
#[must_use]
pub fn set_session(app: &App, token: &str) -> HeaderValue {
    session_cookie(app, token, SESSION_LIFE.as_secs())
}

/// The header that takes the session from a browser.
#[must_use]
pub fn end_session(app: &App) -> HeaderValue {
    session_cookie(app, "", 0)
}

fn session_cookie(app: &App, token: &str, seconds: u64) -> HeaderValue {
    let secure = if app.shop.is_https() { "; Secure" } else { "" };
    let cookie = format!("{SESSION_COOKIE}={token}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
    // Tokens are hexadecimal, so this cannot fail.
    HeaderValue::from_str(&cookie).unwrap_or(HeaderValue::from_static(""))
}

/// What a request tells of where it comes from.
#[must_use]
pub fn device(context: &Context, headers: &HeaderMap) -> Device {
    let agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    Device::new(context.peer().map(|address| address.to_canonical().to_string()), agent)
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
