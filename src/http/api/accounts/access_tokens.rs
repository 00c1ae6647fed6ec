//! `/api/account/tokens`

use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fields;
use crate::{
    accounts::{self, AccessToken, AccessTokenId, MadeAccessToken, NewAccessToken, Scope, Scopes, TokenError},
    app::App,
    http::{
        Caller, Context, IdempotencyKey, Json, Kind, NoContent, NotStored, Once, PageQuery, Path, Problem, Query, once,
    },
    kernel::{Page, Time},
};

/// `GET /api/account/tokens`
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(page): Query<PageQuery<AccessTokenId>>,
) -> Result<Json<Page<AccessToken>>, Problem> {
    caller.session()?;
    Ok(Json(accounts::access_tokens(&app.db, caller.user, &page.request()?).await?))
}

/// A token as its owner wants it.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewAccessToken")]
pub struct NewTokenBody {
    /// What you call it.
    name: String,
    /// What it may be used for.
    scopes: Vec<Scope>,
    /// When it ends; never, if nothing is said.
    expires_at: Option<Time>,
}

/// `POST /api/account/tokens`
pub async fn make(
    State(app): State<App>,
    caller: Caller,
    context: Context,
    key: IdempotencyKey,
    Json(body): Json<NewTokenBody>,
) -> Result<NotStored<Once<MadeAccessToken>>, Problem> {
    caller.session()?;
    let scopes = Scopes::new(body.scopes.iter().copied());
    let new = NewAccessToken::choose(&body.name, scopes, body.expires_at, (caller.role, app.db.now()))?;
    let (by, random, user) = (caller.by(&context), app.keys.random().clone(), caller.user);
    let scope = format!("{user} POST /api/account/tokens");
    let made = once(&app, key, scope, &body, async move |tx| -> Result<MadeAccessToken, TokenError> {
        accounts::make_token(tx, user, new, &random, &by).await
    });
    Ok(NotStored(made.await?))
}

/// `DELETE /api/account/tokens/{token}`
pub async fn revoke(
    State(app): State<App>,
    caller: Caller,
    context: Context,
    Path(token): Path<AccessTokenId>,
) -> Result<NoContent, Problem> {
    caller.session()?;
    if accounts::revoke_token(&app.db, caller.user, token, &caller.by(&context)).await? {
        Ok(NoContent)
    } else {
        Err(Problem::new(Kind::NotFound).detail("you have no such token"))
    }
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Name => fields::invalid("#/name", error),
            TokenError::NoScope | TokenError::NotAnOperator => fields::invalid("#/scopes", error),
            TokenError::Expired => fields::invalid("#/expires_at", error),
            TokenError::TooMany => Self::new(Kind::Conflict).detail(error.to_string()),
            TokenError::Db(error) => error.into(),
        }
    }
}
