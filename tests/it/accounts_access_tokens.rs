//! Personal access tokens.

use std::time::Duration;

use mintreu::{accounts::Role, execute, kernel::Time};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    accounts_scene::Scene,
    journey_shop::{now, problem},
};

async fn make(scene: &Scene, cookie: &str, body: &Value) -> (String, String) {
    let made = scene.posted("/api/account/tokens", cookie, body, 201).await;
    let text = |name: &str| made[name].as_str().unwrap_or_else(|| panic!("{name} in {made}")).to_owned();
    assert!(text("token").ends_with(&text("hint")));
    (format!("Bearer {}", text("token")), text("id"))
}

on_both!(a_token_does_what_it_was_made_for_and_no_more, |db| async move {
    let scene = Scene::on(&db).await;
    let ada = scene.person("ada@example.com", Role::Customer).await;
    let (reads, _) = make(&scene, &ada.cookie, &json!({ "name": "reads", "scopes": ["account:read"] })).await;
    let (other, _) = make(&scene, &ada.cookie, &json!({ "name": "other", "scopes": ["orders:read"] })).await;
    assert_eq!(scene.got("/api/account", &reads).await["email"], "ada@example.com");
    let refused = problem(scene.get("/api/account", &other).await, 403, "forbidden").await;
    assert_eq!(refused["scope"], "account:read");
    let rename = json!({ "name": "Eve" });
    let refused = scene.send(Method::PATCH, "/api/account", &reads, Some(&rename)).await;
    assert_eq!(problem(refused, 403, "forbidden").await["scope"], "account:write");
    // What proves who one is, is changed by somebody who signed in.
    let everything = json!([
        "account:read",
        "account:write",
        "orders:read",
        "orders:write",
        "licenses:read",
        "licenses:write",
        "support:read",
        "support:write",
        "products:read",
        "products:write"
    ]);
    let (all, _) = make(&scene, &ada.cookie, &json!({ "name": "all", "scopes": everything })).await;
    for (method, path, body) in [
        (Method::GET, "/api/account/tokens", Value::Null),
        (Method::POST, "/api/account/tokens", json!({ "name": "x", "scopes": ["account:read"] })),
        (Method::GET, "/api/account/sessions", Value::Null),
        (Method::POST, "/api/account/totp", Value::Null),
        (Method::POST, "/api/account/totp/confirm", json!({ "totp": "000000" })),
        (Method::POST, "/api/account/totp/disable", json!({ "password": "x", "totp": "000000" })),
        (Method::POST, "/api/password/change", json!({ "current_password": "x", "password": "y" })),
    ] {
        problem(scene.send(method, path, &all, Some(&body)).await, 403, "forbidden").await;
    }
    let listed = scene.got("/api/account/tokens", &ada.cookie).await;
    let names: Vec<_> = listed["data"].as_array().expect("a list").iter().map(|token| &token["name"]).collect();
    assert_eq!(names, ["all", "other", "reads"]);
    for token in [&reads, &other, &all] {
        assert!(!listed.to_string().contains(&token["Bearer ".len()..]), "shown once only");
        assert!(!scene.server.stderr().contains(&token["Bearer ".len()..]), "in the log");
    }
});

on_both!(a_revoked_or_expired_token_is_nobody, |db| async move {
    let scene = Scene::on(&db).await;
    let ada = scene.person("ada@example.com", Role::Customer).await;
    let eve = scene.person("eve@example.com", Role::Customer).await;
    let (token, id) = make(&scene, &ada.cookie, &json!({ "name": "a", "scopes": ["account:read"] })).await;
    let path = format!("/api/account/tokens/{id}");
    problem(scene.delete(&path, "").await, 401, "unauthorized").await;
    problem(scene.delete(&path, &eve.cookie).await, 404, "not-found").await;
    assert_eq!(scene.got("/api/account/tokens", &eve.cookie).await["data"], json!([]));
    scene.got("/api/account", &token).await;
    assert_eq!(scene.delete(&path, &ada.cookie).await.status(), 204);
    problem(scene.delete(&path, &ada.cookie).await, 404, "not-found").await;
    problem(scene.get("/api/account", &token).await, 401, "unauthorized").await;

    let soon = now() + Duration::from_hours(1);
    let body = json!({ "name": "b", "scopes": ["account:read"], "expires_at": soon });
    let (token, _) = make(&scene, &ada.cookie, &body).await;
    scene.got("/api/account", &token).await;
    let past = now() - Duration::from_secs(1);
    scene
        .db
        .write(async |tx| execute!(tx, sqlx::query("UPDATE access_tokens SET expires_at = $1").bind(past)))
        .await
        .expect("written");
    problem(scene.get("/api/account", &token).await, 401, "unauthorized").await;
    assert_eq!(scene.got("/api/account/tokens", &ada.cookie).await["data"], json!([]));
    for nobody in ["Bearer mtp_x", "Bearer ", "bearer x y"] {
        let answer =
            scene.shop.client.get(scene.shop.mintreu.url("/api/account")).header("authorization", nobody.as_bytes());
        problem(answer.send().await.expect("an answer"), 401, "unauthorized").await;
    }
});

