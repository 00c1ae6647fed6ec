//! A stand-in for Stripe: a real server that checks what it is asked, remembers what it charged, and signs its events.
//!
//! It takes the requests that Stripe takes and refuses others, so that a request with a wrong field is noticed. Every
//! `POST` is remembered under its `Idempotency-Key`.

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use mintreu::{
    kernel::{Clock, SystemClock},
    payments::{signature, stripe::VERSION},
};
use serde_json::{Value, json};

/// The account's key.
pub(crate) const STRIPE_KEY: &str = "sk_test_of_the_stand_in";

type Form = BTreeMap<String, String>;

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) key: Option<String>,
    pub(crate) form: Form,
}

#[derive(Debug, Default)]
struct World {
    /// Checkout sessions, payment intents, charges, refunds, subscriptions, invoices, disputes: by name.
    objects: BTreeMap<String, Value>,
    /// What was answered under which key, and to what.
    answered: HashMap<String, (Form, u16, Value)>,
    asked: Vec<Asked>,
    hang_after: u32,
    fail: Vec<u16>,
    declines_invoices: bool,
    target: Option<(String, String)>,
    events: Vec<Value>,
    pending: Vec<Value>,
}

#[derive(Debug, Clone)]
pub(crate) struct StripeServer {
    address: SocketAddr,
    world: Arc<Mutex<World>>,
    names: Arc<AtomicU64>,
}

fn now() -> i64 {
    SystemClock.now().as_secs()
}

impl StripeServer {
    /// Starts on a free port; ends with the test's runtime.
    pub(crate) async fn start() -> Self {
        super::crypto();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let server = Self { address, world: Arc::default(), names: Arc::default() };
        let router = Router::new().fallback(answer).with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        server
    }

    /// For `payments.stripe.api_base`.
    pub(crate) fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where events go from now on, and what signs them. Without it they are kept: [`Self::deliver_pending`].
    pub(crate) fn deliver_to(&self, url: impl Into<String>, secret: impl Into<String>) {
        self.world().target = Some((url.into(), secret.into()));
    }

    /// The next `calls` that change something are done, and then never answered.
    pub(crate) fn time_out_after_charging(&self, calls: u32) {
        self.world().hang_after = calls;
    }

    /// The next `calls` are answered with this status, and nothing is done.
    pub(crate) fn fail_next(&self, calls: usize, status: u16) {
        self.world().fail = vec![status; calls];
    }

    /// From now on the cards of subscribers are declined.
    pub(crate) fn decline_invoices(&self) {
        self.world().declines_invoices = true;
    }

