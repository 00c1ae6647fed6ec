//! Quotes, orders, subscriptions: as customers have them.

use serde_json::json;

use super::{PAGE, Route, Who, get, post, push};

pub(super) fn routes() -> Vec<Route> {
    use Who::{Account, Anybody, Guest, Owner};
    let cart = json!({
        "items": [{ "product": "lamp", "plan": "regular", "quantity": 1 }], "coupon": "ALL15", "currency": "USD",
        "provider": "sandbox", "email": "guest{n}@example.com",
    });
    vec![
        post("/api/quotes", Anybody, cart.clone()),
        post("/api/orders", Anybody, cart),
        get("/api/orders", Account("orders:read"), PAGE),
        get("/api/orders/{order}", Guest, &["token"]),
        Route { query: &["token"], ..push("/api/orders/{order}/cancel", Guest) },
        get("/api/subscriptions", Account("orders:read"), PAGE),
        get("/api/subscriptions/{subscription}", Owner("orders:read"), &[]),
        post("/api/subscriptions/{subscription}/cancel", Owner("orders:write"), json!({ "at": "period_end" })),
    ]
}
