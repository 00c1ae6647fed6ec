//! Hooks: where a vendor makes, rotates and takes back credentials of a product.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sqlx::FromRow;

use super::SweepCredentials;
use crate::{
    api_keys::Seller,
    catalog::{By, Checks, EditError, ProductType, patched},
    db::{Db, DbError, Tx},
    downloads::is_askable,
    execute, fetch_optional,
    kernel::{
        ProductId, Time,
        hook::HookSecret,
        seal::{Keyring, SealError},
    },
};

/// For how long the secret before signs as well.
const OVERLAP: Duration = Duration::from_hours(24);

/// What an edit is held against.
#[derive(Debug, Clone, Copy)]
pub struct HookRules<'a> {
    /// Seals secrets.
    pub keys: &'a Keyring,
    /// Whether addresses may be of this machine or its network.
    pub allows_plain: bool,
}

/// What can be said about a hook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HookFields {
    /// Where it is.
    pub url: String,
    /// Whether credentials are made for licences; those that there are can be rotated and taken back either way.
    #[serde(default = "yes")]
    pub active: bool,
}

const fn yes() -> bool {
    true
}

/// A product's hook, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "CredentialHook")]
pub struct Hook {
    /// Of which product.
    pub product: ProductId,
    /// What is said about it.
    #[serde(flatten)]
    pub fields: HookFields,
    /// Until when the secret before signs as well.
    pub old_secret_until: Option<Time>,
    /// Grows with every change.
    pub revision: i64,
    /// When it was made.
    pub created_at: Time,
    /// When it was changed last.
    pub updated_at: Time,
}

/// A hook with its secret: the only time that it is shown.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "MadeCredentialHook")]
pub struct MadeHook {
    /// What its calls are signed with.
    pub secret: String,
    /// What is known of it later.
    #[serde(flatten)]
    pub about: Hook,
}

#[derive(FromRow)]
struct HookRow {
    product_id: ProductId,
    url: String,
    active: bool,
    old_until: Option<Time>,
    revision: i64,
    created_at: Time,
    updated_at: Time,
}

