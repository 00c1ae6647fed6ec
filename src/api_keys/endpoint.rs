//! Endpoints: what a plan lets its keys call.

use schemars::JsonSchema;
use serde::Serialize;
use sqlx::FromRow;

use super::{EndpointFields, Pattern, Seller};
use crate::{
    db::{Db, DbError, Tx},
    fetch_all, fetch_optional, id_type,
    kernel::{PlanId, ProductId, Time, UserId},
};

id_type!(EndpointId, EndpointMarker, "aep", "An endpoint of a plan's API.");

/// An endpoint as its vendor sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Endpoint {
    /// Which one.
    pub id: EndpointId,
    /// Of which plan.
    pub plan: PlanId,
    /// What is said about it.
    #[serde(flatten)]
    pub fields: EndpointFields,
    /// Grows with every change.
    pub revision: i64,
    /// When it was made.
    pub created_at: Time,
    /// When it was changed last.
    pub updated_at: Time,
}

#[derive(FromRow)]
pub(super) struct EndpointRow {
    pub(super) id: EndpointId,
    pub(super) plan_id: PlanId,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) scope: String,
    pub(super) description: String,
    pub(super) position: i64,
    pub(super) revision: i64,
    pub(super) created_at: Time,
    pub(super) updated_at: Time,
}

