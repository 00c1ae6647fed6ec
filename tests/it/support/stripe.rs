//! A stand-in for Stripe: a real server that checks what it is asked, remembers what it charged, and signs its events.
//!
//! It takes the requests that Stripe takes and refuses others, so that a request with a wrong field is noticed. Every
//! `POST` is remembered under its `Idempotency-Key`, and another one with the key of one that is not answered yet gets 409.

mod api;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::Router;
use mintreu::{
    kernel::{Clock, SystemClock},
    payments::{signature, stripe::VERSION},
};
use serde_json::{Value, json};
use tokio::sync::Notify;

use self::api::{answer, invalid, missing};

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
    /// The keys of what is being done, and how often one of them came again.
    in_progress: HashSet<String>,
    conflicts: u32,
    overlaps: bool,
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
    /// Held while something is done, so that each request is one step.
    turn: Arc<Mutex<()>>,
    conflicted: Arc<Notify>,
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
        let server = Self {
            address,
            world: Arc::default(),
            turn: Arc::default(),
            conflicted: Arc::default(),
            names: Arc::default(),
        };
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

    /// The next call with a key takes so long that another one with this key comes meanwhile, and is refused.
    pub(crate) fn overlap_next(&self) {
        self.world().overlaps = true;
    }

    /// How many calls were refused because another one with their key was not answered yet.
    pub(crate) fn conflicts(&self) -> u32 {
        self.world().conflicts
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
