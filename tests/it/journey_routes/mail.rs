//! Mails: what people want to get, links in them, and what operators see of them.

use reqwest::Method;
use serde_json::json;

use super::{Route, Takes, Who, delete, get, patch, post, push, send};

pub(super) fn routes() -> Vec<Route> {
    use Who::{Account, Anybody, Operator};
    vec![
        get("/api/account/notifications", Account("account:read"), &[]),
        patch(
            "/api/account/notifications",
            Account("account:write"),
            json!({ "language": "en", "topics": { "license_reminders": true } }),
        ),
        get("/unsubscribe/{token}", Anybody, &[]),
        push("/unsubscribe/{token}", Anybody),
        get(
            "/api/admin/mails",
            Operator,
            &["limit", "after", "before", "state", "template", "to", "user", "from", "until", "sort"],
        ),
        get(
            "/api/admin/mails/export",
            Operator,
            &["state", "template", "to", "user", "from", "until", "sort", "format"],
        ),
        get("/api/admin/mail-suppressions/export", Operator, &["address", "reason", "format"]),
        get("/api/admin/mails/{mail}", Operator, &[]),
        post("/api/admin/mails/{mail}/resend", Operator, json!({ "reason": "because" })),
        get("/api/admin/mail-reports", Operator, &["limit", "after", "before", "address", "kind", "outcome"]),
        send(Method::POST, "/webhooks/mail/reports", Anybody, Takes::Signed),
        get("/api/admin/mail-suppressions", Operator, &["limit", "after", "before", "address", "reason"]),
        post(
            "/api/admin/mail-suppressions",
            Operator,
            json!({ "address": "gone{n}@example.com", "reason": "because" }),
        ),
        delete("/api/admin/mail-suppressions/{suppression}", Operator),
        get("/api/admin/mail-templates", Operator, &[]),
        get("/api/admin/mail-templates/{template}", Operator, &["language", "format", "variant"]),
    ]
}
