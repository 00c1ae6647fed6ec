//! `/api/admin/products`: what is sold, published or not.

use axum::extract::State;

use super::managed::{created_in, managed};
use crate::{
    app::App,
    catalog::{self, AnyProducts, Product, ProductFields},
    http::{Admin, Json, PageQuery, Problem, Query, sought, tag},
    kernel::{Page, ProductId},
};

fn tag_of(product: &Product) -> String {
    tag(product.revision, &[product.downloads, product.rating_sum, product.rating_count])
}

/// `GET /api/admin/products`
pub(super) async fn list(
    State(app): State<App>,
    _: Admin,
    Query(filter): Query<AnyProducts>,
    Query(page): Query<PageQuery<String>>,
) -> Result<Json<Page<Product>>, Problem> {
    sought("#/q", filter.q.as_deref())?;
    sought("#/developer", filter.developer.as_deref())?;
    sought("#/category", filter.category.as_deref())?;
    let page = page.sorted(filter.sort)?;
    Ok(Json(catalog::products(&app.db, &filter, &page).await?))
}

created_in!("/api/admin/products" => Product: ProductFields, catalog::create_product);
managed!(ProductId => Product, ProductFields: catalog::product, catalog::patch_product, catalog::delete_product);
