//! Accounts, orders, licences and webhooks, as operators have them.

use serde_json::json;

use super::{PAGE, Route, Who, get, patch, post, push};

pub(super) fn routes() -> Vec<Route> {
    use Who::Operator;
    let reason = json!({ "reason": "because" });
    vec![
        get("/api/admin/users", Operator, &["limit", "after", "before", "email", "role"]),
        get("/api/admin/users/{user}", Operator, &[]),
        patch(
            "/api/admin/users/{user}",
            Operator,
            json!({ "role": "customer", "disabled": false, "reason": "because" }),
        ),
        get("/api/admin/orders", Operator, &["limit", "after", "before", "payment_state", "email", "attention"]),
        get("/api/admin/orders/{order}", Operator, &[]),
        push("/api/admin/orders/{order}/cancel", Operator),
        post(
            "/api/admin/orders/{order}/refunds",
            Operator,
            json!({ "amount": 1, "payment": "pay_01kae41rr5f71r9kjywk21ja4c", "reason": "because" }),
        ),
        push("/api/admin/orders/{order}/attended", Operator),
        get("/api/admin/ledger/balances", Operator, &[]),
        get("/api/admin/licenses", Operator, &["limit", "after", "before", "product", "order", "status", "key"]),
        get("/api/admin/licenses/{license}", Operator, &[]),
        get("/api/admin/licenses/{license}/activations", Operator, PAGE),
        get("/api/admin/licenses/{license}/log", Operator, PAGE),
        post("/api/admin/licenses/{license}/suspend", Operator, reason.clone()),
        post("/api/admin/licenses/{license}/resume", Operator, reason.clone()),
        post("/api/admin/licenses/{license}/revoke", Operator, reason),
        post(
            "/api/admin/licenses/{license}/renew",
            Operator,
            json!({ "until": "2999-01-01T00:00:00Z", "reason": "because" }),
        ),
        get("/api/admin/webhooks", Operator, &["limit", "after", "before", "provider", "type", "outcome", "unhandled"]),
        get("/api/admin/webhooks/{webhook}", Operator, &[]),
        push("/api/admin/webhooks/{webhook}/replay", Operator),
    ]
}
