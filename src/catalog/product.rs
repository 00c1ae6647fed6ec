//! Products: what is sold. A draft becomes published once it has a plan with a price, and archived when it is no longer
//! sold; who bought it keeps it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sqlx::FromRow;

use super::{EditError, LicenseType, check::Checks};
use crate::{
    jobs::DomainEvent,
    kernel::{ProductId, Time},
    text_enum,
};

text_enum! {
    /// What a product is.
    pub enum ProductType {
        /// Files.
        Download = "download",
        /// Files and a licence.
        Package = "package",
        /// A licence alone.
        License = "license",
        /// Calls of an API.
        Api = "api",
        /// The use of a service.
        Saas = "saas",
    }
}

impl ProductType {
    /// Whether its licences have API keys, or credentials of an outside API: what is called, not fetched.
    #[must_use]
    pub const fn is_called(self) -> bool {
        matches!(self, Self::Api | Self::Saas)
    }
}

text_enum! {
    /// Whether a product is sold.
    pub enum ProductStatus {
        /// Not yet.
        Draft = "draft",
        /// Yes.
        Published = "published",
        /// Not any more.
        Archived = "archived",
    }
}

impl ProductStatus {
    /// Whether one may follow the other. Nothing that was sold becomes a draft again.
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        match self {
            Self::Draft => true,
            Self::Published | Self::Archived => !matches!(next, Self::Draft),
        }
    }
}

/// What can be said about a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProductFields {
    /// In addresses; made from the title if nothing is said.
    #[serde(default)]
    pub slug: String,
    /// As customers read it.
    pub title: String,
    /// The slug or id of who sells it.
    #[serde(default = "house")]
    pub developer: String,
    /// The slug or id of the category that it is in.
    #[serde(default)]
    pub category: Option<String>,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: ProductType,
    /// Whether it is sold.
    #[serde(default = "draft")]
    pub status: ProductStatus,
    /// A sentence for lists.
    #[serde(default)]
    pub short_description: String,
    /// A paragraph or two.
    #[serde(default)]
    pub description: String,
    /// The page, in Markdown.
    #[serde(default)]
    pub content: String,
    /// An address or path of a picture.
    #[serde(default)]
    pub image: Option<String>,
    /// What is sold now, e.g. `2.1.0`.
    #[serde(default)]
    pub version: String,
    /// Whether it is shown first.
    #[serde(default)]
    pub featured: bool,
    /// Where it can be tried.
    #[serde(default)]
    pub demo_url: Option<String>,
    /// Where its sources are.
    #[serde(default)]
    pub github_url: Option<String>,
    /// Where it is explained.
    #[serde(default)]
    pub documentation_url: Option<String>,
    /// Whether one must be signed in to get it.
    #[serde(default = "yes")]
    pub requires_auth: bool,
    /// What its licences allow where nothing else is said.
    #[serde(default = "regular")]
    pub default_license: LicenseType,
    /// Which rates of tax are for it; `standard` if nothing is said.
    #[serde(default = "standard")]
    pub tax_category: String,
    /// The module of the platform that it opens.
    #[serde(default)]
    pub module_key: Option<String>,
    /// Anything else.
    #[serde(default)]
    pub meta: Map<String, Value>,
    /// How its API is reached, for products of that type.
    #[serde(default)]
    pub api_config: Map<String, Value>,
}

fn house() -> String {
    super::developer::HOUSE.to_string()
}
fn standard() -> String {
    super::tax::STANDARD.to_owned()
}
const fn draft() -> ProductStatus {
    ProductStatus::Draft
}
const fn yes() -> bool {
    true
}
const fn regular() -> LicenseType {
    LicenseType::Regular
}

/// A product as operators see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Product {
    /// Which one.
    pub id: ProductId,
    /// What is said about it; developer and category by their slugs.
    #[serde(flatten)]
    pub fields: ProductFields,
    /// How often it was downloaded.
    pub downloads: i64,
    /// The sum of its ratings.
    pub rating_sum: i64,
    /// How many there are.
    pub rating_count: i64,
    /// Grows with every change.
    pub revision: i64,
    /// When it was published first.
    pub published_at: Option<Time>,
    /// When it was made.
    pub created_at: Time,
    /// When it was changed last.
    pub updated_at: Time,
}

