//! The rates, as operators edit them.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sqlx::{AssertSqlSafe, FromRow};

use super::{Country, Percent, rate::STANDARD};
use crate::{
    catalog::{
        By, Checks, EditError,
        check::is_slug,
        edit::patched,
        listing::{Listing, tail},
    },
    db::{Db, DbError, Tx},
    execute, fetch_all, fetch_optional,
    kernel::{Page, PageRequest, TaxRateId, Time},
};

/// A day, which begins at midnight UTC: `2026-01-31`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(Time);

impl Day {
    /// When it begins.
    #[must_use]
    pub const fn begins(self) -> Time {
        self.0
    }
}

impl FromStr for Day {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "a day is written as 2026-01-31, from 1970 on";
        let plain = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        let time: Time = format!("{text}T00:00:00Z").parse().map_err(|_| WRONG)?;
        if plain && time >= Time::from_micros(0) { Ok(Self(time)) } else { Err(WRONG) }
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.to_string().get(..10).unwrap_or_default())
    }
}

impl JsonSchema for Day {
    fn schema_name() -> Cow<'static, str> {
        "Day".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "date",
            "description": "A day, which begins at midnight UTC.",
            "examples": ["2026-01-31"],
        })
    }
}

impl Serialize for Day {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What can be said about a rate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TaxRateFields {
    /// Where it holds.
    pub country: Country,
    /// In which part of the country; in all of it if nothing is said. Kept in upper case.
    #[serde(default)]
    pub region: String,
    /// For products of this tax category.
    #[serde(default = "standard")]
    pub category: String,
    /// As invoices call it, e.g. `VAT`.
    pub name: String,
    /// How much.
    pub percent: Percent,
    /// The first day on which it holds.
    pub valid_from: Day,
    /// The first day on which it does not hold any more; open if nothing is said. Of rates that hold at the same time for
    /// the same, the one that began last does.
    #[serde(default)]
    pub valid_until: Option<Day>,
}

fn standard() -> String {
    STANDARD.to_owned()
}

/// A rate as operators see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TaxRate {
    /// Which one.
    pub id: TaxRateId,
    /// What is said about it.
    #[serde(flatten)]
    pub fields: TaxRateFields,
    /// Grows with every change.
    pub revision: i64,
    /// When it was made.
    pub created_at: Time,
    /// When it was changed last.
    pub updated_at: Time,
}

#[derive(FromRow)]
struct Row {
    id: TaxRateId,
    country: String,
    region: String,
    category: String,
    name: String,
    rate: i64,
    valid_from: Time,
    valid_until: Option<Time>,
    revision: i64,
    created_at: Time,
    updated_at: Time,
}

impl TryFrom<Row> for TaxRate {
    type Error = DbError;
    fn try_from(row: Row) -> Result<Self, DbError> {
        // Written by this module, which writes countries.
        let country = row.country.parse().map_err(|error| DbError::from(sqlx::Error::Decode(Box::new(error))))?;
        Ok(Self {
            id: row.id,
            fields: TaxRateFields {
                country,
                region: row.region,
                category: row.category,
                name: row.name,
                percent: Percent::from_millionths(row.rate),
                valid_from: Day(row.valid_from),
                valid_until: row.valid_until.map(Day),
            },
            revision: row.revision,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, country, region, category, name, rate, valid_from, valid_until, revision, created_at, updated_at
             FROM tax_rates ",
            $rest
        )
    };
}

/// A rate.
pub async fn tax_rate(db: &Db, id: TaxRateId) -> Result<Option<TaxRate>, DbError> {
    let row: Option<Row> = fetch_optional!(db, sqlx::query_as(select!("WHERE id = $1")).bind(id))?;
    row.map(TaxRate::try_from).transpose()
}

/// Rates, of a country if it is named, the newest first.
pub async fn tax_rates(
    db: &Db,
    country: Option<Country>,
    page: PageRequest<TaxRateId>,
) -> Result<Page<TaxRate>, DbError> {
    let Listing { text, cursor } = tail(select!("WHERE ($1 IS NULL OR country = $1)"), "id", 2, &page);
    let country = country.map(|country| country.to_string());
    let rows: Vec<Row> = fetch_all!(
        db,
        sqlx::query_as(AssertSqlSafe(text.as_str())).bind(country.as_deref()).bind(cursor).bind(page.fetch())
    )?;
    let rates = rows.into_iter().map(TaxRate::try_from).collect::<Result<Vec<_>, _>>()?;
    Ok(Page::of(rates, &page, |rate| rate.id))
}

pub(super) fn tidy(fields: &mut TaxRateFields) -> Result<(), EditError> {
    fields.region = fields.region.trim().to_uppercase();
    let mut checks = Checks::default();
    checks.line("region", &fields.region, 0..=50);
    checks.must(is_slug(&fields.category), "category", "a name of a-z, 0-9 and single hyphens, e.g. `ebooks`");
    checks.line("name", &fields.name, 1..=30);
    let ends = fields.valid_until.is_none_or(|until| until > fields.valid_from);
    checks.must(ends, "valid_until", "after `valid_from`");
    checks.done()
}

const KEY: &str = "country, region, category and valid_from";

/// Adds a rate.
pub async fn create_tax_rate(tx: &mut Tx, mut fields: TaxRateFields, by: &By) -> Result<TaxRate, EditError> {
    tidy(&mut fields)?;
    let (id, now): (TaxRateId, _) = (tx.new_id(), tx.now());
    let made = execute!(
        tx,
        sqlx::query(
            "INSERT INTO tax_rates (id, country, region, category, name, rate, valid_from, valid_until, revision,
                                    created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, $9, $9) ON CONFLICT DO NOTHING"
        )
        .bind(id)
        .bind(fields.country.code())
        .bind(&fields.region)
        .bind(&fields.category)
        .bind(&fields.name)
        .bind(fields.percent.millionths())
        .bind(fields.valid_from.begins())
        .bind(fields.valid_until.map(Day::begins))
        .bind(now)
    )?;
    if made == 0 {
        return Err(EditError::Taken(KEY));
    }
    tx.audit(by.entry("tax_rate.created", ("tax_rate", id.to_string()), None, Some(&fields)));
    Ok(TaxRate { id, fields, revision: 1, created_at: now, updated_at: now })
}

