//! A catalogue under test: a small one in the format of imports, and clients of the operators' API.

use mintreu::{
    accounts::Role,
    audit::Actor,
    catalog::{self, By, Format, ImportMode},
    db::Db,
    kernel::PlanId,
};
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};

use crate::{
    journey_shop::Shop,
    support::{Person, Running, TestDb, sign_in},
};

pub(crate) fn by() -> By {
    By::actor(Actor::system("tests"))
}

pub(crate) async fn import(db: &Db, document: &Value) {
    let bytes = document.to_string();
    catalog::import(db, Format::Json, bytes.as_bytes(), ImportMode::Keep, &by()).await.unwrap_or_else(|error| {
        panic!("{error:?}");
    });
}

fn plan(slug: &str, name: &str, prices: &Value) -> Value {
    json!({"slug": slug, "name": name, "billing_cycle": "one_time", "prices": prices, "limits": {"activations": 1}})
}

fn product(slug: &str, title: &str, category: Option<&str>, plans: &Value) -> Value {
    json!({"slug": slug, "title": title, "type": "license", "category": category, "status": "published", "plans": plans})
}

/// Lamps and candles (lights), ropes, and what cannot be bought.
pub(crate) fn shelf() -> Value {
    let mut lamp = product(
        "lamp",
        "Lamp",
        Some("lamps"),
        &json!([
            plan("regular", "Regular", &json!({"USD": 1999, "JPY": 3000, "KWD": 6125})),
            plan("extended", "Extended", &json!({"USD": 9999})),
            {"slug": "old", "name": "Old", "billing_cycle": "yearly", "active": false, "prices": {"USD": 1}},
        ]),
    );
    lamp["developer"] = json!("acme");
    let mut rope = product("rope", "Rope", None, &json!([plan("only", "Only", &json!({"USD": 1000, "EUR": 900}))]));
    rope["developer"] = json!("bolt");
    let candle = product("candle", "Candle", Some("lights"), &json!([plan("only", "Only", &json!({"USD": 499}))]));
    let moon = product("moon", "Moon", None, &json!([plan("only", "Only", &json!({"USD": 1000}))]));
    let mut sketch = product("sketch", "Sketch", None, &json!([plan("only", "Only", &json!({"USD": 1}))]));
    sketch["status"] = json!("draft");
    let mut bygone = sketch.clone();
    bygone["slug"] = json!("bygone");
    bygone["status"] = json!("archived");
    json!({
        "format": "mintreu.catalog/1",
        "developers": [
            {"slug": "acme", "name": "Acme", "commission_bps": 2000},
            {"slug": "bolt", "name": "Bolt"},
        ],
        "categories": [
            {"slug": "lamps", "name": "Lamps", "parent": "lights"},
            {"slug": "lights", "name": "Lights"},
        ],
        "products": [lamp, rope, candle, moon, sketch, bygone],
        "coupons": [
            {"code": "ALL15", "name": "All", "percent_bps": 1500},
            {"code": "LIGHT10", "name": "Lights", "percent_bps": 1000, "categories": ["lights"]},
            {"code": "ROPE50", "name": "Rope", "amount": 5000, "currency": "USD", "products": ["rope"]},
            {"code": "ASLEEP", "name": "Asleep", "percent_bps": 1, "active": false},
            {"code": "BYGONE", "name": "Bygone", "percent_bps": 1, "ends_at": "2020-01-01T00:00:00Z"},
            {"code": "TOCOME", "name": "To come", "percent_bps": 1, "starts_at": "2999-01-01T00:00:00Z"},
            {"code": "EUROS", "name": "Euros", "amount": 100, "currency": "EUR"},
            {"code": "LAST1", "name": "Last", "percent_bps": 1000, "max_uses": 1},
            {"code": "LAST5", "name": "Last five", "percent_bps": 1000, "max_uses": 5},
            {"code": "TWOEACH", "name": "Two each", "percent_bps": 1000, "max_uses_per_customer": 2},
        ],
    })
}

/// Gives a plan another price in dollars.
pub(crate) async fn patch_plan_price(db: &Db, product: &str, plan: &str, amount: i64) {
    let (id, revision): (PlanId, i64) = mintreu::fetch_one!(
        db,
        sqlx::query_as(
            "SELECT l.id, l.revision FROM plans l JOIN products p ON p.id = l.product_id
             WHERE p.slug = $1 AND l.slug = $2"
        )
        .bind(product)
        .bind(plan)
    )
    .expect("a plan");
    let patch = json!({"prices": {"USD": amount}});
    let patch = patch.as_object().expect("an object");
    db.write(async |tx| catalog::patch_plan(tx, id, revision, patch, &by()).await).await.expect("changed");
}

/// A shop that serves, with somebody of every kind signed in.
pub(crate) struct Served {
    pub(crate) shop: Shop,
    _server: Running,
    pub(crate) admin: Person,
    pub(crate) customer: Person,
    pub(crate) vendor: Person,
}

impl Served {
    pub(crate) async fn on(db: &TestDb) -> Self {
        let store = db.open().await;
        let admin = sign_in(&store, "admin@example.com", Role::Admin).await;
        let customer = sign_in(&store, "customer@example.com", Role::Customer).await;
        let vendor = sign_in(&store, "vendor@example.com", Role::Developer).await;
        store.close().await;
        let mut shop = Shop::on(db);
        // The server may close a connection whose request it did not read to its end: none is used again.
        shop.client = Client::builder().pool_max_idle_per_host(0).build().expect("a client");
        let server = shop.mintreu.serve().await;
        Self { shop, _server: server, admin, customer, vendor }
    }

    /// A request of the operator's.
    pub(crate) async fn ask(&self, method: Method, path: &str, etag: Option<&str>, body: Option<&Value>) -> Response {
        self.ask_as(Some(&self.admin), method, path, etag, body).await
    }

    pub(crate) async fn ask_as(
        &self,
        who: Option<&Person>,
        method: Method,
        path: &str,
        etag: Option<&str>,
        body: Option<&Value>,
    ) -> Response {
        let mut request = self.shop.client.request(method, self.shop.mintreu.url(path));
        if let Some(who) = who {
            request = request.header("cookie", &who.cookie);
        }
        if let Some(etag) = etag {
            request = request.header("if-match", etag);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        request.send().await.expect("an answer")
    }

    /// Makes a thing, which must succeed.
    pub(crate) async fn make(&self, path: &str, body: &Value) -> Value {
        let answer = self.ask(Method::POST, path, None, Some(body)).await;
        let status = answer.status();
        let made: Value = answer.json().await.expect("JSON");
        assert_eq!(status, 201, "{path}: {made}");
        made
    }

    /// Reads JSON, which must succeed.
    pub(crate) async fn read(&self, path: &str) -> Value {
        let answer = self.ask(Method::GET, path, None, None).await;
        let status = answer.status();
        let read: Value = answer.json().await.expect("JSON");
        assert_eq!(status, 200, "{path}: {read}");
        read
    }
}
