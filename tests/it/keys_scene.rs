//! An API that was sold, its vendor, and the vendor's own server, which does as it is told.

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response as Answer},
};
use mintreu::{
    accounts::Role,
    catalog::Limits,
    db::{Db, DbError},
    execute,
    kernel::hook::{HookSecret, signature},
    licenses::LicenseView,
};
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};

use crate::support::{
    Mintreu, Person, Running, TestDb, eventually, sign_in,
    sold::{Sold, root_text},
};

/// A shop that sold one licence of an API.
pub(crate) struct Scene {
    pub(crate) mintreu: Mintreu,
    pub(crate) client: Client,
    pub(crate) db: Db,
    pub(crate) buyer: Person,
    pub(crate) stranger: Person,
    pub(crate) vendor: Person,
    pub(crate) operator: Person,
    pub(crate) sold: Sold,
}

/// Makes what was sold an API, and somebody its vendor.
pub(crate) async fn make_api(db: &Db, sold: &Sold, vendor: &Person) {
    db.write(async |tx| {
        let (product, developer) = (sold.entitlement.product, sold.entitlement.developer);
        execute!(tx, sqlx::query("UPDATE products SET type = 'api' WHERE id = $1").bind(product))?;
        execute!(
            tx,
            sqlx::query("UPDATE developers SET user_id = $2 WHERE id = $1").bind(developer).bind(vendor.user)
        )?;
        Ok::<_, DbError>(())
    })
    .await
    .expect("it is an API");
}

impl Scene {
    /// Nothing runs yet, and the licence is not issued yet.
    pub(crate) async fn prepare(test: &TestDb, mintreu: Mintreu) -> Self {
        let mintreu = mintreu
            .env("MINTREU__DATABASE__URL", test.url())
            .env("MINTREU__SECRETS__KEY", root_text())
            .env("MINTREU__JOBS__LEASE", "2s")
            .env("MINTREU__CREDENTIALS__TIMEOUT", "3s")
            .env("MINTREU__DOWNLOADS__ALLOW_NETWORKS", "127.0.0.0/8");
        let db = test.open().await;
        let buyer = sign_in(&db, "buyer@example.com", Role::Customer).await;
        let vendor = sign_in(&db, "vendor@example.com", Role::Developer).await;
        let limits = Limits { api_calls: Some(5), ..Limits::default() };
        let sold = Sold::with(&db, &buyer, limits, 1).await;
        make_api(&db, &sold, &vendor).await;
        Self {
            client: Client::builder().pool_max_idle_per_host(0).build().expect("a client"),
            stranger: sign_in(&db, "stranger@example.com", Role::Developer).await,
            operator: sign_in(&db, "operator@example.com", Role::Admin).await,
            mintreu,
            buyer,
            vendor,
            sold,
            db,
        }
    }

    pub(crate) async fn open(test: &TestDb) -> (Self, Running, LicenseView) {
        let scene = Self::prepare(test, Mintreu::new()).await;
        let running = scene.mintreu.serve().await;
        let license = scene.sold.license(&scene.db).await;
        (scene, running, license)
    }

    pub(crate) fn ask(&self, who: &Person, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, self.mintreu.url(path)).header("cookie", &who.cookie)
    }

    pub(crate) async fn send(&self, who: &Person, method: Method, path: &str, body: Value) -> Response {
        let request = self.ask(who, method, path);
        let request = if body.is_null() { request } else { request.json(&body) };
        request.send().await.expect("an answer")
    }

    /// Asks what must be answered so, and gives what is answered.
    pub(crate) async fn told(&self, who: &Person, method: Method, path: &str, body: Value, status: u16) -> Value {
        let answer = self.send(who, method.clone(), path, body).await;
        let got = answer.status();
        let text = answer.text().await.expect("text");
        assert_eq!(got, status, "{method} {path}: {text}");
        if text.is_empty() { Value::Null } else { serde_json::from_str(&text).expect("JSON") }
    }

    pub(crate) async fn get(&self, who: &Person, path: &str) -> Value {
        self.told(who, Method::GET, path, Value::Null, 200).await
    }

    /// Makes a key; gives it with its secret.
    pub(crate) async fn key(&self, license: &LicenseView, body: Value) -> Value {
        self.told(&self.buyer, Method::POST, &format!("/api/licenses/{}/keys", license.id), body, 201).await
    }

    /// What the vendor is told of a key.
    pub(crate) async fn verify(&self, body: Value) -> Value {
        self.told(&self.vendor, Method::POST, "/api/keys/verify", body, 200).await
    }

    /// Waits until a secret is, or is not, good.
    pub(crate) async fn until_good_is(&self, secret: &str, good: bool) {
        eventually(&format!("the key's being good is {good}"), async || {
            self.verify(json!({ "token": secret })).await["active"] == good
        })
        .await;
    }

    /// Gives the product a hook at the vendor's server; gives what its calls are signed with.
    pub(crate) async fn hook(&self, server: &VendorServer) -> HookSecret {
        let path = format!("/api/developer/products/{}/hook", self.sold.entitlement.product);
        let made = self.told(&self.vendor, Method::POST, &path, json!({ "url": server.url() }), 201).await;
        made["secret"].as_str().expect("a secret").parse().expect("a secret")
    }

    /// The licence's credential as its owner sees it; null if there is none.
    pub(crate) async fn credential(&self, license: &LicenseView) -> Value {
        self.get(&self.buyer, &format!("/api/licenses/{}/credentials", license.id)).await["data"][0].clone()
    }

    /// Waits until the credential is in this state, and gives it.
    pub(crate) async fn until_credential_is(&self, license: &LicenseView, state: &str) -> Value {
        eventually(&format!("the credential is {state}"), async || self.credential(license).await["state"] == state)
            .await;
        self.credential(license).await
    }

    /// The key that the owner is shown.
    pub(crate) async fn revealed(&self, license: &LicenseView) -> Value {
        let id = text(&self.credential(license).await["id"]);
        let path = format!("/api/licenses/{}/credentials/{id}/reveal", license.id);
        self.told(&self.buyer, Method::POST, &path, Value::Null, 200).await
    }
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a text instead of {value}")).to_owned()
}

