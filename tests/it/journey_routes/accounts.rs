//! Accounts, sessions, tokens.

use serde_json::json;

use super::{PAGE, PASSWORD, Route, Who, delete, get, patch, post, push};

pub(super) fn routes() -> Vec<Route> {
    use Who::{Account, OwnPages, OwnSession, Session, SignedIn};
    let fresh = "fresh{n}@example.com";
    vec![
        post("/api/register", OwnPages, json!({ "name": "Ada", "email": fresh, "password": PASSWORD })),
        post("/api/verify-email", OwnPages, json!({ "token": "0123456789abcdef" })),
        post("/api/verify-email/resend", OwnPages, json!({ "email": fresh })),
        post(
            "/api/login",
            OwnPages,
            json!({ "email": fresh, "password": PASSWORD, "totp": "123456", "recovery_code": "a-b", "token": true }),
        ),
        push("/api/logout", SignedIn),
        post("/api/password/forgot", OwnPages, json!({ "email": fresh })),
        post("/api/password/reset", OwnPages, json!({ "token": "0123456789abcdef", "password": PASSWORD })),
        post("/api/password/change", Session, json!({ "current_password": PASSWORD, "password": "another password" })),
        post("/api/claim", OwnPages, json!({ "token": "0123456789abcdef", "name": "Ada", "password": PASSWORD })),
        get("/api/account", Account("account:read"), &[]),
        patch("/api/account", Account("account:write"), json!({ "name": "Ada" })),
        get("/api/account/sessions", Session, PAGE),
        delete("/api/account/sessions/{session}", OwnSession),
        get("/api/account/tokens", Session, PAGE),
        post(
            "/api/account/tokens",
            Session,
            json!({ "name": "ci", "scopes": ["orders:read"], "expires_at": "2999-01-01T00:00:00Z" }),
        ),
        delete("/api/account/tokens/{token}", OwnSession),
        push("/api/account/totp", Session),
        post("/api/account/totp/confirm", Session, json!({ "totp": "123456" })),
        post(
            "/api/account/totp/disable",
            Session,
            json!({ "password": PASSWORD, "totp": "123456", "recovery_code": "a-b" }),
        ),
    ]
}
