//! An invoice of what was bought, and a rate of tax.

use serde_json::json;

use super::Premises;
use crate::journey_shop::until;

/// Waits for the invoice of what was bought, makes a rate, and names both.
pub(super) async fn furnish(premises: &Premises) -> Vec<(&'static str, String)> {
    let owner = premises.shop.buyer().await;
    let invoice = until("an invoice is issued", async || {
        let list = premises.get("/api/invoices", owner).await;
        list["data"][0]["id"].as_str().map(str::to_owned).ok_or(list)
    })
    .await;
    let rate = json!({ "country": "AQ", "name": "VAT", "percent": "1", "valid_from": "2026-01-01" });
    let rate = premises.make("/api/admin/tax-rates", &premises.operator, &rate).await;
    vec![
        ("/api/invoices/{invoice}", invoice.clone()),
        ("/api/admin/invoices/{invoice}", invoice),
        ("/api/admin/tax-rates/{id}", rate["id"].as_str().expect("an identifier").to_owned()),
    ]
}
