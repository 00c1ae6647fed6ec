//! A shop with something of everything in it, and somebody of every kind: what routes are tried on.

mod downloads;
mod invoices;
mod keys;
pub(crate) mod mail;
mod operations;
mod privacy;
mod support;
mod told;

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use mintreu::{accounts::Role, catalog::BillingCycle, db::Db};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};

pub(crate) use told::{PAGES, Told};

use crate::{
    catalog_shop::{import, shelf},
    journey_routes::{Route, Takes},
    journey_shop::Shop,
    support::{Mintreu, Person, Running, Sells, TestDb, put_on_sale, sign_in},
};

/// The shop and its people.
pub(crate) struct Premises {
    pub(crate) shop: Shop,
    pub(crate) db: Db,
    _server: Running,
    pub(crate) operator: Person,
    pub(crate) stranger: Person,
    /// Who made the lamp.
    pub(crate) vendor: Person,
    /// A vendor of something else.
    pub(crate) rival: Person,
    /// What a route's parameter stands for: the route up to the parameter, and its value.
    things: BTreeMap<&'static str, String>,
    /// A licence's key.
    key: String,
    /// The owner's access token for everything.
    pub(crate) token: String,
    number: AtomicU64,
    /// What the API's description says.
    told: Told,
}

impl Premises {
    pub(crate) async fn on(db: &TestDb) -> Self {
        // Behind a proxy that each request comes through from another address: limits are tried elsewhere.
        let mintreu = Mintreu::new()
            .env("MINTREU__HTTP__TRUSTED_PROXIES", "127.0.0.1")
            .env("MINTREU__LICENSING__VALIDATIONS_PER_MINUTE_PER_KEY", "0")
            .env("MINTREU__TELEMETRY__LOG_FILTER", "warn")
            .env("MINTREU__SECRETS__KEY", mail::KEY);
        let mintreu = support::open(downloads::open(mintreu));
        let mut shop = Shop::of(mintreu, &db.url());
        // A refused body may cost its connection: each request has one of its own.
        shop.client = Client::builder()
            .pool_max_idle_per_host(0)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("a client");
        let db = db.open().await;
        import(&db, &shelf()).await;
        put_on_sale(&db, "club", Sells { billing: BillingCycle::Monthly, ..Sells::default() }).await;
        let operator = sign_in(&db, "operator@example.com", Role::Admin).await;
        let stranger = sign_in(&db, "stranger@example.com", Role::Developer).await;
        let (vendor, rival) = (vendor(&db, "acme").await, vendor(&db, "bolt").await);
        let server = shop.serve().await;
        let document = shop.client.get(shop.mintreu.url("/api/openapi.json")).send().await.expect("an answer");
        let told = Told::of(document.json().await.expect("JSON"));
        let mut premises = Self {
            shop,
            db,
            _server: server,
            operator,
            stranger,
            vendor,
            rival,
            things: BTreeMap::new(),
            key: String::new(),
            token: String::new(),
            number: AtomicU64::new(1),
            told,
        };
        premises.furnish().await;
        premises
    }

