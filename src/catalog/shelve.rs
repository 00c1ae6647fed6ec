//! Putting products on the shelf, changing and taking them off.

use serde_json::{Map, Value};
use sqlx::AssertSqlSafe;

use super::{
    By, EditError, Product, ProductFields, ProductStatus,
    check::{free_slug, slug_of},
    edit::patched,
    listing::{Listing, tail},
    product::{ProductArchived, ProductPublished, ProductRow, check, select_products},
};
use crate::{
    db::{Db, DbError, Tx},
    execute, fetch_all, fetch_one, fetch_optional,
    kernel::{CategoryId, DeveloperId, Page, PageRequest, ProductId, Time},
};

/// The columns that fields are, as parameters `$4` to `$24`.
macro_rules! bind_fields {
    ($query:expr, $place:expr, $fields:expr) => {
        $query
            .bind($place.developer)
            .bind($place.category)
            .bind(&$fields.module_key)
            .bind(&$fields.slug)
            .bind(&$fields.title)
            .bind(&$fields.short_description)
            .bind(&$fields.description)
            .bind(&$fields.content)
            .bind(&$fields.image)
            .bind($fields.kind)
            .bind(&$fields.version)
            .bind($fields.status)
            .bind($fields.featured)
            .bind(&$fields.demo_url)
            .bind(&$fields.github_url)
            .bind(&$fields.documentation_url)
            .bind($fields.requires_auth)
            .bind($fields.default_license)
            .bind(Value::Object($fields.meta.clone()).to_string())
            .bind(Value::Object($fields.api_config.clone()).to_string())
            .bind(&$fields.tax_category)
    };
}

/// A product, published or not.
pub async fn product(db: &Db, id: ProductId) -> Result<Option<Product>, DbError> {
    let row: Option<ProductRow> = fetch_optional!(db, sqlx::query_as(select_products!("WHERE p.id = $1")).bind(id))?;
    Ok(row.map(Product::from))
}

/// What a developer sells, published or not: the newest first.
pub async fn products_of(
    db: &Db,
    developer: DeveloperId,
    page: PageRequest<ProductId>,
) -> Result<Page<Product>, DbError> {
    let Listing { text, cursor } = tail(select_products!("WHERE p.developer_id = $1"), "p.id", 2, &page);
    let rows: Vec<ProductRow> =
        fetch_all!(db, sqlx::query_as(AssertSqlSafe(text.as_str())).bind(developer).bind(cursor).bind(page.fetch()))?;
    Ok(Page::of(rows, &page, |row| row.id).map(Product::from))
}

/// All products.
pub(super) async fn all_products(db: &Db) -> Result<Vec<Product>, DbError> {
    let rows: Vec<ProductRow> = fetch_all!(db, sqlx::query_as(select_products!("")))?;
    Ok(rows.into_iter().map(Product::from).collect())
}

/// Adds a draft.
pub async fn create_product(tx: &mut Tx, fields: ProductFields, by: &By) -> Result<Product, EditError> {
    if fields.status != ProductStatus::Draft {
        return Err(EditError::flaw("#/status", "a product begins as a draft; publish it when it has a plan"));
    }
    add_product(tx, fields, by).await
}

/// Who sells it and where it stands, by id.
struct Place {
    developer: DeveloperId,
    category: Option<CategoryId>,
}

/// Finds what `fields` refer to, and writes the slugs into them.
async fn place(tx: &mut Tx, fields: &mut ProductFields) -> Result<Place, EditError> {
    let developer: Option<(DeveloperId, String)> = fetch_optional!(
        tx,
        sqlx::query_as("SELECT id, slug FROM developers WHERE slug = $1 OR id = $2")
            .bind(&fields.developer)
            .bind(fields.developer.parse::<DeveloperId>().ok())
    )?;
    let Some((developer, slug)) = developer else {
        return Err(EditError::flaw("#/developer", "there is no such developer"));
    };
    fields.developer = slug;
    let Some(named) = &fields.category else { return Ok(Place { developer, category: None }) };
    let category: Option<(CategoryId, String)> = fetch_optional!(
        tx,
        sqlx::query_as("SELECT id, slug FROM categories WHERE slug = $1 OR id = $2")
            .bind(named)
            .bind(named.parse::<CategoryId>().ok())
    )?;
    let Some((category, slug)) = category else {
        return Err(EditError::flaw("#/category", "there is no such category"));
    };
    fields.category = Some(slug);
    Ok(Place { developer, category: Some(category) })
}

