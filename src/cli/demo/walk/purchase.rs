//! A purchase: order, payment, what was bought, and its first use.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Walk, amount, list, missing, money, text};
use crate::{
    cli::{Failure, demo::stock::Stocked},
    kernel::Time,
};

/// How long an order may take before the walk gives up.
const PATIENCE: Duration = Duration::from_secs(20);

/// Buys every program that has a file, in one order with a coupon. Gives the order as its buyer sees it.
pub(super) async fn buy_programs(walk: &mut Walk<'_>, files: &[Stocked]) -> Result<Value, Failure> {
    walk.teller.step("Check out");
    let items: Vec<Value> = files.iter().map(|file| json!({ "product": file.slug, "plan": file.plan })).collect();
    let cart = json!({ "items": items, "coupon": "WELCOME10", "provider": "sandbox", "billing": billing() });
    let key = walk.app.db.ids().next_uuid().to_string();
    let order = walk.buyer.post_once("/api/orders", &key, &cart).await?;
    let id = text(&order["id"])?.to_owned();
    walk.teller.timed("POST /api/orders", format!("{id}  {}", text(&order["status"])?));
    for item in list(&order["items"]) {
        let title = format!("{} ({})", text(&item["title"])?, text(&item["plan_name"])?);
        walk.teller.plain("", format!("{}  {title}", amount(&item["unit_price"])?));
    }
    for (what, name) in [("discount", "off with WELCOME10"), ("tax", "VAT of Austria, 20 %"), ("total", "to pay")] {
        walk.teller.plain("", format!("{}  {name}", amount(&order[what])?));
    }
    let again = walk.buyer.post_once("/api/orders", &key, &cart).await?;
    if again["id"] != order["id"] {
        return Err(missing("the same order for the same Idempotency-Key"));
    }
    walk.teller.timed("the same once more", "the same order: its Idempotency-Key was known");
    pay(walk, &id).await?;
    receive(walk, &id, files.len()).await
}

fn billing() -> Value {
    let address = json!({ "line1": "Ringstrasse 1", "city": "Wien", "postcode": "1010" });
    json!({ "name": "Ada Lovelace", "country": "AT", "address": address })
}

async fn pay(walk: &mut Walk<'_>, order: &str) -> Result<(), Failure> {
    walk.teller.step("Pay");
    let session = session(walk, order).await?;
    walk.teller.timed("GET /pay/{order}", format!("session {session}"));
    complete(walk, &session).await?;
    walk.teller.timed("the buyer pays", "the provider sends its signed event three times");
    Ok(())
}

/// The provider's session of an order.
async fn session(walk: &mut Walk<'_>, order: &str) -> Result<String, Failure> {
    let session = walk.buyer.get(&format!("/pay/{order}")).await?;
    Ok(text(&session["url"])?.rsplit('/').next().unwrap_or_default().to_owned())
}

async fn complete(walk: &mut Walk<'_>, session: &str) -> Result<(), Failure> {
    let outcome = json!({ "outcome": "paid", "copies": 3 });
    walk.buyer.post(&format!("/sandbox/sessions/{session}/complete"), &outcome).await?;
    Ok(())
}

/// Waits until an order gave what was bought.
async fn fulfilled(walk: &mut Walk<'_>, order: &str) -> Result<Value, Failure> {
    let began = Instant::now();
    loop {
        let view = walk.buyer.get(&format!("/api/orders/{order}")).await?;
        if view["status"] == "fulfilled" {
            return Ok(view);
        }
        if began.elapsed() > PATIENCE {
            return Err(missing(&format!("a fulfilled order; it is {}", view["status"])));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits for what was bought, and holds it against what was paid.
async fn receive(walk: &mut Walk<'_>, order: &str, expected: usize) -> Result<Value, Failure> {
    walk.teller.step("Receive");
    let view = fulfilled(walk, order).await?;
    let mut before: Option<Time> = None;
    for event in list(&view["timeline"]) {
        let at: Time = text(&event["at"])?.parse().map_err(Failure::failed)?;
        let after = before.map_or(Duration::ZERO, |before| at.since(before));
        let after = format!("+{:.1} ms", after.as_secs_f64() * 1_000.0);
        walk.teller.plain(&at.to_string(), format!("{after:>10}  {}", text(&event["event"])?));
        before = Some(at);
    }
    let licenses = list(&view["licenses"]);
    if licenses.len() != expected {
        return Err(missing(&format!("exactly {expected} licences, not {}", licenses.len())));
    }
    for license in licenses {
        walk.teller.plain(text(&license["product"]["title"])?, text(&license["license_key"])?);
    }
    let key = text(&licenses[0]["license_key"])?;
    let mail = walk.mailbox.wait_for(&walk.email, key).await?;
    walk.teller.timed("a mail came", format!("\"{}\", with the keys", mail.subject()));
    Ok(view)
}

/// What a sold program asks. Gives the key.
pub(super) async fn use_license(walk: &mut Walk<'_>, order: &Value) -> Result<String, Failure> {
    walk.teller.step("Use it");
    let key = text(&order["licenses"][0]["license_key"])?.to_owned();
    let machine = json!({ "license_key": key, "instance_name": "Ada's desk", "fingerprint": "desk-1" });
    let activated = walk.buyer.post("/api/license/activate", &machine).await?;
    expect_valid(&activated)?;
    walk.teller.timed("POST /api/license/activate", text(&activated["code"])?);
    let question = json!({ "license_key": key, "fingerprint": "desk-1", "nonce": "42" });
    // The first question is answered from the database, the others from memory.
    walk.buyer.post("/api/license/validate", &question).await?;
    walk.teller.begin();
    let answer = walk.buyer.post("/api/license/validate", &question).await?;
    expect_valid(&answer)?;
    walk.teller.timed("POST /api/license/validate", format!("valid: {}, {}", answer["valid"], text(&answer["code"])?));
    Ok(key)
}

fn expect_valid(answer: &Value) -> Result<(), Failure> {
    if answer["valid"] == true { Ok(()) } else { Err(missing(&format!("a valid licence: {answer}"))) }
}

/// Buys one plan, told in two lines. Gives the order as its buyer sees it, with one licence.
pub(super) async fn buy(walk: &mut Walk<'_>, product: &str, plan: &str) -> Result<Value, Failure> {
    let cart = json!({ "items": [{ "product": product, "plan": plan }], "billing": billing() });
    let order = walk.buyer.post("/api/orders", &cart).await?;
    let id = text(&order["id"])?.to_owned();
    walk.teller.timed("POST /api/orders", format!("{id}  {}", money(&order["total"])?));
    let session = session(walk, &id).await?;
    complete(walk, &session).await?;
    let view = fulfilled(walk, &id).await?;
    let [license] = list(&view["licenses"]) else { return Err(missing("one licence")) };
    walk.teller.timed("paid in the sandbox", format!("{}  active", text(&license["id"])?));
    if license["status"] == "active" { Ok(view) } else { Err(missing(&format!("an active licence: {license}"))) }
}
