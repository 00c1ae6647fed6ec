//! Coupons, as operators edit them. Their uses are counted where orders are written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sqlx::{AssertSqlSafe, FromRow};

use super::{By, EditError, check::Checks, edit::patched, plan_edit::MAX_PRICE};
use crate::{
    db::{Db, DbError, Tx},
    execute, fetch_all, fetch_optional,
    kernel::{CategoryId, CouponId, Currency, ProductId, Time},
};

/// The most products, and the most categories, in a coupon's scope.
const MAX_SCOPE: usize = 200;

/// What can be said about a coupon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CouponFields {
    /// What customers type, in any case; kept in upper case.
    pub code: String,
    /// What operators call it.
    pub name: String,
    /// Hundredths of a percent off; or an amount.
    #[serde(default)]
    pub percent_bps: Option<i64>,
    /// Minor units off, of one currency.
    #[serde(default)]
    pub amount: Option<i64>,
    /// The amount's currency.
    #[serde(default)]
    pub currency: Option<Currency>,
    /// Not before.
    #[serde(default)]
    pub starts_at: Option<Time>,
    /// Not from then on.
    #[serde(default)]
    pub ends_at: Option<Time>,
    /// How many orders may use it.
    #[serde(default)]
    pub max_uses: Option<i64>,
    /// How many of one customer.
    #[serde(default)]
    pub max_uses_per_customer: Option<i64>,
    /// Whether it counts.
    #[serde(default = "yes")]
    pub active: bool,
    /// Slugs or ids of what it is good for; for everything, if neither products nor categories are named.
    #[serde(default)]
    pub products: Vec<String>,
    /// Slugs or ids of categories that it is good for, with all below them.
    #[serde(default)]
    pub categories: Vec<String>,
}

const fn yes() -> bool {
    true
}

/// A coupon as operators see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Coupon {
    /// Which one.
    pub id: CouponId,
    /// What is said about it; products and categories by their slugs, in order of them.
    #[serde(flatten)]
    pub fields: CouponFields,
    /// How many orders use it.
    pub used: i64,
    /// Grows with every change, but not with its uses.
    pub revision: i64,
    /// When it was made.
    pub created_at: Time,
    /// When it was changed last.
    pub updated_at: Time,
}

#[derive(FromRow)]
pub(super) struct CouponRow {
    pub(super) id: CouponId,
    code: String,
    name: String,
    percent_bps: Option<i64>,
    amount: Option<i64>,
    currency: Option<Currency>,
    starts_at: Option<Time>,
    ends_at: Option<Time>,
    max_uses: Option<i64>,
    max_uses_per_customer: Option<i64>,
    used: i64,
    active: bool,
    revision: i64,
    created_at: Time,
    updated_at: Time,
    /// Slugs parted by blanks, which none contains.
    products: Option<String>,
    categories: Option<String>,
}