on_both!(a_token_that_cannot_be_is_refused, |db| async move {
    let scene = Scene::on(&db).await;
    let ada = scene.person("ada@example.com", Role::Customer).await;
    let past = now() - Duration::from_secs(1);
    for (body, pointer) in [
        (json!({ "name": "", "scopes": ["account:read"] }), "#/name"),
        (json!({ "name": "x".repeat(101), "scopes": ["account:read"] }), "#/name"),
        (json!({ "name": "a\u{0}b", "scopes": ["account:read"] }), "#/name"),
        (json!({ "name": "a", "scopes": [] }), "#/scopes"),
        (json!({ "name": "a", "scopes": ["admin"] }), "#/scopes"),
        (json!({ "name": "a", "scopes": ["account:read"], "expires_at": past }), "#/expires_at"),
    ] {
        let refused = problem(scene.post("/api/account/tokens", &ada.cookie, &body).await, 422, "invalid-input").await;
        assert_eq!(refused["errors"][0]["pointer"], pointer, "{refused}");
    }
    for body in [
        json!({ "name": "a", "scopes": ["everything"] }),
        json!({ "name": "a", "scopes": ["account:read"], "expires_at": "tomorrow" }),
        json!({ "name": "a", "scopes": ["account:read"], "expires": "never" }),
        json!({ "scopes": ["account:read"] }),
    ] {
        problem(scene.post("/api/account/tokens", &ada.cookie, &body).await, 400, "malformed-body").await;
    }
    problem(scene.post("/api/account/tokens", "", &json!({})).await, 401, "unauthorized").await;
    assert_eq!(scene.number("SELECT COUNT(*) FROM access_tokens").await, 0);
});

on_both!(a_request_for_a_token_that_is_sent_twice_makes_one, |db| async move {
    let scene = Scene::on(&db).await;
    let ada = scene.person("ada@example.com", Role::Customer).await;
    let post = async |name: &str| {
        let body = json!({ "name": name, "scopes": ["account:read"] });
        let request = scene.shop.client.post(scene.shop.mintreu.url("/api/account/tokens")).json(&body);
        request.header("cookie", &ada.cookie).header("idempotency-key", "one").send().await.expect("an answer")
    };
    let first = post("a").await;
    assert_eq!((first.status().as_u16(), first.headers().get("idempotent-replayed")), (201, None));
    let second = post("a").await;
    assert_eq!((second.status().as_u16(), second.headers()["idempotent-replayed"].as_bytes()), (201, &b"true"[..]));
    let (first, second): (Value, Value) = (first.json().await.expect("JSON"), second.json().await.expect("JSON"));
    assert_eq!(first, second);
    problem(post("b").await, 422, "invalid-input").await;
    assert_eq!(scene.number("SELECT COUNT(*) FROM access_tokens").await, 1);
});

on_both!(the_last_use_of_a_token_is_kept_to_the_minute, |db| async move {
    let scene = Scene::on(&db).await;
    let ada = scene.person("ada@example.com", Role::Customer).await;
    let (token, _) = make(&scene, &ada.cookie, &json!({ "name": "a", "scopes": ["account:read"] })).await;
    let used = async || -> Option<Time> {
        let at = scene.got("/api/account/tokens", &ada.cookie).await["data"][0]["last_used_at"].clone();
        serde_json::from_value(at).expect("a time or none")
    };
    assert_eq!(used().await, None);
    scene.got("/api/account", &token).await;
    let first = used().await.expect("used");
    scene.got("/api/account", &token).await;
    assert_eq!(used().await, Some(first), "a write for every request would be dear");
    let before = first - Duration::from_secs(61);
    scene
        .db
        .write(async |tx| execute!(tx, sqlx::query("UPDATE access_tokens SET last_used_at = $1").bind(before)))
        .await
        .expect("written");
    scene.got("/api/account", &token).await;
    assert!(used().await.is_some_and(|at| at >= first), "after a minute it is kept again");
});