/// Adds a product as a draft, whatever status it is to have once its plans are there.
pub(super) async fn add_product(tx: &mut Tx, mut fields: ProductFields, by: &By) -> Result<Product, EditError> {
    if fields.slug.is_empty() {
        fields.slug = fresh_slug(tx, &fields.title).await?;
    }
    fields.status = ProductStatus::Draft;
    check(&fields)?;
    let place = place(tx, &mut fields).await?;
    let (id, now): (ProductId, _) = (tx.new_id(), tx.now());
    let made = execute!(
        tx,
        bind_fields!(
            sqlx::query(
                "INSERT INTO products (id, revision, created_at, updated_at, developer_id, category_id, module_key, slug,
                    title, short_description, description, content, image, type, version, status, featured, demo_url,
                    github_url, documentation_url, requires_auth, default_license, meta, api_config,
                    tax_category)
                 VALUES ($1, $2, $3, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
                         $21, $22, $23, $24)
                 ON CONFLICT DO NOTHING"
            )
            .bind(id)
            .bind(1_i64)
            .bind(now),
            place,
            fields
        )
    )
    .map_err(|error| EditError::of_write(error, "slug", GONE))?;
    if made == 0 {
        return Err(EditError::Taken("slug"));
    }
    tx.audit(by.entry("product.created", ("product", id.to_string()), None, Some(&fields)));
    Ok(Product {
        id,
        fields,
        downloads: 0,
        rating_sum: 0,
        rating_count: 0,
        revision: 1,
        published_at: None,
        created_at: now,
        updated_at: now,
    })
}

const GONE: &str = "the developer or the category is gone";

async fn fresh_slug(tx: &mut Tx, title: &str) -> Result<String, EditError> {
    let base = slug_of(title);
    if base.is_empty() {
        return Err(EditError::flaw("#/slug", "none can be made of the title; name one"));
    }
    let taken: Vec<String> =
        fetch_all!(tx, sqlx::query_scalar("SELECT slug FROM products WHERE slug LIKE $1").bind(format!("{base}%")))?;
    Ok(free_slug(&base, &taken))
}

/// The product as it is in this transaction; nobody else changes it, or its plans, before the end.
pub(super) async fn product_for_update(tx: &mut Tx, id: ProductId) -> Result<Option<Product>, DbError> {
    let text =
        tx.dialect().pick(select_products!("WHERE p.id = $1"), select_products!("WHERE p.id = $1 FOR UPDATE OF p"));
    let row: Option<ProductRow> = fetch_optional!(tx, sqlx::query_as(text).bind(id))?;
    Ok(row.map(Product::from))
}

pub(super) async fn product_by_slug(tx: &mut Tx, slug: &str) -> Result<Option<Product>, DbError> {
    let text =
        tx.dialect().pick(select_products!("WHERE p.slug = $1"), select_products!("WHERE p.slug = $1 FOR UPDATE OF p"));
    let row: Option<ProductRow> = fetch_optional!(tx, sqlx::query_as(text).bind(slug))?;
    Ok(row.map(Product::from))
}

/// Changes what the patch names, if the product is still at `revision`; `status` publishes and archives.
pub async fn patch_product(
    tx: &mut Tx,
    id: ProductId,
    revision: i64,
    patch: &Map<String, Value>,
    by: &By,
) -> Result<Product, EditError> {
    let current = product_for_update(tx, id).await?.ok_or(EditError::NotFound)?;
    if current.revision != revision {
        return Err(EditError::Stale);
    }
    let fields = patched(&current.fields, patch)?;
    change_product(tx, current, fields, by).await
}