/// What the vendor's server does instead of answering well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Does {
    Says(u16),
    Redirects,
    Garbage,
    Lacks,
    Huge,
    Hangs,
    /// Does what it was asked for, and never answers.
    ObeysAndHangs,
}

/// A call as the vendor's server had it.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) id: String,
    pub(crate) timestamp: i64,
    pub(crate) signature: String,
    pub(crate) raw: Vec<u8>,
    pub(crate) body: Value,
}

impl Call {
    pub(crate) fn event(&self) -> &str {
        self.body["type"].as_str().expect("a type")
    }

    pub(crate) fn is_signed_with(&self, secret: &HookSecret) -> bool {
        let right = signature(std::slice::from_ref(secret), &self.id, self.timestamp, &self.raw);
        self.signature.split(' ').any(|one| one == right)
    }
}

#[derive(Default)]
struct Vendor {
    calls: Vec<Call>,
    next: VecDeque<Does>,
    /// What was made, by `webhook-id`: asked the same it answers the same.
    made: HashMap<String, String>,
}

/// The vendor's server.
pub(crate) struct VendorServer {
    address: SocketAddr,
    vendor: Arc<Mutex<Vendor>>,
    task: tokio::task::JoinHandle<()>,
}

impl VendorServer {
    pub(crate) async fn start() -> Self {
        let vendor = Arc::new(Mutex::new(Vendor::default()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let app = Router::new().fallback(serve).with_state(vendor.clone());
        let task = tokio::spawn(async move { axum::serve(listener, app).await.expect("it serves") });
        Self { address, vendor, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// Does these things with the next calls, and then goes on well.
    pub(crate) fn next(&self, does: &[Does]) {
        self.vendor.lock().expect("a lock").next.extend(does);
    }

    pub(crate) fn calls(&self, event: &str) -> Vec<Call> {
        let vendor = self.vendor.lock().expect("a lock");
        vendor.calls.iter().filter(|call| call.event() == event).cloned().collect()
    }

    /// The keys that were made.
    pub(crate) fn made(&self) -> Vec<String> {
        self.vendor.lock().expect("a lock").made.values().cloned().collect()
    }
}

impl Drop for VendorServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(State(vendor): State<Arc<Mutex<Vendor>>>, headers: HeaderMap, raw: Bytes) -> Answer {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let body: Value = serde_json::from_slice(&raw).expect("JSON");
    let (id, timestamp) = (header("webhook-id"), header("webhook-timestamp").parse().expect("seconds"));
    let call = Call { id: id.clone(), timestamp, signature: header("webhook-signature"), raw: raw.to_vec(), body };
    let (event, does, key) = {
        let mut vendor = vendor.lock().expect("a lock");
        let event = call.event().to_owned();
        vendor.calls.push(call);
        let does = vendor.next.pop_front();
        let key = if matches!(does, None | Some(Does::ObeysAndHangs)) && event != "credential.usage" {
            let number = vendor.made.len();
            let make = || format!("ak_{number}_of_the_vendor");
            if event == "credential.revoke" {
                String::new()
            } else {
                vendor.made.entry(id).or_insert_with(make).clone()
            }
        } else {
            String::new()
        };
        (event, does, key)
    };
    match does {
        None => {}
        Some(Does::Says(status)) => return StatusCode::from_u16(status).expect("a status").into_response(),
        Some(Does::Redirects) => return (StatusCode::FOUND, [("location", "http://169.254.169.254/")]).into_response(),
        Some(Does::Garbage) => return "<html>it works</html>".into_response(),
        Some(Does::Lacks) => return axum::Json(json!({ "secret": "s" })).into_response(),
        Some(Does::Huge) => return format!("{{\"key\":\"{}\"}}", "x".repeat(1 << 20)).into_response(),
        Some(Does::Hangs | Does::ObeysAndHangs) => std::future::pending().await,
    }
    match event.as_str() {
        "credential.usage" => {
            axum::Json(json!({ "usage": { "calls": 7 }, "rate_limits": { "per_minute": 9 } })).into_response()
        }
        "credential.revoke" => StatusCode::NO_CONTENT.into_response(),
        _ => {
            let limits = json!({ "per_minute": 60 });
            axum::Json(
                json!({ "key": key, "secret": "hush", "expires_at": "2999-01-01T00:00:00Z", "rate_limits": limits }),
            )
            .into_response()
        }
    }
}
