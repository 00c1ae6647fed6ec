//! Taxes, quotes for those who say where they are, and invoices.

use reqwest::Method;
use serde_json::json;

use super::{Route, Takes, Who, get, send};

const FILTERS: &[&str] =
    &["limit", "after", "before", "kind", "number", "order", "email", "country", "currency", "from", "until", "sort"];
const EXPORT: &[&str] = &["kind", "number", "order", "email", "country", "currency", "from", "until", "sort", "format"];

pub(super) fn routes() -> Vec<Route> {
    let rate = json!({
        "country": "AQ", "region": "r{n}", "category": "standard", "name": "VAT", "percent": "19.5",
        "valid_from": "2026-01-01", "valid_until": "2027-01-01",
    });
    let cart = json!({
        "items": [{ "product": "lamp", "plan": "regular", "quantity": 1 }],
        "billing": {
            "name": "Ada", "company": "Lamps", "country": "AT", "vat_id": "ATU12345678",
            "address": { "line1": "a", "line2": "b", "city": "c", "region": "d", "postcode": "e" },
        },
    });
    vec![
        get("/api/invoices", Who::Account("orders:read"), &["limit", "after", "before", "order", "token"]),
        get("/api/invoices/{invoice}", Who::Guest, &["token"]),
        get("/api/admin/invoices", Who::Operator, FILTERS),
        get("/api/admin/invoices/export", Who::Operator, EXPORT),
        get("/api/admin/invoices/{invoice}", Who::Operator, &[]),
        get("/api/admin/tax-rates", Who::Operator, &["limit", "after", "before", "country"]),
        send(Method::POST, "/api/admin/tax-rates", Who::Operator, Takes::Json(rate.clone())),
        get("/api/admin/tax-rates/{id}", Who::Operator, &[]),
        send(Method::PATCH, "/api/admin/tax-rates/{id}", Who::Operator, Takes::Json(rate.clone())),
        send(Method::DELETE, "/api/admin/tax-rates/{id}", Who::Operator, Takes::Nothing),
        Route {
            query: &["dry_run"],
            ..send(Method::POST, "/api/admin/tax-rates/import", Who::Operator, Takes::File(json!([rate])))
        },
        // The same door as elsewhere, with whom to bill.
        send(Method::POST, "/api/quotes", Who::Anybody, Takes::Json(cart)),
    ]
}