async fn held(tx: &mut Tx, id: TaxRateId, revision: i64) -> Result<TaxRate, EditError> {
    let text = tx.dialect().pick(select!("WHERE id = $1"), select!("WHERE id = $1 FOR UPDATE"));
    let row: Option<Row> = fetch_optional!(tx, sqlx::query_as(text).bind(id))?;
    let current = TaxRate::try_from(row.ok_or(EditError::NotFound)?)?;
    if current.revision == revision { Ok(current) } else { Err(EditError::Stale) }
}

/// The rate that an import means: the one with the same place, category and beginning.
pub(super) async fn same_key(tx: &mut Tx, fields: &TaxRateFields) -> Result<Option<TaxRate>, DbError> {
    let text = tx.dialect().pick(
        select!("WHERE country = $1 AND region = $2 AND category = $3 AND valid_from = $4"),
        select!("WHERE country = $1 AND region = $2 AND category = $3 AND valid_from = $4 FOR UPDATE"),
    );
    let row: Option<Row> = fetch_optional!(
        tx,
        sqlx::query_as(text)
            .bind(fields.country.code())
            .bind(&fields.region)
            .bind(&fields.category)
            .bind(fields.valid_from.begins())
    )?;
    row.map(TaxRate::try_from).transpose()
}

/// Changes what the patch names, if the rate is still at `revision`. Orders keep what they were reckoned with.
pub async fn patch_tax_rate(
    tx: &mut Tx,
    id: TaxRateId,
    revision: i64,
    patch: &Map<String, Value>,
    by: &By,
) -> Result<TaxRate, EditError> {
    let current = held(tx, id, revision).await?;
    let fields = patched(&current.fields, patch)?;
    change(tx, current, fields, by).await
}

/// Makes the rate what `fields` say; its row is held.
pub(super) async fn change(
    tx: &mut Tx,
    current: TaxRate,
    mut fields: TaxRateFields,
    by: &By,
) -> Result<TaxRate, EditError> {
    tidy(&mut fields)?;
    if fields == current.fields {
        return Ok(current);
    }
    let now = tx.now();
    let changed = execute!(
        tx,
        sqlx::query(
            "UPDATE tax_rates SET country = $3, region = $4, category = $5, name = $6, rate = $7, valid_from = $8,
                                  valid_until = $9, revision = revision + 1, updated_at = $10
             WHERE id = $1 AND revision = $2"
        )
        .bind(current.id)
        .bind(current.revision)
        .bind(fields.country.code())
        .bind(&fields.region)
        .bind(&fields.category)
        .bind(&fields.name)
        .bind(fields.percent.millionths())
        .bind(fields.valid_from.begins())
        .bind(fields.valid_until.map(Day::begins))
        .bind(now)
    )
    .map_err(|error| EditError::of_write(error, KEY, "it is gone"))?;
    if changed == 0 {
        return Err(EditError::Stale);
    }
    let object = ("tax_rate", current.id.to_string());
    tx.audit(by.entry("tax_rate.changed", object, Some(&current.fields), Some(&fields)));
    Ok(TaxRate { fields, revision: current.revision + 1, updated_at: now, ..current })
}

/// Removes a rate. Orders keep what they were reckoned with.
pub async fn delete_tax_rate(tx: &mut Tx, id: TaxRateId, revision: i64, by: &By) -> Result<(), EditError> {
    let current = held(tx, id, revision).await?;
    execute!(tx, sqlx::query("DELETE FROM tax_rates WHERE id = $1").bind(id))?;
    tx.audit(by.entry("tax_rate.deleted", ("tax_rate", id.to_string()), Some(&current.fields), None));
    Ok(())
}
