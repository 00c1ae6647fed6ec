//! A shop under test: the real server on a database of its own, its API as a client uses it, its command line beside it.

use std::{sync::Arc, time::Duration};

use mintreu::{
    accounts::Role,
    db::{Db, DbOptions},
    kernel::{Clock, IdSource, SystemClock, Time},
    payments::signature,
};
use reqwest::{Client, Response};
use serde_json::{Value, json};

use tokio::sync::OnceCell;

use crate::support::{Finished, Mintreu, Person, Running, Sells, TestDb, crypto, put_on_sale, sign_in};

/// How long anything may take on a busy machine before a test gives up.
const PATIENCE: Duration = Duration::from_mins(1);
const TICK: Duration = Duration::from_millis(20);

/// What signs the sandbox's events unless the configuration says otherwise.
pub(crate) const SECRET: &str = "whsec_sandbox_for_development_only";

/// An installation and a client of it.
pub(crate) struct Shop {
    pub(crate) mintreu: Mintreu,
    pub(crate) client: Client,
    url: String,
    buyer: OnceCell<Person>,
}

impl Shop {
    /// An installation on `db`, not started.
    pub(crate) fn on(db: &TestDb) -> Self {
        Self::of(Mintreu::new(), &db.url())
    }

    /// An installation with an environment of its own, not started.
    pub(crate) fn of(mintreu: Mintreu, url: &str) -> Self {
        let mintreu = mintreu.env("MINTREU__DATABASE__URL", url);
        crypto();
        Self { mintreu, client: Client::new(), url: url.to_owned(), buyer: OnceCell::new() }
    }

    /// Starts the server again: other tests' connections may hold its port for a moment.
    pub(crate) async fn serve(&self) -> Running {
        loop {
            let mut running = self.mintreu.spawn(&["serve"]);
            let ready = self.mintreu.url("/readyz");
            loop {
                if let Some(status) = running.ended() {
                    let told = running.stderr();
                    assert!(told.contains("in use by another program"), "ended with {status}:\n{told}");
                    break;
                }
                let answer = self.client.get(&ready).timeout(PATIENCE).send().await;
                if answer.is_ok_and(|answer| answer.status().is_success()) {
                    self.buyer().await;
                    return running;
                }
                tokio::time::sleep(TICK).await;
            }
        }
    }

    /// Somebody signed in who buys what is on sale; both are made when they are first needed.
    pub(crate) async fn buyer(&self) -> &Person {
        let make = async || {
            let db = self.db().await;
            db.migrate().await.expect("the schema is brought up to date");
            let on_sale: i64 =
                mintreu::fetch_one!(&db, sqlx::query_scalar("SELECT COUNT(*) FROM products")).expect("a number");
            if on_sale == 0 {
                put_on_sale(&db, PRODUCT, Sells::default()).await;
            }
            // Another client of the same database may have made one.
            let email = format!("buyer-{}@example.com", ids().next_uuid().simple());
            let person = sign_in(&db, &email, Role::Customer).await;
            db.close().await;
            person
        };
        self.buyer.get_or_init(make).await
    }

    /// The database, as another process opens it.
    pub(crate) async fn db(&self) -> Db {
        Db::open(&DbOptions::new(&self.url), ids()).await.expect("the database opens")
    }

    /// One number from the database.
    pub(crate) async fn number(&self, query: &'static str) -> i64 {
        let db = self.db().await;
        let number: i64 = mintreu::fetch_one!(&db, sqlx::query_scalar(query)).expect("a number");
        db.close().await;
        number
    }