    /// What it was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.world().asked.clone()
    }

    /// All objects of a kind (`checkout.session`, `refund`, `subscription`, `charge` …), in the order they were made.
    pub(crate) fn all(&self, kind: &str) -> Vec<Value> {
        self.world().objects.values().filter(|object| object["object"] == kind).cloned().collect()
    }

    /// The checkout sessions.
    pub(crate) fn sessions(&self) -> Vec<Value> {
        self.all("checkout.session")
    }

    /// The events that it made so far, delivered or not.
    pub(crate) fn events(&self) -> Vec<Value> {
        self.world().events.clone()
    }

    /// The object of this name.
    pub(crate) fn object(&self, id: &str) -> Value {
        self.world().objects.get(id).cloned().unwrap_or_else(|| panic!("there is no {id}"))
    }

    /// A buyer pays. Gives the events that tell of it, after their delivery.
    pub(crate) async fn pay(&self, session: &str) -> Vec<Value> {
        self.finish(session, "checkout.session.completed").await
    }

    /// A buyer promises a transfer; [`Self::arrive`] lets it arrive.
    pub(crate) async fn promise(&self, session: &str) -> Vec<Value> {
        self.change(session, &json!({ "status": "complete", "payment_status": "unpaid" }));
        self.tell(vec![("checkout.session.completed", self.object(session))]).await
    }

    /// The transfer arrives.
    pub(crate) async fn arrive(&self, session: &str) -> Vec<Value> {
        self.finish(session, "checkout.session.async_payment_succeeded").await
    }

    /// The transfer does not arrive.
    pub(crate) async fn fail_transfer(&self, session: &str) -> Vec<Value> {
        self.tell(vec![("checkout.session.async_payment_failed", self.object(session))]).await
    }

    /// A buyer's card is declined.
    pub(crate) async fn decline(&self, session: &str) -> Vec<Value> {
        let order = self.object(session)["metadata"]["order_id"].clone();
        let intent = json!({
            "id": self.name("pi"), "object": "payment_intent", "metadata": { "order_id": order },
            "last_payment_error": { "type": "card_error", "code": "card_declined", "message": "Your card was declined." },
        });
        self.tell(vec![("payment_intent.payment_failed", intent)]).await
    }

    /// The session ends unpaid.
    pub(crate) async fn expire(&self, session: &str) -> Vec<Value> {
        self.change(session, &json!({ "status": "expired", "url": null }));
        self.tell(vec![("checkout.session.expired", self.object(session))]).await
    }

    /// Somebody gives money back on Stripe's own pages.
    pub(crate) async fn refund(&self, intent: &str, amount: i64) -> Vec<Value> {
        let refund = self.give_back(intent, amount, &Form::new()).expect("it can be refunded");
        let events = self.refund_events(&refund);
        self.tell(events).await
    }

    /// The buyer's bank takes the money back for now; gives the dispute's name too.
    pub(crate) async fn dispute(&self, intent: &str) -> (String, Vec<Value>) {
        let charge = self.charge_of(intent);
        let dispute = json!({
            "id": self.name("dp"), "object": "dispute", "amount": charge["amount"], "currency": charge["currency"],
            "charge": charge["id"], "payment_intent": intent, "reason": "fraudulent", "status": "needs_response",
            "metadata": {},
        });
        let id = self.keep(dispute.clone());
        (id, self.tell(vec![("charge.dispute.created", dispute)]).await)
    }

    /// The bank decides.
    pub(crate) async fn close_dispute(&self, dispute: &str, won: bool) -> Vec<Value> {
        self.change(dispute, &json!({ "status": if won { "won" } else { "lost" } }));
        self.tell(vec![("charge.dispute.closed", self.object(dispute))]).await
    }

    /// A further period is paid.
    pub(crate) async fn renew(&self, subscription: &str) -> Vec<Value> {
        let invoice = self.invoice(subscription, "subscription_cycle");
        let events = self.pay_invoice(&invoice);
        self.tell(events).await
    }

    /// A further period cannot be charged; the invoice's name comes first in the event.
    pub(crate) async fn fail_renewal(&self, subscription: &str) -> Vec<Value> {
        self.change(subscription, &json!({ "status": "past_due" }));
        let invoice = self.invoice(subscription, "subscription_cycle");
        let events = vec![
            ("invoice.payment_failed", self.object(&invoice)),
            ("customer.subscription.updated", self.object(subscription)),
        ];
        self.tell(events).await
    }

    /// Delivers an event once more, or one that a test made. Gives the status of the answer.
    pub(crate) async fn deliver(&self, event: &Value) -> Option<u16> {
        let (url, secret) = self.world().target.clone()?;
        let body = event.to_string();
        let header = signature::sign(&secret, body.as_bytes(), SystemClock.now());
        let request = reqwest::Client::new().post(url).header("stripe-signature", header);
        let answer = request.header("content-type", "application/json").body(body).send().await.ok()?;
        Some(answer.status().as_u16())
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
        // Names that sort as they were made.
        format!("{kind}_{:08}T{}", self.names.fetch_add(1, Ordering::SeqCst), self.address.port())
    }

    fn keep(&self, object: Value) -> String {
        let id = object["id"].as_str().expect("a name").to_owned();
        self.world().objects.insert(id.clone(), object);
        id
    }

    fn change(&self, id: &str, change: &Value) {
        let mut world = self.world();
        let object = world.objects.get_mut(id).unwrap_or_else(|| panic!("there is no {id}"));
        for (name, value) in change.as_object().expect("an object") {
            object[name] = value.clone();
        }
    }

    async fn tell(&self, events: Vec<(&str, Value)>) -> Vec<Value> {
        let mut told = Vec::new();
        for (kind, object) in events {
            let event = json!({
                "id": self.name("evt"), "object": "event", "api_version": VERSION, "created": now(), "livemode": false,
                "pending_webhooks": 1, "request": { "id": null, "idempotency_key": null }, "type": kind,
                "data": { "object": object },
            });
            self.world().events.push(event.clone());
            self.world().pending.push(event.clone());
            told.push(event);
        }
        self.deliver_pending().await;
        told
    }

    /// Charges: an intent, its charge with the fee, and a subscription's first invoice.
    async fn finish(&self, id: &str, kind: &str) -> Vec<Value> {
        let session = self.object(id);
        assert_ne!(session["payment_status"], "paid", "{id} is paid already");
        let mut events = Vec::new();
        let mut ended = json!({ "status": "complete", "payment_status": "paid", "url": null });
        if session["mode"] == "subscription" {
            let end = now() + 30 * 86_400;
            let subscription = self.keep(json!({
                "id": self.name("sub"), "object": "subscription", "status": "active", "cancel_at_period_end": false,
                "items": { "object": "list", "data": [{ "object": "subscription_item", "current_period_end": end }] },
                "metadata": session["metadata"], "amount": session["amount_total"], "currency": session["currency"],
            }));
            let invoice = self.invoice(&subscription, "subscription_create");
            events.extend(self.pay_invoice(&invoice));
            ended["subscription"] = json!(subscription);
            ended["invoice"] = json!(invoice);
        } else {
            let (intent, charge) = self.charge(&session["amount_total"], &session["currency"], &session["metadata"]);
            ended["payment_intent"] = json!(intent);
            events.push(("payment_intent.succeeded", self.object(&intent)));
            let mut updated = self.object(&charge);
            updated["balance_transaction"] = self.object(updated["balance_transaction"].as_str().expect("a name"));
            events.push(("charge.updated", updated));
        }
        self.change(id, &ended);
        events.insert(0, (kind, self.object(id)));
        self.tell(events).await
    }

    fn charge(&self, amount: &Value, currency: &Value, metadata: &Value) -> (String, String) {
        let (intent, charge, booked) = (self.name("pi"), self.name("ch"), self.name("txn"));
        let fee = amount.as_i64().expect("an amount") * 29 / 1_000 + 30;
        self.keep(json!({ "id": booked, "object": "balance_transaction", "fee": fee, "currency": currency }));
        self.keep(json!({
            "id": charge, "object": "charge", "amount": amount, "amount_captured": amount, "amount_refunded": 0,
            "balance_transaction": booked, "captured": true, "currency": currency, "disputed": false,
            "metadata": metadata, "paid": true, "payment_intent": intent, "refunded": false, "status": "succeeded",
        }));
        self.keep(json!({
            "id": intent, "object": "payment_intent", "amount": amount, "amount_received": amount, "currency": currency,
            "latest_charge": charge, "metadata": metadata, "status": "succeeded",
        }));
        (intent, charge)
    }

    fn charge_of(&self, intent: &str) -> Value {
        self.object(self.object(intent)["latest_charge"].as_str().expect("a charge"))
    }

    fn invoice(&self, subscription: &str, reason: &str) -> String {
        let of = self.object(subscription);
        let end = of["items"]["data"][0]["current_period_end"].as_i64().expect("a time");
        let (start, end) = if reason == "subscription_create" { (now(), end) } else { (end, end + 30 * 86_400) };
        self.keep(json!({
            "id": self.name("in"), "object": "invoice", "billing_reason": reason, "status": "open",
            "amount_due": of["amount"], "amount_paid": 0, "currency": of["currency"],
            "parent": { "type": "subscription_details", "quote_details": null,
                        "subscription_details": { "metadata": of["metadata"], "subscription": subscription } },
            // What is counted was counted in the period before.
            "period_start": start, "period_end": start,
            "lines": { "object": "list", "has_more": false,
                       "data": [{ "object": "line_item", "amount": of["amount"], "period": { "start": start, "end": end } }] },
        }))
    }

    fn pay_invoice(&self, id: &str) -> Vec<(&'static str, Value)> {
        let invoice = self.object(id);
        let subscription =
            invoice["parent"]["subscription_details"]["subscription"].as_str().expect("a name").to_owned();
        // Stripe does not copy the subscription's metadata to its charges.
        let (intent, _) = self.charge(&invoice["amount_due"], &invoice["currency"], &json!({}));
        self.change(id, &json!({ "status": "paid", "amount_paid": invoice["amount_due"], "payment_intent": intent }));
        let end = invoice["lines"]["data"][0]["period"]["end"].clone();
        let items = json!({ "object": "list", "data": [{ "object": "subscription_item", "current_period_end": end }] });
        self.change(&subscription, &json!({ "status": "active", "items": items }));
        let mut told = vec![("invoice.paid", self.object(id))];
        if invoice["billing_reason"] != "subscription_create" {
            told.push(("customer.subscription.updated", self.object(&subscription)));
        }
        told
    }

    fn give_back(&self, reference: &str, amount: i64, metadata: &Form) -> Result<String, Value> {
        let object = self.world().objects.get(reference).cloned().ok_or_else(|| missing(reference))?;
        let charge = if object["object"] == "charge" { object } else { self.charge_of(reference) };
        let refunded = charge["amount_refunded"].as_i64().expect("an amount") + amount;
        let whole = charge["amount"].as_i64().expect("an amount");
        if amount <= 0 || refunded > whole {
            return Err(invalid(
                "Refund amount is greater than unrefunded amount on charge",
                "charge_already_refunded",
            ));
        }
        let given = json!({ "amount_refunded": refunded, "refunded": refunded == whole });
        self.change(charge["id"].as_str().expect("a name"), &given);
        Ok(self.keep(json!({
            "id": self.name("re"), "object": "refund", "amount": amount, "currency": charge["currency"],
            "charge": charge["id"], "payment_intent": charge["payment_intent"], "metadata": metadata,
            "status": "succeeded",
        })))
    }

    fn refund_events(&self, refund: &str) -> Vec<(&'static str, Value)> {
        let refund = self.object(refund);
        let charge = self.object(refund["charge"].as_str().expect("a name"));
        // As in newer versions of the API the charge does not list its refunds.
        vec![("refund.created", refund.clone()), ("charge.refunded", charge), ("refund.updated", refund)]
    }
}