/// Makes the product what `fields` say; its row is held.
pub(super) async fn change_product(
    tx: &mut Tx,
    current: Product,
    mut fields: ProductFields,
    by: &By,
) -> Result<Product, EditError> {
    if fields.slug.is_empty() {
        fields.slug.clone_from(&current.fields.slug);
    }
    check(&fields)?;
    let place = place(tx, &mut fields).await?;
    if fields == current.fields {
        return Ok(current);
    }
    let turns = fields.status != current.fields.status;
    if !current.fields.status.may_become(fields.status) {
        return Err(EditError::flaw("#/status", "what was published is archived, not made a draft again"));
    }
    if turns && fields.status == ProductStatus::Published && !is_sellable(tx, current.id).await? {
        return Err(EditError::Refused("a product is published when it has an active plan with a price"));
    }
    let now = tx.now();
    let published = fields.status == ProductStatus::Published;
    let published_at = current.published_at.or(published.then_some(now));
    update(tx, &current, &fields, (place, published_at, now)).await?;
    let object = ("product", current.id.to_string());
    tx.audit(by.entry("product.changed", object, Some(&current.fields), Some(&fields)));
    if turns {
        tell(tx, current.id, &fields)?;
    }
    Ok(Product { fields, published_at, revision: current.revision + 1, updated_at: now, ..current })
}

fn tell(tx: &mut Tx, product: ProductId, fields: &ProductFields) -> Result<(), DbError> {
    let slug = fields.slug.clone();
    match fields.status {
        ProductStatus::Draft => {}
        ProductStatus::Published => _ = tx.emit(&ProductPublished { product, slug })?,
        ProductStatus::Archived => _ = tx.emit(&ProductArchived { product, slug })?,
    }
    Ok(())
}

async fn update(
    tx: &mut Tx,
    current: &Product,
    fields: &ProductFields,
    (place, published_at, now): (Place, Option<Time>, Time),
) -> Result<(), EditError> {
    let changed = execute!(
        tx,
        bind_fields!(
            sqlx::query(
                "UPDATE products SET revision = revision + 1, updated_at = $3, developer_id = $4, category_id = $5,
                    module_key = $6, slug = $7, title = $8, short_description = $9, description = $10, content = $11,
                    image = $12, type = $13, version = $14, status = $15, featured = $16, demo_url = $17,
                    github_url = $18, documentation_url = $19, requires_auth = $20, default_license = $21, meta = $22,
                    api_config = $23, tax_category = $24, published_at = $25
                 WHERE id = $1 AND revision = $2"
            )
            .bind(current.id)
            .bind(current.revision)
            .bind(now),
            place,
            fields
        )
        .bind(published_at)
    )
    .map_err(|error| EditError::of_write(error, "slug", GONE))?;
    if changed == 0 { Err(EditError::Stale) } else { Ok(()) }
}

/// Whether the product has an active plan with a price.
pub(super) async fn is_sellable(tx: &mut Tx, product: ProductId) -> Result<bool, DbError> {
    fetch_one!(
        tx,
        sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM plans l JOIN plan_prices pr ON pr.plan_id = l.id
                            WHERE l.product_id = $1 AND l.active)"
        )
        .bind(product)
    )
}

/// Sets when a product was published first, for one that comes from another shop.
pub(super) async fn set_published_at(tx: &mut Tx, product: ProductId, at: Time) -> Result<(), DbError> {
    execute!(tx, sqlx::query("UPDATE products SET published_at = $2 WHERE id = $1").bind(product).bind(at))?;
    Ok(())
}

/// Removes a draft with its plans.
pub async fn delete_product(tx: &mut Tx, id: ProductId, revision: i64, by: &By) -> Result<(), EditError> {
    const SOLD: &str = "only a draft that nothing refers to can be deleted; archive the product instead";
    let current = product_for_update(tx, id).await?.ok_or(EditError::NotFound)?;
    if current.revision != revision {
        return Err(EditError::Stale);
    }
    if current.fields.status != ProductStatus::Draft {
        return Err(EditError::Refused(SOLD));
    }
    for text in [
        "DELETE FROM product_prices WHERE product_id = $1",
        "DELETE FROM plan_prices WHERE plan_id IN (SELECT id FROM plans WHERE product_id = $1)",
        "DELETE FROM plans WHERE product_id = $1",
        "DELETE FROM products WHERE id = $1",
    ] {
        execute!(tx, sqlx::query(text).bind(id)).map_err(|error| EditError::of_write(error, "slug", SOLD))?;
    }
    tx.audit(by.entry("product.deleted", ("product", id.to_string()), Some(&current.fields), None));
    Ok(())
}
