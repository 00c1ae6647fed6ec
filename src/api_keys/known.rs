//! All that must be known to answer for a licence's keys: read in one go, kept in memory, never changed.

use serde::Serialize;
use sqlx::FromRow;

use super::{ApiKeyId, endpoint::Callable, secret::SecretHash};
use crate::{
    db::{Db, DbError},
    fetch_all, fetch_optional,
    kernel::{LicenseId, PlanId, ProductId, TenantId, Time},
    licenses::LicenseStatus,
};

/// A licence as its keys stand for it.
#[derive(Debug)]
pub struct Entitled {
    /// Which one.
    pub license: LicenseId,
    /// Whose.
    pub tenant: TenantId,
    /// Of what.
    pub product: ProductId,
    /// The product's name in addresses.
    pub product_slug: String,
    /// In which plan.
    pub plan: PlanId,
    /// The plan's name in addresses.
    pub plan_slug: String,
    /// The plan's name.
    pub plan_name: String,
    /// Calls of the API a month; none for no limit.
    pub api_calls: Option<i64>,
    /// When it ends.
    pub expires_at: Option<Time>,
    status: LicenseStatus,
    keys: Box<[std::sync::Arc<KnownKey>]>,
    /// The licence's id as text, under which its calls are counted.
    subject: Box<str>,
}

/// A key that is not revoked.
#[derive(Debug)]
pub struct KnownKey {
    /// Which one.
    pub id: ApiKeyId,
    /// What its owner calls it.
    pub name: String,
    /// When it ends.
    pub expires_at: Option<Time>,
    /// When it was made.
    pub created_at: Time,
    hash: SecretHash,
    old: Option<(SecretHash, Time)>,
    scopes: Option<Box<[String]>>,
    /// The id as text, under which its calls are counted.
    subject: Box<str>,
}

impl Entitled {
    /// The licence's id as text.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Where it stands at `now`.
    #[must_use]
    pub fn status(&self, now: Time) -> LicenseStatus {
        self.status.at(self.expires_at, now)
    }

    pub(super) fn key(&self, id: ApiKeyId) -> Option<&std::sync::Arc<KnownKey>> {
        self.keys.iter().find(|key| key.id == id)
    }
}

impl KnownKey {
    /// The key's id as text.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Whether a secret of this hash opens it at `now`: the one it has, or the one before for as long as both are good.
    pub(super) fn opens(&self, hash: &SecretHash, now: Time) -> bool {
        self.hash.is(hash) || self.old.as_ref().is_some_and(|(old, until)| *until > now && old.is(hash))
    }

    /// Whether it was made for this scope.
    pub(super) fn has(&self, scope: &str) -> bool {
        scope.is_empty() || self.scopes.as_ref().is_none_or(|scopes| scopes.iter().any(|one| one == scope))
    }

    /// What it was made for of what its plan's endpoints ask for.
    pub(super) fn scopes_among(&self, callable: &[Callable]) -> Vec<String> {
        let mut scopes: Vec<String> = callable
            .iter()
            .map(|one| &one.scope)
            .filter(|scope| !scope.is_empty() && self.has(scope))
            .cloned()
            .collect();
        scopes.sort_unstable();
        scopes.dedup();
        scopes
    }
}

/// Whether a key may make a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Access {
    /// It may.
    Allowed,
    /// The plan has no such endpoint.
    EndpointNotAllowed,
    /// The plan has it, and the key was made for something else.
    ScopeMissing,
}

/// Whether a key may make this call. A plan without endpoints leaves that to the service.
pub(super) fn access(callable: &[Callable], key: &KnownKey, method: &str, path: &str) -> Access {
    let mut access = if callable.is_empty() { Access::Allowed } else { Access::EndpointNotAllowed };
    for one in callable {
        if one.is(method, path) {
            if key.has(&one.scope) {
                return Access::Allowed;
            }
            access = Access::ScopeMissing;
        }
    }
    access
}

#[derive(FromRow)]
struct LicenseRow {
    tenant_id: TenantId,
    product_id: ProductId,
    product_slug: String,
    plan_id: PlanId,
    plan_slug: String,
    plan_name: String,
    status: LicenseStatus,
    api_calls: Option<i64>,
    expires_at: Option<Time>,
}

#[derive(FromRow)]
struct KeyRow {
    id: ApiKeyId,
    name: String,
    secret_hash: String,
    old_hash: Option<String>,
    old_until: Option<Time>,
    scopes: Option<String>,
    expires_at: Option<Time>,
    created_at: Time,
}

impl KeyRow {
    /// None if the row is none that this program wrote: then it opens nothing.
    fn known(self) -> Option<std::sync::Arc<KnownKey>> {
        let old = self.old_hash.as_deref().and_then(SecretHash::parse).zip(self.old_until);
        Some(std::sync::Arc::new(KnownKey {
            subject: self.id.to_string().into(),
            id: self.id,
            name: self.name,
            expires_at: self.expires_at,
            created_at: self.created_at,
            hash: SecretHash::parse(&self.secret_hash)?,
            old,
            scopes: self.scopes.map(|scopes| scopes.split_whitespace().map(str::to_owned).collect()),
        }))
    }
}

/// Reads a licence and its keys.
pub(super) async fn read(db: &Db, license: LicenseId) -> Result<Option<Entitled>, DbError> {
    let row: Option<LicenseRow> = fetch_optional!(
        db,
        sqlx::query_as(
            "SELECT l.tenant_id, l.product_id, p.slug AS product_slug, l.plan_id, n.slug AS plan_slug,
                    n.name AS plan_name, l.status, l.api_calls, l.expires_at
             FROM licenses l JOIN products p ON p.id = l.product_id JOIN plans n ON n.id = l.plan_id WHERE l.id = $1"
        )
        .bind(license)
    )?;
    let Some(row) = row else { return Ok(None) };
    let keys: Vec<KeyRow> = fetch_all!(
        db,
        sqlx::query_as(
            "SELECT id, name, secret_hash, old_hash, old_until, scopes, expires_at, created_at FROM api_keys
             WHERE license_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2) ORDER BY id"
        )
        .bind(license)
        .bind(db.now())
    )?;
    Ok(Some(Entitled {
        subject: license.to_string().into(),
        license,
        tenant: row.tenant_id,
        product: row.product_id,
        product_slug: row.product_slug,
        plan: row.plan_id,
        plan_slug: row.plan_slug,
        plan_name: row.plan_name,
        api_calls: row.api_calls,
        expires_at: row.expires_at,
        status: row.status,
        keys: keys.into_iter().filter_map(KeyRow::known).collect(),
    }))
}
