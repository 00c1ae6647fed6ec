//! A stand-in for PayPal: a real server that checks what it is asked, remembers what it took, and signs its events with
//! a certificate of an authority of its own.

mod api;

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::Router;
use base64::{Engine, engine::general_purpose::STANDARD};
use mintreu::kernel::{Clock, SystemClock, Time};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SigningKey, date_time_ymd,
};
use serde_json::{Value, json};

use self::api::{answer, issue, missing};

/// The application and the webhook.
pub(crate) const PAYPAL_CLIENT: (&str, &str) = ("client-of-the-stand-in", "secret-of-the-stand-in");
pub(crate) const PAYPAL_WEBHOOK: &str = "3W2725225F637605K";

/// The name in PayPal's certificates.
pub(crate) const PAYPAL_NAME: &str = "messageverificationcerts.paypal.com";

/// A certificate that is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Forged {
    /// It is as it should be.
    No,
    /// For another name.
    Name(&'static str),
    /// It was valid until 2016.
    Expired,
    /// It will be valid in 3000.
    NotYet,
    /// Nobody signed it but itself.
    SelfSigned,
    /// Another authority signed it.
    OtherAuthority,
}

struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) key: Option<String>,
    pub(crate) body: Value,
}

#[derive(Default)]
struct World {
    orders: BTreeMap<String, Value>,
    captures: BTreeMap<String, Value>,
    refunds: BTreeMap<String, Value>,
    answered: HashMap<String, (String, Value, u16, Value)>,
    certificates: HashMap<String, String>,
    tokens: Vec<String>,
    asked: Vec<Asked>,
    hang_after: u32,
    fail: Vec<u16>,
    declines: u32,
    target: Option<String>,
    events: Vec<Value>,
    pending: Vec<Value>,
}

#[derive(Clone)]
pub(crate) struct PaypalServer {
    address: SocketAddr,
    world: Arc<Mutex<World>>,
    /// Held from the look for a known key until what was done is known by it.
    turn: Arc<Mutex<()>>,
    names: Arc<AtomicU64>,
    authority: Arc<Authority>,
    other: Arc<Authority>,
    key: Arc<KeyPair>,
}

impl PaypalServer {
    /// Starts on a free port; ends with the test's runtime.
    pub(crate) async fn start() -> Self {
        super::crypto();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let server = Self {
            address: listener.local_addr().expect("an address"),
            world: Arc::default(),
            turn: Arc::default(),
            names: Arc::default(),
            authority: Arc::new(Authority::new("Stand-in authority")),
            other: Arc::new(Authority::new("Another authority")),
            // Made for this file alone.
            key: Arc::new(KeyPair::from_pem(include_str!("keys/paypal.pem")).expect("a key")),
        };
        server.certificate(Forged::No, "CERT-1");
        let router = Router::new().fallback(answer).with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        server
    }

    /// For `payments.paypal.api_base`.
    pub(crate) fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// For the file that `payments.paypal.certificate_roots` names.
    pub(crate) fn roots(&self) -> String {
        self.authority.pem.clone()
    }

    /// Where events go from now on.
    pub(crate) fn deliver_to(&self, url: impl Into<String>) {
        self.world().target = Some(url.into());
    }

    /// The next `calls` that change something are done, and then never answered.
    pub(crate) fn time_out_after_charging(&self, calls: u32) {
        self.world().hang_after = calls;
    }

    /// The next `calls` are answered with this status, and nothing is done.
    pub(crate) fn fail_next(&self, calls: usize, status: u16) {
        self.world().fail = vec![status; calls];
    }

    /// The next capture is refused because the buyer's card is declined.
    pub(crate) fn decline_next(&self) {
        self.world().declines = 1;
    }

    /// All access tokens end now.
    pub(crate) fn revoke_tokens(&self) {
        self.world().tokens.clear();
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.world().asked.clone()
    }

    pub(crate) fn orders(&self) -> Vec<Value> {
        self.world().orders.values().cloned().collect()
    }

    pub(crate) fn captures(&self) -> Vec<Value> {
        self.world().captures.values().cloned().collect()
    }

    pub(crate) fn refunds(&self) -> Vec<Value> {
        self.world().refunds.values().cloned().collect()
    }

    pub(crate) fn events(&self) -> Vec<Value> {
        self.world().events.clone()
    }

    /// The buyer approves: money moves when the shop captures.
    pub(crate) async fn approve(&self, order: &str) -> Vec<Value> {
        let approved = {
            let mut world = self.world();
            let found = world.orders.get_mut(order).unwrap_or_else(|| panic!("there is no {order}"));
            found["status"] = json!("APPROVED");
            found.clone()
        };
        self.tell(vec![("CHECKOUT.ORDER.APPROVED", "checkout-order", approved)]).await
    }