fn problem(status: u16, message: &str, code: &str) -> Value {
    json!({ "status": status, "error": { "type": "invalid_request_error", "message": message, "code": code } })
}

fn missing(what: &str) -> Value {
    problem(404, &format!("No such object: '{what}'"), "resource_missing")
}

fn invalid(message: &str, code: &str) -> Value {
    problem(400, message, code)
}

async fn answer(
    State(server): State<StripeServer>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let header = |name: &str| headers.get(name).map(|value| value.to_str().expect("text").to_owned());
    let form = pairs(std::str::from_utf8(&body).expect("text"));
    let key = header("idempotency-key");
    let asked = Asked { method: method.to_string(), path: uri.path().to_owned(), key: key.clone(), form: form.clone() };
    server.world().asked.push(asked);
    if let Some(status) = server.world().fail.pop() {
        return reply(status, &json!({ "error": { "type": "api_error", "message": "out of order" } }));
    }
    if header("authorization").as_deref() != Some(&*format!("Bearer {STRIPE_KEY}")) {
        return reply(401, &problem(401, "Invalid API Key provided", "api_key"));
    }
    if header("stripe-version").as_deref() != Some(VERSION) {
        return reply(400, &invalid("Stripe-Version is not what this stand-in speaks", "version"));
    }
    if method == Method::POST && header("content-type").is_none_or(|it| it != "application/x-www-form-urlencoded") {
        return reply(400, &invalid("a form is expected", "content_type"));
    }
    if let Some(known) = key.as_ref().and_then(|key| server.world().answered.get(key).cloned()) {
        let (before, status, value) = known;
        if before != form {
            let error = json!({ "error": { "type": "idempotency_error", "message": "Keys for idempotent requests can only be used with the same parameters they were first used with." } });
            return reply(400, &error);
        }
        return reply(status, &value);
    }
    let (outcome, events) = act(&server, &method, uri.path(), uri.query().unwrap_or_default(), &form, key.as_deref());
    let (status, value) = match outcome {
        Ok(value) => (200, value),
        Err(value) => (u16::try_from(value["status"].as_u64().expect("a status")).expect("a status"), value),
    };
    if let Some(key) = key {
        server.world().answered.insert(key, (form, status, value.clone()));
    }
    let hangs = {
        let mut world = server.world();
        let hangs = method != Method::GET && status == 200 && world.hang_after > 0;
        world.hang_after -= u32::from(hangs);
        hangs
    };
    if !events.is_empty() {
        let server = server.clone();
        tokio::spawn(async move { server.tell(events).await });
    }
    if hangs {
        std::future::pending::<()>().await;
    }
    reply(status, &value)
}

