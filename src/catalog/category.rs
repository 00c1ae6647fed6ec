//! Categories: a tree, six levels deep at most, without cycles.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sqlx::{AssertSqlSafe, FromRow};

use super::{
    By, EditError,
    check::{Checks, free_slug, slug_of},
    edit::{patched, pattern},
    listing::{Listing, tail},
};
use crate::{
    db::{Db, DbError, Dialect, Tx},
    execute, fetch_all, fetch_one, fetch_optional,
    kernel::{CategoryId, Page, PageRequest, Time},
};

/// How many levels the tree has at most.
pub const MAX_DEPTH: i64 = 6;

/// What can be said about a category.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CategoryFields {
    /// In addresses; made from the name if nothing is said.
    #[serde(default)]
    pub slug: String,
    /// The slug or id of the category that it is in; none for one at the top.
    #[serde(default)]
    pub parent: Option<String>,
    /// As customers read it.
    pub name: String,
    /// What belongs in it.
    #[serde(default)]
    pub description: String,
    /// Its place among its siblings, the lowest first.
    #[serde(default)]
    pub position: i64,
}

/// A category as operators see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Category {
    /// Which one.
    pub id: CategoryId,
    /// What is said about it; the parent by its slug.
    #[serde(flatten)]
    pub fields: CategoryFields,
    /// Grows with every change.
    pub revision: i64,
    /// When it was made.
    pub created_at: Time,
    /// When it was changed last.
    pub updated_at: Time,
}

#[derive(FromRow)]
struct Row {
    id: CategoryId,
    parent: Option<String>,
    slug: String,
    name: String,
    description: String,
    position: i64,
    revision: i64,
    created_at: Time,
    updated_at: Time,
}

impl From<Row> for Category {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            fields: CategoryFields {
                slug: row.slug,
                parent: row.parent,
                name: row.name,
                description: row.description,
                position: row.position,
            },
            revision: row.revision,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT c.id, p.slug AS parent, c.slug, c.name, c.description, c.position, c.revision, c.created_at,
                    c.updated_at
             FROM categories c LEFT JOIN categories p ON p.id = c.parent_id ",
            $rest
        )
    };
}

/// A category.
pub async fn category(db: &Db, id: CategoryId) -> Result<Option<Category>, DbError> {
    let row: Option<Row> = fetch_optional!(db, sqlx::query_as(select!("WHERE c.id = $1")).bind(id))?;
    Ok(row.map(Category::from))
}

/// Categories whose name or slug contains `q`, newest first.
pub async fn categories(db: &Db, q: Option<&str>, page: PageRequest<CategoryId>) -> Result<Page<Category>, DbError> {
    let Listing { text, cursor } = tail(
        select!("WHERE ($1 IS NULL OR lower(c.name) LIKE $1 ESCAPE '\\' OR c.slug LIKE $1 ESCAPE '\\')"),
        "c.id",
        2,
        &page,
    );
    let rows: Vec<Row> = fetch_all!(
        db,
        sqlx::query_as(AssertSqlSafe(text.as_str())).bind(q.map(pattern)).bind(cursor).bind(page.fetch())
    )?;
    Ok(Page::of(rows, &page, |row| row.id).map(Category::from))
}

/// All categories.
pub(super) async fn all_categories(db: &Db) -> Result<Vec<Category>, DbError> {
    let rows: Vec<Row> = fetch_all!(db, sqlx::query_as(select!("")))?;
    Ok(rows.into_iter().map(Category::from).collect())
}

/// Lets one at a time change the tree's shape: two moves, each fine alone, could close a circle together. SQLite has one
/// writer anyway.
pub(super) async fn hold_tree(tx: &mut Tx) -> Result<(), DbError> {
    if tx.dialect() == Dialect::Postgres {
        execute!(tx, sqlx::query("LOCK TABLE categories IN SHARE ROW EXCLUSIVE MODE"))?;
    }
    Ok(())
}

