//! Developers: who sells. The house, which sells the platform's own products, is there from the start.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sqlx::{AssertSqlSafe, FromRow};
use uuid::Uuid;

use super::{
    By, EditError,
    check::{Checks, free_slug, slug_of},
    edit::{patched, pattern},
    listing::{Listing, tail},
};
use crate::{
    db::{Db, DbError, Tx},
    execute, fetch_all, fetch_optional,
    kernel::{DeveloperId, Page, PageRequest, Time, UserId},
};

/// The developer whose products are the platform's own.
pub const HOUSE: DeveloperId = DeveloperId::from_uuid(Uuid::from_u128(0x019b_0000_0000_7000_8000_0000_0000_0001));
const TAKEN: &str = "slug";

/// What can be said about a developer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeveloperFields {
    /// In addresses; made from the name if nothing is said.
    #[serde(default)]
    pub slug: String,
    /// As customers read it.
    pub name: String,
    /// The platform's share in hundredths of a percent; none for the configured one.
    #[serde(default)]
    pub commission_bps: Option<i64>,
    /// The account that sells.
    #[serde(default)]
    pub user: Option<UserId>,
}

/// A developer as operators see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Developer {
    /// Which one.
    pub id: DeveloperId,
    /// What is said about it.
    #[serde(flatten)]
    pub fields: DeveloperFields,
    /// Whether it is the house.
    pub house: bool,
    /// Grows with every change.
    pub revision: i64,
    /// When it was made.
    pub created_at: Time,
    /// When it was changed last.
    pub updated_at: Time,
}

#[derive(FromRow)]
struct Row {
    id: DeveloperId,
    user_id: Option<UserId>,
    slug: String,
    name: String,
    commission_bps: Option<i64>,
    is_house: bool,
    revision: i64,
    created_at: Time,
    updated_at: Time,
}

impl From<Row> for Developer {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            fields: DeveloperFields {
                slug: row.slug,
                name: row.name,
                commission_bps: row.commission_bps,
                user: row.user_id,
            },
            house: row.is_house,
            revision: row.revision,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, user_id, slug, name, commission_bps, is_house, revision, created_at, updated_at
             FROM developers ",
            $rest
        )
    };
}

/// A developer.
pub async fn developer(db: &Db, id: DeveloperId) -> Result<Option<Developer>, DbError> {
    let row: Option<Row> = fetch_optional!(db, sqlx::query_as(select!("WHERE id = $1")).bind(id))?;
    Ok(row.map(Developer::from))
}

/// Developers whose name or slug contains `q`, newest first.
pub async fn developers(db: &Db, q: Option<&str>, page: PageRequest<DeveloperId>) -> Result<Page<Developer>, DbError> {
    let Listing { text, cursor } = tail(
        select!("WHERE ($1 IS NULL OR lower(name) LIKE $1 ESCAPE '\\' OR slug LIKE $1 ESCAPE '\\')"),
        "id",
        2,
        &page,
    );
    let rows: Vec<Row> = fetch_all!(
        db,
        sqlx::query_as(AssertSqlSafe(text.as_str())).bind(q.map(pattern)).bind(cursor).bind(page.fetch())
    )?;
    Ok(Page::of(rows, &page, |row| row.id).map(Developer::from))
}

/// All developers.
pub(super) async fn all_developers(db: &Db) -> Result<Vec<Developer>, DbError> {
    let rows: Vec<Row> = fetch_all!(db, sqlx::query_as(select!("")))?;
    Ok(rows.into_iter().map(Developer::from).collect())
}

/// Adds a developer.
pub async fn create_developer(tx: &mut Tx, mut fields: DeveloperFields, by: &By) -> Result<Developer, EditError> {
    if fields.slug.is_empty() {
        fields.slug = fresh_slug(tx, &fields.name).await?;
    }
    check(&fields, false)?;
    let (id, now): (DeveloperId, _) = (tx.new_id(), tx.now());
    let made = execute!(
        tx,
        sqlx::query(
            "INSERT INTO developers (id, user_id, slug, name, commission_bps, revision, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, 1, $6, $6) ON CONFLICT DO NOTHING"
        )
        .bind(id)
        .bind(fields.user)
        .bind(&fields.slug)
        .bind(&fields.name)
        .bind(fields.commission_bps)
        .bind(now)
    )
    .map_err(|error| EditError::of_write(error, TAKEN, NO_USER))?;
    if made == 0 {
        return Err(EditError::Taken("slug or user"));
    }
    tx.audit(by.entry("developer.created", ("developer", id.to_string()), None, Some(&fields)));
    Ok(Developer { id, fields, house: false, revision: 1, created_at: now, updated_at: now })
}

const NO_USER: &str = "there is no such user";

