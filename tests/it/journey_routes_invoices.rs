//! The routes of taxes and invoices, and what they are tried on.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    journey_premises::Premises,
    journey_routes::{Route, Takes, Who},
    journey_shop::until,
};

const FILTERS: &[&str] =
    &["limit", "after", "before", "kind", "number", "order", "email", "country", "currency", "from", "until", "sort"];

/// All of them.
pub(crate) fn routes() -> Vec<Route> {
    let get = |path, who, query| Route { method: Method::GET, path, who, takes: Takes::Nothing, query };
    let send = |method, path, who, takes| Route { method, path, who, takes, query: &[] };
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
        get("/api/admin/invoices/export", Who::Operator, &FILTERS[3..]),
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

/// Waits for the invoice of what was bought, makes a rate, and names both.
pub(crate) async fn furnish(premises: &Premises) -> Vec<(&'static str, String)> {
    let owner = premises.shop.buyer().await;
    let invoice = until("an invoice is issued", async || {
        let list = premises.get("/api/invoices", owner).await;
        list["data"][0]["id"].as_str().map(str::to_owned).ok_or(list)
    })
    .await;
    let rate = json!({ "country": "AQ", "name": "VAT", "percent": "1", "valid_from": "2026-01-01" });
    let made = premises.ask(Method::POST, "/api/admin/tax-rates").header("cookie", &premises.operator.cookie);
    let answer = made.json(&rate).send().await.expect("an answer");
    assert_eq!(answer.status(), 201);
    let rate: Value = answer.json().await.expect("JSON");
    vec![
        ("/api/invoices/{invoice}", invoice.clone()),
        ("/api/admin/invoices/{invoice}", invoice),
        ("/api/admin/tax-rates/{id}", rate["id"].as_str().expect("an identifier").to_owned()),
    ]
}
