//! How the installation runs, as operators see and control it.

use reqwest::Method;
use serde_json::json;

use super::{PAGE, Route, Takes, Who, get, post, send};

#[rustfmt::skip]
pub(super) fn routes() -> Vec<Route> {
    use Who::Operator;
    let reason = json!({ "reason": "because" });
    let setting = json!({ "value": true, "reason": "because" });
    vec![
        get("/api/admin/actors", Operator, &[]),
        post("/api/admin/actors/{actor}/restart", Operator, reason.clone()),
        get("/api/admin/jobs", Operator, &["limit", "after", "before", "state", "queue", "kind", "group", "from", "until", "sort"]),
        get("/api/admin/jobs/export", Operator, &["state", "queue", "kind", "group", "from", "until", "sort", "format"]),
        post("/api/admin/jobs/retry", Operator, json!({
            "state": "discarded", "queue": "payments", "kind": "none.such", "group": "none", "from": "2020-01-01T00:00:00Z",
            "until": "2999-01-01T00:00:00Z", "reason": "because",
        })),
        get("/api/admin/jobs/{job}", Operator, &[]),
        post("/api/admin/jobs/{job}/retry", Operator, reason.clone()),
        post("/api/admin/jobs/{job}/cancel", Operator, reason.clone()),
        get("/api/admin/queues", Operator, &[]),
        post("/api/admin/queues/{queue}/pause", Operator, reason.clone()),
        post("/api/admin/queues/{queue}/resume", Operator, reason.clone()),
        get("/api/admin/schedules", Operator, &[]),
        post("/api/admin/schedules/{schedule}/run", Operator, reason.clone()),
        get("/api/admin/flags", Operator, &[]),
        get("/api/admin/flags/{flag}", Operator, &[]),
        send(Method::PUT, "/api/admin/flags/{flag}", Operator, Takes::Json(setting)),
        post("/api/admin/flags/{flag}/clear", Operator, reason.clone()),
        get("/api/admin/flags/{flag}/history", Operator, PAGE),
        get("/api/admin/switches", Operator, &[]),
        get("/api/admin/switches/{switch}", Operator, &[]),
        post("/api/admin/switches/{switch}/kill", Operator, reason.clone()),
        post("/api/admin/switches/{switch}/restore", Operator, reason),
        get("/api/admin/switches/{switch}/history", Operator, PAGE),
        get("/api/admin/audit", Operator, &["limit", "after", "before", "actor", "action", "object_type", "object", "request", "from", "until", "sort"]),
        get("/api/admin/audit/export", Operator, &["actor", "action", "object_type", "object", "request", "from", "until", "sort", "format", "disclose"]),
        get("/api/admin/audit/verify", Operator, &["after", "head", "limit"]),
        get("/api/admin/audit/{entry}", Operator, &[]),
        get("/api/admin/ledger/balances", Operator, &[]),
        get("/api/admin/ledger/trial-balance", Operator, &[]),
        get("/api/admin/ledger/entries", Operator, &["limit", "after", "before", "account", "kind", "order", "transaction", "developer", "currency", "from", "until", "sort"]),
        get("/api/admin/ledger/entries/export", Operator, &["account", "kind", "order", "transaction", "developer", "currency", "from", "until", "sort", "format"]),
        get("/api/admin/ledger/transactions", Operator, &["limit", "after", "before", "kind", "order", "cause", "from", "until", "sort"]),
        get("/api/admin/ledger/transactions/{transaction}", Operator, &[]),
        get("/api/admin/usage", Operator, &["period", "subject", "metric", "from", "until"]),
        get("/api/admin/checks", Operator, &[]),
        get("/api/admin/system", Operator, &[]),
    ]
}
