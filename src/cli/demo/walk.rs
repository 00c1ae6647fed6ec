//! The walk: signup → browse → checkout → payment → webhook → licence → validation, each step printed as it happens.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{
    Failure,
    buyer::Buyer,
    mailbox::{Mailbox, after},
};
use crate::{
    app::App,
    catalog::seed::Seeded,
    config::Config,
    kernel::{Currency, Money, OrderId, Time},
    payments::ledger,
};

/// Says what happened.
fn tell(what: &str) {
    println!("   {what}");
}

/// How long a step may take before the walk gives up.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is bought.
const PRODUCT: &str = "fieldnote";

/// One walk through the shop.
struct Walk<'a> {
    app: &'a App,
    buyer: Buyer,
    mailbox: Mailbox,
    step: usize,
    began: Instant,
}

impl Walk<'_> {
    /// Says which step comes.
    fn step(&mut self, title: &str) {
        self.step += 1;
        self.began = Instant::now();
        println!("\n{}. {title}", self.step);
    }

    /// Says what happened, and how long it took since what was told before.
    fn tell_timed(&mut self, what: &str) {
        println!("   {what:<92} {:>7.1} ms", self.began.elapsed().as_secs_f64() * 1_000.0);
        self.began = Instant::now();
    }
}

/// Walks through a purchase; fails where the shop does not keep its promise.
pub(super) async fn walk(app: &App, config: &Config, goods: &Seeded) -> Result<(), Failure> {
    let url = format!("http://{}", config.http.listen);
    let mailbox = Mailbox::at(&config.mail.file.path);
    let mut walk = Walk { app, buyer: Buyer::new(&url), mailbox, step: 0, began: Instant::now() };
    println!("Mintreu at {url}, database {}", config.database.url);
    println!("On the shelves: {} products in {} categories.", goods.products, goods.categories);
    sign_up(&mut walk).await?;
    browse(&mut walk).await?;
    let order = check_out(&mut walk).await?;
    pay(&mut walk, &order).await?;
    let key = receive(&mut walk, &order).await?;
    validate(&mut walk, &key).await?;
    account_for(&mut walk, &order).await
}

async fn sign_up(walk: &mut Walk<'_>) -> Result<(), Failure> {
    walk.step("Sign up");
    let email = format!("ada-{}@demo.example", &walk.app.db.ids().next_uuid().simple().to_string()[24..]);
    let password = format!("engine-{}", walk.app.db.ids().next_uuid().simple());
    let new = json!({ "name": "Ada Lovelace", "email": email, "password": password });
    walk.buyer.post("/api/register", &new).await?;
    walk.tell_timed(&format!("POST /api/register         {email}"));
    let mail = walk.mailbox.wait_for(&email, "verify-email?token=").await?;
    let token = after(&mail, "verify-email?token=").unwrap_or_default();
    walk.tell_timed("a mail came                with the link that proves the address");
    walk.buyer.post("/api/verify-email", &json!({ "token": token })).await?;
    walk.tell_timed("POST /api/verify-email     the address is hers");
    walk.buyer.post("/api/login", &json!({ "email": email, "password": password })).await?;
    walk.tell_timed("POST /api/login            signed in; the session is in a cookie");
    Ok(())
}

async fn browse(walk: &mut Walk<'_>) -> Result<(), Failure> {
    walk.step("Browse");
    let found = walk.buyer.get("/api/products?q=notes&limit=5").await?;
    let titles: Vec<&str> = list(&found["data"]).iter().filter_map(|product| product["title"].as_str()).collect();
    walk.tell_timed(&format!("GET /api/products?q=notes  {}", titles.join(", ")));
    let product = walk.buyer.get(&format!("/api/products/{PRODUCT}")).await?;
    let plans: Vec<String> =
        list(&product["plans"]).iter().filter_map(|plan| plan["name"].as_str()).map(str::to_owned).collect();
    walk.tell_timed(&format!("GET /api/products/{PRODUCT}  plans: {}", plans.join(", ")));
    Ok(())
}

async fn check_out(walk: &mut Walk<'_>) -> Result<String, Failure> {
    walk.step("Check out");
    let product = walk.buyer.get(&format!("/api/products/{PRODUCT}")).await?;
    let plan = list(&product["plans"]).iter().find(|plan| plan["billing_cycle"] == "one_time");
    let plan = plan.and_then(|plan| plan["slug"].as_str()).ok_or_else(|| missing("a plan that is paid once"))?;
    let cart = json!({ "items": [{ "product": PRODUCT, "plan": plan, "quantity": 1 }], "provider": "sandbox" });
    let key = walk.app.db.ids().next_uuid().to_string();
    let order = walk.buyer.post_once("/api/orders", &key, &cart).await?;
    let id = text(&order["id"])?.to_owned();
    walk.tell_timed(&format!(
        "POST /api/orders           {id}: {}, {}",
        money(&order["total"])?,
        text(&order["status"])?
    ));
    let again = walk.buyer.post_once("/api/orders", &key, &cart).await?;
    if again["id"] != order["id"] {
        return Err(missing("the same order for the same Idempotency-Key"));
    }
    walk.tell_timed("sent again                 the same order: its Idempotency-Key was known");
    Ok(id)
}

