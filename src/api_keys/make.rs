//! Keys as their owners make, rename and rotate them.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use sqlx::FromRow;

use super::{
    ApiKeyId, ApiKeyMade, ApiKeyRotated, ApiKeys, KeyError, KeyView, Owner,
    change::record,
    view::{self, KeyRow, select_keys},
};
use crate::{
    accounts::By,
    catalog::ProductType,
    db::Tx,
    execute, fetch_all, fetch_one, fetch_optional,
    kernel::{LicenseId, PlanId, Time},
    licenses::LicenseStatus,
};

/// The most characters of a name.
const LONGEST_NAME: usize = 100;
/// The most scopes that a key names.
const MOST_SCOPES: usize = 50;

/// A key to be made.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// What its owner calls it.
    pub name: String,
    /// What it is made for, of the plan's scopes; none for all of them, those to come included.
    pub scopes: Option<Vec<String>>,
    /// When it ends, if before its licence.
    pub expires_at: Option<Time>,
}

/// A key with its secret: the only time that it is shown.
#[derive(Debug, Serialize, JsonSchema)]
pub struct MadeKey {
    /// The secret: for `X-API-Key`, or as the password of HTTP Basic.
    pub secret: String,
    /// The user name of HTTP Basic: the key's id.
    pub client_id: ApiKeyId,
    /// What is known of it later.
    #[serde(flatten)]
    pub about: KeyView,
}

#[derive(FromRow)]
struct Held {
    status: LicenseStatus,
    expires_at: Option<Time>,
    plan_id: PlanId,
    kind: ProductType,
}

fn checked_name(name: &str) -> Result<&str, KeyError> {
    let name = name.trim();
    // Bytes first: nothing counts the characters of what is far too long.
    let long = name.len() > LONGEST_NAME * 4 || name.chars().count() > LONGEST_NAME;
    if name.is_empty() || long || name.contains(char::is_control) {
        return Err(KeyError::invalid("#/name", format!("1 to {LONGEST_NAME} characters, in one line")));
    }
    Ok(name)
}

/// The licence, held so that its keys are made one after the other.
async fn hold(tx: &mut Tx, owner: Owner, license: LicenseId) -> Result<Held, KeyError> {
    let statement = tx.dialect().pick(
        "SELECT l.status, l.expires_at, l.plan_id, p.type AS kind FROM licenses l JOIN products p ON p.id = l.product_id
         WHERE l.id = $1 AND l.tenant_id = $2",
        "SELECT l.status, l.expires_at, l.plan_id, p.type AS kind FROM licenses l JOIN products p ON p.id = l.product_id
         WHERE l.id = $1 AND l.tenant_id = $2 FOR NO KEY UPDATE OF l",
    );
    let held: Option<Held> = fetch_optional!(tx, sqlx::query_as(statement).bind(license).bind(owner.tenant))?;
    let held = held.ok_or(KeyError::NoLicense)?;
    if !held.kind.is_called() {
        return Err(KeyError::NoApi);
    }
    match held.status.at(held.expires_at, tx.now()) {
        LicenseStatus::Active => Ok(held),
        status => Err(KeyError::License(status)),
    }
}

/// The scopes as they are stored: each once, and each one of the plan's.
async fn scopes_of(tx: &mut Tx, plan: PlanId, wanted: Option<&[String]>) -> Result<Option<String>, KeyError> {
    let Some(wanted) = wanted else { return Ok(None) };
    if wanted.is_empty() || wanted.len() > MOST_SCOPES {
        let detail = format!("1 to {MOST_SCOPES} of the plan's scopes; leave it out for all of them");
        return Err(KeyError::invalid("#/scopes", detail));
    }
    let known: Vec<String> = fetch_all!(
        tx,
        sqlx::query_scalar("SELECT DISTINCT scope FROM api_endpoints WHERE plan_id = $1 AND scope <> ''").bind(plan)
    )?;
    if let Some(place) = wanted.iter().position(|scope| !known.contains(scope)) {
        return Err(KeyError::invalid(format!("#/scopes/{place}"), "the plan has no endpoint of this scope"));
    }
    let mut scopes = wanted.to_vec();
    scopes.sort_unstable();
    scopes.dedup();
    Ok(Some(scopes.join(" ")))
}

