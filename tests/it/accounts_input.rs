//! Whatever is sent, the answer says what is wrong with it.

use mintreu::accounts::Role;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{accounts_scene::Scene, journey_shop::problem};

/// Every route that takes a body, and one that it would take.
fn routes() -> Vec<(Method, &'static str, Value)> {
    let post = |path, body| (Method::POST, path, body);
    vec![
        post("/api/register", json!({ "name": "a", "email": "a@example.com", "password": "correct horse" })),
        post("/api/verify-email", json!({ "token": "x" })),
        post("/api/verify-email/resend", json!({ "email": "a@example.com" })),
        post("/api/login", json!({ "email": "a@example.com", "password": "correct horse" })),
        post("/api/password/forgot", json!({ "email": "a@example.com" })),
        post("/api/password/reset", json!({ "token": "x", "password": "correct horse" })),
        post("/api/password/change", json!({ "current_password": "x", "password": "correct horse" })),
        post("/api/claim", json!({ "token": "x" })),
        (Method::PATCH, "/api/account", json!({ "name": "a" })),
        post("/api/account/tokens", json!({ "name": "a", "scopes": ["account:read"] })),
        post("/api/account/totp/confirm", json!({ "totp": "000000" })),
        post("/api/account/totp/disable", json!({ "password": "x", "totp": "000000" })),
        (Method::PATCH, "/api/admin/users/usr_00000000000000000000000000", json!({ "reason": "x" })),
    ]
}

on_both!(a_body_that_is_none_is_a_problem, |db| async move {
    let scene = Scene::on(&db).await;
    let operator = scene.person("op@example.com", Role::Admin).await;
    let send = async |method: &Method, path: &str, kind: &str, body: Vec<u8>| {
        let request = scene.shop.client.request(method.clone(), scene.shop.mintreu.url(path));
        let request = request.header("cookie", &operator.cookie).header("content-type", kind);
        request.body(body).send().await.expect("an answer")
    };
    for (method, path, _) in routes() {
        for body in
            [&b""[..], b"{", b"[]", b"\"x\"", b"null", b"{} {}", b"\xff\xfe", b"{\"name\":7,\"email\":7,\"token\":7}"]
        {
            problem(send(&method, path, "application/json", body.to_vec()).await, 400, "malformed-body").await;
        }
        problem(send(&method, path, "text/plain", b"{}".to_vec()).await, 415, "unsupported-media-type").await;
        let large = format!("{{\"name\":\"{}\"}}", "x".repeat(1 << 20)).into_bytes();
        problem(send(&method, path, "application/json", large).await, 413, "body-too-large").await;
    }
});

on_both!(nobody_gets_past_what_is_somebodys, |db| async move {
    let scene = Scene::on(&db).await;
    for (method, path) in [
        (Method::GET, "/api/account"),
        (Method::PATCH, "/api/account"),
        (Method::POST, "/api/logout"),
        (Method::POST, "/api/password/change"),
        (Method::GET, "/api/account/sessions"),
        (Method::DELETE, "/api/account/sessions/ses_00000000000000000000000000"),
        (Method::GET, "/api/account/tokens"),
        (Method::POST, "/api/account/tokens"),
        (Method::DELETE, "/api/account/tokens/pat_00000000000000000000000000"),
        (Method::POST, "/api/account/totp"),
        (Method::POST, "/api/account/totp/confirm"),
        (Method::POST, "/api/account/totp/disable"),
        (Method::GET, "/api/admin/users"),
        (Method::GET, "/api/admin/users/usr_00000000000000000000000000"),
        (Method::PATCH, "/api/admin/users/usr_00000000000000000000000000"),
    ] {
        for who in ["", "mintreu_session=mts_nobody", "Bearer mtp_nobody"] {
            problem(scene.send(method.clone(), path, who, Some(&json!({}))).await, 401, "unauthorized").await;
        }
    }
});

on_both!(what_cannot_be_is_pointed_at, |db| async move {
    let scene = Scene::on(&db).await;
    let operator = scene.person("op@example.com", Role::Admin).await;
    let long = "x".repeat(300);
    let good = routes();
    let fields = [
        (
            "email",
            vec!["", "ada", "ada@example", "a\u{0}@example.com", "a@example.com\r\nBcc: e@example.com", long.as_str()],
        ),
        ("name", vec!["", " ", "a\u{0}b", "a\nb", long.as_str()]),
    ];
    let mut checked = 0;
    for (method, path, body) in &good {
        for (field, values) in &fields {
            if body[*field].is_null() {
                continue;
            }
            for value in values {
                let mut body = body.clone();
                body[*field] = json!(value);
                let answer = scene.send(method.clone(), path, &operator.cookie, Some(&body)).await;
                let refused = problem(answer, 422, "invalid-input").await;
                assert_eq!(refused["errors"][0]["pointer"], format!("#/{field}"), "{path}: {refused}");
                checked += 1;
            }
        }
    }
    assert!(checked > 20, "{checked}");
    for (password, detail) in [
        ("short", "at least 8"),
        (long.as_str(), "at most 256"),
        ("password123", "most common"),
        ("a@example.com", "not the"),
    ] {
        let body = json!({ "name": "a", "email": "a@example.com", "password": password });
        let refused = problem(scene.post("/api/register", "", &body).await, 422, "invalid-input").await;
        assert_eq!(refused["errors"][0]["pointer"], "#/password");
        assert!(refused["errors"][0]["detail"].as_str().is_some_and(|text| text.contains(detail)), "{refused}");
        assert!(!refused.to_string().contains(password), "what was sent is not repeated");
    }
    let body = json!({ "email": "a@example.com", "password": long });
    problem(scene.post("/api/login", "", &body).await, 422, "invalid-input").await;
    assert_eq!(scene.number("SELECT COUNT(*) FROM users").await, 1);
    let problems = scene.shop.client.get(scene.shop.mintreu.metrics_url()).send().await.expect("an answer");
    let metrics = problems.text().await.expect("text");
    assert!(!metrics.contains("status=\"500\""), "{metrics}");
});