    /// PayPal declines what was captured.
    pub(crate) async fn deny(&self, order: &str) -> Vec<Value> {
        let mut capture = self.new_capture(order);
        capture["status"] = json!("DECLINED");
        capture["status_details"] = json!({ "reason": "DECLINED_BY_RISK_FRAUD_FILTERS" });
        self.tell(vec![("PAYMENT.CAPTURE.DENIED", "capture", capture)]).await
    }

    /// Somebody gives money back on PayPal's own pages.
    pub(crate) async fn refund(&self, capture: &str, value: &str) -> Vec<Value> {
        let refund = self.give_back(capture, value, "").expect("it can be refunded");
        self.tell(vec![("PAYMENT.CAPTURE.REFUNDED", "refund", refund)]).await
    }

    /// A buyer complains.
    pub(crate) async fn dispute(&self, capture: &str) -> (String, Vec<Value>) {
        let id = self.name("PP-D-");
        let dispute = self.dispute_object(&id, capture, &Value::Null);
        let events = self.tell(vec![("CUSTOMER.DISPUTE.CREATED", "dispute", dispute)]).await;
        (id, events)
    }

    /// PayPal decides: `RESOLVED_SELLER_FAVOUR`, `RESOLVED_BUYER_FAVOUR` …
    pub(crate) async fn resolve(&self, dispute: &str, capture: &str, outcome: &str) -> Vec<Value> {
        let dispute = self.dispute_object(dispute, capture, &json!({ "outcome_code": outcome }));
        self.tell(vec![("CUSTOMER.DISPUTE.RESOLVED", "dispute", dispute)]).await
    }

    /// Puts a certificate where it can be fetched; gives its URL.
    pub(crate) fn certificate(&self, forged: Forged, name: &str) -> String {
        let mut params = CertificateParams::new(vec![match forged {
            Forged::Name(name) => name.to_owned(),
            _ => PAYPAL_NAME.to_owned(),
        }])
        .expect("a name");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        (params.not_before, params.not_after) = match forged {
            Forged::Expired => (date_time_ymd(2015, 1, 1), date_time_ymd(2016, 1, 1)),
            Forged::NotYet => (date_time_ymd(3000, 1, 1), date_time_ymd(3001, 1, 1)),
            _ => (date_time_ymd(2020, 1, 1), date_time_ymd(3001, 1, 1)),
        };
        let made = match forged {
            Forged::SelfSigned => params.self_signed(&*self.key),
            Forged::OtherAuthority => params.signed_by(&*self.key, &self.other.issuer),
            _ => params.signed_by(&*self.key, &self.authority.issuer),
        };
        let mut chain = made.expect("a certificate").pem();
        if forged == Forged::OtherAuthority {
            chain.push_str(&self.other.pem);
        }
        self.world().certificates.insert(name.to_owned(), chain);
        format!("{}/v1/notifications/certs/{name}", self.base_url())
    }

    /// The headers that sign a body.
    pub(crate) fn sign(&self, body: &[u8], at: Time, certificate: &str) -> Vec<(&'static str, String)> {
        let id = self.name("464163d0-");
        let text = format!("{id}|{at}|{PAYPAL_WEBHOOK}|{}", crc32fast::hash(body));
        let signature = self.key.sign(text.as_bytes()).expect("a signature");
        vec![
            ("paypal-transmission-id", id),
            ("paypal-transmission-time", at.to_string()),
            ("paypal-transmission-sig", STANDARD.encode(signature)),
            ("paypal-cert-url", certificate.to_owned()),
            ("paypal-auth-algo", "SHA256withRSA".to_owned()),
        ]
    }

    /// Delivers an event once more, or one that a test made. Gives the status of the answer.
    pub(crate) async fn deliver(&self, event: &Value) -> Option<u16> {
        let url = self.world().target.clone()?;
        let (body, certificate) = (event.to_string(), format!("{}/v1/notifications/certs/CERT-1", self.base_url()));
        let at = Time::from_micros(SystemClock.now().as_secs() * 1_000_000);
        let mut request = reqwest::Client::new().post(url).header("content-type", "application/json");
        for (name, value) in self.sign(body.as_bytes(), at, &certificate) {
            request = request.header(name, value);
        }
        Some(request.body(body).send().await.ok()?.status().as_u16())
    }

    /// Delivers what nobody has taken yet, in its order; gives how many are left.
    pub(crate) async fn deliver_pending(&self) -> usize {
        let pending = std::mem::take(&mut self.world().pending);
        for event in pending {
            if self.deliver(&event).await != Some(200) {
                self.world().pending.push(event);
            }
        }
        self.world().pending.len()
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("no other test's panic")
    }

