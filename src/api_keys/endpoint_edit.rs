//! How vendors and operators edit endpoints. Keys that are in use are held to the new ones within a second.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    Endpoint, EndpointId, METHODS, Pattern, Seller,
    endpoint::{EndpointRow, select_endpoints},
};
use crate::{
    catalog::{By, Checks, EditError, patched},
    db::Tx,
    execute, fetch_one, fetch_optional,
    kernel::PlanId,
    licenses,
};

/// How many endpoints a plan has at most.
const MOST: i64 = 200;

/// What can be said about an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EndpointFields {
    /// One of [`METHODS`].
    pub method: String,
    /// A pattern of paths.
    pub path: String,
    /// What a key must be made for to call it, e.g. `posts:read`; empty if any key of the plan may.
    #[serde(default)]
    pub scope: String,
    /// What it does, for those who read the list.
    #[serde(default)]
    pub description: String,
    /// Its place in the list, the lowest first.
    #[serde(default)]
    pub position: i64,
}

/// Whether a text can be a scope: short, and of characters that mean nothing elsewhere.
pub(super) fn is_scope(scope: &str) -> bool {
    (1..=60).contains(&scope.len())
        && scope.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b":._-".contains(&byte))
}

fn check(fields: &EndpointFields) -> Result<(), EditError> {
    let mut checks = Checks::default();
    checks.must(METHODS.contains(&fields.method.as_str()), "method", "a method such as GET, or * for any");
    if let Err(error) = fields.path.parse::<Pattern>() {
        checks.add("path", error.to_string());
    }
    checks.must(
        fields.scope.is_empty() || is_scope(&fields.scope),
        "scope",
        "60 characters at most of a-z, 0-9 and :._-, e.g. `posts:read`; empty for none",
    );
    checks.line("description", &fields.description, 0..=200);
    checks.number("position", Some(fields.position), -1_000_000..=1_000_000);
    checks.done()
}

const TAKEN: &str = "method and path";

/// The plan, held so that its endpoints are edited one after the other.
async fn hold(tx: &mut Tx, seller: Seller, plan: PlanId) -> Result<(), EditError> {
    let statement = tx.dialect().pick(
        "SELECT n.id FROM plans n JOIN products p ON p.id = n.product_id JOIN developers d ON d.id = p.developer_id
         WHERE n.id = $1 AND ($2 IS NULL OR d.user_id = $2)",
        "SELECT n.id FROM plans n JOIN products p ON p.id = n.product_id JOIN developers d ON d.id = p.developer_id
         WHERE n.id = $1 AND ($2 IS NULL OR d.user_id = $2) FOR NO KEY UPDATE OF n",
    );
    let found: Option<PlanId> = fetch_optional!(tx, sqlx::query_scalar(statement).bind(plan).bind(seller.user()))?;
    found.map(|_| ()).ok_or(EditError::NotFound)
}

/// Adds an endpoint to a plan.
pub async fn create_endpoint(
    tx: &mut Tx,
    seller: Seller,
    plan: PlanId,
    fields: EndpointFields,
    by: &By,
) -> Result<Endpoint, EditError> {
    check(&fields)?;
    hold(tx, seller, plan).await?;
    let (all, same): (i64, i64) = fetch_one!(
        tx,
        sqlx::query_as(
            "SELECT COUNT(*), COUNT(CASE WHEN method = $2 AND path = $3 THEN 1 END) FROM api_endpoints
             WHERE plan_id = $1"
        )
        .bind(plan)
        .bind(&fields.method)
        .bind(&fields.path)
    )?;
    if same > 0 {
        return Err(EditError::Taken(TAKEN));
    }
    if all >= MOST {
        return Err(EditError::Refused("a plan has 200 endpoints at most"));
    }
    let (id, now): (EndpointId, _) = (tx.new_id(), tx.now());
    execute!(
        tx,
        sqlx::query(
            "INSERT INTO api_endpoints (id, plan_id, method, path, scope, description, position, revision, created_at,
                                        updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, 1, $8, $8)"
        )
        .bind(id)
        .bind(plan)
        .bind(&fields.method)
        .bind(&fields.path)
        .bind(&fields.scope)
        .bind(&fields.description)
        .bind(fields.position)
        .bind(now)
    )?;
    licenses::tell_followers(tx, plan.uuid());
    tx.audit(by.entry("api_endpoint.created", ("api_endpoint", id.to_string()), None, Some(&fields)));
    Ok(Endpoint { id, plan, fields, revision: 1, created_at: now, updated_at: now })
}

async fn held(tx: &mut Tx, seller: Seller, id: EndpointId, revision: i64) -> Result<Endpoint, EditError> {
    let plan: Option<PlanId> =
        fetch_optional!(tx, sqlx::query_scalar("SELECT plan_id FROM api_endpoints WHERE id = $1").bind(id))?;
    hold(tx, seller, plan.ok_or(EditError::NotFound)?).await?;
    let row: Option<EndpointRow> = fetch_optional!(tx, sqlx::query_as(select_endpoints!("WHERE e.id = $1")).bind(id))?;
    let current = Endpoint::from(row.ok_or(EditError::NotFound)?);
    if current.revision == revision { Ok(current) } else { Err(EditError::Stale) }
}

/// Changes what the patch names, if the endpoint is still at `revision`.
pub async fn patch_endpoint(
    tx: &mut Tx,
    seller: Seller,
    (id, revision): (EndpointId, i64),
    patch: &Map<String, Value>,
    by: &By,
) -> Result<Endpoint, EditError> {
    let current = held(tx, seller, id, revision).await?;
    let fields: EndpointFields = patched(&current.fields, patch)?;
    check(&fields)?;
    if fields == current.fields {
        return Ok(current);
    }
    let now = tx.now();
    let taken: Option<EndpointId> = fetch_optional!(
        tx,
        sqlx::query_scalar(
            "SELECT id FROM api_endpoints WHERE plan_id = $1 AND method = $2 AND path = $3 AND id <> $4"
        )
        .bind(current.plan)
        .bind(&fields.method)
        .bind(&fields.path)
        .bind(id)
    )?;
    if taken.is_some() {
        return Err(EditError::Taken(TAKEN));
    }
    execute!(
        tx,
        sqlx::query(
            "UPDATE api_endpoints SET method = $3, path = $4, scope = $5, description = $6, position = $7,
                 revision = revision + 1, updated_at = $8
             WHERE id = $1 AND revision = $2"
        )
        .bind(id)
        .bind(revision)
        .bind(&fields.method)
        .bind(&fields.path)
        .bind(&fields.scope)
        .bind(&fields.description)
        .bind(fields.position)
        .bind(now)
    )?;
    licenses::tell_followers(tx, current.plan.uuid());
    let object = ("api_endpoint", id.to_string());
    tx.audit(by.entry("api_endpoint.changed", object, Some(&current.fields), Some(&fields)));
    Ok(Endpoint { fields, revision: revision + 1, updated_at: now, ..current })
}

/// Removes an endpoint. Where it was the last, the plan's keys may call everything: like before there was one.
pub async fn delete_endpoint(
    tx: &mut Tx,
    seller: Seller,
    (id, revision): (EndpointId, i64),
    by: &By,
) -> Result<(), EditError> {
    let current = held(tx, seller, id, revision).await?;
    execute!(tx, sqlx::query("DELETE FROM api_endpoints WHERE id = $1").bind(id))?;
    licenses::tell_followers(tx, current.plan.uuid());
    tx.audit(by.entry("api_endpoint.deleted", ("api_endpoint", id.to_string()), Some(&current.fields), None));
    Ok(())
}