/// A product as stored, beside the slugs that it refers to.
#[derive(FromRow)]
pub(super) struct ProductRow {
    pub(super) id: ProductId,
    developer: String,
    category: Option<String>,
    module_key: Option<String>,
    slug: String,
    title: String,
    short_description: String,
    description: String,
    content: String,
    image: Option<String>,
    #[sqlx(rename = "type")]
    kind: ProductType,
    version: String,
    status: ProductStatus,
    featured: bool,
    downloads: i64,
    rating_sum: i64,
    rating_count: i64,
    demo_url: Option<String>,
    github_url: Option<String>,
    documentation_url: Option<String>,
    requires_auth: bool,
    default_license: LicenseType,
    tax_category: String,
    meta: String,
    api_config: String,
    revision: i64,
    published_at: Option<Time>,
    created_at: Time,
    updated_at: Time,
}

impl From<ProductRow> for Product {
    fn from(row: ProductRow) -> Self {
        // Written by this slice, which writes objects.
        let object = |text: &str| serde_json::from_str(text).unwrap_or_default();
        Self {
            id: row.id,
            fields: ProductFields {
                slug: row.slug,
                title: row.title,
                developer: row.developer,
                category: row.category,
                kind: row.kind,
                status: row.status,
                short_description: row.short_description,
                description: row.description,
                content: row.content,
                image: row.image,
                version: row.version,
                featured: row.featured,
                demo_url: row.demo_url,
                github_url: row.github_url,
                documentation_url: row.documentation_url,
                requires_auth: row.requires_auth,
                default_license: row.default_license,
                tax_category: row.tax_category,
                module_key: row.module_key,
                meta: object(&row.meta),
                api_config: object(&row.api_config),
            },
            downloads: row.downloads,
            rating_sum: row.rating_sum,
            rating_count: row.rating_count,
            revision: row.revision,
            published_at: row.published_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

macro_rules! select_products {
    ($rest:literal) => {
        concat!(
            "SELECT p.id, d.slug AS developer, c.slug AS category, p.module_key, p.slug, p.title, p.short_description,
                    p.description, p.content, p.image, p.type, p.version, p.status, p.featured, p.downloads,
                    p.rating_sum, p.rating_count, p.demo_url, p.github_url, p.documentation_url, p.requires_auth,
                    p.default_license, p.tax_category, p.meta, p.api_config, p.revision, p.published_at, p.created_at, p.updated_at
             FROM products p JOIN developers d ON d.id = p.developer_id LEFT JOIN categories c ON c.id = p.category_id ",
            $rest
        )
    };
}
pub(super) use select_products;

/// A product can be bought from now on.
#[derive(Debug, Serialize)]
pub struct ProductPublished {
    /// Which one.
    pub product: ProductId,
    /// Its slug.
    pub slug: String,
}

impl DomainEvent for ProductPublished {
    const NAME: &'static str = "product.published";
}

/// A product cannot be bought any more.
#[derive(Debug, Serialize)]
pub struct ProductArchived {
    /// Which one.
    pub product: ProductId,
    /// Its slug.
    pub slug: String,
}

impl DomainEvent for ProductArchived {
    const NAME: &'static str = "product.archived";
}

pub(super) fn check(fields: &ProductFields) -> Result<(), EditError> {
    let mut checks = Checks::default();
    checks.slug("slug", &fields.slug);
    checks.line("title", &fields.title, 1..=150);
    checks.line("short_description", &fields.short_description, 0..=300);
    checks.text("description", &fields.description, 0..=5_000);
    checks.text("content", &fields.content, 0..=50_000);
    checks.line("version", &fields.version, 0..=40);
    checks.url_or_path("image", fields.image.as_deref());
    checks.url("demo_url", fields.demo_url.as_deref());
    checks.url("github_url", fields.github_url.as_deref());
    checks.url("documentation_url", fields.documentation_url.as_deref());
    if let Some(module) = &fields.module_key {
        checks.slug("module_key", module);
    }
    checks.must(super::is_slug(&fields.tax_category), "tax_category", "a name of a-z, 0-9 and single hyphens");
    checks.names("developer", std::slice::from_ref(&fields.developer), 1);
    if let Some(category) = &fields.category {
        checks.names("category", std::slice::from_ref(category), 1);
    }
    checks.object("meta", &fields.meta);
    checks.object("api_config", &fields.api_config);
    checks.done()
}
