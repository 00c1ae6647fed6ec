//! Plans and their prices, as operators edit them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sqlx::FromRow;

use super::{
    BillingCycle, By, EditError, LicenseType, Limits, Product, ProductStatus,
    check::{Checks, entry, free_slug, slug_of},
    edit::patched,
    shelve::{is_sellable, product_for_update},
};
use crate::{
    db::{Db, DbError, Tx},
    execute, fetch_all, fetch_optional,
    kernel::{Currency, PlanId, ProductId, Time},
};

/// The most that one of anything costs, in minor units: a full cart of it still fits an order.
pub const MAX_PRICE: i64 = 1_000_000_000_000;
/// How many plans a product has at most.
const MAX_PLANS: usize = 50;

/// What can be said about a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanFields {
    /// Among the product's plans; made from the name if nothing is said.
    #[serde(default)]
    pub slug: String,
    /// As customers read it.
    pub name: String,
    /// How often it is paid.
    pub billing_cycle: BillingCycle,
    /// How long a trial lasts; for trials only, and needed there.
    #[serde(default)]
    pub trial_days: Option<i64>,
    /// What its licence allows.
    #[serde(default = "regular")]
    pub license_type: LicenseType,
    /// What customers read that they get.
    #[serde(default)]
    pub features: Vec<String>,
    /// What its licence is limited to.
    #[serde(default)]
    pub limits: Limits,
    /// Whether it is sold.
    #[serde(default = "yes")]
    pub active: bool,
    /// Its place among the product's plans, the lowest first.
    #[serde(default)]
    pub position: i64,
    /// What it costs: minor units by currency.
    #[serde(default)]
    pub prices: BTreeMap<Currency, i64>,
}

const fn regular() -> LicenseType {
    LicenseType::Regular
}
const fn yes() -> bool {
    true
}

/// A plan as operators see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// Which one.
    pub id: PlanId,
    /// Of which product.
    pub product: ProductId,
    /// What is said about it.
    #[serde(flatten)]
    pub fields: PlanFields,
    /// Grows with every change.
    pub revision: i64,
    /// When it was made.
    pub created_at: Time,
    /// When it was changed last.
    pub updated_at: Time,
}

/// A plan beside one of its prices.
#[derive(FromRow)]
struct Row {
    id: PlanId,
    product_id: ProductId,
    slug: String,
    name: String,
    billing_cycle: BillingCycle,
    trial_days: Option<i64>,
    license_type: LicenseType,
    features: String,
    limits: String,
    active: bool,
    position: i64,
    revision: i64,
    created_at: Time,
    updated_at: Time,
    currency: Option<Currency>,
    amount: Option<i64>,
}

/// Rows that follow each other become one plan with their prices.
fn gather(rows: Vec<Row>) -> Vec<Plan> {
    let mut plans: Vec<Plan> = Vec::new();
    for row in rows {
        let price = row.currency.zip(row.amount);
        if plans.last().is_none_or(|plan| plan.id != row.id) {
            plans.push(row.plan());
        }
        if let (Some((currency, amount)), Some(plan)) = (price, plans.last_mut()) {
            plan.fields.prices.insert(currency, amount);
        }
    }
    plans
}

impl Row {
    fn plan(self) -> Plan {
        Plan {
            id: self.id,
            product: self.product_id,
            fields: PlanFields {
                slug: self.slug,
                name: self.name,
                billing_cycle: self.billing_cycle,
                trial_days: self.trial_days,
                license_type: self.license_type,
                // Written by this slice, which writes nothing else.
                features: serde_json::from_str(&self.features).unwrap_or_default(),
                limits: serde_json::from_str(&self.limits).unwrap_or_default(),
                active: self.active,
                position: self.position,
                prices: BTreeMap::new(),
            },
            revision: self.revision,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT l.id, l.product_id, l.slug, l.name, l.billing_cycle, l.trial_days, l.license_type, l.features, l.limits,
                    l.active, l.position, l.revision, l.created_at, l.updated_at, pr.currency, pr.amount
             FROM plans l LEFT JOIN plan_prices pr ON pr.plan_id = l.id ",
            $rest,
            " ORDER BY l.position, l.id, pr.currency"
        )
    };
}

/// A plan.
pub async fn plan(db: &Db, id: PlanId) -> Result<Option<Plan>, DbError> {
    let rows: Vec<Row> = fetch_all!(db, sqlx::query_as(select!("WHERE l.id = $1")).bind(id))?;
    Ok(gather(rows).pop())
}

/// A product's plans, in their order.
pub async fn plans(db: &Db, product: ProductId) -> Result<Vec<Plan>, DbError> {
    let rows: Vec<Row> = fetch_all!(db, sqlx::query_as(select!("WHERE l.product_id = $1")).bind(product))?;
    Ok(gather(rows))
}