async fn fresh_slug(tx: &mut Tx, name: &str) -> Result<String, EditError> {
    let base = slug_of(name);
    if base.is_empty() {
        return Err(EditError::flaw("#/slug", "none can be made of the name; name one"));
    }
    let taken: Vec<String> =
        fetch_all!(tx, sqlx::query_scalar("SELECT slug FROM developers WHERE slug LIKE $1").bind(format!("{base}%")))?;
    Ok(free_slug(&base, &taken))
}

fn check(fields: &DeveloperFields, house: bool) -> Result<(), EditError> {
    let mut checks = Checks::default();
    checks.slug("slug", &fields.slug);
    checks.line("name", &fields.name, 1..=100);
    checks.number("commission_bps", fields.commission_bps, 0..=10_000);
    if house {
        checks.must(fields.commission_bps.is_none(), "commission_bps", "the house keeps all of it");
        checks.must(fields.user.is_none(), "user", "the house is nobody's");
    }
    checks.done()
}

/// The developer as it is in this transaction, which nobody else changes before its end.
pub(super) async fn developer_for_update(tx: &mut Tx, id: DeveloperId) -> Result<Option<Developer>, DbError> {
    let text = tx.dialect().pick(select!("WHERE id = $1"), select!("WHERE id = $1 FOR UPDATE"));
    let row: Option<Row> = fetch_optional!(tx, sqlx::query_as(text).bind(id))?;
    Ok(row.map(Developer::from))
}

pub(super) async fn developer_by_slug(tx: &mut Tx, slug: &str) -> Result<Option<Developer>, DbError> {
    let text = tx.dialect().pick(select!("WHERE slug = $1"), select!("WHERE slug = $1 FOR UPDATE"));
    let row: Option<Row> = fetch_optional!(tx, sqlx::query_as(text).bind(slug))?;
    Ok(row.map(Developer::from))
}

/// Changes what the patch names, if the developer is still at `revision`.
pub async fn patch_developer(
    tx: &mut Tx,
    id: DeveloperId,
    revision: i64,
    patch: &Map<String, Value>,
    by: &By,
) -> Result<Developer, EditError> {
    let current = developer_for_update(tx, id).await?.ok_or(EditError::NotFound)?;
    if current.revision != revision {
        return Err(EditError::Stale);
    }
    let fields = patched(&current.fields, patch)?;
    change_developer(tx, current, fields, by).await
}

/// Makes the developer what `fields` say.
pub(super) async fn change_developer(
    tx: &mut Tx,
    current: Developer,
    mut fields: DeveloperFields,
    by: &By,
) -> Result<Developer, EditError> {
    if fields.slug.is_empty() {
        fields.slug.clone_from(&current.fields.slug);
    }
    if fields == current.fields {
        return Ok(current);
    }
    check(&fields, current.house)?;
    let now = tx.now();
    let changed = execute!(
        tx,
        sqlx::query(
            "UPDATE developers SET user_id = $3, slug = $4, name = $5, commission_bps = $6, revision = revision + 1,
                                   updated_at = $7
             WHERE id = $1 AND revision = $2"
        )
        .bind(current.id)
        .bind(current.revision)
        .bind(fields.user)
        .bind(&fields.slug)
        .bind(&fields.name)
        .bind(fields.commission_bps)
        .bind(now)
    )
    .map_err(|error| EditError::of_write(error, "slug or user", NO_USER))?;
    if changed == 0 {
        return Err(EditError::Stale);
    }
    let object = ("developer", current.id.to_string());
    tx.audit(by.entry("developer.changed", object, Some(&current.fields), Some(&fields)));
    Ok(Developer { fields, revision: current.revision + 1, updated_at: now, ..current })
}

/// As which developer somebody sells, if they do.
pub async fn developer_of(db: &Db, user: UserId) -> Result<Option<DeveloperId>, DbError> {
    fetch_optional!(db, sqlx::query_scalar("SELECT id FROM developers WHERE user_id = $1").bind(user))
}

/// Removes a developer that has no products.
pub async fn delete_developer(tx: &mut Tx, id: DeveloperId, revision: i64, by: &By) -> Result<(), EditError> {
    const USED: &str = "the developer has products or sales; archive the products instead";
    let current = developer_for_update(tx, id).await?.ok_or(EditError::NotFound)?;
    if current.revision != revision {
        return Err(EditError::Stale);
    }
    if current.house {
        return Err(EditError::Refused("the house stays"));
    }
    let deleted = execute!(
        tx,
        sqlx::query(
            "DELETE FROM developers WHERE id = $1 AND revision = $2
                    AND NOT EXISTS (SELECT 1 FROM products WHERE developer_id = $1)"
        )
        .bind(id)
        .bind(revision)
    )
    .map_err(|error| EditError::of_write(error, TAKEN, USED))?;
    if deleted == 0 {
        return Err(EditError::Refused(USED));
    }
    tx.audit(by.entry("developer.deleted", ("developer", id.to_string()), Some(&current.fields), None));
    Ok(())
}
