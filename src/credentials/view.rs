//! Credentials as their owners and sellers see them: never their secrets.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, value::RawValue};
use sqlx::{AssertSqlSafe, FromRow};

use super::CredentialId;
use crate::{
    api_keys::Seller,
    db::{Db, DbError},
    fetch_all, fetch_optional,
    kernel::{LicenseId, Page, PageFrom, PageRequest, ProductId, TenantId, Time},
    text_enum,
};

text_enum! {
    /// Where a credential stands.
    pub enum CredentialState {
        /// Its vendor is being asked for it.
        Provisioning = "provisioning",
        /// It is there.
        Active = "active",
        /// Its vendor is being told to take it back.
        Revoking = "revoking",
        /// Its vendor has taken it back.
        Revoked = "revoked",
    }
}

/// A credential, without its key and secret.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Credential")]
pub struct CredentialView {
    /// Which one.
    pub id: CredentialId,
    /// Of which licence.
    pub license: LicenseId,
    /// Of which product.
    pub product: ProductId,
    /// Whose; shown to sellers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantId>,
    /// Where it stands.
    pub state: CredentialState,
    /// Whether its vendor is being asked for another.
    pub rotating: bool,
    /// The key's last characters.
    pub hint: Option<String>,
    /// What its vendor says of how often it may be used.
    #[schemars(with = "Value")]
    pub rate_limits: Box<RawValue>,
    /// What its vendor says of how often it was.
    #[schemars(with = "Value")]
    pub usage: Box<RawValue>,
    /// When its vendor said that.
    pub last_synced_at: Option<Time>,
    /// When it ends, as its vendor says.
    pub expires_at: Option<Time>,
    /// Why it was taken back, if a person did.
    pub reason: Option<String>,
    /// What went wrong with the hook last; shown to sellers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Since when a person has to look at it; shown to sellers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attention_at: Option<Time>,
    /// When it was made.
    pub provisioned_at: Option<Time>,
    /// When it was replaced last.
    pub rotated_at: Option<Time>,
    /// When its vendor took it back.
    pub revoked_at: Option<Time>,
    /// When it was wanted first.
    pub created_at: Time,
}

#[derive(FromRow)]
struct Row {
    id: CredentialId,
    license_id: LicenseId,
    product_id: ProductId,
    tenant_id: TenantId,
    state: CredentialState,
    rotating: bool,
    hint: Option<String>,
    rate_limits: String,
    usage_stats: String,
    last_synced_at: Option<Time>,
    expires_at: Option<Time>,
    reason: Option<String>,
    problem: Option<String>,
    attention_at: Option<Time>,
    provisioned_at: Option<Time>,
    rotated_at: Option<Time>,
    revoked_at: Option<Time>,
    created_at: Time,
}

/// JSON that this program stored.
fn raw(text: String) -> Box<RawValue> {
    RawValue::from_string(text).unwrap_or_default()
}

impl Row {
    fn for_owner(self) -> CredentialView {
        CredentialView {
            id: self.id,
            license: self.license_id,
            product: self.product_id,
            tenant: None,
            state: self.state,
            rotating: self.rotating,
            hint: self.hint,
            rate_limits: raw(self.rate_limits),
            usage: raw(self.usage_stats),
            last_synced_at: self.last_synced_at,
            expires_at: self.expires_at,
            reason: self.reason,
            problem: None,
            attention_at: None,
            provisioned_at: self.provisioned_at,
            rotated_at: self.rotated_at,
            revoked_at: self.revoked_at,
            created_at: self.created_at,
        }
    }

    fn for_seller(mut self) -> CredentialView {
        let (tenant, problem, attention_at) = (Some(self.tenant_id), self.problem.take(), self.attention_at);
        CredentialView { tenant, problem, attention_at, ..self.for_owner() }
    }
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT c.id, c.license_id, c.product_id, l.tenant_id, c.state, c.wanted_rotation > c.done_rotation AS rotating,
                    c.hint, c.rate_limits, c.usage_stats, c.last_synced_at, c.expires_at, c.reason, c.problem,
                    c.attention_at, c.provisioned_at, c.rotated_at, c.revoked_at, c.created_at
             FROM api_credentials c JOIN licenses l ON l.id = c.license_id JOIN products p ON p.id = c.product_id
                  JOIN developers d ON d.id = p.developer_id ",
            $rest
        )
    };
}

/// The credentials of one of a tenant's licences: one, or none.
pub async fn list(db: &Db, tenant: TenantId, license: LicenseId) -> Result<Vec<CredentialView>, DbError> {
    let rows: Vec<Row> = fetch_all!(
        db,
        sqlx::query_as(select!("WHERE c.license_id = $1 AND l.tenant_id = $2")).bind(license).bind(tenant)
    )?;
    Ok(rows.into_iter().map(Row::for_owner).collect())
}

/// A credential of one of a seller's products.
pub async fn find(db: &Db, seller: Seller, id: CredentialId) -> Result<Option<CredentialView>, DbError> {
    let row: Option<Row> = fetch_optional!(
        db,
        sqlx::query_as(select!("WHERE c.id = $1 AND ($2 IS NULL OR d.user_id = $2)")).bind(id).bind(seller.user())
    )?;
    Ok(row.map(Row::for_seller))
}

/// What sellers look for.
#[derive(Debug, Clone, Copy, Default)]
pub struct CredentialFilter {
    /// Of this product.
    pub product: Option<ProductId>,
    /// Of this licence.
    pub license: Option<LicenseId>,
    /// In this state.
    pub state: Option<CredentialState>,
    /// Those that a person has to look at, or the others.
    pub attention: Option<bool>,
}

/// The credentials of a seller's products, newest first.
pub async fn search(
    db: &Db,
    seller: Seller,
    filter: &CredentialFilter,
    page: PageRequest<CredentialId>,
) -> Result<Page<CredentialView>, DbError> {
    let (sign, order, cursor) = match page.from {
        PageFrom::Start => ("<", "DESC", None),
        PageFrom::After(id) => ("<", "DESC", Some(id)),
        PageFrom::Before(id) => (">", "ASC", Some(id)),
    };
    let select = select!(
        "WHERE ($1 IS NULL OR d.user_id = $1) AND ($2 IS NULL OR c.product_id = $2)
               AND ($3 IS NULL OR c.license_id = $3) AND ($4 IS NULL OR c.state = $4)
               AND ($5 IS NULL OR $5 = CASE WHEN c.attention_at IS NULL THEN 0 ELSE 1 END)"
    );
    let rows: Vec<Row> = fetch_all!(
        db,
        sqlx::query_as(AssertSqlSafe(format!(
            "{select} AND ($6 IS NULL OR c.id {sign} $6) ORDER BY c.id {order} LIMIT $7"
        )))
        .bind(seller.user())
        .bind(filter.product)
        .bind(filter.license)
        .bind(filter.state.map(CredentialState::as_str))
        .bind(filter.attention.map(i64::from))
        .bind(cursor)
        .bind(page.fetch())
    )?;
    Ok(Page::of(rows.into_iter().map(Row::for_seller).collect(), &page, |row: &CredentialView| row.id))
}