    /// Buys, activates, and names what came of it.
    async fn furnish(&mut self) {
        let lamp = json!({ "items": [{ "product": "lamp", "plan": "regular" }] });
        let (paid, open) = (self.order(&lamp).await, self.order(&lamp).await);
        let subscribed = self.order(&json!({ "items": [{ "product": "club" }] })).await;
        for order in [&paid, &subscribed] {
            self.shop.pay(order).await;
        }
        let session = self.shop.session(&open).await;
        let view = self.shop.until_order_is(&paid, "fulfilled").await;
        self.shop.until_order_is(&subscribed, "fulfilled").await;
        let license = text(&view["licenses"][0]["id"]);
        self.key = text(&view["licenses"][0]["license_key"]);
        let place = json!({ "license_key": self.key, "instance_name": "desk", "fingerprint": "desk" });
        let activated: Value = self.shop.post("/api/license/activate", &place).await.json().await.expect("JSON");
        let made = json!({ "name": "all", "scopes": SCOPES });
        let token: Value = self.shop.post("/api/account/tokens", &made).await.json().await.expect("JSON");
        self.token = text(&token["token"]);
        let first = async |path: &str, who: &Person| {
            let list = self.get(path, who).await;
            text(&list["data"][0]["id"])
        };
        let (owner, operator) = (self.shop.buyer().await, &self.operator);
        let product = first("/api/admin/products?q=lamp", operator).await;
        let plan = first(&format!("/api/admin/products/{product}/plans"), operator).await;
        let subscription = first("/api/subscriptions", owner).await;
        let sandbox: String =
            mintreu::fetch_one!(self.db, sqlx::query_scalar("SELECT id FROM sandbox_subscriptions")).expect("one");
        let things = [
            ("/pay/{order}", open.clone()),
            ("/api/orders/{order}", open.clone()),
            ("/api/admin/orders/{order}", paid),
            ("/api/licenses/{license}", license.clone()),
            ("/api/licenses/{license}/activations/{activation}", text(&activated["instance"]["id"])),
            ("/api/admin/licenses/{license}", license.clone()),
            ("/api/subscriptions/{subscription}", subscription),
            ("/sandbox/subscriptions/{subscription}", sandbox),
            ("/sandbox/sessions/{session}", session.clone()),
            ("/sandbox/pay/{session}", session),
            ("/webhooks/{provider}", "sandbox".to_owned()),
            ("/docs/problems/{name}", "not-found".to_owned()),
            ("/api/docs/{file}", "start.js".to_owned()),
            ("/api/products/{slug}", "lamp".to_owned()),
            ("/api/account/sessions/{session}", first("/api/account/sessions", owner).await),
            ("/api/account/tokens/{token}", first("/api/account/tokens", owner).await),
            ("/api/admin/users/{user}", self.stranger.user.to_string()),
            ("/api/admin/webhooks/{webhook}", first("/api/admin/webhooks", operator).await),
            ("/api/admin/developers/{id}", first("/api/admin/developers", operator).await),
            ("/api/admin/categories/{id}", first("/api/admin/categories", operator).await),
            ("/api/admin/products/{id}", product),
            ("/api/admin/plans/{id}", plan),
            ("/api/admin/coupons/{id}", first("/api/admin/coupons", operator).await),
        ];
        self.things = things.into_iter().collect();
        let more = [
            downloads::furnish(self).await,
            support::furnish(self).await,
            mail::furnish(self).await,
            keys::furnish(&self.db, &license).await,
            invoices::furnish(self).await,
            operations::furnish(self).await,
            privacy::furnish(self).await,
        ];
        self.things.extend(more.concat());
    }

    async fn order(&self, cart: &Value) -> String {
        let answer = self.shop.post("/api/orders", cart).await;
        assert_eq!(answer.status(), 201, "{cart}");
        text(&answer.json::<Value>().await.expect("JSON")["id"])
    }

    /// Makes what must be made.
    async fn make(&self, path: &str, who: &Person, body: &Value) -> Value {
        let answer = self.ask(Method::POST, path).header("cookie", &who.cookie).json(body).send().await;
        made(path, answer.expect("an answer")).await
    }

    /// Uploads a file.
    async fn upload(&self, method: Method, path: &str, who: &Person, file: &'static [u8]) -> Value {
        let answer = self.ask(method, path).header("cookie", &who.cookie).body(file).send().await;
        made(path, answer.expect("an answer")).await
    }

    /// Reads what must be there.
    pub(crate) async fn get(&self, path: &str, who: &Person) -> Value {
        let answer = self.ask(Method::GET, path).header("cookie", &who.cookie).send().await.expect("an answer");
        assert_eq!(answer.status(), 200, "{path}");
        answer.json().await.expect("JSON")
    }

