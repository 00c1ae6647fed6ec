//! The routes about mails, and what their parameters stand for.

use mintreu::{
    kernel::seal::{Keyring, Random, from_hex},
    notifications::{Holder, Topic, unsubscribe_token},
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    journey_premises::Premises,
    journey_routes::{Route, Takes, Who},
    journey_shop::until,
};

/// The installation's key, with which links in mails are made.
pub(crate) const KEY: &str = "78c9a470b8190326286c6b70873d2cb8fa4655e8a7daefe8d4958b482929951a";

/// The same, for those who make such links.
pub(crate) fn keys() -> Keyring {
    let key = from_hex(KEY).and_then(|key| key.try_into().ok()).expect("32 bytes");
    Keyring::new([key], Random::seeded(1)).expect("a key")
}

/// All of them.
pub(crate) fn mail() -> Vec<Route> {
    use Who::{Account, Anybody, Operator};
    let route = |method, path, who, takes, query| Route { method, path, who, takes, query };
    let get = |path, who, query| route(Method::GET, path, who, Takes::Nothing, query);
    vec![
        get("/api/account/notifications", Account("account:read"), &[]),
        route(
            Method::PATCH,
            "/api/account/notifications",
            Account("account:write"),
            Takes::Json(json!({ "language": "en", "topics": { "license_reminders": true } })),
            &[],
        ),
        get("/unsubscribe/{token}", Anybody, &[]),
        route(Method::POST, "/unsubscribe/{token}", Anybody, Takes::Nothing, &[]),
        get("/api/admin/mails", Operator, &["limit", "after", "before", "state", "template", "to", "user", "sort"]),
        get("/api/admin/mails/{mail}", Operator, &[]),
        route(
            Method::POST,
            "/api/admin/mails/{mail}/resend",
            Operator,
            Takes::Json(json!({ "reason": "because" })),
            &[],
        ),
        get("/api/admin/mail-suppressions", Operator, &["limit", "after", "before", "address", "reason"]),
        route(
            Method::POST,
            "/api/admin/mail-suppressions",
            Operator,
            Takes::Json(json!({ "address": "gone{n}@example.com", "reason": "because" })),
            &[],
        ),
        route(Method::DELETE, "/api/admin/mail-suppressions/{suppression}", Operator, Takes::Nothing, &[]),
        get("/api/admin/mail-templates", Operator, &[]),
        get("/api/admin/mail-templates/{template}", Operator, &["language", "format", "variant"]),
    ]
}

/// What their parameters stand for.
pub(crate) async fn things(premises: &Premises) -> Vec<(&'static str, String)> {
    let token = unsubscribe_token(&keys(), &Holder::User(premises.stranger.user), Topic::LicenseReminders);
    let suppress = json!({ "address": "nobody@example.com", "reason": "because" });
    let suppressed = premises
        .ask(Method::POST, "/api/admin/mail-suppressions")
        .header("cookie", &premises.operator.cookie)
        .json(&suppress)
        .send()
        .await
        .expect("an answer");
    assert_eq!(suppressed.status(), 201);
    let suppressed: Value = suppressed.json().await.expect("JSON");
    let mail = until("a letter is written", async || {
        let list = premises.get("/api/admin/mails", &premises.operator).await;
        list["data"][0]["id"].as_str().map(str::to_owned).ok_or(list)
    })
    .await;
    vec![
        ("/unsubscribe/{token}", token),
        ("/api/admin/mails/{mail}", mail),
        ("/api/admin/mail-suppressions/{suppression}", suppressed["id"].as_str().expect("an id").to_owned()),
        ("/api/admin/mail-templates/{template}", "verify_email".to_owned()),
    ]
}
