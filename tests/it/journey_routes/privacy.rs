//! Archives of people's data, and deletions.

use serde_json::json;

use super::{PAGE, PASSWORD, Route, Who, delete, get, post, push};

pub(super) fn routes() -> Vec<Route> {
    use Who::{Anybody, Operator, OwnSession, Session};
    vec![
        get("/api/account/exports", Session, PAGE),
        push("/api/account/exports", Session),
        get("/api/account/exports/{export}", OwnSession, &[]),
        get("/api/account/exports/{export}/archive", OwnSession, &[]),
        get("/api/exports/{token}", Anybody, &[]),
        get("/api/account/deletion", Session, &[]),
        post(
            "/api/account/deletion",
            Session,
            json!({ "password": PASSWORD, "totp": "123456", "recovery_code": "a-b" }),
        ),
        delete("/api/account/deletion", Session),
        get("/api/admin/users/{user}/exports", Operator, PAGE),
        post("/api/admin/users/{user}/exports", Operator, json!({ "reason": "because" })),
        get("/api/admin/users/{user}/deletion", Operator, &[]),
        post("/api/admin/users/{user}/deletion", Operator, json!({ "reason": "because", "at_once": false })),
    ]
}
