//! A file into the catalogue: all of it, or nothing.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    Alone, Beside, Format, Kind,
    record::{Record, read_json},
    table::read_csv,
};
use crate::{
    catalog::{
        By, EditError, Flaw, ProductFields, ProductStatus,
        category::{add_category, category_by_slug, change_category, hold_tree},
        check::is_slug,
        coupon::{change_coupon, coupon_by_code, create_coupon},
        developer::{HOUSE, change_developer, create_developer, developer_by_slug, developer_for_update},
        edit::{parse, patched},
        plan_edit::{add_plan, change_plan, keep_lowest_prices, plans_of},
        shelve::{add_product, change_product, is_sellable, product_by_slug, set_published_at},
    },
    db::{Db, DbError, Tx},
    kernel::{ProductId, Time},
};

/// How many records a file may have.
const MAX_RECORDS: usize = 5_000;
/// How many flaws are told at once.
const MAX_FLAWS: usize = 100;

/// Whether an import is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportMode {
    /// It is.
    Keep,
    /// It is done and taken back: what would be wrong, and how much would change.
    DryRun,
}

/// What became of the records of a kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "ImportCounts")]
pub struct Counts {
    /// How many were made.
    pub created: u32,
    /// How many were there and are different now.
    pub changed: u32,
    /// How many were there, exactly so.
    pub unchanged: u32,
}

/// What an import did, or would do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "CatalogueImported")]
pub struct Imported {
    /// Whether nothing was kept: it was only tried.
    pub dry_run: bool,
    /// What became of the developers.
    pub developers: Counts,
    /// What became of the categories.
    pub categories: Counts,
    /// What became of the products.
    pub products: Counts,
    /// What became of the plans.
    pub plans: Counts,
    /// What became of the coupons.
    pub coupons: Counts,
}

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Not a file of this format.
    #[error("{0}")]
    Unreadable(String),
    /// Some records are wrong; each flaw's pointer names the record and the field.
    #[error("some records are wrong")]
    Invalid(Vec<Flaw>),
    /// The database did not take it.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// How the transaction of an import ends without being kept.
enum Undone {
    DryRun(Imported),
    Failed(ImportError),
}

impl From<DbError> for Undone {
    fn from(error: DbError) -> Self {
        Self::Failed(error.into())
    }
}

/// Makes and changes what the file says of the catalogue by itself.
pub async fn import(db: &Db, format: Format, bytes: &[u8], mode: ImportMode, by: &By) -> Result<Imported, ImportError> {
    import_with(db, (format, bytes), mode, &Alone, by).await
}

/// Makes and changes what the file says, of what is kept beside the catalogue too.
pub async fn import_with<B: Beside>(
    db: &Db,
    (format, bytes): (Format, &[u8]),
    mode: ImportMode,
    beside: &B,
    by: &By,
) -> Result<Imported, ImportError> {
    let records = match format {
        Format::Json => read_json(bytes)?,
        Format::Csv => read_csv(bytes)?,
    };
    let endpoints = records.iter().filter_map(|record| record.fields.get("endpoints")?.as_array());
    if records.len() + endpoints.map(Vec::len).sum::<usize>() > MAX_RECORDS {
        return Err(ImportError::Unreadable(format!("{MAX_RECORDS} records and endpoints at most; divide the file")));
    }
    check_keys(&records)?;
    let done = db
        .write(async |tx| {
            let mut import = Import { by, beside, done: Imported::default(), flaws: Vec::new() };
            Box::pin(import.run(tx, records)).await.map_err(Undone::Failed)?;
            if !import.flaws.is_empty() {
                return Err(Undone::Failed(ImportError::Invalid(import.flaws)));
            }
            match mode {
                ImportMode::Keep => Ok(import.done),
                ImportMode::DryRun => Err(Undone::DryRun(import.done)),
            }
        })
        .await;
    match done {
        Ok(done) => Ok(done),
        Err(Undone::DryRun(done)) => Ok(Imported { dry_run: true, ..done }),
        Err(Undone::Failed(error)) => Err(error),
    }
}

