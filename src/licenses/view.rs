//! Licences as their owners and operators see them.

use schemars::JsonSchema;
use serde::Serialize;
use sqlx::{AssertSqlSafe, FromRow};

use super::{KeyHash, KeyMaker, LicenseStatus};
use crate::{
    catalog::LicenseType,
    db::{Db, DbError, conditions, page_by_time, place_of},
    fetch_all, fetch_one, fetch_optional,
    kernel::{
        ByTime, LicenseId, OrderId, OrderItemId, Page, PageFrom, PageRequest, PlanId, ProductId, Sort, TenantId, Time,
        ids_between, seal::SealError,
    },
};

/// Why a licence cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum ShowError {
    /// The installation's keys do not open its key.
    #[error("a licence key cannot be opened: {0}")]
    Seal(#[from] SealError),
    /// The database did not answer.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// A licence, whole.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "License")]
pub struct LicenseView {
    /// Which one.
    pub id: LicenseId,
    /// The key; operators see its last characters only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub license_key: Option<String>,
    /// The key's last characters.
    pub key_hint: String,
    /// Where it stands now.
    pub status: LicenseStatus,
    /// Why it is suspended, cancelled or revoked.
    pub reason: Option<String>,
    /// What it allows.
    #[serde(rename = "type")]
    pub license_type: LicenseType,
    /// Of what.
    pub product: ProductRef,
    /// In which plan.
    pub plan: PlanRef,
    /// Of which order.
    pub order: OrderId,
    /// Of which of its items.
    pub order_item: OrderItemId,
    /// Which of the item's quantity, from 1.
    pub seat: i64,
    /// Whose; shown to operators.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantId>,
    /// What it was used for, and what for at most.
    pub usage: Counted,
    /// Where it is active, and where at most.
    pub activations: Counted,
    /// How many different domains at most.
    pub max_domains: Option<i64>,
    /// How many different addresses at most.
    pub max_ips: Option<i64>,
    /// Calls of the API a month.
    pub api_calls: Option<i64>,
    /// Where it may be used; empty for anywhere.
    pub domains: Vec<String>,
    /// From which addresses it may be used; empty for any.
    pub ips: Vec<String>,
    /// When it ends; never if null.
    pub expires_at: Option<Time>,
    /// When it was issued.
    pub created_at: Time,
    /// When it changed last.
    pub updated_at: Time,
}

/// What was bought.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "LicensedProduct")]
pub struct ProductRef {
    /// Which one.
    pub id: ProductId,
    /// Its name in addresses.
    pub slug: String,
    /// Its name.
    pub title: String,
}

/// In which plan it was bought.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "LicensedPlan")]
pub struct PlanRef {
    /// Which one.
    pub id: PlanId,
    /// Its name.
    pub name: String,
}

/// So many, of so many at most.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub struct Counted {
    /// So many.
    pub count: i64,
    /// None for no limit.
    pub limit: Option<i64>,
}

#[derive(Debug, FromRow)]
struct Row {
    id: LicenseId,
    tenant_id: TenantId,
    order_id: OrderId,
    order_item_id: OrderItemId,
    seat: i64,
    product_id: ProductId,
    product_slug: String,
    product_title: String,
    plan_id: PlanId,
    plan_name: String,
    license_type: LicenseType,
    status: LicenseStatus,
    key_sealed: String,
    key_hint: String,
    usage_count: i64,
    max_usage: Option<i64>,
    activation_count: i64,
    max_activations: Option<i64>,
    max_domains: Option<i64>,
    max_ips: Option<i64>,
    api_calls: Option<i64>,
    domains: String,
    ips: String,
    reason: Option<String>,
    expires_at: Option<Time>,
    created_at: Time,
    updated_at: Time,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT l.id, l.tenant_id, l.order_id, l.order_item_id, l.seat, l.product_id, p.slug AS product_slug,
                    p.title AS product_title, l.plan_id, n.name AS plan_name, l.type AS license_type, l.status,
                    l.key_sealed, l.key_hint, l.usage_count, l.max_usage, l.activation_count, l.max_activations,
                    l.max_domains, l.max_ips, l.api_calls, l.domains, l.ips, l.reason, l.expires_at, l.created_at,
                    l.updated_at
             FROM licenses l JOIN products p ON p.id = l.product_id JOIN plans n ON n.id = l.plan_id ",
            $rest
        )
    };
}