/// All plans of all products.
pub(super) async fn all_plans(db: &Db) -> Result<Vec<Plan>, DbError> {
    let rows: Vec<Row> = fetch_all!(db, sqlx::query_as(select!("")))?;
    Ok(gather(rows))
}

/// The plans as they are in this transaction, which holds their product.
pub(super) async fn plans_of(tx: &mut Tx, product: ProductId) -> Result<Vec<Plan>, DbError> {
    let rows: Vec<Row> = fetch_all!(tx, sqlx::query_as(select!("WHERE l.product_id = $1")).bind(product))?;
    Ok(gather(rows))
}

/// Adds a plan to a product.
pub async fn create_plan(tx: &mut Tx, product: ProductId, fields: PlanFields, by: &By) -> Result<Plan, EditError> {
    product_for_update(tx, product).await?.ok_or(EditError::NotFound)?;
    let siblings = plans_of(tx, product).await?;
    let plan = add_plan(tx, product, &siblings, fields, by).await?;
    keep_lowest_prices(tx, product).await?;
    Ok(plan)
}

/// Adds a plan beside its siblings; the product is held, and its lowest prices are still to be kept.
pub(super) async fn add_plan(
    tx: &mut Tx,
    product: ProductId,
    siblings: &[Plan],
    mut fields: PlanFields,
    by: &By,
) -> Result<Plan, EditError> {
    if fields.slug.is_empty() {
        let base = slug_of(&fields.name);
        if base.is_empty() {
            return Err(EditError::flaw("#/slug", "none can be made of the name; name one"));
        }
        let taken: Vec<String> = siblings.iter().map(|plan| plan.fields.slug.clone()).collect();
        fields.slug = free_slug(&base, &taken);
    }
    check(&fields)?;
    if siblings.iter().any(|plan| plan.fields.slug == fields.slug) {
        return Err(EditError::Taken("slug"));
    }
    if siblings.len() >= MAX_PLANS {
        return Err(EditError::Refused("a product has 50 plans at most"));
    }
    let (id, now): (PlanId, _) = (tx.new_id(), tx.now());
    execute!(
        tx,
        sqlx::query(
            "INSERT INTO plans (id, product_id, slug, name, billing_cycle, trial_days, license_type, features, limits,
                                active, position, revision, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 1, $12, $12)"
        )
        .bind(id)
        .bind(product)
        .bind(&fields.slug)
        .bind(&fields.name)
        .bind(fields.billing_cycle)
        .bind(fields.trial_days)
        .bind(fields.license_type)
        .bind(text(&fields.features))
        .bind(text(&fields.limits))
        .bind(fields.active)
        .bind(fields.position)
        .bind(now)
    )?;
    write_prices(tx, id, &fields.prices).await?;
    tx.audit(by.entry("plan.created", ("plan", id.to_string()), None, Some(&fields)));
    Ok(Plan { id, product, fields, revision: 1, created_at: now, updated_at: now })
}

/// Lists and objects of texts and numbers always serialise.
fn text<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

async fn write_prices(tx: &mut Tx, plan: PlanId, prices: &BTreeMap<Currency, i64>) -> Result<(), DbError> {
    if prices.is_empty() {
        return Ok(());
    }
    let insert = tx.dialect().pick(
        "INSERT INTO plan_prices (plan_id, currency, amount) SELECT $1, key, value FROM json_each($2)",
        "INSERT INTO plan_prices (plan_id, currency, amount) SELECT $1, key, value::bigint FROM jsonb_each_text($2::jsonb)",
    );
    execute!(tx, sqlx::query(insert).bind(plan).bind(text(prices)))?;
    Ok(())
}

/// Writes what the product costs at least, in every currency.
pub(super) async fn keep_lowest_prices(tx: &mut Tx, product: ProductId) -> Result<(), DbError> {
    execute!(tx, sqlx::query("DELETE FROM product_prices WHERE product_id = $1").bind(product))?;
    execute!(
        tx,
        sqlx::query(
            "INSERT INTO product_prices (product_id, currency, amount)
             SELECT l.product_id, pr.currency, MIN(pr.amount) FROM plans l JOIN plan_prices pr ON pr.plan_id = l.id
             WHERE l.product_id = $1 AND l.active AND l.billing_cycle <> 'trial' GROUP BY l.product_id, pr.currency"
        )
        .bind(product)
    )?;
    Ok(())
}

fn check(fields: &PlanFields) -> Result<(), EditError> {
    let mut checks = Checks::default();
    checks.slug("slug", &fields.slug);
    checks.line("name", &fields.name, 1..=100);
    let trial = fields.billing_cycle == BillingCycle::Trial;
    checks.must(trial == fields.trial_days.is_some(), "trial_days", "given for trials, and for them alone");
    checks.number("trial_days", fields.trial_days, 1..=365);
    checks.number("position", Some(fields.position), -1_000_000..=1_000_000);
    checks.must(fields.features.len() <= 30, "features", "30 at most");
    for (index, feature) in fields.features.iter().enumerate().take(30) {
        checks.line(&format!("features/{index}"), feature, 1..=200);
    }
    let Limits { activations, uses, domains, ips, api_calls } = fields.limits;
    let limits =
        [("activations", activations), ("uses", uses), ("domains", domains), ("ips", ips), ("api_calls", api_calls)];
    for (name, limit) in limits {
        checks.number(&entry("limits", name), limit, 1..=MAX_PRICE);
    }
    for (currency, amount) in &fields.prices {
        checks.number(&entry("prices", currency.code()), Some(*amount), 0..=MAX_PRICE);
    }
    checks.done()
}

