//! Keys as their owners and sellers see them: never their secrets.

use schemars::JsonSchema;
use serde::Serialize;
use sqlx::{AssertSqlSafe, FromRow};

use super::ApiKeyId;
use crate::{
    db::{Db, DbError, Tx},
    fetch_all, fetch_optional,
    kernel::{LicenseId, Page, PageFrom, PageRequest, ProductId, TenantId, Time, UserId},
    text_enum,
};

/// Whose products are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seller {
    /// Everybody's: for operators.
    Any,
    /// Those of this vendor.
    Vendor(UserId),
}

impl Seller {
    /// The vendor's account; none if all are meant.
    #[must_use]
    pub const fn user(self) -> Option<UserId> {
        match self {
            Self::Any => None,
            Self::Vendor(user) => Some(user),
        }
    }
}

text_enum! {
    /// Where a key stands by itself; its licence is another matter.
    #[schemars(rename = "ApiKeyStatus")]
    pub enum KeyStatus {
        /// Good, as far as its licence is.
        Active = "active",
        /// Its time is over.
        Expired = "expired",
        /// It was taken back.
        Revoked = "revoked",
    }
}

/// A key, without its secret.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "ApiKey")]
pub struct KeyView {
    /// Which one; also the client id.
    pub id: ApiKeyId,
    /// Of which licence.
    pub license: LicenseId,
    /// Of which product; shown to sellers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product: Option<ProductId>,
    /// Whose; shown to sellers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantId>,
    /// What its owner calls it.
    pub name: String,
    /// The secret's last characters.
    pub hint: String,
    /// Where it stands.
    pub status: KeyStatus,
    /// What it was made for; null for all of the plan's scopes.
    pub scopes: Option<Vec<String>>,
    /// When it ends.
    pub expires_at: Option<Time>,
    /// When it was used last, to some seconds.
    pub last_used_at: Option<Time>,
    /// When its secret was replaced last.
    pub rotated_at: Option<Time>,
    /// Until when the secret before is good as well.
    pub old_secret_until: Option<Time>,
    /// When it was taken back.
    pub revoked_at: Option<Time>,
    /// Why it was taken back, if its seller did.
    pub revoked_reason: Option<String>,
    /// Grows with every change.
    pub revision: i64,
    /// When it was made.
    pub created_at: Time,
}

#[derive(FromRow)]
pub(super) struct KeyRow {
    id: ApiKeyId,
    license_id: LicenseId,
    product_id: ProductId,
    tenant_id: TenantId,
    name: String,
    hint: String,
    old_until: Option<Time>,
    scopes: Option<String>,
    expires_at: Option<Time>,
    last_used_at: Option<Time>,
    rotated_at: Option<Time>,
    revoked_at: Option<Time>,
    revoked_reason: Option<String>,
    revision: i64,
    created_at: Time,
}

impl KeyRow {
    pub(super) fn for_owner(self, now: Time) -> KeyView {
        let status = if self.revoked_at.is_some() {
            KeyStatus::Revoked
        } else if self.expires_at.is_some_and(|end| end <= now) {
            KeyStatus::Expired
        } else {
            KeyStatus::Active
        };
        KeyView {
            id: self.id,
            license: self.license_id,
            product: None,
            tenant: None,
            name: self.name,
            hint: self.hint,
            status,
            scopes: self.scopes.map(|scopes| scopes.split_whitespace().map(str::to_owned).collect()),
            expires_at: self.expires_at,
            last_used_at: self.last_used_at,
            rotated_at: self.rotated_at,
            old_secret_until: self.old_until.filter(|until| *until > now),
            revoked_at: self.revoked_at,
            revoked_reason: self.revoked_reason,
            revision: self.revision,
            created_at: self.created_at,
        }
    }

    pub(super) fn for_seller(self, now: Time) -> KeyView {
        let (product, tenant) = (Some(self.product_id), Some(self.tenant_id));
        KeyView { product, tenant, ..self.for_owner(now) }
    }
}

macro_rules! select_keys {
    ($rest:literal) => {
        concat!(
            "SELECT k.id, k.license_id, l.product_id, l.tenant_id, k.name, k.hint, k.old_until, k.scopes, k.expires_at,
                    k.last_used_at, k.rotated_at, k.revoked_at, k.revoked_reason, k.revision, k.created_at
             FROM api_keys k JOIN licenses l ON l.id = k.license_id JOIN products p ON p.id = l.product_id
                  JOIN developers d ON d.id = p.developer_id ",
            $rest
        )
    };
}
pub(super) use select_keys;