impl Row {
    fn view(self, now: Time) -> LicenseView {
        // Both lists were written by this program.
        let list = |text: &str| serde_json::from_str(text).unwrap_or_default();
        LicenseView {
            id: self.id,
            license_key: None,
            key_hint: self.key_hint,
            status: self.status.at(self.expires_at, now),
            reason: self.reason,
            license_type: self.license_type,
            product: ProductRef { id: self.product_id, slug: self.product_slug, title: self.product_title },
            plan: PlanRef { id: self.plan_id, name: self.plan_name },
            order: self.order_id,
            order_item: self.order_item_id,
            seat: self.seat,
            tenant: None,
            usage: Counted { count: self.usage_count, limit: self.max_usage },
            activations: Counted { count: self.activation_count, limit: self.max_activations },
            max_domains: self.max_domains,
            max_ips: self.max_ips,
            api_calls: self.api_calls,
            domains: list(&self.domains),
            ips: list(&self.ips),
            expires_at: self.expires_at,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }

    fn for_owner(self, keys: &KeyMaker, now: Time) -> Result<LicenseView, ShowError> {
        let key = keys.open(self.id, &self.key_sealed)?;
        Ok(LicenseView { license_key: Some(key), ..self.view(now) })
    }

    fn for_operator(self, now: Time) -> LicenseView {
        let tenant = Some(self.tenant_id);
        LicenseView { tenant, ..self.view(now) }
    }
}

/// The licences of an order, with their keys, for its owner.
pub async fn of_order(db: &Db, keys: &KeyMaker, order: OrderId) -> Result<Vec<LicenseView>, ShowError> {
    let rows: Vec<Row> =
        fetch_all!(db, sqlx::query_as(select!("WHERE l.order_id = $1 ORDER BY l.order_item_id, l.seat")).bind(order))?;
    for_owner(db, keys, rows).await
}

/// Keys are told of what is durable only: another would be made of a licence that a power cut took back.
async fn for_owner(db: &Db, keys: &KeyMaker, rows: Vec<Row>) -> Result<Vec<LicenseView>, ShowError> {
    if !rows.is_empty() {
        db.settled().await?;
    }
    rows.into_iter().map(|row| row.for_owner(keys, db.now())).collect()
}

/// A tenant's licences, newest first, with their keys.
pub async fn list(
    db: &Db,
    keys: &KeyMaker,
    tenant: TenantId,
    page: PageRequest<LicenseId>,
) -> Result<Page<LicenseView>, ShowError> {
    let rows: Vec<Row> = match page.from {
        PageFrom::Start => fetch_all!(
            db,
            sqlx::query_as(select!("WHERE l.tenant_id = $1 ORDER BY l.id DESC LIMIT $2"))
                .bind(tenant)
                .bind(page.fetch())
        )?,
        PageFrom::After(id) => fetch_all!(
            db,
            sqlx::query_as(select!("WHERE l.tenant_id = $1 AND l.id < $3 ORDER BY l.id DESC LIMIT $2"))
                .bind(tenant)
                .bind(page.fetch())
                .bind(id)
        )?,
        PageFrom::Before(id) => fetch_all!(
            db,
            sqlx::query_as(select!("WHERE l.tenant_id = $1 AND l.id > $3 ORDER BY l.id LIMIT $2"))
                .bind(tenant)
                .bind(page.fetch())
                .bind(id)
        )?,
    };
    Ok(Page::of(for_owner(db, keys, rows).await?, &page, |license| license.id))
}

/// One of a tenant's licences, with its key.
pub async fn find(db: &Db, keys: &KeyMaker, tenant: TenantId, id: LicenseId) -> Result<Option<LicenseView>, ShowError> {
    let row: Option<Row> =
        fetch_optional!(db, sqlx::query_as(select!("WHERE l.tenant_id = $1 AND l.id = $2")).bind(tenant).bind(id))?;
    Ok(for_owner(db, keys, row.into_iter().collect()).await?.pop())
}

/// What operators look for.
#[derive(Debug, Clone, Copy, Default)]
pub struct LicenseFilter {
    /// Of this product.
    pub product: Option<ProductId>,
    /// Of this order.
    pub order: Option<OrderId>,
    /// With this status, as it is written down.
    pub status: Option<LicenseStatus>,
    /// With this key.
    pub key: Option<KeyHash>,
    /// Of this tenant.
    pub tenant: Option<TenantId>,
    /// Issued at this time or later.
    pub from: Option<Time>,
    /// Issued before this time.
    pub until: Option<Time>,
    /// In which order.
    pub sort: Option<Sort<ByTime>>,
}

/// Anybody's licences, newest first, without their keys: for operators.
pub async fn list_any(
    db: &Db,
    filter: &LicenseFilter,
    page: PageRequest<LicenseId>,
) -> Result<Page<LicenseView>, DbError> {
    let (first, last) = ids_between(filter.from, filter.until);
    let conditions = conditions(&[
        (filter.product.is_some(), "l.product_id = $1"),
        (filter.order.is_some(), "l.order_id = $2"),
        (filter.status.is_some(), "l.status = $3"),
        (filter.key.is_some(), "l.key_hash = $4"),
        (filter.tenant.is_some(), "l.tenant_id = $5"),
        (filter.from.is_some(), "l.created_at >= $6 AND l.id >= $8"),
        (filter.until.is_some(), "l.created_at < $7 AND l.id < $9"),
    ]);
    let text = format!("{}{conditions}{}", select!("WHERE TRUE"), page_by_time(&page, filter.sort, "l.id", 10));
    let rows: Vec<Row> = fetch_all!(
        db,
        sqlx::query_as(AssertSqlSafe(text.as_str()))
            .bind(filter.product)
            .bind(filter.order)
            .bind(filter.status.map(LicenseStatus::as_str))
            .bind(filter.key.map(KeyHash::to_text))
            .bind(filter.tenant)
            .bind(filter.from)
            .bind(filter.until)
            .bind(first)
            .bind(last)
            .bind(place_of(&page))
            .bind(page.fetch())
    )?;
    let now = db.now();
    Ok(Page::of(rows.into_iter().map(|row| row.for_operator(now)).collect(), &page, |license| license.id))
}

/// How many licences a tenant has, whatever their standing.
pub async fn count_of(db: &Db, tenant: TenantId) -> Result<i64, DbError> {
    fetch_one!(db, sqlx::query_scalar("SELECT COUNT(*) FROM licenses WHERE tenant_id = $1").bind(tenant))
}

/// Anybody's licence, without its key: for operators.
pub async fn find_any(db: &Db, id: LicenseId) -> Result<Option<LicenseView>, DbError> {
    let row: Option<Row> = fetch_optional!(db, sqlx::query_as(select!("WHERE l.id = $1")).bind(id))?;
    Ok(row.map(|row| row.for_operator(db.now())))
}