fn reply(status: u16, value: &Value) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    (status, [("content-type", "application/json")], value.to_string()).into_response()
}

fn pairs(text: &str) -> Form {
    let url = reqwest::Url::parse(&format!("http://stand.in/?{text}")).expect("a query");
    url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

type Acted = (Result<Value, Value>, Vec<(&'static str, Value)>);

fn act(server: &StripeServer, method: &Method, path: &str, query: &str, form: &Form, key: Option<&str>) -> Acted {
    let parts: Vec<&str> = path.trim_start_matches("/v1/").split('/').collect();
    let needs_key = || Err(invalid("this stand-in wants an Idempotency-Key here", "no_key"));
    let quiet = |outcome| (outcome, Vec::new());
    match (method.as_str(), parts.as_slice()) {
        ("POST", ["checkout", "sessions"] | ["refunds"]) if key.is_none() => quiet(needs_key()),
        ("POST", ["checkout", "sessions"]) => quiet(open(server, form)),
        ("POST", ["refunds"]) => {
            let of = form.get("payment_intent").or_else(|| form.get("charge")).cloned().unwrap_or_default();
            let amount = form.get("amount").and_then(|amount| amount.parse().ok()).unwrap_or(0);
            let metadata: Form =
                form.get("metadata[order_id]").map(|id| ("order_id".to_owned(), id.clone())).into_iter().collect();
            match server.give_back(&of, amount, &metadata) {
                Ok(id) => (Ok(server.object(&id)), server.refund_events(&id)),
                Err(refused) => quiet(Err(refused)),
            }
        }
        ("POST" | "DELETE", ["subscriptions", id]) => {
            if !server.world().objects.contains_key(*id) {
                return quiet(Err(missing(id)));
            }
            if method == Method::DELETE {
                server.change(id, &json!({ "status": "canceled" }));
                return (Ok(server.object(id)), vec![("customer.subscription.deleted", server.object(id))]);
            }
            server.change(
                id,
                &json!({ "cancel_at_period_end": form.get("cancel_at_period_end").is_some_and(|it| it == "true") }),
            );
            (Ok(server.object(id)), vec![("customer.subscription.updated", server.object(id))])
        }
        ("POST", ["invoices", id, "pay"]) => {
            let Some(invoice) = server.world().objects.get(*id).cloned() else { return quiet(Err(missing(id))) };
            if invoice["status"] == "paid" {
                return quiet(Err(invalid("Invoice is already paid", "invoice_already_paid")));
            }
            if server.world().declines_invoices {
                return quiet(Err(problem(402, "Your card was declined.", "card_declined")));
            }
            let events = server.pay_invoice(id);
            (Ok(server.object(id)), events)
        }
        ("GET", [.., id]) => {
            let found = server.world().objects.get(*id).cloned();
            quiet(found.map(|found| expand(server, found, query)).ok_or_else(|| missing(id)))
        }
        _ => quiet(Err(missing(path))),
    }
}

fn open(server: &StripeServer, form: &Form) -> Result<Value, Value> {
    let mode = form.get("mode").map(String::as_str).unwrap_or_default();
    let copied = match mode {
        "payment" => "payment_intent_data[metadata][order_id]",
        "subscription" => "subscription_data[metadata][order_id]",
        _ => return Err(invalid("Invalid mode", "parameter_invalid")),
    };
    let price = "line_items[0][price_data]";
    let known = [
        "mode",
        "client_reference_id",
        "metadata[order_id]",
        copied,
        "customer_email",
        "success_url",
        "cancel_url",
        "expires_at",
        "line_items[0][quantity]",
        &format!("{price}[currency]"),
        &format!("{price}[unit_amount]"),
        &format!("{price}[product_data][name]"),
        &format!("{price}[recurring][interval]"),
    ]
    .map(str::to_owned);
    if let Some(unknown) = form.keys().find(|name| !known.contains(name)) {
        return Err(invalid(&format!("Received unknown parameter: {unknown}"), "parameter_unknown"));
    }
    let recurs = form.contains_key(&known[12]);
    let optional = |name: &String| name == "expires_at" || *name == known[12];
    if let Some(absent) = known.iter().find(|name| !optional(name) && form.get(*name).is_none_or(String::is_empty)) {
        return Err(invalid(&format!("Missing required param: {absent}."), "parameter_missing"));
    }
    let amount: i64 = form[&known[10]].parse().map_err(|_| invalid("Invalid integer", "parameter_invalid_integer"))?;
    let currency = &form[&known[9]];
    if currency.bytes().any(|byte| !byte.is_ascii_lowercase()) || recurs != (mode == "subscription") {
        return Err(invalid("Invalid currency or interval", "parameter_invalid"));
    }
    let expires: i64 = match form.get("expires_at") {
        Some(text) => text.parse().map_err(|_| invalid("Invalid integer", "parameter_invalid_integer"))?,
        None => now() + 86_400,
    };
    if !(now() + 1_800..=now() + 86_400).contains(&expires) {
        return Err(invalid("The `expires_at` timestamp must be between 30 minutes and 24 hours", "expires_at"));
    }
    let id = server.name("cs_test");
    let url = format!("{}/c/pay/{id}", server.base_url());
    let order = &form["metadata[order_id]"];
    let session = json!({
        "id": id, "object": "checkout.session", "mode": mode, "client_reference_id": form["client_reference_id"],
        "metadata": { "order_id": order }, "customer_email": form["customer_email"], "amount_subtotal": amount,
        "amount_total": amount, "currency": currency, "status": "open", "payment_status": "unpaid", "payment_intent": null,
        "subscription": null, "invoice": null, "url": url, "created": now(), "expires_at": expires, "livemode": false,
        "success_url": form["success_url"], "cancel_url": form["cancel_url"],
    });
    server.keep(session.clone());
    Ok(session)
}

/// Puts objects in the place of the names that `expand[]` leads to.
fn expand(server: &StripeServer, mut object: Value, query: &str) -> Value {
    let url = reqwest::Url::parse(&format!("http://stand.in/?{query}")).expect("a query");
    for (name, path) in url.query_pairs() {
        assert_eq!(name, "expand[]", "{query}");
        let mut place = &mut object;
        for part in path.split('.') {
            place = &mut place[part];
            if let Some(id) = place.as_str() {
                *place = server.object(id);
            }
            if place.is_null() {
                break;
            }
        }
    }
    object
}