pub(super) async fn held(
    tx: &mut Tx,
    tenant: TenantId,
    license: LicenseId,
    key: ApiKeyId,
) -> Result<Option<KeyRow>, DbError> {
    fetch_optional!(
        tx,
        sqlx::query_as(select_keys!("WHERE k.id = $1 AND k.license_id = $2 AND l.tenant_id = $3"))
            .bind(key)
            .bind(license)
            .bind(tenant)
    )
}

/// One key of one of a tenant's licences.
pub async fn find(db: &Db, tenant: TenantId, license: LicenseId, key: ApiKeyId) -> Result<Option<KeyView>, DbError> {
    let row: Option<KeyRow> = fetch_optional!(
        db,
        sqlx::query_as(select_keys!("WHERE k.id = $1 AND k.license_id = $2 AND l.tenant_id = $3"))
            .bind(key)
            .bind(license)
            .bind(tenant)
    )?;
    Ok(row.map(|row| row.for_owner(db.now())))
}

/// The ends of a statement for a page: sign, order and cursor.
fn ends(page: &PageRequest<ApiKeyId>) -> (&'static str, &'static str, Option<ApiKeyId>) {
    match page.from {
        PageFrom::Start => ("<", "DESC", None),
        PageFrom::After(id) => ("<", "DESC", Some(id)),
        PageFrom::Before(id) => (">", "ASC", Some(id)),
    }
}

/// The keys of one of a tenant's licences, newest first, also those that are over.
pub async fn list(
    db: &Db,
    tenant: TenantId,
    license: LicenseId,
    page: PageRequest<ApiKeyId>,
) -> Result<Page<KeyView>, DbError> {
    let (sign, order, cursor) = ends(&page);
    let select = select_keys!("WHERE k.license_id = $1 AND l.tenant_id = $2");
    let rows: Vec<KeyRow> = fetch_all!(
        db,
        sqlx::query_as(AssertSqlSafe(format!(
            "{select} AND ($3 IS NULL OR k.id {sign} $3) ORDER BY k.id {order} LIMIT $4"
        )))
        .bind(license)
        .bind(tenant)
        .bind(cursor)
        .bind(page.fetch())
    )?;
    let now = db.now();
    Ok(Page::of(rows.into_iter().map(|row| row.for_owner(now)).collect(), &page, |key: &KeyView| key.id))
}

/// What sellers look for.
#[derive(Debug, Clone, Copy, Default)]
pub struct KeyFilter {
    /// Of this product.
    pub product: Option<ProductId>,
    /// Of this licence.
    pub license: Option<LicenseId>,
    /// Of this tenant.
    pub tenant: Option<TenantId>,
    /// Of this standing.
    pub status: Option<KeyStatus>,
}

/// The keys of a seller's products, newest first.
pub async fn search(
    db: &Db,
    seller: Seller,
    filter: &KeyFilter,
    page: PageRequest<ApiKeyId>,
) -> Result<Page<KeyView>, DbError> {
    let (sign, order, cursor) = ends(&page);
    let select = select_keys!(
        "WHERE ($1 IS NULL OR d.user_id = $1) AND ($2 IS NULL OR l.product_id = $2) AND ($3 IS NULL OR l.id = $3)
               AND ($4 IS NULL OR l.tenant_id = $4)
               AND ($5 IS NULL OR $5 = CASE WHEN k.revoked_at IS NOT NULL THEN 'revoked'
                                            WHEN k.expires_at <= $6 THEN 'expired' ELSE 'active' END)"
    );
    let now = db.now();
    let rows: Vec<KeyRow> = fetch_all!(
        db,
        sqlx::query_as(AssertSqlSafe(format!(
            "{select} AND ($7 IS NULL OR k.id {sign} $7) ORDER BY k.id {order} LIMIT $8"
        )))
        .bind(seller.user())
        .bind(filter.product)
        .bind(filter.license)
        .bind(filter.tenant)
        .bind(filter.status.map(KeyStatus::as_str))
        .bind(now)
        .bind(cursor)
        .bind(page.fetch())
    )?;
    Ok(Page::of(rows.into_iter().map(|row| row.for_seller(now)).collect(), &page, |key: &KeyView| key.id))
}

/// One key of a seller's products.
pub async fn find_sold(db: &Db, seller: Seller, key: ApiKeyId) -> Result<Option<KeyView>, DbError> {
    let row: Option<KeyRow> = fetch_optional!(
        db,
        sqlx::query_as(select_keys!("WHERE k.id = $1 AND ($2 IS NULL OR d.user_id = $2)"))
            .bind(key)
            .bind(seller.user())
    )?;
    Ok(row.map(|row| row.for_seller(db.now())))
}