/// Adds a category.
pub async fn create_category(tx: &mut Tx, fields: CategoryFields, by: &By) -> Result<Category, EditError> {
    hold_tree(tx).await?;
    add_category(tx, fields, by).await
}

/// The same for who holds the tree.
pub(super) async fn add_category(tx: &mut Tx, mut fields: CategoryFields, by: &By) -> Result<Category, EditError> {
    if fields.slug.is_empty() {
        fields.slug = fresh_slug(tx, &fields.name).await?;
    }
    check(&fields)?;
    let parent = place(tx, None, &mut fields).await?;
    let (id, now): (CategoryId, _) = (tx.new_id(), tx.now());
    let made = execute!(
        tx,
        sqlx::query(
            "INSERT INTO categories (id, parent_id, slug, name, description, position, revision, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $7) ON CONFLICT DO NOTHING"
        )
        .bind(id)
        .bind(parent)
        .bind(&fields.slug)
        .bind(&fields.name)
        .bind(&fields.description)
        .bind(fields.position)
        .bind(now)
    )?;
    if made == 0 {
        return Err(EditError::Taken("slug"));
    }
    tx.audit(by.entry("category.created", ("category", id.to_string()), None, Some(&fields)));
    Ok(Category { id, fields, revision: 1, created_at: now, updated_at: now })
}

async fn fresh_slug(tx: &mut Tx, name: &str) -> Result<String, EditError> {
    let base = slug_of(name);
    if base.is_empty() {
        return Err(EditError::flaw("#/slug", "none can be made of the name; name one"));
    }
    let taken: Vec<String> =
        fetch_all!(tx, sqlx::query_scalar("SELECT slug FROM categories WHERE slug LIKE $1").bind(format!("{base}%")))?;
    Ok(free_slug(&base, &taken))
}

fn check(fields: &CategoryFields) -> Result<(), EditError> {
    let mut checks = Checks::default();
    checks.slug("slug", &fields.slug);
    checks.line("name", &fields.name, 1..=100);
    checks.text("description", &fields.description, 0..=2_000);
    checks.number("position", Some(fields.position), -1_000_000..=1_000_000);
    if let Some(parent) = &fields.parent {
        checks.names("parent", std::slice::from_ref(parent), 1);
    }
    checks.done()
}

/// Where `fields` put the category, which is `moved` if it exists: the parent's id, written into `fields` by its slug.
async fn place(
    tx: &mut Tx,
    moved: Option<CategoryId>,
    fields: &mut CategoryFields,
) -> Result<Option<CategoryId>, EditError> {
    let Some(named) = &fields.parent else { return Ok(None) };
    let parent: Option<(CategoryId, String)> = fetch_optional!(
        tx,
        sqlx::query_as("SELECT id, slug FROM categories WHERE slug = $1 OR id = $2")
            .bind(named)
            .bind(named.parse::<CategoryId>().ok())
    )?;
    let Some((parent, slug)) = parent else { return Err(EditError::flaw("#/parent", "there is no such category")) };
    fields.parent = Some(slug);
    // How many levels stand above the new place, whether the category itself is among them, and how tall it is.
    // A walk ends after a few steps even if the tree were damaged.
    let (above, inside, tall): (i64, bool, i64) = fetch_one!(
        tx,
        sqlx::query_as(
            "WITH RECURSIVE up (id, parent_id, level) AS (
                 SELECT id, parent_id, CAST(1 AS BIGINT) FROM categories WHERE id = $1
                 UNION ALL
                 SELECT c.id, c.parent_id, level + 1 FROM up JOIN categories c ON c.id = up.parent_id WHERE level < 20
             ), down (id, level) AS (
                 SELECT id, CAST(1 AS BIGINT) FROM categories WHERE id = $2
                 UNION ALL
                 SELECT c.id, level + 1 FROM down JOIN categories c ON c.parent_id = down.id WHERE level < 20
             )
             SELECT (SELECT MAX(level) FROM up), EXISTS (SELECT 1 FROM up WHERE id = $2),
                    COALESCE((SELECT MAX(level) FROM down), 1)"
        )
        .bind(parent)
        .bind(moved)
    )?;
    if inside {
        return Err(EditError::flaw("#/parent", "a category cannot be in itself or in what is in it"));
    }
    if above + tall > MAX_DEPTH {
        return Err(EditError::flaw("#/parent", "the tree has six levels at most"));
    }
    Ok(Some(parent))
}

