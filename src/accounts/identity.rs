//! Who a credential speaks for.

use std::time::Duration;

use sqlx::FromRow;
use uuid::Uuid;

use super::{Role, Scopes, token_hash};
use crate::{
    db::{Db, DbError},
    execute, fetch_optional,
    kernel::{TenantId, Time, UserId},
};

/// How somebody proved who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// A browser's session.
    Session(Uuid),
    /// A personal access token.
    Token(Uuid, Scopes),
}

/// A person with a valid credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Who.
    pub user: UserId,
    /// Their personal tenant.
    pub tenant: TenantId,
    /// Their address, in lower case.
    pub email: String,
    /// Whether they have proven that it is theirs.
    pub email_verified: bool,
    /// What they are to the shop.
    pub role: Role,
    /// Whether they sign in with a second factor.
    pub second_factor: bool,
    /// How they proved it.
    pub credential: Credential,
    /// When the credential was used before, to the minute.
    pub seen_at: Option<Time>,
}

#[derive(FromRow)]
struct Row {
    user_id: UserId,
    tenant_id: TenantId,
    email: String,
    email_verified: bool,
    role: Role,
    second_factor: bool,
    credential_id: Uuid,
    scopes: String,
    seen_at: Option<Time>,
}

impl Row {
    fn identity(self, credential: impl FnOnce(Uuid, &str) -> Credential) -> Identity {
        Identity {
            user: self.user_id,
            tenant: self.tenant_id,
            email: self.email,
            email_verified: self.email_verified,
            role: self.role,
            second_factor: self.second_factor,
            credential: credential(self.credential_id, &self.scopes),
            seen_at: self.seen_at,
        }
    }
}

/// Whose session it is, if it is valid.
pub async fn identify_session(db: &Db, token: &str) -> Result<Option<Identity>, DbError> {
    let row: Option<Row> = fetch_optional!(
        db,
        sqlx::query_as(
            "SELECT u.id AS user_id, t.id AS tenant_id, u.email, u.email_verified_at IS NOT NULL AS email_verified,
                    u.role, u.totp_enabled_at IS NOT NULL AS second_factor, s.id AS credential_id, '' AS scopes,
                    s.last_seen_at AS seen_at
             FROM sessions s JOIN users u ON u.id = s.user_id
                  JOIN tenants t ON t.owner_id = u.id AND t.kind = 'personal'
             WHERE s.token_hash = $1 AND s.expires_at > $2 AND u.disabled_at IS NULL"
        )
        .bind(token_hash(token))
        .bind(db.now())
    )?;
    Ok(row.map(|row| row.identity(|id, _| Credential::Session(id))))
}

/// Whose personal access token it is, if it is valid.
pub async fn identify_token(db: &Db, token: &str) -> Result<Option<Identity>, DbError> {
    let row: Option<Row> = fetch_optional!(
        db,
        sqlx::query_as(
            "SELECT u.id AS user_id, t.id AS tenant_id, u.email, u.email_verified_at IS NOT NULL AS email_verified,
                    u.role, u.totp_enabled_at IS NOT NULL AS second_factor, a.id AS credential_id, a.scopes,
                    a.last_used_at AS seen_at
             FROM access_tokens a JOIN users u ON u.id = a.user_id
                  JOIN tenants t ON t.owner_id = u.id AND t.kind = 'personal'
             WHERE a.token_hash = $1 AND a.revoked_at IS NULL AND (a.expires_at IS NULL OR a.expires_at > $2)
                   AND u.disabled_at IS NULL"
        )
        .bind(token_hash(token))
        .bind(db.now())
    )?;
    Ok(row.map(|row| row.identity(|id, scopes| Credential::Token(id, Scopes::parse(scopes)))))
}

/// How exactly the last use of a credential is kept: a write for every request would be dear.
const SEEN_EVERY: Duration = Duration::from_mins(1);

/// Keeps that a credential is used, unless that was kept within the last minute.
pub async fn note_use(db: &Db, identity: &Identity) -> Result<(), DbError> {
    let now = db.now();
    if identity.seen_at.is_some_and(|seen| now.since(seen) < SEEN_EVERY) {
        return Ok(());
    }
    let (id, before) = match &identity.credential {
        Credential::Session(id) | Credential::Token(id, _) => (*id, now - SEEN_EVERY),
    };
    db.write(async |tx| match identity.credential {
        Credential::Session(_) => execute!(
            tx,
            sqlx::query("UPDATE sessions SET last_seen_at = $1 WHERE id = $2 AND last_seen_at <= $3")
                .bind(now)
                .bind(id)
                .bind(before)
        ),
        Credential::Token(..) => execute!(
            tx,
            sqlx::query(
                "UPDATE access_tokens SET last_used_at = $1
                 WHERE id = $2 AND (last_used_at IS NULL OR last_used_at <= $3)"
            )
            .bind(now)
            .bind(id)
            .bind(before)
        ),
    })
    .await?;
    Ok(())
}