/// Every record names itself, once in the file.
fn check_keys(records: &[Record]) -> Result<(), ImportError> {
    let (mut seen, mut flaws) = (BTreeSet::new(), Vec::new());
    for record in records {
        let field = if record.kind == Kind::Coupon { "code" } else { "slug" };
        let key = record.text(field).unwrap_or_default();
        let product = if record.kind == Kind::Plan { record.text("product").unwrap_or_default() } else { "" };
        let sane = match record.kind {
            Kind::Coupon => !key.is_empty() && key.len() <= 40 && key.bytes().all(|byte| byte.is_ascii_graphic()),
            Kind::Plan => is_slug(key) && is_slug(product),
            Kind::Developer | Kind::Category | Kind::Product => is_slug(key),
        };
        if !sane {
            flaws.push(record.flaw(field, "needed, and in the form of one: records are found by it"));
        } else if !seen.insert((record.kind, product, key.to_ascii_uppercase())) {
            flaws.push(record.flaw(field, "an earlier record has it already"));
        }
    }
    flaws.truncate(MAX_FLAWS);
    if flaws.is_empty() { Ok(()) } else { Err(ImportError::Invalid(flaws)) }
}

struct Import<'a, B> {
    by: &'a By,
    beside: &'a B,
    done: Imported,
    flaws: Vec<Flaw>,
}

/// What became of a record.
enum Outcome {
    Created,
    Changed,
    Unchanged,
}

impl Outcome {
    const fn of(before: i64, after: i64) -> Self {
        if before == after { Self::Unchanged } else { Self::Changed }
    }

    /// The same where what is kept beside it was changed, or was not.
    const fn or(self, changed: bool) -> Self {
        match self {
            Self::Unchanged if changed => Self::Changed,
            Self::Created | Self::Changed | Self::Unchanged => self,
        }
    }
}

impl Counts {
    const fn count(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Created => self.created += 1,
            Outcome::Changed => self.changed += 1,
            Outcome::Unchanged => self.unchanged += 1,
        }
    }
}

/// What a new thing is, from a record in which nothing is said as `null`.
fn fresh<T: serde::de::DeserializeOwned>(fields: &Map<String, Value>) -> Result<T, EditError> {
    let said = fields.iter().filter(|(_, value)| !value.is_null());
    let said = said.map(|(name, value)| (name.clone(), value.clone())).collect();
    parse(Value::Object(said)).map_err(|flaw| EditError::Invalid(vec![flaw]))
}

