//! What it answers to whom.

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{Asked, PAYPAL_CLIENT, PaypalServer};

pub(super) fn missing() -> Value {
    json!({ "status": 404, "name": "RESOURCE_NOT_FOUND", "message": "The specified resource does not exist." })
}

pub(super) fn issue(issue: &str) -> Value {
    json!({ "status": 422, "name": "UNPROCESSABLE_ENTITY", "message": "The action could not be performed.",
            "details": [{ "issue": issue }] })
}

fn invalid(what: &str) -> Value {
    json!({ "status": 400, "name": "INVALID_REQUEST", "message": what, "details": [{ "issue": "INVALID" }] })
}

fn reply(status: u16, value: &Value) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    (status, [("content-type", "application/json")], value.to_string()).into_response()
}

pub(super) async fn answer(
    State(server): State<PaypalServer>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let header = |name: &str| headers.get(name).map(|value| value.to_str().expect("text").to_owned());
    let json: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let key = header("paypal-request-id");
    let path = uri.path().to_owned();
    server.world().asked.push(Asked {
        method: method.to_string(),
        path: path.clone(),
        key: key.clone(),
        body: json.clone(),
    });
    if let Some(name) = path.strip_prefix("/v1/notifications/certs/") {
        return match server.world().certificates.get(name) {
            Some(pem) => pem.clone().into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
        };
    }
    if let Some(status) = server.world().fail.pop() {
        return reply(status, &json!({ "name": "INTERNAL_SERVICE_ERROR" }));
    }
    let authorization = header("authorization").unwrap_or_default();
    if path == "/v1/oauth2/token" {
        let expected = STANDARD.encode(format!("{}:{}", PAYPAL_CLIENT.0, PAYPAL_CLIENT.1));
        if authorization != format!("Basic {expected}") || &*body != b"grant_type=client_credentials" {
            return reply(401, &json!({ "error": "invalid_client" }));
        }
        let token = server.name("A21AA");
        server.world().tokens.push(token.clone());
        return reply(200, &json!({ "access_token": token, "token_type": "Bearer", "expires_in": 32_400 }));
    }
    let token = authorization.strip_prefix("Bearer ").unwrap_or_default().to_owned();
    if !server.world().tokens.contains(&token) {
        return reply(401, &json!({ "error": "invalid_token" }));
    }
    let turn = server.turn.lock().expect("no other test's panic");
    if let Some((at, before, status, value)) = key.as_ref().and_then(|key| server.world().answered.get(key).cloned()) {
        let same = at == path && before == json;
        return if same { reply(status, &value) } else { reply(422, &issue("DUPLICATE_REQUEST_ID")) };
    }
    let (outcome, events) = act(&server, &method, &path, &json, key.is_some());
    let (status, value) = match outcome {
        Ok(value) => (if method == Method::POST { 201 } else { 200 }, value),
        Err(value) => (u16::try_from(value["status"].as_u64().expect("a status")).expect("a status"), value),
    };
    // PayPal remembers what it did, not what it refused.
    if let (Some(key), true) = (key, status < 300) {
        server.world().answered.insert(key, (path, json, status, value.clone()));
    }
    drop(turn);
    let hangs = {
        let mut world = server.world();
        let hangs = method != Method::GET && status < 300 && world.hang_after > 0;
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

type Acted = (Result<Value, Value>, Vec<(&'static str, &'static str, Value)>);

fn act(server: &PaypalServer, method: &Method, path: &str, body: &Value, keyed: bool) -> Acted {
    let parts: Vec<&str> = path.trim_start_matches("/v2/").split('/').collect();
    let quiet = |outcome| (outcome, Vec::new());
    if method == Method::POST && !keyed {
        return quiet(Err(invalid("this stand-in wants a PayPal-Request-Id here")));
    }
    match (method.as_str(), parts.as_slice()) {
        ("POST", ["checkout", "orders"]) => quiet(open(server, body)),
        ("GET", ["checkout", "orders", id]) => quiet(server.world().orders.get(*id).cloned().ok_or_else(missing)),
        ("POST", ["checkout", "orders", id, "capture"]) => match server.capture(id) {
            Ok((order, capture)) => (Ok(order), vec![("PAYMENT.CAPTURE.COMPLETED", "capture", capture)]),
            Err(refused) => quiet(Err(refused)),
        },
        ("GET", ["payments", "captures", id]) => quiet(server.world().captures.get(*id).cloned().ok_or_else(missing)),
        ("POST", ["payments", "captures", id, "refund"]) => {
            let value = body["amount"]["value"].as_str().unwrap_or_default();
            match server.give_back(id, value, body["custom_id"].as_str().unwrap_or_default()) {
                Ok(refund) => (Ok(refund.clone()), vec![("PAYMENT.CAPTURE.REFUNDED", "refund", refund)]),
                Err(refused) => quiet(Err(refused)),
            }
        }
        _ => quiet(Err(missing())),
    }
}

fn open(server: &PaypalServer, body: &Value) -> Result<Value, Value> {
    let unit = &body["purchase_units"][0];
    let context = &body["payment_source"]["paypal"]["experience_context"];
    for (what, value) in [
        ("custom_id", &unit["custom_id"]),
        ("invoice_id", &unit["invoice_id"]),
        ("value", &unit["amount"]["value"]),
        ("currency_code", &unit["amount"]["currency_code"]),
        ("return_url", &context["return_url"]),
        ("cancel_url", &context["cancel_url"]),
    ] {
        if value.as_str().is_none_or(str::is_empty) {
            return Err(invalid(&format!("{what} is missing")));
        }
    }
    if body["intent"] != "CAPTURE" || unit["description"].as_str().is_none_or(|text| text.chars().count() > 127) {
        return Err(invalid("intent or description"));
    }
    let id = server.name("5O1");
    let order = json!({
        "id": id, "status": "PAYER_ACTION_REQUIRED", "intent": "CAPTURE", "purchase_units": body["purchase_units"],
        "links": [
            { "href": format!("{}/v2/checkout/orders/{id}", server.base_url()), "rel": "self", "method": "GET" },
            { "href": format!("{}/checkoutnow?token={id}", server.base_url()), "rel": "payer-action", "method": "GET" },
        ],
    });
    server.world().orders.insert(id, order.clone());
    Ok(order)
}
