//! `/api/admin/products`: what is sold, published or not.

use axum::extract::State;
use schemars::JsonSchema;
use serde::Deserialize;

use super::managed::{created_in, managed};
use crate::{
    app::App,
    catalog::{self, Product, ProductFields, ProductStatus},
    http::{Admin, Json, PageQuery, Problem, Query, tag},
    kernel::{Page, ProductId},
};

#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Filters {
    /// Words that it has.
    q: Option<String>,
    /// Those that stand so.
    status: Option<ProductStatus>,
}

fn tag_of(product: &Product) -> String {
    tag(product.revision, &[product.downloads, product.rating_sum, product.rating_count])
}

/// `GET /api/admin/products`
pub(super) async fn list(
    State(app): State<App>,
    _: Admin,
    Query(filters): Query<Filters>,
    Query(page): Query<PageQuery<ProductId>>,
) -> Result<Json<Page<Product>>, Problem> {
    Ok(Json(catalog::products(&app.db, filters.status, filters.q.as_deref(), page.request()?).await?))
}

created_in!("/api/admin/products" => Product: ProductFields, catalog::create_product);
managed!(ProductId => Product, ProductFields: catalog::product, catalog::patch_product, catalog::delete_product);
