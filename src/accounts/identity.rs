//! Who a credential speaks for.

use sqlx::FromRow;
use uuid::Uuid;

use super::{Role, Scopes, token_hash};
use crate::{
    db::{Db, DbError},
    fetch_optional,
    kernel::{TenantId, UserId},
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
        }
    }
}

/// Whose session it is, if it is valid.
pub async fn identify_session(db: &Db, token: &str) -> Result<Option<Identity>, DbError> {
    let row: Option<Row> = fetch_optional!(
        db,
        sqlx::query_as(
            "SELECT u.id AS user_id, t.id AS tenant_id, u.email, u.email_verified_at IS NOT NULL AS email_verified,
                    u.role, u.totp_enabled_at IS NOT NULL AS second_factor, s.id AS credential_id, '' AS scopes
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
                    u.role, u.totp_enabled_at IS NOT NULL AS second_factor, a.id AS credential_id, a.scopes
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
