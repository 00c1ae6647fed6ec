//! Accounts, orders, licences and webhooks, as operators have them.

use serde_json::json;

use super::{PAGE, Route, Who, get, patch, post};

#[rustfmt::skip]
const ORDERS: &[&str] = &[
    "limit", "after", "before", "payment_state", "fulfilment_state", "dispute_state", "provider", "currency", "tenant",
    "user", "email", "attention", "from", "until", "sort",
];
#[rustfmt::skip]
const EXPORTED_ORDERS: &[&str] = &[
    "payment_state", "fulfilment_state", "dispute_state", "provider", "currency", "tenant", "user", "email", "attention",
    "from", "until", "sort", "format",
];

pub(super) fn routes() -> Vec<Route> {
    use Who::Operator;
    let reason = json!({ "reason": "because" });
    vec![
        get(
            "/api/admin/users",
            Operator,
            &["limit", "after", "before", "email", "role", "disabled", "verified", "from", "until", "sort"],
        ),
        get(
            "/api/admin/users/export",
            Operator,
            &["email", "role", "disabled", "verified", "from", "until", "sort", "format"],
        ),
        post(
            "/api/admin/users",
            Operator,
            json!({ "email": "new{n}@example.com", "name": "New", "role": "customer", "reason": "because" }),
        ),
        post("/api/admin/users/{user}/sign-out", Operator, json!({ "tokens": true, "reason": "because" })),
        post("/api/admin/users/{user}/resend-verification", Operator, reason.clone()),
        post("/api/admin/users/{user}/send-password-link", Operator, reason.clone()),
        post("/api/admin/users/{user}/reset-totp", Operator, reason.clone()),
        get("/api/admin/users/{user}/sessions", Operator, PAGE),
        get("/api/admin/users/{user}/tokens", Operator, PAGE),
        get("/api/admin/users/{user}", Operator, &[]),
        patch(
            "/api/admin/users/{user}",
            Operator,
            json!({ "role": "customer", "disabled": false, "reason": "because" }),
        ),
    ]
}

/// Those of orders, and of what comes of them.
pub(super) fn of_sales() -> Vec<Route> {
    use Who::Operator;
    let reason = json!({ "reason": "because" });
    vec![
        get("/api/admin/orders", Operator, ORDERS),
        get("/api/admin/orders/export", Operator, EXPORTED_ORDERS),
        get("/api/admin/orders/{order}", Operator, &[]),
        post("/api/admin/orders/{order}/cancel", Operator, reason.clone()),
        post("/api/admin/orders/{order}/reconcile", Operator, reason.clone()),
        post("/api/admin/orders/{order}/fulfil", Operator, reason.clone()),
        post(
            "/api/admin/orders/{order}/refunds",
            Operator,
            json!({ "amount": 1, "payment": "pay_01kae41rr5f71r9kjywk21ja4c", "reason": "because" }),
        ),
        post("/api/admin/orders/{order}/attended", Operator, reason.clone()),
        get(
            "/api/admin/payments",
            Operator,
            &[
                "limit",
                "after",
                "before",
                "order",
                "state",
                "provider",
                "reference",
                "unmatched",
                "from",
                "until",
                "sort",
            ],
        ),
        get(
            "/api/admin/payments/export",
            Operator,
            &["order", "state", "provider", "reference", "unmatched", "from", "until", "sort", "format"],
        ),
        get("/api/admin/payments/{payment}", Operator, &[]),
        get(
            "/api/admin/refunds",
            Operator,
            &["limit", "after", "before", "order", "payment", "state", "provider", "from", "until", "sort"],
        ),
        get(
            "/api/admin/refunds/export",
            Operator,
            &["order", "payment", "state", "provider", "from", "until", "sort", "format"],
        ),
        get("/api/admin/refunds/{refund}", Operator, &[]),
        get(
            "/api/admin/disputes",
            Operator,
            &["limit", "after", "before", "order", "state", "provider", "from", "until", "sort"],
        ),
        get("/api/admin/disputes/export", Operator, &["order", "state", "provider", "from", "until", "sort", "format"]),
        get("/api/admin/disputes/{dispute}", Operator, &[]),
        get(
            "/api/admin/subscriptions",
            Operator,
            &["limit", "after", "before", "status", "provider", "tenant", "order", "plan", "ending", "sort"],
        ),
        get(
            "/api/admin/subscriptions/export",
            Operator,
            &["status", "provider", "tenant", "order", "plan", "ending", "sort", "format"],
        ),
        get("/api/admin/subscriptions/{subscription}", Operator, &[]),
        post(
            "/api/admin/subscriptions/{subscription}/cancel",
            Operator,
            json!({ "at": "period_end", "reason": "because" }),
        ),
    ]
}

/// Those of licences, and of what providers sent.
pub(super) fn of_licenses() -> Vec<Route> {
    use Who::Operator;
    let reason = json!({ "reason": "because" });
    vec![
        get(
            "/api/admin/licenses",
            Operator,
            &["limit", "after", "before", "product", "order", "status", "key", "tenant", "from", "until", "sort"],
        ),
        get(
            "/api/admin/licenses/export",
            Operator,
            &["product", "order", "status", "key", "tenant", "from", "until", "sort", "format"],
        ),
        get("/api/admin/licenses/{license}", Operator, &[]),
        get("/api/admin/licenses/{license}/activations", Operator, PAGE),
        get("/api/admin/licenses/{license}/log", Operator, PAGE),
        post("/api/admin/licenses/{license}/suspend", Operator, reason.clone()),
        post("/api/admin/licenses/{license}/resume", Operator, reason.clone()),
        post("/api/admin/licenses/{license}/revoke", Operator, reason.clone()),
        post(
            "/api/admin/licenses/{license}/renew",
            Operator,
            json!({ "until": "2999-01-01T00:00:00Z", "reason": "because" }),
        ),
        get(
            "/api/admin/webhooks",
            Operator,
            &["limit", "after", "before", "provider", "type", "event", "outcome", "unhandled", "from", "until", "sort"],
        ),
        get(
            "/api/admin/webhooks/export",
            Operator,
            &["provider", "type", "event", "outcome", "unhandled", "from", "until", "sort", "format"],
        ),
        get("/api/admin/webhooks/{webhook}", Operator, &[]),
        post("/api/admin/webhooks/{webhook}/replay", Operator, reason),
    ]
}