impl HookRow {
    fn hook(self, now: Time) -> Hook {
        Hook {
            product: self.product_id,
            fields: HookFields { url: self.url, active: self.active },
            old_secret_until: self.old_until.filter(|until| *until > now),
            revision: self.revision,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }
}

fn context(product: ProductId) -> String {
    format!("credential_hooks.secret_sealed:{product}")
}

fn check(fields: &HookFields, rules: HookRules<'_>) -> Result<(), EditError> {
    let mut checks = Checks::default();
    if let Err(error) = is_askable(&fields.url, rules.allows_plain) {
        checks.add("url", error.to_string());
    }
    checks.done()
}

const SELECT: &str = "SELECT h.product_id, h.url, h.active, h.old_until, h.revision, h.created_at, h.updated_at
     FROM credential_hooks h JOIN products p ON p.id = h.product_id JOIN developers d ON d.id = p.developer_id
     WHERE h.product_id = $1 AND ($2 IS NULL OR d.user_id = $2)";

/// The hook of one of a seller's products.
pub async fn hook(db: &Db, seller: Seller, product: ProductId) -> Result<Option<Hook>, DbError> {
    let row: Option<HookRow> = fetch_optional!(db, sqlx::query_as(SELECT).bind(product).bind(seller.user()))?;
    Ok(row.map(|row| row.hook(db.now())))
}

/// The hook of a product, in the transaction of an import.
pub(super) async fn hook_for_import(tx: &mut Tx, product: ProductId) -> Result<Option<Hook>, DbError> {
    let (row, now): (Option<HookRow>, _) =
        (fetch_optional!(tx, sqlx::query_as(SELECT).bind(product).bind(Seller::Any.user()))?, tx.now());
    Ok(row.map(|row| row.hook(now)))
}

/// The product, held so that its hook is edited by one after the other.
async fn hold(tx: &mut Tx, seller: Seller, product: ProductId) -> Result<ProductType, EditError> {
    let statement = tx.dialect().pick(
        "SELECT p.type FROM products p JOIN developers d ON d.id = p.developer_id
         WHERE p.id = $1 AND ($2 IS NULL OR d.user_id = $2)",
        "SELECT p.type FROM products p JOIN developers d ON d.id = p.developer_id
         WHERE p.id = $1 AND ($2 IS NULL OR d.user_id = $2) FOR NO KEY UPDATE OF p",
    );
    let kind: Option<ProductType> =
        fetch_optional!(tx, sqlx::query_scalar(statement).bind(product).bind(seller.user()))?;
    kind.ok_or(EditError::NotFound)
}

async fn held(tx: &mut Tx, seller: Seller, product: ProductId, revision: i64) -> Result<Hook, EditError> {
    hold(tx, seller, product).await?;
    let now = tx.now();
    let row: Option<HookRow> = fetch_optional!(tx, sqlx::query_as(SELECT).bind(product).bind(seller.user()))?;
    let hook = row.ok_or(EditError::NotFound)?.hook(now);
    if hook.revision == revision { Ok(hook) } else { Err(EditError::Stale) }
}

fn sealed(rules: HookRules<'_>, product: ProductId, secret: &HookSecret) -> Result<Vec<u8>, EditError> {
    let sealed = rules.keys.seal(&context(product), secret.expose().as_bytes());
    sealed.map_err(|_| EditError::flaw("#/secret", "it cannot be sealed"))
}

/// Gives a product a hook. Licences that there are get their credentials too.
pub async fn create_hook(
    tx: &mut Tx,
    (seller, product): (Seller, ProductId),
    (fields, secret): (HookFields, Option<&str>),
    rules: HookRules<'_>,
    by: &By,
) -> Result<MadeHook, EditError> {
    check(&fields, rules)?;
    let secret = match secret {
        Some(text) => text.parse().map_err(|error| EditError::flaw("#/secret", format!("{error}")))?,
        None => HookSecret::random(rules.keys.random()),
    };
    if !hold(tx, seller, product).await?.is_called() {
        return Err(EditError::Refused("only products of the types api and saas have a hook"));
    }
    let now = tx.now();
    let made = execute!(
        tx,
        sqlx::query(
            "INSERT INTO credential_hooks (product_id, url, secret_sealed, active, revision, created_at, updated_at)
             VALUES ($1, $2, $3, $4, 1, $5, $5) ON CONFLICT DO NOTHING"
        )
        .bind(product)
        .bind(&fields.url)
        .bind(sealed(rules, product, &secret)?)
        .bind(fields.active)
        .bind(now)
    )?;
    if made == 0 {
        return Err(EditError::Refused("the product has a hook; change that one"));
    }
    tx.enqueue(&SweepCredentials {}).await?;
    tx.audit(by.entry("credential_hook.created", ("product", product.to_string()), None, Some(&fields)));
    let about = Hook { product, fields, old_secret_until: None, revision: 1, created_at: now, updated_at: now };
    Ok(MadeHook { secret: secret.expose(), about })
}

/// Changes what the patch names, if the hook is still at `revision`.
pub async fn patch_hook(
    tx: &mut Tx,
    (seller, product, revision): (Seller, ProductId, i64),
    patch: &Map<String, Value>,
    rules: HookRules<'_>,
    by: &By,
) -> Result<Hook, EditError> {
    let current = held(tx, seller, product, revision).await?;
    let fields: HookFields = patched(&current.fields, patch)?;
    if fields == current.fields {
        return Ok(current);
    }
    check(&fields, rules)?;
    let now = tx.now();
    execute!(
        tx,
        sqlx::query(
            "UPDATE credential_hooks SET url = $3, active = $4, revision = revision + 1, updated_at = $5
             WHERE product_id = $1 AND revision = $2"
        )
        .bind(product)
        .bind(revision)
        .bind(&fields.url)
        .bind(fields.active)
        .bind(now)
    )?;
    tx.enqueue(&SweepCredentials {}).await?;
    let object = ("product", product.to_string());
    tx.audit(by.entry("credential_hook.changed", object, Some(&current.fields), Some(&fields)));
    Ok(Hook { fields, revision: revision + 1, updated_at: now, ..current })
}

/// Gives a hook another secret; the one it had signs as well for a day.
pub async fn rotate_hook_secret(
    tx: &mut Tx,
    (seller, product, revision): (Seller, ProductId, i64),
    rules: HookRules<'_>,
    by: &By,
) -> Result<MadeHook, EditError> {
    let current = held(tx, seller, product, revision).await?;
    let (secret, now) = (HookSecret::random(rules.keys.random()), tx.now());
    let until = now + OVERLAP;
    execute!(
        tx,
        sqlx::query(
            "UPDATE credential_hooks SET old_secret_sealed = secret_sealed, old_until = $3, secret_sealed = $4,
                 revision = revision + 1, updated_at = $5
             WHERE product_id = $1 AND revision = $2"
        )
        .bind(product)
        .bind(revision)
        .bind(until)
        .bind(sealed(rules, product, &secret)?)
        .bind(now)
    )?;
    let object = ("product", product.to_string());
    tx.audit(by.entry::<HookFields>("credential_hook.secret_rotated", object, None, None));
    let about = Hook { old_secret_until: Some(until), revision: revision + 1, updated_at: now, ..current };
    Ok(MadeHook { secret: secret.expose(), about })
}

/// Removes a hook that no credential needs any more.
pub async fn delete_hook(
    tx: &mut Tx,
    (seller, product, revision): (Seller, ProductId, i64),
    by: &By,
) -> Result<(), EditError> {
    let current = held(tx, seller, product, revision).await?;
    let deleted = execute!(
        tx,
        sqlx::query(
            "DELETE FROM credential_hooks WHERE product_id = $1
                    AND NOT EXISTS (SELECT 1 FROM api_credentials WHERE product_id = $1 AND state <> 'revoked')"
        )
        .bind(product)
    )?;
    if deleted == 0 {
        return Err(EditError::Refused("there are credentials that only it can take back; make it inactive instead"));
    }
    tx.audit(by.entry("credential_hook.deleted", ("product", product.to_string()), Some(&current.fields), None));
    Ok(())
}

/// A hook as it is asked.
pub(super) struct Target {
    pub(super) url: String,
    pub(super) secrets: Vec<HookSecret>,
}

#[derive(FromRow)]
struct TargetRow {
    url: String,
    secret_sealed: Vec<u8>,
    old_secret_sealed: Option<Vec<u8>>,
    old_until: Option<Time>,
}

/// Why a hook cannot be asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum TargetError {
    #[error("the product has no hook any more")]
    None,
    #[error("the hook's secret cannot be opened: {0}")]
    Seal(#[from] SealError),
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Where to ask, and what to sign with.
pub(super) async fn target(db: &Db, keys: &Keyring, product: ProductId) -> Result<Target, TargetError> {
    let row: Option<TargetRow> = fetch_optional!(
        db,
        sqlx::query_as(
            "SELECT url, secret_sealed, old_secret_sealed, old_until FROM credential_hooks WHERE product_id = $1"
        )
        .bind(product)
    )?;
    let row = row.ok_or(TargetError::None)?;
    let open = |sealed: &[u8]| {
        let opened = keys.open(&context(product), sealed)?;
        String::from_utf8(opened).ok().and_then(|text| text.parse().ok()).ok_or(SealError::Format)
    };
    let mut secrets = vec![open(&row.secret_sealed)?];
    if let (Some(old), Some(until)) = (&row.old_secret_sealed, row.old_until)
        && until > db.now()
    {
        secrets.push(open(old)?);
    }
    Ok(Target { url: row.url, secrets })
}