async fn pay(walk: &mut Walk<'_>, order: &str) -> Result<(), Failure> {
    walk.step("Pay");
    let session = walk.buyer.get(&format!("/pay/{order}")).await?;
    let page = text(&session["url"])?;
    let session = page.rsplit('/').next().unwrap_or_default().to_owned();
    walk.tell_timed(&format!("GET /pay/{order}  session {session}"));
    let outcome = json!({ "outcome": "paid", "copies": 3 });
    walk.buyer.post(&format!("/sandbox/sessions/{session}/complete"), &outcome).await?;
    walk.tell_timed("the buyer pays             the provider sends its signed event three times");
    Ok(())
}

/// Waits for what was bought, and gives its key.
async fn receive(walk: &mut Walk<'_>, order: &str) -> Result<String, Failure> {
    walk.step("Receive");
    let began = Instant::now();
    let view = loop {
        let view = walk.buyer.get(&format!("/api/orders/{order}")).await?;
        if view["status"] == "fulfilled" {
            break view;
        }
        if began.elapsed() > PATIENCE {
            return Err(missing(&format!("a fulfilled order; it is {}", view["status"])));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    let mut before: Option<Time> = None;
    for event in list(&view["timeline"]) {
        let at: Time = text(&event["at"])?.parse().map_err(Failure::failed)?;
        let after = before.map_or(Duration::ZERO, |before| at.since(before));
        tell(&format!("{at}  +{:>8.1} ms  {}", after.as_secs_f64() * 1_000.0, text(&event["event"])?));
        before = Some(at);
    }
    let licenses = list(&view["licenses"]);
    let [license] = licenses else { return Err(missing(&format!("exactly one licence, not {}", licenses.len()))) };
    let key = text(&license["license_key"])?.to_owned();
    tell(&format!("{}  {key}", text(&license["id"])?));
    walk.began = Instant::now();
    walk.mailbox.wait_for(text(&view["email"])?, &key).await?;
    walk.tell_timed("a mail came                with the receipt and the key");
    Ok(key)
}

async fn validate(walk: &mut Walk<'_>, key: &str) -> Result<(), Failure> {
    walk.step("Use it");
    let machine = json!({ "license_key": key, "instance_name": "Ada's desk", "fingerprint": "desk-1" });
    let activated = walk.buyer.post("/api/license/activate", &machine).await?;
    expect_valid(&activated)?;
    walk.tell_timed(&format!("POST /api/license/activate  {}", text(&activated["code"])?));
    let question = json!({ "license_key": key, "fingerprint": "desk-1", "nonce": "42" });
    walk.buyer.post("/api/license/validate", &question).await?;
    walk.began = Instant::now();
    let answer = walk.buyer.post("/api/license/validate", &question).await?;
    expect_valid(&answer)?;
    walk.tell_timed(&format!("POST /api/license/validate  valid: {}, {}", answer["valid"], text(&answer["code"])?));
    Ok(())
}

/// Where the money went, from the ledger.
async fn account_for(walk: &mut Walk<'_>, order: &str) -> Result<(), Failure> {
    walk.step("Account for it");
    let order: OrderId = order.parse().map_err(Failure::failed)?;
    let entries = ledger::entries_of_order(&walk.app.db, order).await?;
    for entry in &entries {
        let amount = Money::new(entry.amount, entry.currency).to_string();
        tell(&format!("{amount:>14}  {}", entry.account));
    }
    let sum: i64 = entries.iter().map(|entry| entry.amount).sum();
    if sum != 0 || entries.is_empty() {
        return Err(missing("a ledger that balances"));
    }
    tell("          0.00  in all: every transaction balances");
    Ok(())
}

fn expect_valid(answer: &Value) -> Result<(), Failure> {
    if answer["valid"] == true { Ok(()) } else { Err(missing(&format!("a valid licence: {answer}"))) }
}

fn missing(what: &str) -> Failure {
    Failure::failed(format!("the walk expected {what}"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> Result<&str, Failure> {
    value.as_str().ok_or_else(|| missing(&format!("a text instead of {value}")))
}

fn money(value: &Value) -> Result<Money, Failure> {
    let currency: Currency = text(&value["currency"])?.parse().map_err(Failure::failed)?;
    let amount = value["amount"].as_i64().ok_or_else(|| missing("an amount"))?;
    Ok(Money::new(amount, currency))
}
