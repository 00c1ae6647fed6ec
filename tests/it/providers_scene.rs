//! A shop whose money goes through the stand-ins for Stripe and PayPal: the real server, asked over HTTP.

use std::{collections::BTreeMap, fs};

use futures::future::join_all;
use mintreu::{accounts::Role, catalog::BillingCycle, fetch_all, jobs::Job};
use reqwest::{Client, Response, redirect};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::{
    journey_shop::{PRODUCT, Shop, ids, until},
    support::{
        Mintreu, PAYPAL_CLIENT, PAYPAL_WEBHOOK, PaypalServer, Person, Running, STRIPE_KEY, Sells, StripeServer, TestDb,
        put_on_sale, sign_in,
    },
};

pub(crate) const STRIPE_SECRET: &str = "whsec_of_the_stand_in";
/// Who is told of what a person has to look at.
pub(crate) const OPERATOR: &str = "operator@example.com";

/// A shop beside its providers.
pub(crate) struct Market {
    pub(crate) shop: Shop,
    pub(crate) stripe: StripeServer,
    pub(crate) paypal: PaypalServer,
    browser: Client,
    operator: OnceCell<Person>,
}

impl Market {
    /// Not started. The reconciler is kept from healing what a test is about.
    pub(crate) async fn on(db: &TestDb) -> Self {
        let (stripe, paypal) = (StripeServer::start().await, PaypalServer::start().await);
        let mintreu = Mintreu::new();
        fs::write(mintreu.directory().join("roots.pem"), paypal.roots()).expect("written");
        let mintreu = mintreu
            .env("MINTREU__PAYMENTS__STRIPE__API_BASE", stripe.base_url())
            .env("MINTREU__PAYMENTS__STRIPE__SECRET_KEY", STRIPE_KEY)
            .env("MINTREU__PAYMENTS__STRIPE__WEBHOOK_SECRET", STRIPE_SECRET)
            .env("MINTREU__PAYMENTS__PAYPAL__API_BASE", paypal.base_url())
            .env("MINTREU__PAYMENTS__PAYPAL__CLIENT_ID", PAYPAL_CLIENT.0)
            .env("MINTREU__PAYMENTS__PAYPAL__CLIENT_SECRET", PAYPAL_CLIENT.1)
            .env("MINTREU__PAYMENTS__PAYPAL__WEBHOOK_ID", PAYPAL_WEBHOOK)
            .env("MINTREU__PAYMENTS__PAYPAL__CERTIFICATE_ROOTS", "roots.pem")
            .env("MINTREU__PAYMENTS__TIMEOUT", "3s")
            .env("MINTREU__PAYMENTS__RECONCILE_INTERVAL", "1h")
            .env("MINTREU__JOBS__POLL_INTERVAL", "200ms")
            .env("MINTREU__SHOP__OPERATORS", OPERATOR);
        let browser = Client::builder().redirect(redirect::Policy::none()).build().expect("a client");
        Self { shop: Shop::of(mintreu, &db.url()), stripe, paypal, browser, operator: OnceCell::new() }
    }