impl From<EndpointRow> for Endpoint {
    fn from(row: EndpointRow) -> Self {
        Self {
            id: row.id,
            plan: row.plan_id,
            fields: EndpointFields {
                method: row.method,
                path: row.path,
                scope: row.scope,
                description: row.description,
                position: row.position,
            },
            revision: row.revision,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

macro_rules! select_endpoints {
    ($rest:literal) => {
        concat!(
            "SELECT e.id, e.plan_id, e.method, e.path, e.scope, e.description, e.position, e.revision, e.created_at,
                    e.updated_at
             FROM api_endpoints e JOIN plans n ON n.id = e.plan_id JOIN products p ON p.id = n.product_id
                  JOIN developers d ON d.id = p.developer_id ",
            $rest
        )
    };
}
pub(super) use select_endpoints;

/// A plan's endpoints in their order, if it is one of the seller's.
pub async fn endpoints(db: &Db, seller: Seller, plan: PlanId) -> Result<Option<Vec<Endpoint>>, DbError> {
    let rows: Vec<EndpointRow> = fetch_all!(
        db,
        sqlx::query_as(select_endpoints!(
            "WHERE e.plan_id = $1 AND ($2 IS NULL OR d.user_id = $2) ORDER BY e.position, e.id"
        ))
        .bind(plan)
        .bind(seller.user())
    )?;
    if rows.is_empty() && !has_plan(db, seller, plan).await? {
        return Ok(None);
    }
    Ok(Some(rows.into_iter().map(Endpoint::from).collect()))
}

/// All plans' endpoints, each plan's in their order.
pub async fn all_endpoints(db: &Db) -> Result<Vec<Endpoint>, DbError> {
    let rows: Vec<EndpointRow> =
        fetch_all!(db, sqlx::query_as(select_endpoints!("ORDER BY e.plan_id, e.position, e.id")))?;
    Ok(rows.into_iter().map(Endpoint::from).collect())
}

/// A plan's endpoints as they are in this transaction, which holds their product.
pub async fn endpoints_of(tx: &mut Tx, plan: PlanId) -> Result<Vec<Endpoint>, DbError> {
    let rows: Vec<EndpointRow> = fetch_all!(tx, sqlx::query_as(select_endpoints!("WHERE e.plan_id = $1")).bind(plan))?;
    Ok(rows.into_iter().map(Endpoint::from).collect())
}

async fn has_plan(db: &Db, seller: Seller, plan: PlanId) -> Result<bool, DbError> {
    let found: Option<PlanId> = fetch_optional!(
        db,
        sqlx::query_scalar(
            "SELECT n.id FROM plans n JOIN products p ON p.id = n.product_id JOIN developers d ON d.id = p.developer_id
             WHERE n.id = $1 AND ($2 IS NULL OR d.user_id = $2)"
        )
        .bind(plan)
        .bind(seller.user())
    )?;
    Ok(found.is_some())
}

/// Whether a product is a vendor's, or, with `house`, the house's.
pub async fn is_sold_by(db: &Db, product: ProductId, vendor: UserId, house: bool) -> Result<bool, DbError> {
    let found: Option<ProductId> = fetch_optional!(
        db,
        sqlx::query_scalar(
            "SELECT p.id FROM products p JOIN developers d ON d.id = p.developer_id
             WHERE p.id = $1 AND (d.user_id = $2 OR d.is_house AND $3 = 1)"
        )
        .bind(product)
        .bind(vendor)
        .bind(i64::from(house))
    )?;
    Ok(found.is_some())
}

/// One of a seller's endpoints.
pub async fn endpoint(db: &Db, seller: Seller, id: EndpointId) -> Result<Option<Endpoint>, DbError> {
    let row: Option<EndpointRow> = fetch_optional!(
        db,
        sqlx::query_as(select_endpoints!("WHERE e.id = $1 AND ($2 IS NULL OR d.user_id = $2)"))
            .bind(id)
            .bind(seller.user())
    )?;
    Ok(row.map(Endpoint::from))
}

/// What one plan lets its keys call, for those who think of buying it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct OfferedEndpoints {
    /// The plan.
    pub id: PlanId,
    /// Its name in addresses.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// In their order; none if everything of the API may be called.
    pub endpoints: Vec<OfferedEndpoint>,
}

/// An endpoint as everybody sees it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct OfferedEndpoint {
    /// `*` for any.
    pub method: String,
    /// A pattern of paths.
    pub path: String,
    /// What a key must be made for to call it; empty if any may.
    pub scope: String,
    /// What it does.
    pub description: String,
}

#[derive(FromRow)]
struct OfferedRow {
    product_id: ProductId,
    plan_id: Option<PlanId>,
    plan_slug: Option<String>,
    plan_name: Option<String>,
    method: Option<String>,
    path: Option<String>,
    scope: Option<String>,
    description: Option<String>,
}

/// What the plans of a product that is sold let their keys call; none if no such product is sold.
pub async fn offered(db: &Db, slug: &str) -> Result<Option<Vec<OfferedEndpoints>>, DbError> {
    let rows: Vec<OfferedRow> = fetch_all!(
        db,
        sqlx::query_as(
            "SELECT p.id AS product_id, n.id AS plan_id, n.slug AS plan_slug, n.name AS plan_name, e.method, e.path,
                    e.scope, e.description
             FROM products p LEFT JOIN plans n ON n.product_id = p.id AND n.active
                  LEFT JOIN api_endpoints e ON e.plan_id = n.id
             WHERE p.slug = $1 AND p.status = 'published'
             ORDER BY n.position, n.id, e.position, e.id"
        )
        .bind(slug)
    )?;
    if rows.first().map(|row| row.product_id).is_none() {
        return Ok(None);
    }
    let mut plans: Vec<OfferedEndpoints> = Vec::new();
    for row in rows {
        let (Some(id), Some(slug), Some(name)) = (row.plan_id, row.plan_slug, row.plan_name) else { continue };
        if plans.last().is_none_or(|plan| plan.id != id) {
            plans.push(OfferedEndpoints { id, slug, name, endpoints: Vec::new() });
        }
        let (Some(method), Some(path), Some(scope), Some(description)) =
            (row.method, row.path, row.scope, row.description)
        else {
            continue;
        };
        if let Some(plan) = plans.last_mut() {
            plan.endpoints.push(OfferedEndpoint { method, path, scope, description });
        }
    }
    Ok(Some(plans))
}

/// An endpoint as keys are held against it.
#[derive(Debug, Clone)]
pub(super) struct Callable {
    pub(super) method: String,
    pub(super) path: Pattern,
    pub(super) scope: String,
}

impl Callable {
    /// Whether a call is one of it.
    pub(super) fn is(&self, method: &str, path: &str) -> bool {
        (self.method == "*" || self.method.eq_ignore_ascii_case(method)) && self.path.fits(path)
    }
}

/// What a plan lets its keys call.
pub(super) async fn callable(db: &Db, plan: PlanId) -> Result<Vec<Callable>, DbError> {
    let rows: Vec<(String, String, String)> = fetch_all!(
        db,
        sqlx::query_as("SELECT method, path, scope FROM api_endpoints WHERE plan_id = $1 ORDER BY position, id")
            .bind(plan)
    )?;
    // What was stored was a pattern when it was; one that is none any more lets nobody in.
    let callable =
        |(method, path, scope): (String, String, String)| Some(Callable { method, path: path.parse().ok()?, scope });
    Ok(rows.into_iter().filter_map(callable).collect())
}