impl<B: Beside> Import<'_, B> {
    async fn run(&mut self, tx: &mut Tx, records: Vec<Record>) -> Result<(), ImportError> {
        hold_tree(tx).await?;
        let by_kind = |kind| records.iter().filter(move |record| record.kind == kind).cloned();
        let developers: Vec<Record> = by_kind(Kind::Developer).collect();
        let categories: Vec<Record> = by_kind(Kind::Category).collect();
        let products: Vec<Record> = by_kind(Kind::Product).collect();
        let plans: Vec<Record> = by_kind(Kind::Plan).collect();
        let coupons: Vec<Record> = by_kind(Kind::Coupon).collect();
        for record in developers {
            let outcome = self.developer(tx, record.clone()).await;
            if let Some(outcome) = self.settle(&record, outcome)? {
                self.done.developers.count(&outcome);
            }
        }
        self.categories(tx, categories).await?;
        self.products(tx, products, plans).await?;
        for record in coupons {
            let outcome = self.coupon(tx, &record).await;
            if let Some(outcome) = self.settle(&record, outcome)? {
                self.done.coupons.count(&outcome);
            }
        }
        Ok(())
    }

    /// Notes what is wrong with a record, and whether to go on: after a refusal by the database there is nothing more to
    /// find out.
    fn settle<T>(&mut self, record: &Record, result: Result<T, EditError>) -> Result<Option<T>, ImportError> {
        let place = &record.place;
        let stop = match result {
            Ok(value) => return Ok(Some(value)),
            Err(EditError::Invalid(flaws)) => {
                let placed =
                    |flaw: Flaw| Flaw::new(format!("{place}{}", flaw.pointer.trim_start_matches('#')), flaw.detail);
                self.flaws.extend(flaws.into_iter().map(placed));
                self.flaws.len() >= MAX_FLAWS
            }
            Err(EditError::Db(error)) => return Err(error.into()),
            Err(error @ EditError::Taken(field)) => {
                self.flaws.push(record.flaw(field, error.to_string()));
                true
            }
            Err(error @ (EditError::NotFound | EditError::Stale | EditError::Refused(_))) => {
                self.flaws.push(Flaw::new(place.clone(), error.to_string()));
                true
            }
        };
        if stop { Err(ImportError::Invalid(std::mem::take(&mut self.flaws))) } else { Ok(None) }
    }

    async fn developer(&mut self, tx: &mut Tx, mut record: Record) -> Result<Outcome, EditError> {
        if record.fields.contains_key("user") {
            return Err(EditError::flaw("#/user", "accounts are not imported"));
        }
        let house = match record.take("house") {
            Value::Null | Value::Bool(false) => false,
            Value::Bool(true) => true,
            _ => return Err(EditError::flaw("#/house", "true or false")),
        };
        let current = if house {
            developer_for_update(tx, HOUSE).await?
        } else {
            developer_by_slug(tx, record.text("slug").unwrap_or_default()).await?
        };
        match current {
            Some(current) if current.house != house => {
                Err(EditError::flaw("#/slug", "this is what the house is called here"))
            }
            Some(current) => {
                let (before, fields) = (current.revision, patched(&current.fields, &record.fields)?);
                Ok(Outcome::of(before, change_developer(tx, current, fields, self.by).await?.revision))
            }
            None => {
                create_developer(tx, fresh(&record.fields)?, self.by).await?;
                Ok(Outcome::Created)
            }
        }
    }

    /// Parents before what is in them.
    async fn categories(&mut self, tx: &mut Tx, mut left: Vec<Record>) -> Result<(), ImportError> {
        while !left.is_empty() {
            let waiting: BTreeSet<String> =
                left.iter().filter_map(|record| record.text("slug")).map(str::to_owned).collect();
            let ready = |record: &Record| record.text("parent").is_none_or(|parent| !waiting.contains(parent));
            let (now, later): (Vec<_>, Vec<_>) = left.into_iter().partition(ready);
            if now.is_empty() {
                self.flaws.extend(later.iter().map(|record| record.flaw("parent", "the parents go round in a circle")));
                return Ok(());
            }
            for record in now {
                let outcome = self.category(tx, &record).await;
                if let Some(outcome) = self.settle(&record, outcome)? {
                    self.done.categories.count(&outcome);
                }
            }
            left = later;
        }
        Ok(())
    }

    async fn category(&mut self, tx: &mut Tx, record: &Record) -> Result<Outcome, EditError> {
        let Some(current) = category_by_slug(tx, record.text("slug").unwrap_or_default()).await? else {
            add_category(tx, fresh(&record.fields)?, self.by).await?;
            return Ok(Outcome::Created);
        };
        let (before, fields) = (current.revision, patched(&current.fields, &record.fields)?);
        Ok(Outcome::of(before, change_category(tx, current, fields, self.by).await?.revision))
    }

    async fn products(
        &mut self,
        tx: &mut Tx,
        products: Vec<Record>,
        mut plans: Vec<Record>,
    ) -> Result<(), ImportError> {
        for record in products {
            let slug = record.text("slug").map(str::to_owned);
            let (own, others): (Vec<_>, Vec<_>) =
                plans.into_iter().partition(|plan| plan.text("product") == slug.as_deref());
            plans = others;
            let outcome = self.product(tx, record.clone(), own).await?;
            if let Some(outcome) = self.settle(&record, outcome)? {
                self.done.products.count(&outcome);
            }
        }
        // Plans whose products the file does not have.
        while let Some(slug) = plans.first().and_then(|plan| plan.text("product")).map(str::to_owned) {
            let (own, others): (Vec<_>, Vec<_>) =
                plans.into_iter().partition(|plan| plan.text("product") == Some(slug.as_str()));
            plans = others;
            match product_by_slug(tx, &slug).await? {
                Some(product) => {
                    self.plans(tx, product.id, &own).await?;
                    let published = product.fields.status == ProductStatus::Published;
                    if published && !is_sellable(tx, product.id).await? {
                        self.flaws.push(own[0].flaw("active", NOT_SELLABLE));
                    }
                }
                None => self.flaws.push(own[0].flaw("product", "there is no such product")),
            }
        }
        Ok(())
    }

    /// A product with its plans: it is published only when they are there.
    async fn product(
        &mut self,
        tx: &mut Tx,
        mut record: Record,
        plans: Vec<Record>,
    ) -> Result<Result<Outcome, EditError>, ImportError> {
        let published_at = match record.take("published_at") {
            Value::Null => None,
            Value::String(text) if text.parse::<Time>().is_ok() => text.parse::<Time>().ok(),
            _ => return Ok(Err(EditError::flaw("#/published_at", "a time such as 2030-01-31T12:00:00Z"))),
        };
        let hook = record.take("hook");
        let slug = record.text("slug").unwrap_or_default().to_owned();
        let (current, new) = if let Some(current) = product_by_slug(tx, &slug).await? {
            (current, false)
        } else {
            let made = match fresh::<ProductFields>(&record.fields) {
                Ok(fields) => add_product(tx, fields, self.by).await,
                Err(error) => Err(error),
            };
            match made {
                Ok(product) => (product, true),
                Err(error) => return Ok(Err(error)),
            }
        };
        let id = current.id;
        self.plans(tx, id, &plans).await?;
        let before = current.revision;
        let changed = match patched(&current.fields, &record.fields) {
            Ok(fields) if fields.status == ProductStatus::Published && !is_sellable(tx, id).await? => {
                Err(EditError::flaw("#/status", NOT_SELLABLE))
            }
            Ok(fields) => change_product(tx, current, fields, self.by).await,
            Err(error) => Err(error),
        };
        let product = match changed {
            Ok(product) => product,
            Err(error) => return Ok(Err(error)),
        };
        if let Some(at) = published_at.filter(|at| product.published_at != Some(*at)) {
            set_published_at(tx, id, at).await?;
        }
        let other = if hook.is_null() { Ok(false) } else { self.beside.put_hook(tx, id, hook, self.by).await };
        let other = match other {
            Ok(other) => other,
            Err(error) => return Ok(Err(error)),
        };
        Ok(Ok(if new { Outcome::Created } else { Outcome::of(before, product.revision).or(other) }))
    }

    async fn plans(&mut self, tx: &mut Tx, product: ProductId, records: &[Record]) -> Result<(), ImportError> {
        if records.is_empty() {
            return Ok(());
        }
        let mut plans = plans_of(tx, product).await?;
        for record in records {
            let mut fields = record.fields.clone();
            fields.remove("product");
            let endpoints = fields.remove("endpoints").unwrap_or_default();
            let place = plans.iter().position(|plan| Some(plan.fields.slug.as_str()) == record.text("slug"));
            let outcome = match place {
                Some(place) => {
                    let current = plans.swap_remove(place);
                    match patched(&current.fields, &fields) {
                        Ok(fields) => {
                            let before = current.revision;
                            let changed = change_plan(tx, current, fields, self.by).await;
                            changed.map(|plan| (Outcome::of(before, plan.revision), plan))
                        }
                        Err(error) => Err(error),
                    }
                }
                None => match fresh(&fields) {
                    Ok(fields) => {
                        add_plan(tx, product, &plans, fields, self.by).await.map(|plan| (Outcome::Created, plan))
                    }
                    Err(error) => Err(error),
                },
            };
            if let Some((outcome, plan)) = self.settle(record, outcome)? {
                let other = if endpoints.is_null() {
                    Ok(false)
                } else {
                    self.beside.put_endpoints(tx, plan.id, endpoints, self.by).await
                };
                let other = self.settle(record, other)?.unwrap_or_default();
                self.done.plans.count(&outcome.or(other));
                plans.push(plan);
            }
        }
        keep_lowest_prices(tx, product).await?;
        Ok(())
    }

    async fn coupon(&mut self, tx: &mut Tx, record: &Record) -> Result<Outcome, EditError> {
        let Some(current) = coupon_by_code(tx, record.text("code").unwrap_or_default()).await? else {
            create_coupon(tx, fresh(&record.fields)?, self.by).await?;
            return Ok(Outcome::Created);
        };
        let (before, fields) = (current.revision, patched(&current.fields, &record.fields)?);
        Ok(Outcome::of(before, change_coupon(tx, current, fields, self.by).await?.revision))
    }
}

const NOT_SELLABLE: &str = "what is published has an active plan with a price";