/// Makes a key for a licence, if there is room for one more.
pub async fn create(
    tx: &mut Tx,
    keys: &ApiKeys,
    (owner, license): (Owner, LicenseId),
    new: &NewKey,
    by: &By,
) -> Result<MadeKey, KeyError> {
    let (name, now, limit) = (checked_name(&new.name)?, tx.now(), keys.0.options.per_license);
    if new.expires_at.is_some_and(|end| end <= now) {
        return Err(KeyError::invalid("#/expires_at", "expected a time to come"));
    }
    let held = hold(tx, owner, license).await?;
    let scopes = scopes_of(tx, held.plan_id, new.scopes.as_deref()).await?;
    let id: ApiKeyId = tx.new_id();
    let made = keys.0.secrets.make(id);
    let inserted = execute!(
        tx,
        sqlx::query(
            "INSERT INTO api_keys (id, license_id, created_by, name, secret_hash, hint, scopes, expires_at, revision,
                                   created_at, updated_at)
             SELECT $1, $2, $3, $4, $5, $6, $7, $8, 1, $9, $9 WHERE (SELECT COUNT(*) FROM api_keys
                WHERE license_id = $2 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $9)) < $10"
        )
        .bind(id)
        .bind(license)
        .bind(owner.user)
        .bind(name)
        .bind(made.hash.to_text())
        .bind(&made.hint)
        .bind(&scopes)
        .bind(new.expires_at)
        .bind(now)
        .bind(limit)
    )?;
    if inserted == 0 {
        return Err(KeyError::TooMany(limit));
    }
    let told = json!({ "scopes": scopes, "expires_at": new.expires_at });
    record(tx, keys, (id, license), ("api_key.made", told, None), by);
    tx.emit(&ApiKeyMade { key: id, license })?;
    shown(tx, id, made.secret).await
}

async fn shown(tx: &mut Tx, id: ApiKeyId, secret: String) -> Result<MadeKey, KeyError> {
    let now = tx.now();
    let row: KeyRow = fetch_one!(tx, sqlx::query_as(select_keys!("WHERE k.id = $1")).bind(id))?;
    Ok(MadeKey { secret, client_id: id, about: row.for_owner(now) })
}

/// Which key of whom.
#[derive(Debug, Clone, Copy)]
pub struct Rotation {
    /// Whose.
    pub owner: Owner,
    /// Of which licence.
    pub license: LicenseId,
    /// Which one.
    pub key: ApiKeyId,
    /// For how long the old secret stays good.
    pub overlap: Duration,
}

/// Gives a key another secret; the one it had stays good for a while. One that was replaced before is good no more.
pub async fn rotate(tx: &mut Tx, keys: &ApiKeys, rotation: &Rotation, by: &By) -> Result<MadeKey, KeyError> {
    let Rotation { owner, license, key, overlap } = *rotation;
    let now = tx.now();
    let made = keys.0.secrets.make(key);
    let old_until = (overlap > Duration::ZERO).then(|| now + overlap);
    let rotated = execute!(
        tx,
        sqlx::query(
            "UPDATE api_keys SET old_hash = CASE WHEN $7 = 1 THEN secret_hash END, old_until = $4, secret_hash = $5,
                 hint = $6, rotated_at = $3, revision = revision + 1, updated_at = $3
             WHERE id = $1 AND license_id = $2 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $3)
                   AND EXISTS (SELECT 1 FROM licenses l WHERE l.id = api_keys.license_id AND l.tenant_id = $8)"
        )
        .bind(key)
        .bind(license)
        .bind(now)
        .bind(old_until)
        .bind(made.hash.to_text())
        .bind(&made.hint)
        .bind(i64::from(old_until.is_some()))
        .bind(owner.tenant)
    )?;
    if rotated == 0 {
        return Err(ended_or_none(tx, owner, (license, key)).await?);
    }
    let told = json!({ "old_secret_until": old_until });
    record(tx, keys, (key, license), ("api_key.rotated", told, None), by);
    tx.emit(&ApiKeyRotated { key, license })?;
    shown(tx, key, made.secret).await
}

/// Why a guarded update of a key changed nothing.
pub(super) async fn ended_or_none(
    tx: &mut Tx,
    owner: Owner,
    (license, key): (LicenseId, ApiKeyId),
) -> Result<KeyError, KeyError> {
    let found = view::held(tx, owner.tenant, license, key).await?;
    Ok(if found.is_some() { KeyError::Ended } else { KeyError::NotFound })
}

/// Gives a key another name, if it is still at `revision`.
pub async fn rename(
    tx: &mut Tx,
    (owner, license): (Owner, LicenseId),
    (key, revision): (ApiKeyId, i64),
    name: &str,
    by: &By,
) -> Result<KeyView, KeyError> {
    let (name, now) = (checked_name(name)?, tx.now());
    let renamed = execute!(
        tx,
        sqlx::query(
            "UPDATE api_keys SET name = $4, revision = revision + 1, updated_at = $5
             WHERE id = $1 AND license_id = $2 AND revision = $3
                   AND EXISTS (SELECT 1 FROM licenses l WHERE l.id = api_keys.license_id AND l.tenant_id = $6)"
        )
        .bind(key)
        .bind(license)
        .bind(revision)
        .bind(name)
        .bind(now)
        .bind(owner.tenant)
    )?;
    let row = view::held(tx, owner.tenant, license, key).await?.ok_or(KeyError::NotFound)?;
    if renamed == 0 {
        return Err(KeyError::Stale);
    }
    // What it is called opens nothing: memories may go on calling it otherwise until they forget it.
    tx.audit(by.did("api_key.renamed", "api_key", key));
    Ok(row.for_owner(now))
}
