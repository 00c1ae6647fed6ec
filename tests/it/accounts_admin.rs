//! What operators see and change.

use mintreu::accounts::Role;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{accounts_scene::Scene, journey_shop::problem};

on_both!(operators_see_all_accounts_and_nobody_else_does, |db| async move {
    let scene = Scene::on(&db).await;
    let operator = scene.person("op@example.com", Role::Admin).await;
    let ada = scene.person("ada@example.com", Role::Customer).await;
    for number in 0..4 {
        scene.person(&format!("dev{number}@example.org"), Role::Developer).await;
    }
    let paths = ["/api/admin/users".to_owned(), format!("/api/admin/users/{}", ada.user)];
    for path in &paths {
        problem(scene.get(path, "").await, 401, "unauthorized").await;
        problem(scene.get(path, &ada.cookie).await, 403, "forbidden").await;
    }
    let token = json!({ "name": "t", "scopes": ["orders:read"] });
    let token = scene.posted("/api/account/tokens", &operator.cookie, &token, 201).await;
    let bearer = format!("Bearer {}", token["token"].as_str().expect("a token"));
    assert_eq!(problem(scene.get(&paths[0], &bearer).await, 403, "forbidden").await["scope"], "admin");

    let emails = async |query: &str| -> Vec<String> {
        let page = scene.got(&format!("/api/admin/users{query}"), &operator.cookie).await;
        let rows = page["data"].as_array().expect("a list");
        rows.iter().map(|row| row["email"].as_str().expect("an address").to_owned()).collect()
    };
    assert_eq!(emails("?email=example.org").await.len(), 4);
    assert!(emails("").await.contains(&"ada@example.com".to_owned()), "without a filter all are there");
    assert_eq!(emails("?role=developer&email=DEV2").await, ["dev2@example.org"]);
    assert_eq!(emails("?email=example.org&limit=2").await, ["dev3@example.org", "dev2@example.org"]);
    assert_eq!(emails("?email=%25").await, Vec::<String>::new(), "no wildcard");
    let page = scene.got("/api/admin/users?email=example.org&limit=2", &operator.cookie).await;
    let next = page["next_cursor"].as_str().expect("a cursor");
    let after = format!("?email=example.org&limit=2&after={next}");
    assert_eq!(emails(&after).await, ["dev1@example.org", "dev0@example.org"]);
    let page = scene.got(&format!("/api/admin/users{after}"), &operator.cookie).await;
    assert_eq!((&page["has_more"], &page["next_cursor"]), (&json!(false), &Value::Null));
    let first = page["data"][0]["id"].as_str().expect("an identifier");
    let before = format!("?email=example.org&limit=1&before={first}");
    assert_eq!(emails(&before).await, ["dev2@example.org"]);

    assert_eq!(scene.got(&paths[1], &operator.cookie).await["email"], "ada@example.com");
    let stranger = paths[1].replace(&paths[1][paths[1].len() - 4..], "0000");
    problem(scene.get(&stranger, &operator.cookie).await, 404, "not-found").await;
    for query in ["?role=king", "?email=a%00b", "?limit=0", "?limit=101", "?after=x", "?after=a&before=b"] {
        let refused = scene.get(&format!("/api/admin/users{query}"), &operator.cookie).await;
        problem(refused, 400, "invalid-parameter").await;
    }
    problem(scene.get("/api/admin/users/ada", &operator.cookie).await, 400, "invalid-parameter").await;
});

on_both!(what_an_operator_changes_has_a_reason_and_is_in_the_trail, |db| async move {
    let scene = Scene::on(&db).await;
    let operator = scene.person("op@example.com", Role::Admin).await;
    let ada = scene.person("ada@example.com", Role::Customer).await;
    let path = format!("/api/admin/users/{}", ada.user);
    let ask = async |path: &str, who: &str, body: Value| scene.send(Method::PATCH, path, who, Some(&body)).await;
    let promote = json!({ "role": "developer", "reason": "writes good code" });
    problem(ask(&path, "", promote.clone()).await, 401, "unauthorized").await;
    problem(ask(&path, &ada.cookie, promote.clone()).await, 403, "forbidden").await;
    let long = "x".repeat(501);
    for reason in ["", "  ", "a\u{0}b", &long] {
        let refused = ask(&path, &operator.cookie, json!({ "role": "developer", "reason": reason })).await;
        assert_eq!(problem(refused, 422, "invalid-input").await["errors"][0]["pointer"], "#/reason");
    }
    let silent = ask(&path, &operator.cookie, json!({ "role": "developer" })).await;
    assert_eq!(problem(silent, 422, "invalid-input").await["errors"][0]["pointer"], "#/reason");
    for body in [
        json!({ "role": "king", "reason": "x" }),
        json!({ "role": "developer", "reason": "x", "email": "eve@example.com" }),
    ] {
        problem(ask(&path, &operator.cookie, body).await, 400, "malformed-body").await;
    }
    let own = format!("/api/admin/users/{}", operator.user);
    problem(ask(&own, &operator.cookie, json!({ "disabled": true, "reason": "x" })).await, 409, "conflict").await;
    let stranger = path.replace(&path[path.len() - 4..], "0000");
    problem(ask(&stranger, &operator.cookie, promote.clone()).await, 404, "not-found").await;

    let changed: Value = ask(&path, &operator.cookie, promote).await.json().await.expect("JSON");
    assert_eq!(changed["role"], "developer", "{changed}");
    let changed = ask(&path, &operator.cookie, json!({ "disabled": true, "reason": "stolen cards" })).await;
    let changed: Value = changed.json().await.expect("JSON");
    assert!(changed["disabled_at"].is_string(), "{changed}");
    problem(scene.get("/api/account", &ada.cookie).await, 401, "unauthorized").await;
    let left = "SELECT COUNT(*) FROM sessions s JOIN users u ON u.id = s.user_id WHERE u.email = 'ada@example.com'";
    assert_eq!(scene.number(left).await, 0);
    let trail = scene.shop.json(&["audit", "list", "--object", &ada.user.to_string()]);
    let told: Vec<_> = trail["data"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|entry| (entry["action"].as_str().expect("text"), entry["reason"].as_str().expect("text")))
        .collect();
    assert_eq!(told, [("user.disabled", "stolen cards"), ("user.role_changed", "writes good code")]);
    scene.shop.is_sound();
});