    fn name(&self, kind: &str) -> String {
        format!("{kind}{:06}X{}", self.names.fetch_add(1, Ordering::SeqCst), self.address.port())
    }

    async fn tell(&self, events: Vec<(&str, &str, Value)>) -> Vec<Value> {
        let mut told = Vec::new();
        for (kind, resource_type, resource) in events {
            let event = json!({
                "id": self.name("WH-"), "event_version": "1.0", "create_time": SystemClock.now(),
                "resource_type": resource_type, "resource_version": "2.0", "event_type": kind, "summary": kind,
                "resource": resource, "links": [],
            });
            self.world().events.push(event.clone());
            self.world().pending.push(event.clone());
            told.push(event);
        }
        self.deliver_pending().await;
        told
    }

    fn new_capture(&self, order: &str) -> Value {
        let unit = self.world().orders[order]["purchase_units"][0].clone();
        let value: f64 = unit["amount"]["value"].as_str().expect("a value").parse().expect("a number");
        let currency = &unit["amount"]["currency_code"];
        let decimals = if currency == "JPY" { 0 } else { 2 };
        let fee = format!("{:.decimals$}", value * 0.0349 + 0.49);
        json!({
            "id": self.name("2GG"), "status": "COMPLETED", "amount": unit["amount"], "final_capture": true,
            "custom_id": unit["custom_id"], "invoice_id": unit["invoice_id"],
            "seller_receivable_breakdown": {
                "gross_amount": unit["amount"], "paypal_fee": { "currency_code": currency, "value": fee },
            },
            "supplementary_data": { "related_ids": { "order_id": order } },
            "links": [{ "href": format!("{}/v2/checkout/orders/{order}", self.base_url()), "rel": "up", "method": "GET" }],
        })
    }

    fn capture(&self, order: &str) -> Result<(Value, Value), Value> {
        let status = self.world().orders.get(order).map(|order| order["status"].clone()).ok_or_else(missing)?;
        match status.as_str() {
            Some("APPROVED") => {}
            Some("COMPLETED") => return Err(issue("ORDER_ALREADY_CAPTURED")),
            _ => return Err(issue("ORDER_NOT_APPROVED")),
        }
        let capture = self.new_capture(order);
        let mut world = self.world();
        if world.declines > 0 {
            world.declines -= 1;
            return Err(issue("INSTRUMENT_DECLINED"));
        }
        world.captures.insert(capture["id"].as_str().expect("a name").to_owned(), capture.clone());
        let order = world.orders.get_mut(order).expect("it was there");
        order["status"] = json!("COMPLETED");
        order["purchase_units"][0]["payments"] = json!({ "captures": [capture] });
        Ok((order.clone(), capture))
    }

    fn give_back(&self, capture: &str, value: &str, custom: &str) -> Result<Value, Value> {
        let of = self.world().captures.get(capture).cloned().ok_or_else(missing)?;
        let cents = |value: &Value| (value.as_str().unwrap_or("0").parse::<f64>().unwrap_or(0.0) * 100.0).round();
        let before: f64 = self
            .refunds()
            .iter()
            .filter(|refund| refund["of"] == capture)
            .map(|refund| cents(&refund["amount"]["value"]))
            .sum();
        let total = before + cents(&json!(value));
        if total > cents(&of["amount"]["value"]) {
            return Err(issue("REFUND_AMOUNT_EXCEEDED"));
        }
        let currency = &of["amount"]["currency_code"];
        let custom = if custom.is_empty() { of["custom_id"].clone() } else { json!(custom) };
        let refund = json!({
            "id": self.name("1JU"), "status": "COMPLETED", "of": capture, "custom_id": custom,
            "amount": { "currency_code": currency, "value": value }, "invoice_id": of["invoice_id"],
            "seller_payable_breakdown": {
                "total_refunded_amount": { "currency_code": currency, "value": format!("{:.2}", total / 100.0) },
            },
            "links": [
                { "href": format!("{}/v2/payments/refunds/x", self.base_url()), "rel": "self", "method": "GET" },
                { "href": format!("{}/v2/payments/captures/{capture}", self.base_url()), "rel": "up", "method": "GET" },
            ],
        });
        self.world().refunds.insert(refund["id"].as_str().expect("a name").to_owned(), refund.clone());
        Ok(refund)
    }

    fn dispute_object(&self, id: &str, capture: &str, outcome: &Value) -> Value {
        let of = self.world().captures[capture].clone();
        json!({
            "dispute_id": id, "reason": "MERCHANDISE_OR_SERVICE_NOT_RECEIVED", "status": "OPEN",
            "dispute_amount": of["amount"], "dispute_outcome": outcome,
            "disputed_transactions": [{
                "seller_transaction_id": capture, "custom": of["custom_id"], "invoice_number": of["invoice_id"],
            }],
        })
    }
}
