//! `/api/developer/products`: what a developer sells, whose files are managed here.

use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    accounts::Scope,
    app::App,
    catalog::{self, Product, ProductStatus},
    http::{Json, PageQuery, Problem, Query, Vendor},
    kernel::{Page, ProductId},
};

/// A product, as far as its vendor needs to know which one it is.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "OwnProduct")]
pub(super) struct ProductView {
    /// Which one.
    id: ProductId,
    /// In addresses.
    slug: String,
    /// What it is called.
    title: String,
    /// Whether it is on sale.
    status: ProductStatus,
    /// Which version is sold.
    version: String,
    /// How often it was downloaded.
    downloads: i64,
}

impl From<Product> for ProductView {
    fn from(product: Product) -> Self {
        let Product { id, fields, downloads, .. } = product;
        Self { id, slug: fields.slug, title: fields.title, status: fields.status, version: fields.version, downloads }
    }
}

/// `GET /api/developer/products`: published or not, the newest first.
pub(super) async fn list(
    State(app): State<App>,
    vendor: Vendor,
    Query(page): Query<PageQuery<ProductId>>,
) -> Result<Json<Page<ProductView>>, Problem> {
    vendor.caller.require(Scope::ProductsRead)?;
    Ok(Json(catalog::products_of(&app.db, vendor.developer, page.request()?).await?.map(ProductView::from)))
}
