//! Invoices and credit notes: for whom they are, and for operators.

mod admin;
mod own;
mod view;

use aide::axum::{ApiRouter, routing::get_with};

use crate::{
    accounts::Scope::OrdersRead,
    app::App,
    http::{Kind, openapi::Tell},
};

/// What is said of the forms.
const FORMS: &str = "With `.html` or `.pdf` behind the id it is a page or a PDF.";

/// The routes. An invoice's path may end with `.html` or `.pdf`.
pub fn routes(_app: &App) -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/invoices",
            get_with(own::list, |op| {
                op.told("listInvoices", "List your invoices and credit notes")
                    .description("A guest names the `order` and its `token`.")
                    .scope(OrdersRead)
                    .may(&[Kind::NotFound])
            }),
        )
        .api_route(
            "/api/invoices/{invoice}",
            get_with(own::show, |op| {
                op.told("showInvoice", "Show an invoice or a credit note").description(FORMS).scope(OrdersRead)
            }),
        )
        .api_route(
            "/api/admin/invoices",
            get_with(admin::list, |op| op.told("listAllInvoices", "List all invoices and credit notes")),
        )
        .api_route(
            "/api/admin/invoices/export",
            get_with(admin::export, |op| {
                op.told("exportInvoices", "Export invoices as CSV")
                    .description("It holds many people's data: the audit trail says who took it.")
            }),
        )
        .api_route(
            "/api/admin/invoices/{invoice}",
            get_with(admin::show, |op| op.told("showAnyInvoice", "Show any invoice").description(FORMS)),
        )
        .with_path_items(|item| item.tag("invoices"))
}