/// The plan in this transaction, which holds its product.
async fn held(tx: &mut Tx, id: PlanId, revision: i64) -> Result<(Product, Plan), EditError> {
    let product: Option<ProductId> =
        fetch_optional!(tx, sqlx::query_scalar("SELECT product_id FROM plans WHERE id = $1").bind(id))?;
    let product = product_for_update(tx, product.ok_or(EditError::NotFound)?).await?.ok_or(EditError::NotFound)?;
    let rows: Vec<Row> = fetch_all!(tx, sqlx::query_as(select!("WHERE l.id = $1")).bind(id))?;
    let plan = gather(rows).pop().ok_or(EditError::NotFound)?;
    if plan.revision == revision { Ok((product, plan)) } else { Err(EditError::Stale) }
}

/// What is sold stays sellable.
async fn still_sellable(tx: &mut Tx, product: &Product) -> Result<(), EditError> {
    if product.fields.status == ProductStatus::Published && !is_sellable(tx, product.id).await? {
        return Err(EditError::Refused(
            "a published product keeps an active plan with a price; archive the product first, or add another plan",
        ));
    }
    Ok(())
}

/// Changes what the patch names, if the plan is still at `revision`. What was ordered keeps the price that it had.
pub async fn patch_plan(
    tx: &mut Tx,
    id: PlanId,
    revision: i64,
    patch: &Map<String, Value>,
    by: &By,
) -> Result<Plan, EditError> {
    let (product, current) = held(tx, id, revision).await?;
    let fields = patched(&current.fields, patch)?;
    let plan = change_plan(tx, current, fields, by).await?;
    keep_lowest_prices(tx, product.id).await?;
    still_sellable(tx, &product).await?;
    Ok(plan)
}

/// Makes the plan what `fields` say; the product is held, and its lowest prices are still to be kept.
pub(super) async fn change_plan(
    tx: &mut Tx,
    current: Plan,
    mut fields: PlanFields,
    by: &By,
) -> Result<Plan, EditError> {
    if fields.slug.is_empty() {
        fields.slug.clone_from(&current.fields.slug);
    }
    if fields == current.fields {
        return Ok(current);
    }
    check(&fields)?;
    let now = tx.now();
    let changed = execute!(
        tx,
        sqlx::query(
            "UPDATE plans SET slug = $3, name = $4, billing_cycle = $5, trial_days = $6, license_type = $7, features = $8,
                              limits = $9, active = $10, position = $11, revision = revision + 1, updated_at = $12
             WHERE id = $1 AND revision = $2"
        )
        .bind(current.id)
        .bind(current.revision)
        .bind(&fields.slug)
        .bind(&fields.name)
        .bind(fields.billing_cycle)
        .bind(fields.trial_days)
        .bind(fields.license_type)
        .bind(text(&fields.features))
        .bind(text(&fields.limits))
        .bind(fields.active)
        .bind(fields.position)
        .bind(now)
    )
    .map_err(|error| EditError::of_write(error, "slug", "the product is gone"))?;
    if changed == 0 {
        return Err(EditError::Stale);
    }
    if fields.prices != current.fields.prices {
        execute!(tx, sqlx::query("DELETE FROM plan_prices WHERE plan_id = $1").bind(current.id))?;
        write_prices(tx, current.id, &fields.prices).await?;
    }
    let object = ("plan", current.id.to_string());
    tx.audit(by.entry("plan.changed", object, Some(&current.fields), Some(&fields)));
    Ok(Plan { fields, revision: current.revision + 1, updated_at: now, ..current })
}

/// Removes a plan that nobody has bought.
pub async fn delete_plan(tx: &mut Tx, id: PlanId, revision: i64, by: &By) -> Result<(), EditError> {
    const SOLD: &str = "somebody has this plan; make it inactive instead";
    let (product, current) = held(tx, id, revision).await?;
    for text in ["DELETE FROM plan_prices WHERE plan_id = $1", "DELETE FROM plans WHERE id = $1"] {
        execute!(tx, sqlx::query(text).bind(id)).map_err(|error| EditError::of_write(error, "slug", SOLD))?;
    }
    keep_lowest_prices(tx, product.id).await?;
    still_sellable(tx, &product).await?;
    tx.audit(by.entry("plan.deleted", ("plan", id.to_string()), Some(&current.fields), None));
    Ok(())
}