    /// With this in the environment.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.shop.mintreu = self.shop.mintreu.env(name, value);
        self
    }

    /// Starts the server; providers keep their events.
    pub(crate) async fn serve_unheard(&self) -> Running {
        self.shop.serve().await
    }

    /// Starts the server and has the providers deliver to it.
    pub(crate) async fn serve(&self) -> Running {
        let server = self.shop.serve().await;
        self.hear();
        server
    }

    /// From now on providers deliver.
    pub(crate) fn hear(&self) {
        self.stripe.deliver_to(self.shop.mintreu.url("/webhooks/stripe"), STRIPE_SECRET);
        self.paypal.deliver_to(self.shop.mintreu.url("/webhooks/paypal"));
    }

    /// From now on nothing that providers send arrives.
    pub(crate) fn hear_nothing(&self) {
        self.stripe.deliver_to(self.shop.mintreu.url("/nowhere"), STRIPE_SECRET);
        self.paypal.deliver_to(self.shop.mintreu.url("/nowhere"));
    }

    /// Puts a plan that is charged every month on sale.
    pub(crate) async fn sell_monthly(&self, slug: &str) {
        let db = self.shop.db().await;
        put_on_sale(&db, slug, Sells { billing: BillingCycle::Monthly, ..Sells::default() }).await;
        db.close().await;
    }

    pub(crate) async fn order_with(&self, body: &Value) -> String {
        let answer = self.shop.post("/api/orders", body).await;
        assert_eq!(answer.status(), 201, "{body}");
        let location = answer.headers()["location"].to_str().expect("text").to_owned();
        let order: Value = answer.json().await.expect("JSON");
        let id = order["id"].as_str().expect("an identifier").to_owned();
        assert_eq!(location, format!("/api/orders/{id}"));
        id
    }

    /// One of what is on sale, to be paid through `provider`.
    pub(crate) async fn order(&self, provider: &str) -> String {
        self.order_with(&json!({ "items": [{ "product": PRODUCT }], "provider": provider })).await
    }

    /// What a browser gets that comes to pay.
    pub(crate) async fn come_to_pay(&self, order: &str) -> Response {
        let url = self.shop.mintreu.url(&format!("/pay/{order}"));
        self.browser.get(url).header("accept", "text/html").send().await.expect("an answer")
    }

    /// Comes to pay; gives the provider's name of the session that the browser is sent to.
    pub(crate) async fn session(&self, order: &str) -> String {
        let answer = self.come_to_pay(order).await;
        assert_eq!(answer.status(), 303, "{}", answer.text().await.expect("text"));
        let url = answer.headers()["location"].to_str().expect("text");
        assert!(url.starts_with(&self.stripe.base_url()) || url.starts_with(&self.paypal.base_url()), "{url}");
        url.rsplit(['/', '=']).next().expect("a last part").to_owned()
    }

    /// The buyer's browser comes back; gives the status that it is told.
    pub(crate) async fn come_back(&self, order: &str) -> String {
        let answer = self.browser.get(self.shop.mintreu.url(&format!("/pay/{order}/return"))).send().await;
        let answer = answer.expect("an answer");
        assert_eq!(answer.status(), 200);
        let told: Value = answer.json().await.expect("JSON");
        assert_eq!(told["order"], *order);
        told["status"].as_str().expect("a status").to_owned()
    }

    /// Ordered and paid through `provider`, and fulfilled.
    pub(crate) async fn sold(&self, provider: &str) -> Sale {
        let order = self.order(provider).await;
        let session = self.session(&order).await;
        self.pay(provider, &session).await;
        self.shop.until_order_is(&order, "fulfilled").await;
        let charge = self.charge(provider, &session);
        Sale { order, charge }
    }

    /// What a buyer does on the provider's page.
    pub(crate) async fn pay(&self, provider: &str, session: &str) -> Vec<Value> {
        if provider == "stripe" { self.stripe.pay(session).await } else { self.paypal.approve(session).await }
    }

    /// The provider's name of a paid session's money.
    pub(crate) fn charge(&self, provider: &str, session: &str) -> String {
        let of_paypal = || {
            let captures = self.paypal.captures();
            let capture = captures.iter().find(|it| it["supplementary_data"]["related_ids"]["order_id"] == session);
            capture.expect("it is captured")["id"].clone()
        };
        let name =
            if provider == "stripe" { self.stripe.object(session)["payment_intent"].clone() } else { of_paypal() };
        name.as_str().expect("a name").to_owned()
    }

    /// What the provider gave back of everything, in cents.
    pub(crate) fn given_back(&self, provider: &str) -> Vec<i64> {
        if provider == "stripe" {
            return self.stripe.all("refund").iter().map(|refund| refund["amount"].as_i64().expect("cents")).collect();
        }
        let cents = |refund: &Value| refund["amount"]["value"].as_str().expect("a value").replace('.', "");
        self.paypal.refunds().iter().map(|refund| cents(refund).parse().expect("a number")).collect()
    }

    async fn operator(&self) -> &Person {
        let make = async || {
            let db = self.shop.db().await;
            let person = sign_in(&db, &format!("admin-{}@example.com", ids().next_uuid().simple()), Role::Admin).await;
            db.close().await;
            person
        };
        self.operator.get_or_init(make).await
    }

    /// What an operator reads.
    pub(crate) async fn look(&self, path: &str) -> Value {
        let request = self.shop.client.get(self.shop.mintreu.url(path)).header("cookie", &self.operator().await.cookie);
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), 200, "{path}");
        answer.json().await.expect("JSON")
    }

    /// What an operator does.
    pub(crate) async fn operate(&self, path: &str, body: &Value) -> Response {
        let request =
            self.shop.client.post(self.shop.mintreu.url(path)).header("cookie", &self.operator().await.cookie);
        request.json(body).send().await.expect("an answer")
    }

    /// An operator gives money back; everything that is left if no amount is said.
    pub(crate) async fn refund(&self, order: &str, amount: Option<i64>) {
        let body = json!({ "amount": amount, "reason": "it did not fit" });
        let answer = self.operate(&format!("/api/admin/orders/{order}/refunds"), &body).await;
        assert_eq!(answer.status(), 202, "{}", answer.text().await.expect("text"));
    }

    /// Waits until operators see that `order` needs them, why, and have been written to about it.
    pub(crate) async fn until_operators_know(&self, order: &str, why: &str) {
        until(&format!("operators see {why}"), async || {
            let listed = self.look("/api/admin/orders?attention=true").await;
            let found = listed["data"].as_array().expect("a list").iter().find(|it| it["id"] == *order).cloned();
            if found.as_ref().is_some_and(|it| it["attention"] == *why) { Ok(()) } else { Err(listed) }
        })
        .await;
        assert_eq!(self.look(&format!("/api/admin/orders/{order}")).await["attention"], *why);
        until("operators have a letter", async || {
            let letters = self.letters_to(OPERATOR);
            if letters.iter().any(|letter| letter.contains(order)) { Ok(()) } else { Err(letters) }
        })
        .await;
        assert_eq!(self.shop.order(order).await.get("attention"), None, "nothing for its buyer");
    }

    /// The mails to an address.
    pub(crate) fn letters_to(&self, address: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.shop.mintreu.directory().join("var/mail")) else { return Vec::new() };
        let mails = entries.filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok());
        mails.filter(|mail| mail.lines().any(|line| line.starts_with("To:") && line.contains(address))).collect()
    }

    /// Enqueues a job that the clock would enqueue later.
    pub(crate) async fn enqueue(&self, job: &impl Job) {
        let db = self.shop.db().await;
        db.write(async |tx| tx.enqueue(job).await).await.expect("enqueued");
        db.close().await;
    }

    /// Changes something in the database that time would change.
    pub(crate) async fn change(&self, text: &'static str) {
        let db = self.shop.db().await;
        db.write(async |tx| mintreu::execute!(tx, sqlx::query(text))).await.expect("changed");
        db.close().await;
    }

    /// Waits until nothing about payments and licences is left to do.
    pub(crate) async fn until_quiet(&self) {
        until("nothing is left to do", async || {
            let db = self.shop.db().await;
            let left: Vec<(String, String, i64, Option<String>)> = fetch_all!(
                &db,
                sqlx::query_as(
                    "SELECT kind, state, CAST(attempt AS BIGINT), errors FROM jobs
                     WHERE state NOT IN ('completed', 'cancelled') AND queue IN ('payments', 'licensing')"
                )
            )
            .expect("answers");
            db.close().await;
            if left.is_empty() { Ok(()) } else { Err(left) }
        })
        .await;
    }

    /// What each account holds, in cents of US dollars.
    pub(crate) async fn balances(&self) -> BTreeMap<String, i64> {
        let told = self.look("/api/admin/ledger/balances").await;
        let rows = told["data"].as_array().expect("a list").iter().filter(|row| row["currency"] == "USD");
        rows.map(|row| (row["account"].as_str().expect("a name").to_owned(), row["amount"].as_i64().expect("cents")))
            .filter(|(_, amount)| *amount != 0)
            .collect()
    }

    /// What must hold at the end of every test: nothing is left to do, nothing is dead, every transaction of the ledger
    /// balances and all of it does, and each order has the licences that it should: none or one for each seat.
    pub(crate) async fn is_sound(&self) {
        self.until_quiet().await;
        self.shop.is_sound();
        let findings = self.shop.json(&["doctor"]);
        let ledger = findings.as_array().expect("a list").iter().find(|finding| finding["about"] == "ledger");
        assert_eq!(ledger.expect("it is looked at")["weight"], "fine", "{findings}");
        assert_eq!(self.balances().await.values().sum::<i64>(), 0);
        let wrong = "SELECT COUNT(*) FROM orders o WHERE
            (SELECT COUNT(*) FROM licenses l WHERE l.order_id = o.id)
            <> CASE WHEN o.fulfilled_at IS NULL THEN 0
               ELSE (SELECT SUM(i.quantity) FROM order_items i WHERE i.order_id = o.id) END";
        assert_eq!(self.shop.number(wrong).await, 0, "each seat has one licence");
    }

    /// How many events came to this, in the words of the inbox.
    pub(crate) async fn outcomes(&self, outcome: &str) -> usize {
        self.shop.outcomes().await.iter().filter(|it| *it == outcome).count()
    }

    /// How many of an order's licences are in a status.
    pub(crate) async fn licenses(&self, order: &str, status: &str) -> usize {
        let view = self.shop.order(order).await;
        view["licenses"].as_array().expect("a list").iter().filter(|license| license["status"] == status).count()
    }

    /// A number from the metrics; `series` is a line's beginning.
    pub(crate) async fn metric(&self, series: &str) -> f64 {
        let text = self.shop.client.get(self.shop.mintreu.metrics_url()).send().await.expect("an answer");
        let text = text.text().await.expect("text");
        let line = text.lines().find(|line| line.starts_with(series));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0.0)
    }
}

/// Something that was paid.
pub(crate) struct Sale {
    pub(crate) order: String,
    pub(crate) charge: String,
}

/// The fee that the stand-in for Stripe takes.
pub(crate) const fn stripe_fee(amount: i64) -> i64 {
    amount * 29 / 1_000 + 30
}

/// Delivers all of these at the same time; each must be taken.
pub(crate) async fn deliver_at_once(stripe: &StripeServer, events: impl IntoIterator<Item = Value>) {
    let deliveries = events.into_iter().map(async |event| stripe.deliver(&event).await);
    let answers = join_all(deliveries).await;
    assert!(answers.iter().all(|answer| *answer == Some(200)), "{answers:?}");
}
