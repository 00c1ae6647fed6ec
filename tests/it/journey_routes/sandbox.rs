//! The sandbox that stands for a payment provider.

use reqwest::Method;
use serde_json::json;

use super::{Route, Takes, Who, get, post, send};

pub(super) fn routes() -> Vec<Route> {
    use Who::Anybody;
    vec![
        get("/sandbox/style.css", Anybody, &[]),
        get("/sandbox/pay/{session}", Anybody, &[]),
        send(
            Method::POST,
            "/sandbox/pay/{session}",
            Anybody,
            Takes::Form("outcome=declined&copies=1&delay_seconds=0&reversed=&amount=&currency="),
        ),
        get("/sandbox/sessions/{session}", Anybody, &[]),
        post(
            "/sandbox/sessions/{session}/complete",
            Anybody,
            json!({
                "outcome": "declined", "amount": 1, "currency": "USD", "copies": 1, "delay_seconds": 0,
                "reversed": false,
            }),
        ),
        post("/sandbox/sessions/{session}/refund", Anybody, json!({ "amount": 1, "copies": 1 })),
        post("/sandbox/sessions/{session}/dispute", Anybody, json!({ "action": "win", "copies": 1 })),
        post("/sandbox/subscriptions/{subscription}/renew", Anybody, json!({ "outcome": "paid", "copies": 1 })),
    ]
}
