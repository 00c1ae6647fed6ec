//! `/api/developer/products`: what a developer sells, whose files are managed here.

use axum::extract::State;
use serde::Serialize;

use crate::{
    accounts::Scope,
    app::App,
    catalog::{self, Product, ProductStatus},
    http::{Json, PageQuery, Problem, Query, Vendor},
    kernel::{Page, ProductId},
};

/// A product, as far as its vendor needs to know which one it is.
#[derive(Debug, Serialize)]
pub(super) struct ProductView {
    id: ProductId,
    slug: String,
    title: String,
    status: ProductStatus,
    version: String,
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