    /// A request from an address that no other comes from.
    pub(crate) fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let [_, a, b, c] = u32::try_from(number).expect("not so many").to_be_bytes();
        self.shop
            .client
            .request(method, self.shop.mintreu.url(path))
            .header("x-forwarded-for", format!("100.{a}.{b}.{c}"))
    }

    /// A number that no other request has.
    pub(crate) fn number(&self) -> u64 {
        self.number.fetch_add(1, Ordering::Relaxed)
    }

    /// A route's path with things that there are.
    pub(crate) fn path(&self, route: &Route) -> String {
        self.path_with(route, None)
    }

    /// The same with something else for the last parameter.
    pub(crate) fn path_with(&self, route: &Route, last: Option<&str>) -> String {
        let (mut path, mut from) = (String::new(), 0);
        while let Some(open) = route.path[from..].find('{').map(|at| from + at) {
            let close = open + route.path[open..].find('}').expect("closed") + 1;
            path.push_str(&route.path[from..open]);
            let is_last = !route.path[close..].contains('{');
            match last.filter(|_| is_last) {
                Some(other) => path.push_str(other),
                None => path.push_str(self.thing(&route.path[..close])),
            }
            from = close;
        }
        path + &route.path[from..]
    }

    /// The same with what a good request has as its query.
    pub(crate) fn target(&self, route: &Route) -> String {
        let path = self.path(route);
        if route.with.is_empty() { path } else { format!("{path}?{}", route.with) }
    }

    /// The same with this for one parameter.
    pub(crate) fn target_with(&self, route: &Route, name: &str, value: &str) -> String {
        let others = route.with.split('&').filter(|pair| !pair.is_empty() && pair.split('=').next() != Some(name));
        let query: Vec<_> = others.map(str::to_owned).chain([format!("{name}={value}")]).collect();
        format!("{}?{}", self.path(route), query.join("&"))
    }

    fn thing(&self, key: &str) -> &str {
        self.things.get(key).unwrap_or_else(|| panic!("nothing stands for {key}"))
    }

    /// A route's good body, as text, with its content type.
    pub(crate) fn body(&self, route: &Route) -> Option<(&'static str, String)> {
        match &route.takes {
            Takes::Nothing => None,
            Takes::Json(value) | Takes::Optional(value) | Takes::Fields(value) | Takes::File(value) => {
                Some(("application/json", self.fill(value)))
            }
            Takes::Form(form) => Some(("application/x-www-form-urlencoded", (*form).to_owned())),
            Takes::Signed => Some(("application/json", "{}".to_owned())),
            Takes::Bytes(bytes) => Some(("application/octet-stream", String::from_utf8_lossy(bytes).into_owned())),
        }
    }

    /// A body's text with this request's number, and a key that there is.
    pub(crate) fn fill(&self, value: &Value) -> String {
        value.to_string().replace("{n}", &self.number().to_string()).replace("{key}", &self.key)
    }

    /// A good request to a route, as far as who asks does not matter.
    pub(crate) fn good(&self, route: &Route) -> RequestBuilder {
        let request = self.ask(route.method.clone(), &self.target(route)).header("if-match", "\"1\"");
        match self.body(route) {
            Some((kind, body)) => request.header("content-type", kind).body(body),
            None => request,
        }
    }
}

/// All that a token may have, but what is for operators.
pub(crate) const SCOPES: [&str; 10] = [
    "account:read",
    "account:write",
    "orders:read",
    "orders:write",
    "licenses:read",
    "licenses:write",
    "support:read",
    "support:write",
    "products:read",
    "products:write",
];

/// Somebody who sells as this developer.
async fn vendor(db: &Db, developer: &str) -> Person {
    let person = sign_in(db, &format!("{developer}@example.com"), Role::Developer).await;
    let changed = db.write(async |tx| {
        mintreu::execute!(
            tx,
            sqlx::query("UPDATE developers SET user_id = $2 WHERE slug = $1").bind(developer).bind(person.user)
        )
    });
    let changed: u64 = changed.await.map_err(|error: mintreu::db::DbError| error).expect("changed");
    assert_eq!(changed, 1, "{developer}");
    person
}

async fn made(path: &str, answer: Response) -> Value {
    let (status, text) = (answer.status(), answer.text().await.expect("text"));
    assert_eq!(status, 201, "{path}: {text}");
    serde_json::from_str(&text).expect("JSON")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a text instead of {value}")).to_owned()
}

/// What is asked, in a line for those who read a failure.
pub(crate) fn told(request: &reqwest::Request) -> String {
    let body = request.body().and_then(|body| body.as_bytes()).unwrap_or_default();
    let body = String::from_utf8_lossy(&body[..body.len().min(300)]).into_owned();
    format!("{} {} {body:?}", request.method(), request.url())
}

/// Sends, and gives the answer with what was asked.
pub(crate) async fn sent(premises: &Premises, request: RequestBuilder) -> (String, Response) {
    let request = request.build().expect("a request");
    let told = told(&request);
    let mut tries = 0;
    loop {
        // Without its body nothing can be sent again; those that are streamed are sent elsewhere.
        let again = request.try_clone().expect("a request that can be sent again");
        match premises.shop.client.execute(again).await {
            Ok(answer) => {
                premises.told.describes(&told, request.method(), &answer);
                return (told, answer);
            }
            // So many connections leave no port for a moment; whoever was not connected has asked nothing.
            Err(error) if error.is_connect() && tries < 300 => tries += 1,
            Err(error) => panic!("{told}: {error:?}"),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