    /// Runs a command that must succeed.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        let finished = self.mintreu.run(arguments);
        assert!(finished.status.success(), "{arguments:?}: {finished:?}");
        finished.stdout
    }

    /// Runs a command that must succeed and print JSON.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let stdout = self.run(&[arguments, &["--json"]].concat());
        serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {stdout}"))
    }

    /// Runs a command that must end with this code.
    pub(crate) fn refused(&self, arguments: &[&str], code: i32) -> Finished {
        let finished = self.mintreu.run(arguments);
        assert_eq!(finished.status.code(), Some(code), "{arguments:?}: {finished:?}");
        finished
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Response {
        self.post_at(&self.mintreu.url(path), body).await.expect("an answer")
    }

    /// The same at any address, by a server that may die.
    pub(crate) async fn post_at(&self, url: &str, body: &Value) -> reqwest::Result<Response> {
        self.client.post(url).header("cookie", &self.buyer().await.cookie).json(body).send().await
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        let request = self.client.get(self.mintreu.url(path)).header("cookie", &self.buyer().await.cookie);
        request.send().await.expect("an answer")
    }

    /// Opens an order and gives its identifier.
    pub(crate) async fn open(&self) -> String {
        let answer = self.post("/api/orders", &new_order()).await;
        assert_eq!(answer.status(), 201);
        let order: Value = answer.json().await.expect("JSON");
        order["id"].as_str().expect("an identifier").to_owned()
    }

    /// Pays an order, as its buyer does on the sandbox's page.
    pub(crate) async fn pay(&self, order: &str) {
        self.complete(order, &json!({ "outcome": "paid" })).await;
    }

    /// Does this on the sandbox's page of an order.
    pub(crate) async fn complete(&self, order: &str, what: &Value) {
        let session = self.session(order).await;
        let answer = self.post(&format!("/sandbox/sessions/{session}/complete"), what).await;
        assert_eq!(answer.status(), 200, "{what}");
    }

    /// The name of the session in which an order is paid; opens it.
    pub(crate) async fn session(&self, order: &str) -> String {
        let request = self.client.get(self.mintreu.url(&format!("/pay/{order}"))).header("accept", "application/json");
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
        session_in(&answer.json().await.expect("JSON"))
    }

    /// An order as its buyer sees it.
    pub(crate) async fn order(&self, order: &str) -> Value {
        let answer = self.get(&format!("/api/orders/{order}")).await;
        assert_eq!(answer.status(), 200);
        answer.json().await.expect("JSON")
    }

    /// Waits until an order has this status, and gives the order.
    pub(crate) async fn until_order_is(&self, order: &str, status: &str) -> Value {
        until(&format!("{order} is {status}"), async || {
            let view = self.order(order).await;
            if view["status"] == status { Ok(view) } else { Err(view) }
        })
        .await
    }

    /// Delivers a body as the provider would, signed now.
    pub(crate) async fn deliver(&self, body: &[u8]) -> Response {
        self.deliver_signed(body, &signature::sign(SECRET, body, now())).await
    }

    /// Delivers a body with this signature.
    pub(crate) async fn deliver_signed(&self, body: &[u8], signature: &str) -> Response {
        let request = self.client.post(self.mintreu.url("/webhooks/sandbox")).header("stripe-signature", signature);
        request.header("content-type", "application/json").body(body.to_owned()).send().await.expect("an answer")
    }

    /// Waits until every event that was kept has been handled, and gives the outcomes in the order of arrival.
    pub(crate) async fn outcomes(&self) -> Vec<String> {
        let db = self.db().await;
        let outcomes = until("all events are handled", async || {
            let all: Vec<Option<String>> =
                mintreu::fetch_all!(&db, sqlx::query_scalar("SELECT outcome FROM webhook_inbox ORDER BY id"))
                    .expect("the inbox can be read");
            all.iter().cloned().collect::<Option<Vec<_>>>().ok_or(all)
        })
        .await;
        db.close().await;
        outcomes
    }

    /// What must hold whenever work has settled: no job is dead, and the trail is whole.
    pub(crate) fn is_sound(&self) {
        assert_eq!(self.json(&["jobs", "list", "--state", "dead"]), json!([]));
        let trail = self.json(&["audit", "verify"]);
        assert_eq!(trail["problem"], Value::Null, "{trail}");
    }
}

/// What is on sale.
pub(crate) const PRODUCT: &str = "sandbox-license";

/// What buyers send.
pub(crate) fn new_order() -> Value {
    json!({ "items": [{ "product": PRODUCT }] })
}

/// The session that an answer of `/pay/{order}` leads to.
pub(crate) fn session_in(answer: &Value) -> String {
    let url = answer["url"].as_str().expect("an address");
    url.rsplit('/').next().expect("a last part").to_owned()
}

/// What the sandbox sends when `order` was paid; `change` is laid over the session.
pub(crate) fn paid_event(id: &str, order: &str, change: &Value) -> Vec<u8> {
    let mut session = json!({
        "id": format!("cs_test_{order}"),
        "object": "checkout.session",
        "client_reference_id": order,
        "amount_total": 1999,
        "currency": "usd",
        "payment_status": "paid",
    });
    for (name, value) in change.as_object().expect("an object") {
        session[name] = value.clone();
    }
    json!({ "id": id, "object": "event", "type": "checkout.session.completed", "data": { "object": session } })
        .to_string()
        .into_bytes()
}

/// Asks until the answer is `Ok`.
pub(crate) async fn until<T, E: std::fmt::Debug>(what: &str, mut ask: impl AsyncFnMut() -> Result<T, E>) -> T {
    let began = std::time::Instant::now();
    loop {
        match ask().await {
            Ok(value) => return value,
            Err(last) => assert!(began.elapsed() < PATIENCE, "waited {PATIENCE:?} until {what}; last: {last:?}"),
        }
        tokio::time::sleep(TICK).await;
    }
}

/// Reads an answer that must be a problem of this status and name, complete and typed as the standard says.
pub(crate) async fn problem(answer: Response, status: u16, name: &str) -> Value {
    assert_eq!(answer.status(), status, "{name}");
    let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().expect("text").to_owned());
    assert_eq!(header("content-type").as_deref(), Some("application/problem+json"), "{name}");
    let (request_id, path) = (header("x-request-id").expect("a request id"), answer.url().path().to_owned());
    let problem: Value = answer.json().await.expect("JSON");
    assert_eq!(problem["status"], status, "{problem}");
    assert!(problem["type"].as_str().expect("a type").ends_with(&format!("/docs/problems/{name}")), "{problem}");
    assert!(problem["title"].as_str().is_some_and(|title| !title.is_empty()), "{problem}");
    assert_eq!((&problem["request_id"], &problem["instance"]), (&json!(request_id), &json!(path)), "{problem}");
    problem
}

pub(crate) fn now() -> Time {
    SystemClock.now()
}

pub(crate) fn ids() -> IdSource {
    IdSource::new(Arc::new(SystemClock))
}
