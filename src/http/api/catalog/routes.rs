//! The routes of the catalogue, as they are described.

use aide::axum::{
    ApiRouter,
    routing::{get_with, post_with},
};
use axum::extract::DefaultBodyLimit;

use super::{browsing, categories, coupons, developers, plans, products, tax_rates, transfer};
use crate::{
    app::App,
    http::{Kind, openapi::Tell},
};

/// How large a file may be that is imported.
const IMPORT_LIMIT: usize = 10 << 20;
/// What an edit may come to: a name that is taken, something that others still need.
const EDITED: [Kind; 2] = [Kind::Conflict, Kind::InvalidInput];
/// What a file may come to that is imported.
const IMPORTED: [Kind; 4] = [Kind::MalformedBody, Kind::BodyTooLarge, Kind::UnsupportedMediaType, Kind::InvalidInput];
/// What a file may be that is imported.
const FILE: [&str; 2] = ["application/json", "text/csv"];

/// The routes.
pub fn routes(_app: &App) -> ApiRouter<App> {
    shelves().merge(managed()).merge(files()).with_path_items(|item| item.tag("catalogue"))
}

/// What everybody sees.
fn shelves() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/products",
            get_with(browsing::products, |op| op.told("browseProducts", "Browse what is sold, or search it")),
        )
        .api_route(
            "/api/products/{slug}",
            get_with(browsing::product, |op| op.told("showProductPage", "Show a product that is sold")),
        )
        .api_route(
            "/api/categories",
            get_with(browsing::categories, |op| op.told("listCategoryTree", "Show the categories as a tree")),
        )
}

/// What operators manage.
fn managed() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/admin/developers",
            get_with(developers::list, |op| op.told("listDevelopers", "List developers"))
                .post_with(developers::create, |op| op.told("createDeveloper", "Make a developer").may(&EDITED)),
        )
        .api_route(
            "/api/admin/developers/{id}",
            get_with(developers::show, |op| op.told("showDeveloper", "Show a developer"))
                .patch_with(developers::change, |op| op.told("changeDeveloper", "Change a developer").may(&EDITED))
                .delete_with(developers::remove, |op| op.told("deleteDeveloper", "Delete a developer").may(&EDITED)),
        )
        .api_route(
            "/api/admin/categories",
            get_with(categories::list, |op| op.told("listCategories", "List categories"))
                .post_with(categories::create, |op| op.told("createCategory", "Make a category").may(&EDITED)),
        )
        .api_route(
            "/api/admin/categories/{id}",
            get_with(categories::show, |op| op.told("showCategory", "Show a category"))
                .patch_with(categories::change, |op| op.told("changeCategory", "Change a category").may(&EDITED))
                .delete_with(categories::remove, |op| op.told("deleteCategory", "Delete a category").may(&EDITED)),
        )
        .api_route(
            "/api/admin/products",
            get_with(products::list, |op| op.told("listProducts", "List products"))
                .post_with(products::create, |op| op.told("createProduct", "Make a product").may(&EDITED)),
        )
        .api_route(
            "/api/admin/products/{id}",
            get_with(products::show, |op| op.told("showProduct", "Show a product"))
                .patch_with(products::change, |op| op.told("changeProduct", "Change a product").may(&EDITED))
                .delete_with(products::remove, |op| op.told("deleteProduct", "Delete a product").may(&EDITED)),
        )
        .api_route(
            "/api/admin/products/{id}/plans",
            get_with(plans::list, |op| op.told("listPlans", "List a product's plans"))
                .post_with(plans::create, |op| op.told("createPlan", "Make a plan").may(&EDITED)),
        )
        .api_route(
            "/api/admin/plans/{id}",
            get_with(plans::show, |op| op.told("showPlan", "Show a plan"))
                .patch_with(plans::change, |op| op.told("changePlan", "Change a plan").may(&EDITED))
                .delete_with(plans::remove, |op| op.told("deletePlan", "Delete a plan").may(&EDITED)),
        )
        .api_route(
            "/api/admin/coupons",
            get_with(coupons::list, |op| op.told("listCoupons", "List coupons"))
                .post_with(coupons::create, |op| op.told("createCoupon", "Make a coupon").may(&EDITED)),
        )
        .api_route(
            "/api/admin/coupons/{id}",
            get_with(coupons::show, |op| op.told("showCoupon", "Show a coupon"))
                .patch_with(coupons::change, |op| op.told("changeCoupon", "Change a coupon").may(&EDITED))
                .delete_with(coupons::remove, |op| op.told("deleteCoupon", "Delete a coupon").may(&EDITED)),
        )
        .api_route(
            "/api/admin/tax-rates",
            get_with(tax_rates::list, |op| op.told("listTaxRates", "List tax rates"))
                .post_with(tax_rates::create, |op| op.told("createTaxRate", "Make a tax rate").may(&EDITED)),
        )
        .api_route(
            "/api/admin/tax-rates/{id}",
            get_with(tax_rates::show, |op| op.told("showTaxRate", "Show a tax rate"))
                .patch_with(tax_rates::change, |op| op.told("changeTaxRate", "Change a tax rate").may(&EDITED))
                .delete_with(tax_rates::remove, |op| op.told("deleteTaxRate", "Delete a tax rate").may(&EDITED)),
        )
}

/// Much of it at once.
fn files() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/admin/tax-rates/import",
            post_with(tax_rates::import, |op| {
                op.told("importTaxRates", "Import tax rates").body(&FILE).may(&IMPORTED).may(&[Kind::Conflict])
            })
            .layer(DefaultBodyLimit::max(IMPORT_LIMIT)),
        )
        .api_route(
            "/api/admin/catalog/export",
            get_with(transfer::export, |op| op.told("exportCatalogue", "Export the catalogue")),
        )
        .api_route(
            "/api/admin/catalog/import",
            post_with(transfer::import, |op| {
                op.told("importCatalogue", "Import a catalogue").body(&FILE).may(&IMPORTED).may(&[Kind::Conflict])
            })
            .layer(DefaultBodyLimit::max(IMPORT_LIMIT)),
        )
}