impl From<CouponRow> for Coupon {
    fn from(row: CouponRow) -> Self {
        let slugs = |joined: Option<String>| {
            let mut slugs: Vec<String> = joined.iter().flat_map(|all| all.split(' ')).map(str::to_owned).collect();
            slugs.sort_unstable();
            slugs
        };
        Self {
            id: row.id,
            fields: CouponFields {
                code: row.code,
                name: row.name,
                percent_bps: row.percent_bps,
                amount: row.amount,
                currency: row.currency,
                starts_at: row.starts_at,
                ends_at: row.ends_at,
                max_uses: row.max_uses,
                max_uses_per_customer: row.max_uses_per_customer,
                active: row.active,
                products: slugs(row.products),
                categories: slugs(row.categories),
            },
            used: row.used,
            revision: row.revision,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

macro_rules! select_coupons {
    ($rest:literal) => {
        concat!(
            "SELECT c.id, c.code, c.name, c.percent_bps, c.amount, c.currency, c.starts_at, c.ends_at, c.max_uses,
                    c.max_uses_per_customer, c.used, c.active, c.revision, c.created_at, c.updated_at,
                    (SELECT string_agg(p.slug, ' ') FROM coupon_products s JOIN products p ON p.id = s.product_id
                     WHERE s.coupon_id = c.id) AS products,
                    (SELECT string_agg(k.slug, ' ') FROM coupon_categories s JOIN categories k ON k.id = s.category_id
                     WHERE s.coupon_id = c.id) AS categories
             FROM coupons c ",
            $rest
        )
    };
}
pub(super) use select_coupons;

/// A coupon.
pub async fn coupon(db: &Db, id: CouponId) -> Result<Option<Coupon>, DbError> {
    let row: Option<CouponRow> = fetch_optional!(db, sqlx::query_as(select_coupons!("WHERE c.id = $1")).bind(id))?;
    Ok(row.map(Coupon::from))
}

/// All coupons, by code.
pub(super) async fn all_coupons(db: &Db) -> Result<Vec<Coupon>, DbError> {
    let rows: Vec<CouponRow> = fetch_all!(db, sqlx::query_as(select_coupons!("ORDER BY c.code")))?;
    Ok(rows.into_iter().map(Coupon::from).collect())
}

fn tidy(fields: &mut CouponFields) -> Result<(), EditError> {
    fields.code = fields.code.trim().to_ascii_uppercase();
    let mut checks = Checks::default();
    let code = &fields.code;
    let plain = code.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"-_".contains(&byte));
    checks.must(plain && (3..=40).contains(&code.len()), "code", "3 to 40 of A-Z, 0-9, - and _");
    checks.line("name", &fields.name, 1..=100);
    match (fields.percent_bps, fields.amount, fields.currency) {
        (Some(_), None, None) | (None, Some(_), Some(_)) => {}
        (None, Some(_), None) => checks.add("currency", "an amount is of a currency"),
        (_, None, _) => checks.add("percent_bps", "either a percentage, or an amount with its currency"),
        (Some(_), Some(_), _) => checks.add("amount", "not together with a percentage"),
    }
    checks.number("percent_bps", fields.percent_bps, 1..=10_000);
    checks.number("amount", fields.amount, 1..=MAX_PRICE);
    checks.number("max_uses", fields.max_uses, 1..=MAX_PRICE);
    checks.number("max_uses_per_customer", fields.max_uses_per_customer, 1..=MAX_PRICE);
    if let (Some(start), Some(end)) = (fields.starts_at, fields.ends_at) {
        checks.must(start < end, "ends_at", "after `starts_at`");
    }
    for (name, time) in [("starts_at", fields.starts_at), ("ends_at", fields.ends_at)] {
        // What both databases and RFC 3339 can say.
        let years = 0..253_402_300_800;
        checks.must(time.is_none_or(|time| years.contains(&time.as_secs())), name, "a time from 1970 to 9999");
    }
    checks.names("products", &fields.products, MAX_SCOPE);
    checks.names("categories", &fields.categories, MAX_SCOPE);
    checks.done()
}

/// What is in scope, by id; `fields` name it by slug from here on.
struct Scope {
    products: Vec<String>,
    categories: Vec<String>,
}

async fn scope(tx: &mut Tx, fields: &mut CouponFields) -> Result<Scope, EditError> {
    let products = find(tx, "products", &fields.products, |name| {
        name.parse::<ProductId>().ok().map(|id| id.uuid().simple().to_string())
    });
    let (ids, slugs) = products.await?;
    let categories = find(tx, "categories", &fields.categories, |name| {
        name.parse::<CategoryId>().ok().map(|id| id.uuid().simple().to_string())
    });
    let (category_ids, category_slugs) = categories.await?;
    (fields.products, fields.categories) = (slugs, category_slugs);
    Ok(Scope { products: ids, categories: category_ids })
}

/// The ids and slugs of what is named, sorted by slug.
async fn find(
    tx: &mut Tx,
    table: &'static str,
    names: &[String],
    id: impl Fn(&str) -> Option<String>,
) -> Result<(Vec<String>, Vec<String>), EditError> {
    if names.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let asked: Vec<Value> = names.iter().map(|name| json!([name, id(name)])).collect();
    let source = tx.dialect().pick(
        "SELECT key, value->>0, unhex(value->>1) FROM json_each($1)",
        "SELECT r.number - 1, r.item->>0, (r.item->>1)::uuid FROM jsonb_array_elements($1::jsonb)
             WITH ORDINALITY AS r (item, number)",
    );
    let text = format!(
        "WITH asked (place, slug, id) AS ({source})
         SELECT a.place, t.id, t.slug FROM asked a JOIN {table} t ON t.slug = a.slug OR t.id = a.id"
    );
    let found: Vec<(i64, uuid::Uuid, String)> =
        fetch_all!(tx, sqlx::query_as(AssertSqlSafe(text.as_str())).bind(Value::Array(asked.clone()).to_string()))?;
    let missing = (0_i64..).zip(names).find(|(place, _)| !found.iter().any(|(at, ..)| at == place));
    if let Some((place, _)) = missing {
        return Err(EditError::flaw(format!("#/{table}/{place}"), "there is no such thing in the catalogue"));
    }
    // Two names may mean one thing.
    let by_slug: BTreeMap<String, String> =
        found.into_iter().map(|(_, id, slug)| (slug, id.simple().to_string())).collect();
    Ok((by_slug.values().cloned().collect(), by_slug.into_keys().collect()))
}

async fn write_scope(tx: &mut Tx, coupon: CouponId, scope: &Scope) -> Result<(), DbError> {
    let parts = [
        (
            &scope.products,
            "INSERT INTO coupon_products (coupon_id, product_id) SELECT $1, unhex(value) FROM json_each($2)",
            "INSERT INTO coupon_products (coupon_id, product_id)
             SELECT $1, value::uuid FROM jsonb_array_elements_text($2::jsonb)",
        ),
        (
            &scope.categories,
            "INSERT INTO coupon_categories (coupon_id, category_id) SELECT $1, unhex(value) FROM json_each($2)",
            "INSERT INTO coupon_categories (coupon_id, category_id)
             SELECT $1, value::uuid FROM jsonb_array_elements_text($2::jsonb)",
        ),
    ];
    for (ids, sqlite, postgres) in parts {
        if !ids.is_empty() {
            let text = tx.dialect().pick(sqlite, postgres);
            execute!(tx, sqlx::query(text).bind(coupon).bind(json!(ids).to_string()))?;
        }
    }
    Ok(())
}

const SCOPE_GONE: &str = "something in its scope is gone";

/// Adds a coupon.
pub async fn create_coupon(tx: &mut Tx, mut fields: CouponFields, by: &By) -> Result<Coupon, EditError> {
    tidy(&mut fields)?;
    let scope = scope(tx, &mut fields).await?;
    let (id, now): (CouponId, _) = (tx.new_id(), tx.now());
    let made = execute!(
        tx,
        sqlx::query(
            "INSERT INTO coupons (id, code, name, percent_bps, amount, currency, starts_at, ends_at, max_uses,
                                  max_uses_per_customer, used, active, revision, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, $11, 1, $12, $12) ON CONFLICT DO NOTHING"
        )
        .bind(id)
        .bind(&fields.code)
        .bind(&fields.name)
        .bind(fields.percent_bps)
        .bind(fields.amount)
        .bind(fields.currency)
        .bind(fields.starts_at)
        .bind(fields.ends_at)
        .bind(fields.max_uses)
        .bind(fields.max_uses_per_customer)
        .bind(fields.active)
        .bind(now)
    )?;
    if made == 0 {
        return Err(EditError::Taken("code"));
    }
    write_scope(tx, id, &scope).await.map_err(|error| EditError::of_write(error, "code", SCOPE_GONE))?;
    tx.audit(by.entry("coupon.created", ("coupon", id.to_string()), None, Some(&fields)));
    Ok(Coupon { id, fields, used: 0, revision: 1, created_at: now, updated_at: now })
}

async fn held(tx: &mut Tx, id: CouponId, revision: i64) -> Result<Coupon, EditError> {
    let text =
        tx.dialect().pick(select_coupons!("WHERE c.id = $1"), select_coupons!("WHERE c.id = $1 FOR UPDATE OF c"));
    let row: Option<CouponRow> = fetch_optional!(tx, sqlx::query_as(text).bind(id))?;
    let current = row.map(Coupon::from).ok_or(EditError::NotFound)?;
    if current.revision == revision { Ok(current) } else { Err(EditError::Stale) }
}

pub(super) async fn coupon_by_code(tx: &mut Tx, code: &str) -> Result<Option<Coupon>, DbError> {
    let text =
        tx.dialect().pick(select_coupons!("WHERE c.code = $1"), select_coupons!("WHERE c.code = $1 FOR UPDATE OF c"));
    let row: Option<CouponRow> = fetch_optional!(tx, sqlx::query_as(text).bind(code.trim().to_ascii_uppercase()))?;
    Ok(row.map(Coupon::from))
}

/// Changes what the patch names, if the coupon is still at `revision`. Its uses go on meanwhile.
pub async fn patch_coupon(
    tx: &mut Tx,
    id: CouponId,
    revision: i64,
    patch: &Map<String, Value>,
    by: &By,
) -> Result<Coupon, EditError> {
    let current = held(tx, id, revision).await?;
    let fields = patched(&current.fields, patch)?;
    change_coupon(tx, current, fields, by).await
}

/// Makes the coupon what `fields` say; its row is held.
pub(super) async fn change_coupon(
    tx: &mut Tx,
    current: Coupon,
    mut fields: CouponFields,
    by: &By,
) -> Result<Coupon, EditError> {
    tidy(&mut fields)?;
    let scope = scope(tx, &mut fields).await?;
    if fields == current.fields {
        return Ok(current);
    }
    if fields.max_uses.is_some_and(|max| max < current.used) {
        return Err(EditError::flaw("#/max_uses", format!("it was used {} times already", current.used)));
    }
    let now = tx.now();
    let changed = execute!(
        tx,
        sqlx::query(
            "UPDATE coupons SET code = $3, name = $4, percent_bps = $5, amount = $6, currency = $7, starts_at = $8,
                                ends_at = $9, max_uses = $10, max_uses_per_customer = $11, active = $12,
                                revision = revision + 1, updated_at = $13
             WHERE id = $1 AND revision = $2"
        )
        .bind(current.id)
        .bind(current.revision)
        .bind(&fields.code)
        .bind(&fields.name)
        .bind(fields.percent_bps)
        .bind(fields.amount)
        .bind(fields.currency)
        .bind(fields.starts_at)
        .bind(fields.ends_at)
        .bind(fields.max_uses)
        .bind(fields.max_uses_per_customer)
        .bind(fields.active)
        .bind(now)
    )
    .map_err(|error| EditError::of_write(error, "code", SCOPE_GONE))?;
    if changed == 0 {
        return Err(EditError::Stale);
    }
    if (&fields.products, &fields.categories) != (&current.fields.products, &current.fields.categories) {
        clear_scope(tx, current.id).await?;
        write_scope(tx, current.id, &scope).await.map_err(|error| EditError::of_write(error, "code", SCOPE_GONE))?;
    }
    let object = ("coupon", current.id.to_string());
    tx.audit(by.entry("coupon.changed", object, Some(&current.fields), Some(&fields)));
    Ok(Coupon { fields, revision: current.revision + 1, updated_at: now, ..current })
}

async fn clear_scope(tx: &mut Tx, id: CouponId) -> Result<(), DbError> {
    execute!(tx, sqlx::query("DELETE FROM coupon_products WHERE coupon_id = $1").bind(id))?;
    execute!(tx, sqlx::query("DELETE FROM coupon_categories WHERE coupon_id = $1").bind(id))?;
    Ok(())
}

/// Removes a coupon that no order knows.
pub async fn delete_coupon(tx: &mut Tx, id: CouponId, revision: i64, by: &By) -> Result<(), EditError> {
    const USED: &str = "the coupon was used; make it inactive instead";
    let current = held(tx, id, revision).await?;
    clear_scope(tx, id).await?;
    execute!(tx, sqlx::query("DELETE FROM coupons WHERE id = $1").bind(id))
        .map_err(|error| EditError::of_write(error, "code", USED))?;
    tx.audit(by.entry("coupon.deleted", ("coupon", id.to_string()), Some(&current.fields), None));
    Ok(())
}
