//! What customers see of one product, and the tree of categories.

use schemars::JsonSchema;
use serde::Serialize;
use sqlx::FromRow;

use super::{
    BillingCycle, LicenseType, Limits, Named, Plan, Product, ProductStatus, Rating, plans,
    product::{ProductRow, select_products},
};
use crate::{
    db::{Db, DbError},
    fetch_all, fetch_one, fetch_optional,
    kernel::{CategoryId, Money, PlanId, ProductId, Time},
};

/// A plan as customers see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "OfferedPlan")]
pub struct Offered {
    /// Which one.
    pub id: PlanId,
    /// Its name among the product's plans, by which carts name it.
    pub slug: String,
    /// What it is called.
    pub name: String,
    /// How often it is paid.
    pub billing_cycle: BillingCycle,
    /// How many days a trial lasts; for trials only.
    pub trial_days: Option<i64>,
    /// What its licence allows.
    pub license_type: LicenseType,
    /// What one gets, a line each.
    pub features: Vec<String>,
    /// What its licence is limited to.
    pub limits: Limits,
    /// What it costs, before any tax that comes on top: one price for each currency that it is sold in.
    pub prices: Vec<Money>,
}

impl Offered {
    fn of(plan: Plan) -> Self {
        let fields = plan.fields;
        Self {
            id: plan.id,
            slug: fields.slug,
            name: fields.name,
            billing_cycle: fields.billing_cycle,
            trial_days: fields.trial_days,
            license_type: fields.license_type,
            features: fields.features,
            limits: fields.limits,
            prices: fields.prices.into_iter().map(|(currency, amount)| Money::new(amount, currency)).collect(),
        }
    }
}

/// A product as customers see it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "ProductDetail")]
pub struct ProductPage {
    /// Which one.
    pub id: ProductId,
    /// Where it is in addresses.
    pub slug: String,
    /// What it is called.
    pub title: String,
    /// A line about it.
    pub short_description: String,
    /// A paragraph or two.
    pub description: String,
    /// The page, in Markdown.
    pub content: String,
    /// An address or path of a picture.
    pub image: Option<String>,
    /// What is sold.
    #[serde(rename = "type")]
    pub kind: super::ProductType,
    /// What is sold now, e.g. `2.1.0`.
    pub version: String,
    /// Whether it is shown first.
    pub featured: bool,
    /// Where it can be tried.
    pub demo_url: Option<String>,
    /// Where its sources are.
    pub github_url: Option<String>,
    /// Where it is explained.
    pub documentation_url: Option<String>,
    /// Whether one must be signed in to get it.
    pub requires_auth: bool,
    /// What its licences allow where the plan says nothing else.
    pub default_license: LicenseType,
    /// Who made it.
    pub developer: Named,
    /// From the top of the tree to the category that it is in.
    pub category_path: Vec<Named>,
    /// How it is sold: the plans that can be bought now.
    pub plans: Vec<Offered>,
    /// What its buyers think of it.
    pub rating: Rating,
    /// How often it was downloaded.
    pub downloads: i64,
    /// Since when it is sold.
    pub published_at: Option<Time>,
    /// When it was changed last.
    pub updated_at: Time,
}

#[derive(FromRow)]
struct PathRow {
    slug: String,
    name: String,
}

/// A published product, by its slug.
pub async fn product_page(db: &Db, slug: &str) -> Result<Option<ProductPage>, DbError> {
    if !super::check::is_slug(slug) {
        return Ok(None);
    }
    let row: Option<ProductRow> = fetch_optional!(
        db,
        sqlx::query_as(select_products!("WHERE p.slug = $1 AND p.status = 'published'")).bind(slug)
    )?;
    let Some(product) = row.map(Product::from) else { return Ok(None) };
    debug_assert_eq!(product.fields.status, ProductStatus::Published);
    let plans = plans(db, product.id).await?.into_iter().filter(|plan| plan.fields.active).map(Offered::of).collect();
    let path: Vec<PathRow> = fetch_all!(
        db,
        sqlx::query_as(
            "WITH RECURSIVE up (parent_id, slug, name, level) AS (
                 SELECT parent_id, slug, name, 1 FROM categories WHERE slug = $1
                 UNION ALL
                 SELECT c.parent_id, c.slug, c.name, level + 1 FROM up JOIN categories c ON c.id = up.parent_id
                 WHERE level < 20
             )
             SELECT slug, name FROM up ORDER BY level DESC"
        )
        .bind(&product.fields.category)
    )?;
    let developer: String = fetch_one!(
        db,
        sqlx::query_scalar("SELECT name FROM developers WHERE slug = $1").bind(&product.fields.developer)
    )?;
    let fields = product.fields;
    Ok(Some(ProductPage {
        id: product.id,
        slug: fields.slug,
        title: fields.title,
        short_description: fields.short_description,
        description: fields.description,
        content: fields.content,
        image: fields.image,
        kind: fields.kind,
        version: fields.version,
        featured: fields.featured,
        demo_url: fields.demo_url,
        github_url: fields.github_url,
        documentation_url: fields.documentation_url,
        requires_auth: fields.requires_auth,
        default_license: fields.default_license,
        developer: Named { slug: fields.developer, name: developer },
        category_path: path.into_iter().map(|row| Named { slug: row.slug, name: row.name }).collect(),
        plans,
        rating: Rating::of(product.rating_sum, product.rating_count),
        downloads: product.downloads,
        published_at: product.published_at,
        updated_at: product.updated_at,
    }))
}

/// A category with what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CategoryNode {
    /// Which one.
    pub id: CategoryId,
    /// Where it is in addresses.
    pub slug: String,
    /// What it is called.
    pub name: String,
    /// What is in it.
    pub description: String,
    /// Published products in it and in all below it.
    pub products: i64,
    /// The categories right below it, in their order.
    pub children: Vec<Self>,
}

#[derive(FromRow)]
struct TreeRow {
    id: CategoryId,
    parent_id: Option<CategoryId>,
    slug: String,
    name: String,
    description: String,
    products: i64,
}

/// The whole tree, siblings in their order.
pub async fn category_tree(db: &Db) -> Result<Vec<CategoryNode>, DbError> {
    let rows: Vec<TreeRow> = fetch_all!(
        db,
        sqlx::query_as(
            "SELECT c.id, c.parent_id, c.slug, c.name, c.description,
                    (SELECT COUNT(*) FROM products p WHERE p.category_id = c.id AND p.status = 'published') AS products
             FROM categories c ORDER BY c.position, c.slug"
        )
    )?;
    Ok(children(&rows, None, 0))
}

fn children(rows: &[TreeRow], parent: Option<CategoryId>, depth: i64) -> Vec<CategoryNode> {
    // A damaged tree ends somewhere, too.
    if depth > super::MAX_DEPTH {
        return Vec::new();
    }
    let below = rows.iter().filter(|row| row.parent_id == parent);
    let node = |row: &TreeRow| {
        let children = children(rows, Some(row.id), depth + 1);
        let products = row.products + children.iter().map(|child| child.products).sum::<i64>();
        let (slug, name, description) = (row.slug.clone(), row.name.clone(), row.description.clone());
        CategoryNode { id: row.id, slug, name, description, products, children }
    };
    below.map(node).collect()
}