pub(super) async fn category_by_slug(tx: &mut Tx, slug: &str) -> Result<Option<Category>, DbError> {
    let row: Option<Row> = fetch_optional!(tx, sqlx::query_as(select!("WHERE c.slug = $1")).bind(slug))?;
    Ok(row.map(Category::from))
}

async fn held(tx: &mut Tx, id: CategoryId, revision: i64) -> Result<Category, EditError> {
    hold_tree(tx).await?;
    let row: Option<Row> = fetch_optional!(tx, sqlx::query_as(select!("WHERE c.id = $1")).bind(id))?;
    let current = row.map(Category::from).ok_or(EditError::NotFound)?;
    if current.revision == revision { Ok(current) } else { Err(EditError::Stale) }
}

/// Changes what the patch names, if the category is still at `revision`; another `parent` moves it with all that is in it.
pub async fn patch_category(
    tx: &mut Tx,
    id: CategoryId,
    revision: i64,
    patch: &Map<String, Value>,
    by: &By,
) -> Result<Category, EditError> {
    let current = held(tx, id, revision).await?;
    let fields = patched(&current.fields, patch)?;
    change_category(tx, current, fields, by).await
}

/// Makes the category what `fields` say; for who holds the tree.
pub(super) async fn change_category(
    tx: &mut Tx,
    current: Category,
    mut fields: CategoryFields,
    by: &By,
) -> Result<Category, EditError> {
    if fields.slug.is_empty() {
        fields.slug.clone_from(&current.fields.slug);
    }
    check(&fields)?;
    let parent = place(tx, Some(current.id), &mut fields).await?;
    if fields == current.fields {
        return Ok(current);
    }
    let now = tx.now();
    let changed = execute!(
        tx,
        sqlx::query(
            "UPDATE categories SET parent_id = $3, slug = $4, name = $5, description = $6, position = $7,
                                   revision = revision + 1, updated_at = $8
             WHERE id = $1 AND revision = $2"
        )
        .bind(current.id)
        .bind(current.revision)
        .bind(parent)
        .bind(&fields.slug)
        .bind(&fields.name)
        .bind(&fields.description)
        .bind(fields.position)
        .bind(now)
    )
    .map_err(|error| EditError::of_write(error, "slug", "the parent is gone"))?;
    if changed == 0 {
        return Err(EditError::Stale);
    }
    let object = ("category", current.id.to_string());
    tx.audit(by.entry("category.changed", object, Some(&current.fields), Some(&fields)));
    Ok(Category { fields, revision: current.revision + 1, updated_at: now, ..current })
}

/// Removes a category in which nothing is.
pub async fn delete_category(tx: &mut Tx, id: CategoryId, revision: i64, by: &By) -> Result<(), EditError> {
    const USED: &str = "the category has categories, products or coupons: move or remove them first";
    let current = held(tx, id, revision).await?;
    let deleted = execute!(
        tx,
        sqlx::query(
            "DELETE FROM categories WHERE id = $1 AND revision = $2
                    AND NOT EXISTS (SELECT 1 FROM categories c WHERE c.parent_id = $1)
                    AND NOT EXISTS (SELECT 1 FROM products WHERE category_id = $1)
                    AND NOT EXISTS (SELECT 1 FROM coupon_categories WHERE category_id = $1)"
        )
        .bind(id)
        .bind(revision)
    )
    .map_err(|error| EditError::of_write(error, "slug", USED))?;
    if deleted == 0 {
        return Err(EditError::Refused(USED));
    }
    tx.audit(by.entry("category.deleted", ("category", id.to_string()), Some(&current.fields), None));
    Ok(())
}
