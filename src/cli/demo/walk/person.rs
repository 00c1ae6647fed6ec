//! Somebody comes in: signs up, and looks around.

use serde_json::json;

use super::{Walk, list, missing, money, text};
use crate::cli::{Failure, demo::mailbox::after};

/// An account with an address that is proved. Gives its password.
pub(super) async fn sign_up(walk: &mut Walk<'_>) -> Result<String, Failure> {
    walk.teller.step("Sign up");
    let email = walk.email.clone();
    let password = format!("engine-{}", &walk.app.db.ids().next_uuid().simple().to_string()[20..]);
    let new = json!({ "name": "Ada Lovelace", "email": email, "password": password });
    walk.buyer.post("/api/register", &new).await?;
    walk.teller.timed("POST /api/register", &email);
    let mail = walk.mailbox.wait_for(&email, "verify-email?token=").await?;
    let token = after(&mail.text, "verify-email?token=").unwrap_or_default();
    walk.teller.timed("a mail came", format!("\"{}\"", mail.subject()));
    walk.buyer.post("/api/verify-email", &json!({ "token": token })).await?;
    walk.teller.timed("POST /api/verify-email", "the address is hers");
    walk.buyer.post("/api/login", &json!({ "email": email, "password": password })).await?;
    walk.teller.timed("POST /api/login", "signed in; the session is in a cookie");
    Ok(password)
}

pub(super) async fn browse(walk: &mut Walk<'_>) -> Result<(), Failure> {
    walk.teller.step("Browse");
    let found = walk.buyer.get("/api/products?q=files&limit=5").await?;
    let titles: Vec<&str> = list(&found["data"]).iter().filter_map(|product| product["title"].as_str()).collect();
    if titles.is_empty() {
        return Err(missing("products about files"));
    }
    walk.teller.timed("GET /api/products?q=files", titles.join(", "));
    let product = walk.buyer.get("/api/products/tidyname").await?;
    for plan in list(&product["plans"]) {
        let prices: Vec<String> =
            list(&plan["prices"]).iter().map(|price| Ok(money(price)?.to_string())).collect::<Result<_, Failure>>()?;
        walk.teller.timed("GET /api/products/tidyname", format!("{}: {}", text(&plan["name"])?, prices.join(", ")));
    }
    let article = walk.buyer.get("/api/articles/move-a-licence").await?;
    walk.teller.timed("GET /api/articles/…", text(&article["title"])?);
    Ok(())
}
