//! What it answers to whom.

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use mintreu::payments::stripe::VERSION;
use serde_json::{Value, json};

use super::{Asked, Form, STRIPE_KEY, StripeServer, now};

fn problem(status: u16, message: &str, code: &str) -> Value {
    json!({ "status": status, "error": { "type": "invalid_request_error", "message": message, "code": code } })
}

pub(super) fn missing(what: &str) -> Value {
    problem(404, &format!("No such object: '{what}'"), "resource_missing")
}

pub(super) fn invalid(message: &str, code: &str) -> Value {
    problem(400, message, code)
}

pub(super) async fn answer(
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
    if let Some(key) = &key {
        match begin(&server, key, &form) {
            Begun::Known(answer) => return answer,
            Begun::Yours { overlaps: true } => server.conflicted.notified().await,
            Begun::Yours { overlaps: false } => {}
        }
    }
    let (outcome, events) = {
        let _turn = server.turn.lock().expect("no other test's panic");
        act(&server, &method, uri.path(), uri.query().unwrap_or_default(), &form, key.as_deref())
    };
    let (status, value) = match outcome {
        Ok(value) => (200, value),
        Err(value) => (u16::try_from(value["status"].as_u64().expect("a status")).expect("a status"), value),
    };
    if let Some(key) = key {
        let mut world = server.world();
        world.in_progress.remove(&key);
        world.answered.insert(key, (form, status, value.clone()));
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

/// What becomes of a request with a key.
enum Begun {
    /// It is answered already.
    Known(Response),
    /// It is to be done.
    Yours { overlaps: bool },
}

/// <https://docs.stripe.com/api/idempotent_requests>
fn begin(server: &StripeServer, key: &str, form: &Form) -> Begun {
    let error = |status, message: &str| {
        Begun::Known(reply(status, &json!({ "error": { "type": "idempotency_error", "message": message } })))
    };
    let mut world = server.world();
    if let Some((before, status, value)) = world.answered.get(key) {
        return if before == form {
            Begun::Known(reply(*status, value))
        } else {
            error(
                400,
                "Keys for idempotent requests can only be used with the same parameters they were first used with.",
            )
        };
    }
    if !world.in_progress.insert(key.to_owned()) {
        world.conflicts += 1;
        server.conflicted.notify_one();
        return error(409, "There is currently another in-progress request using this Idempotent Key.");
    }
    Begun::Yours { overlaps: std::mem::take(&mut world.overlaps) }
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
