//! What is used as a service: a subscription, and an API with its keys.

use serde_json::{Value, json};

use super::{Walk, list, missing, purchase, short, text};
use crate::cli::{Failure, demo::stock::API};

/// A plan of a service that is paid by the month. Gives the order.
pub(super) async fn subscribe(walk: &mut Walk<'_>) -> Result<Value, Failure> {
    walk.teller.step("Subscribe");
    let order = purchase::buy(walk, "quietcheck", "starter").await?;
    let subscriptions = walk.buyer.get("/api/subscriptions").await?;
    let [subscription] = list(&subscriptions["data"]) else { return Err(missing("one subscription")) };
    if subscription["status"] != "active" || subscription["order_id"] != order["id"] {
        return Err(missing(&format!("an active subscription: {subscription}")));
    }
    let (id, until) = (text(&subscription["id"])?, text(&subscription["period_end"])?);
    walk.teller
        .timed("GET /api/subscriptions", format!("{id}  active, renews on {}", until.get(..10).unwrap_or(until)));
    Ok(order)
}

/// An API with keys that its buyer makes. Gives the order.
pub(super) async fn call_api(walk: &mut Walk<'_>) -> Result<Value, Failure> {
    walk.teller.step("Call an API");
    let order = purchase::buy(walk, API, "starter").await?;
    let license = text(&order["licenses"][0]["id"])?;
    let wanted = json!({ "name": "my service", "scopes": ["addresses:check"] });
    let made = walk.buyer.post(&format!("/api/licenses/{license}/keys"), &wanted).await?;
    let secret = text(&made["secret"])?.to_owned();
    walk.teller.timed("POST …/{license}/keys", format!("{}  {}…", text(&made["client_id"])?, short(&secret)));
    // The API's own server asks; it has a token that is good for this alone.
    let token = json!({ "name": "the API's server", "scopes": ["keys:verify"] });
    let token = walk.operator.post("/api/account/tokens", &token).await?;
    let mut server = walk.operator.with_token(text(&token["token"])?);
    walk.teller.begin();
    for (method, path, code) in [("POST", "/v1/check", "OK"), ("GET", "/v1/secrets", "ENDPOINT_NOT_ALLOWED")] {
        let question = json!({ "token": secret, "method": method, "path": path });
        let answer = server.post("/api/keys/verify", &question).await?;
        if answer["active"] != true || answer["code"] != code {
            return Err(missing(&format!("{code} for {method} {path}: {answer}")));
        }
        let (used, limit) = (&answer["usage"]["api_calls"], &answer["limits"]["api_calls"]);
        let came = format!("{method} {path}: {code}, {used} of {limit} calls this month");
        walk.teller.timed("POST /api/keys/verify", came);
    }
    let unknown = server.post("/api/keys/verify", &json!({ "token": format!("{secret}0") })).await?;
    if unknown["active"] != false {
        return Err(missing("an invented key that is refused"));
    }
    walk.teller.timed("POST /api/keys/verify", "an invented key: not active");
    walk.operator.delete(&format!("/api/account/tokens/{}", text(&token["id"])?)).await?;
    Ok(order)
}
