//! Personal access tokens: what programs sign in with.

use schemars::JsonSchema;
use serde::Serialize;
use sqlx::{AssertSqlSafe, FromRow};

use super::{
    Role, Scope, Scopes,
    by::By,
    token::{ACCESS_TOKEN_PREFIX, new_token, token_hash},
};
use crate::{
    db::{Db, DbError, Tx},
    execute, fetch_all, id_type,
    kernel::{Page, PageFrom, PageRequest, Time, UserId, seal::Random},
};

id_type!(AccessTokenId, AccessTokenMarker, "pat", "A personal access token.");

/// How many valid tokens an account may have.
pub const MOST_TOKENS: i64 = 100;
const LONGEST_NAME: usize = 100;

/// A token as its owner sees it.
#[derive(Debug, Clone, Serialize, FromRow, JsonSchema)]
pub struct AccessToken {
    /// Which one.
    pub id: AccessTokenId,
    /// What its owner calls it.
    pub name: String,
    /// Its last characters.
    pub hint: String,
    /// What it may be used for.
    #[sqlx(try_from = "String")]
    pub scopes: Scopes,
    /// When it was made.
    pub created_at: Time,
    /// When it ends, if it does.
    pub expires_at: Option<Time>,
    /// When it was used last, to the minute.
    pub last_used_at: Option<Time>,
}

/// A token to be made.
#[derive(Debug, Clone)]
pub struct NewAccessToken {
    name: String,
    scopes: Scopes,
    expires_at: Option<Time>,
    from_login: bool,
}

/// Why a token is not made.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Its name is empty, too long, or of several lines.
    #[error("a token's name has 1 to {LONGEST_NAME} characters, in one line")]
    Name,
    /// It could be used for nothing.
    #[error("name at least one scope")]
    NoScope,
    /// For an operator's scope one must be an operator.
    #[error("the scope `admin` is for operators")]
    NotAnOperator,
    /// It would never be valid.
    #[error("expires_at must be in the future")]
    Expired,
    /// There are enough.
    #[error("an account has at most {MOST_TOKENS} valid tokens; revoke one first")]
    TooMany,
    /// The database did not take it.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl NewAccessToken {
    /// A token that somebody in `role` may make at `now`.
    pub fn choose(
        name: &str,
        scopes: Scopes,
        expires_at: Option<Time>,
        (role, now): (Role, Time),
    ) -> Result<Self, TokenError> {
        let name = name.trim();
        if name.is_empty() || name.chars().count() > LONGEST_NAME || name.contains(char::is_control) {
            return Err(TokenError::Name);
        }
        if scopes.iter().next().is_none() {
            return Err(TokenError::NoScope);
        }
        if scopes.contains(Scope::Admin) && role != Role::Admin {
            return Err(TokenError::NotAnOperator);
        }
        if expires_at.is_some_and(|at| at <= now) {
            return Err(TokenError::Expired);
        }
        Ok(Self { name: name.to_owned(), scopes, expires_at, from_login: false })
    }

    /// What a login gives to a program: all that its person may, for as long as a session.
    pub(super) fn of_login(role: Role, expires_at: Time) -> Self {
        let scopes = Scope::ALL.iter().copied().filter(|scope| *scope != Scope::Admin || role == Role::Admin);
        Self { name: "Login".to_owned(), scopes: Scopes::new(scopes), expires_at: Some(expires_at), from_login: true }
    }
}

/// A token just made: the only time that it is shown.
#[derive(Debug, Serialize, JsonSchema)]
pub struct MadeAccessToken {
    /// The token itself.
    pub token: String,
    /// What is known of it later.
    #[serde(flatten)]
    pub about: AccessToken,
}

/// Makes a token.
pub async fn make_token(
    tx: &mut Tx,
    user: UserId,
    new: NewAccessToken,
    random: &Random,
    by: &By,
) -> Result<MadeAccessToken, TokenError> {
    let (id, now): (AccessTokenId, _) = (tx.new_id(), tx.now());
    let token = new_token(ACCESS_TOKEN_PREFIX, random);
    let hint = token[token.len() - 4..].to_owned();
    let made = execute!(
        tx,
        sqlx::query(
            "INSERT INTO access_tokens (id, user_id, name, token_hash, hint, scopes, from_login, created_at, expires_at)
             SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9 WHERE (SELECT COUNT(*) FROM access_tokens
                WHERE user_id = $2 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $8)) < $10"
        )
        .bind(id)
        .bind(user)
        .bind(&new.name)
        .bind(token_hash(&token))
        .bind(&hint)
        .bind(new.scopes.to_string())
        .bind(new.from_login)
        .bind(now)
        .bind(new.expires_at)
        .bind(MOST_TOKENS)
    )?;
    if made == 0 {
        return Err(TokenError::TooMany);
    }
    let after = serde_json::json!({ "scopes": new.scopes.to_string(), "expires_at": new.expires_at });
    tx.audit(by.did("access_token.made", "access_token", id).change(None, after));
    let (name, scopes, expires_at) = (new.name, new.scopes, new.expires_at);
    let about = AccessToken { id, name, hint, scopes, created_at: now, expires_at, last_used_at: None };
    Ok(MadeAccessToken { token, about })
}

/// An account's valid tokens, the newest first.
pub async fn access_tokens(
    db: &Db,
    user: UserId,
    request: &PageRequest<AccessTokenId>,
) -> Result<Page<AccessToken>, DbError> {
    let (cursor, compare, order) = match request.from {
        PageFrom::Start => (None, "<", "DESC"),
        PageFrom::After(id) => (Some(id), "<", "DESC"),
        PageFrom::Before(id) => (Some(id), ">", "ASC"),
    };
    let rows = fetch_all!(
        db,
        sqlx::query_as(AssertSqlSafe(format!(
            "SELECT id, name, hint, scopes, created_at, expires_at, last_used_at FROM access_tokens
             WHERE user_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)
                   AND ($3 IS NULL OR id {compare} $3) ORDER BY id {order} LIMIT $4"
        )))
        .bind(user)
        .bind(db.now())
        .bind(cursor)
        .bind(request.fetch())
    )?;
    Ok(Page::of(rows, request, |token: &AccessToken| token.id))
}

/// Revokes one of an account's tokens. False if it has none of this name that is valid.
pub async fn revoke_token(db: &Db, user: UserId, token: AccessTokenId, by: &By) -> Result<bool, DbError> {
    db.write(async |tx| {
        let now = tx.now();
        let revoked = execute!(
            tx,
            sqlx::query(
                "UPDATE access_tokens SET revoked_at = $1 WHERE user_id = $2 AND id = $3 AND revoked_at IS NULL"
            )
            .bind(now)
            .bind(user)
            .bind(token)
        )?;
        if revoked == 1 {
            tx.audit(by.did("access_token.revoked", "access_token", token));
        }
        Ok(revoked == 1)
    })
    .await
}
