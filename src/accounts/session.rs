//! Sessions of browsers.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use sqlx::{AssertSqlSafe, FromRow};
use uuid::Uuid;

use super::{
    by::By,
    token::{SESSION_TOKEN_PREFIX, new_token, token_hash},
};
use crate::{
    db::{Db, DbError, Tx},
    execute, fetch_all, id_type,
    kernel::{Page, PageFrom, PageRequest, Time, UserId, seal::Random},
};

id_type!(SessionId, SessionMarker, "ses", "A session.");

/// How long a session lasts.
pub const SESSION_LIFE: Duration = Duration::from_hours(30 * 24);

/// Where somebody signs in from.
#[derive(Debug, Clone, Default)]
pub struct Device {
    /// The address that the request came from.
    pub ip: Option<String>,
    /// What the browser says it is.
    pub user_agent: Option<String>,
}

impl Device {
    /// How much is kept of what a browser says.
    const LONGEST_AGENT: usize = 200;

    /// A device with as much of its description as is kept.
    #[must_use]
    pub fn new(ip: Option<String>, user_agent: Option<&str>) -> Self {
        let printable = |text: &str| text.chars().filter(|c| !c.is_control()).take(Self::LONGEST_AGENT).collect();
        Self { ip, user_agent: user_agent.map(printable) }
    }
}

/// A session as its owner sees it.
#[derive(Debug, Clone, Serialize, FromRow, JsonSchema)]
pub struct Session {
    /// Which one.
    pub id: SessionId,
    /// Where it was opened from.
    pub ip: Option<String>,
    /// With which browser.
    pub user_agent: Option<String>,
    /// When it was opened.
    pub created_at: Time,
    /// When it was used last, to the minute.
    pub last_seen_at: Time,
    /// When it ends.
    pub expires_at: Time,
}

/// Opens a session and gives its token, which nobody sees again.
pub(super) async fn open(tx: &mut Tx, user: UserId, device: &Device, random: &Random) -> Result<String, DbError> {
    let (id, now): (SessionId, _) = (tx.new_id(), tx.now());
    let token = new_token(SESSION_TOKEN_PREFIX, random);
    execute!(
        tx,
        sqlx::query(
            "INSERT INTO sessions (id, user_id, token_hash, ip, user_agent, created_at, last_seen_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $6, $7)"
        )
        .bind(id)
        .bind(user)
        .bind(token_hash(&token))
        .bind(&device.ip)
        .bind(&device.user_agent)
        .bind(now)
        .bind(now + SESSION_LIFE)
    )?;
    Ok(token)
}

/// Ends the session that has this token, whoever's it is.
pub(super) async fn end_by_token(tx: &mut Tx, token: &str) -> Result<(), DbError> {
    execute!(tx, sqlx::query("DELETE FROM sessions WHERE token_hash = $1").bind(token_hash(token)))?;
    Ok(())
}

/// Ends all sessions of an account but one, and what logins gave in place of sessions.
pub(super) async fn end_others(tx: &mut Tx, user: UserId, but: Option<Uuid>) -> Result<(), DbError> {
    let now = tx.now();
    execute!(
        tx,
        sqlx::query("DELETE FROM sessions WHERE user_id = $1 AND id <> $2").bind(user).bind(but.unwrap_or_default())
    )?;
    execute!(
        tx,
        sqlx::query(
            "UPDATE access_tokens SET revoked_at = $1 WHERE user_id = $2 AND from_login AND revoked_at IS NULL"
        )
        .bind(now)
        .bind(user)
    )?;
    Ok(())
}

/// An account's sessions, the newest first.
pub async fn sessions(db: &Db, user: UserId, request: &PageRequest<SessionId>) -> Result<Page<Session>, DbError> {
    let (cursor, compare, order) = match request.from {
        PageFrom::Start => (None, "<", "DESC"),
        PageFrom::After(id) => (Some(id), "<", "DESC"),
        PageFrom::Before(id) => (Some(id), ">", "ASC"),
    };
    let rows = fetch_all!(
        db,
        sqlx::query_as(AssertSqlSafe(format!(
            "SELECT id, ip, user_agent, created_at, last_seen_at, expires_at FROM sessions
             WHERE user_id = $1 AND expires_at > $2 AND ($3 IS NULL OR id {compare} $3) ORDER BY id {order} LIMIT $4"
        )))
        .bind(user)
        .bind(db.now())
        .bind(cursor)
        .bind(request.fetch())
    )?;
    Ok(Page::of(rows, request, |session: &Session| session.id))
}

/// Ends one of an account's sessions. False if it has none of this name.
pub async fn end_session(db: &Db, user: UserId, session: SessionId, by: &By) -> Result<bool, DbError> {
    db.write(async |tx| {
        let ended =
            execute!(tx, sqlx::query("DELETE FROM sessions WHERE user_id = $1 AND id = $2").bind(user).bind(session))?;
        if ended == 1 {
            tx.audit(by.did("session.ended", "user", user));
        }
        Ok(ended == 1)
    })
    .await
}
