//! API keys over HTTP: the real server, asked by owners, vendors, operators and strangers.

use futures::future::join_all;
use mintreu::{
    fetch_all,
    licenses::{self, Change, LicenseId, Step},
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    journey_shop::Shop,
    keys_scene::{Scene, text},
    support::eventually,
};

async fn step(scene: &Scene, id: LicenseId, step: Step) {
    scene
        .db
        .write(async |tx| licenses::take_step(tx, id, step, &Change::system().because("a test")).await)
        .await
        .expect("the step is taken");
}

on_both!(a_key_is_made_used_rotated_and_revoked, |db| async move {
    let (scene, server, license) = Scene::open(&db).await;
    let list = format!("/api/licenses/{}/keys", license.id);
    let made = scene.key(&license, json!({ "name": "ci" })).await;
    let (id, secret) = (text(&made["id"]), text(&made["secret"]));
    assert_eq!(made["client_id"], made["id"]);
    assert!(secret.starts_with("mtk_") && secret.ends_with(made["hint"].as_str().expect("a hint")), "{made}");

    let good = scene.verify(json!({ "token": secret })).await;
    assert_eq!(
        (&good["active"], &good["allowed"], &good["code"]),
        (&json!(true), &json!(true), &json!("OK")),
        "{good}"
    );
    assert_eq!((&good["client_id"], &good["sub"]), (&made["id"], &json!(license.id)), "{good}");
    assert_eq!((&good["limits"]["api_calls"], &good["usage"]["api_calls"]), (&json!(5), &json!(0)), "{good}");
    let pair = json!({ "client_id": id, "client_secret": secret });
    assert_eq!(scene.verify(pair).await["active"], true);
    for wrong in [
        json!({ "token": format!("{id}:{secret}0") }),
        json!({ "token": format!("key_00000000000000000000000000:{secret}") }),
        json!({ "token": secret.to_uppercase() }),
        json!({ "token": "" }),
        json!({ "token": "mtk_\0" }),
    ] {
        assert_eq!(scene.verify(wrong.clone()).await, json!({ "active": false }), "{wrong}");
    }

    let one = format!("{list}/{id}");
    let shown = scene.send(&scene.buyer, Method::GET, &one, Value::Null).await;
    let tag = shown.headers()["etag"].to_str().expect("text").to_owned();
    let shown: Value = shown.json().await.expect("JSON");
    assert!(shown.get("secret").is_none() && !shown.to_string().contains(&secret), "{shown}");
    let rename = |tag: &str| {
        let request = scene.ask(&scene.buyer, Method::PATCH, &one).header("if-match", tag);
        request.json(&json!({ "name": "deploy" })).send()
    };
    assert_eq!(rename(&tag).await.expect("an answer").status(), 200);
    assert_eq!(rename(&tag).await.expect("an answer").status(), 412, "it was changed");
    scene.told(&scene.buyer, Method::PATCH, &one, json!({ "name": "x" }), 428).await;

    let rotate = format!("{one}/rotate");
    let second =
        text(&scene.told(&scene.buyer, Method::POST, &rotate, json!({ "overlap_hours": 1 }), 200).await["secret"]);
    scene.until_good_is(&second, true).await;
    scene.until_good_is(&secret, true).await;
    let third =
        text(&scene.told(&scene.buyer, Method::POST, &rotate, json!({ "overlap_hours": 0 }), 200).await["secret"]);
    scene.until_good_is(&third, true).await;
    scene.until_good_is(&second, false).await;
    scene.until_good_is(&secret, false).await;
    scene.told(&scene.buyer, Method::POST, &rotate, json!({ "overlap_hours": 10_000 }), 422).await;

    scene.told(&scene.buyer, Method::DELETE, &one, Value::Null, 204).await;
    scene.told(&scene.buyer, Method::DELETE, &one, Value::Null, 204).await;
    scene.until_good_is(&third, false).await;
    assert_eq!(scene.get(&scene.buyer, &list).await["data"][0]["status"], "revoked");
    scene.told(&scene.buyer, Method::POST, &rotate, json!({}), 409).await;
    let audited: Vec<String> = fetch_all!(
        scene.db,
        sqlx::query_scalar("SELECT action FROM audit_entries WHERE object_type = 'api_key' ORDER BY id")
    )
    .expect("answers");
    let wanted = ["made", "renamed", "rotated", "rotated", "revoked"].map(|action| format!("api_key.{action}"));
    assert_eq!(audited, wanted);
    let stored: Vec<(String, Option<String>)> =
        fetch_all!(scene.db, sqlx::query_as("SELECT secret_hash, old_hash FROM api_keys")).expect("answers");
    assert!(!format!("{stored:?}{}", server.stderr()).contains("mtk_"), "no secret is stored or logged");
});

on_both!(a_key_is_worth_what_its_licence_is, |db| async move {
    let (scene, _server, license) = Scene::open(&db).await;
    let secret = text(&scene.key(&license, json!({ "name": "ci" })).await["secret"]);
    scene.until_good_is(&secret, true).await;
    step(&scene, license.id, Step::Suspend).await;
    scene.until_good_is(&secret, false).await;
    let list = format!("/api/licenses/{}/keys", license.id);
    scene.told(&scene.buyer, Method::POST, &list, json!({ "name": "more" }), 409).await;
    step(&scene, license.id, Step::Resume).await;
    scene.until_good_is(&secret, true).await;
    // A second from now: the clock ends it, whoever has written that down.
    let soon = mintreu::kernel::Time::from_micros(scene.db.now().as_micros() + 1_000_000);
    step(&scene, license.id, Step::Renew(soon)).await;
    scene.until_good_is(&secret, false).await;
    step(&scene, license.id, Step::Renew("2999-01-01T00:00:00Z".parse().expect("a time"))).await;
    scene.until_good_is(&secret, true).await;
    step(&scene, license.id, Step::Revoke).await;
    scene.until_good_is(&secret, false).await;
});

on_both!(an_api_is_bought_called_and_refunded, |db| async move {
    let shop = Shop::on(&db);
    let _server = shop.serve().await;
    let open = shop.db().await;
    open.write(async |tx| mintreu::execute!(tx, sqlx::query("UPDATE products SET type = 'api'")))
        .await
        .expect("an API");
    let order = shop.open().await;
    shop.pay(&order).await;
    let bought = shop.until_order_is(&order, "fulfilled").await;
    let license = text(&bought["licenses"][0]["id"]);
    let answer = shop.post(&format!("/api/licenses/{license}/keys"), &json!({ "name": "ci" })).await;
    assert_eq!(answer.status(), 201);
    let secret = text(&answer.json::<Value>().await.expect("JSON")["secret"]);
    let operator = crate::support::sign_in(&open, "op@example.com", mintreu::accounts::Role::Admin).await;
    // The house's products are the operators'.
    open.write(async |tx| {
        mintreu::execute!(
            tx,
            sqlx::query("UPDATE products SET developer_id = (SELECT id FROM developers WHERE is_house)")
        )
    })
    .await
    .expect("the house's");
    let is_good = async || {
        let url = shop.mintreu.url("/api/keys/verify");
        let request = shop.client.post(url).header("cookie", &operator.cookie).json(&json!({ "token": secret }));
        request.send().await.expect("an answer").json::<Value>().await.expect("JSON")["active"] == true
    };
    eventually("the key is good", &is_good).await;
    let refund = shop.mintreu.url(&format!("/api/admin/orders/{order}/refunds"));
    let asked = shop.client.post(refund).header("cookie", &operator.cookie).json(&json!({ "reason": "too dark" }));
    assert!(asked.send().await.expect("an answer").status().is_success());
    eventually("the refund ends the key", async || !is_good().await).await;
    open.close().await;
    shop.is_sound();
});

on_both!(many_who_ask_at_once_make_no_more_keys_than_there_may_be, |db| async move {
    let (scene, _server, license) = Scene::open(&db).await;
    let list = format!("/api/licenses/{}/keys", license.id);
    let asked = join_all((0..25).map(async |number| {
        scene
            .send(&scene.buyer, Method::POST, &list, json!({ "name": format!("key {number}") }))
            .await
            .status()
            .as_u16()
    }));
    let mut answers = asked.await;
    answers.sort_unstable();
    assert_eq!(answers, [vec![201; 10], vec![409; 15]].concat());
    let first = text(&scene.get(&scene.buyer, &list).await["data"][0]["id"]);
    scene.told(&scene.buyer, Method::DELETE, &format!("{list}/{first}"), Value::Null, 204).await;
    scene.key(&license, json!({ "name": "after one was revoked" })).await;
});

on_both!(a_key_calls_what_its_plan_and_its_scopes_allow, |db| async move {
    let (scene, _server, license) = Scene::open(&db).await;
    let endpoints = format!("/api/developer/plans/{}/endpoints", scene.sold.entitlement.plan);
    let add = async |method: &str, path: &str, scope: &str| {
        let body = json!({ "method": method, "path": path, "scope": scope });
        scene.told(&scene.vendor, Method::POST, &endpoints, body, 201).await
    };
    let reading = add("GET", "/v1/posts/{id}", "posts:read").await;
    add("*", "/v1/posts", "posts:write").await;
    add("GET", "/status", "").await;
    let again = json!({ "method": "GET", "path": "/status" });
    scene.told(&scene.vendor, Method::POST, &endpoints, again, 409).await;
    for wrong in [
        json!({ "method": "get", "path": "/a" }),
        json!({ "method": "GET", "path": "a" }),
        json!({ "method": "GET", "path": "/a", "scope": "A b" }),
    ] {
        scene.told(&scene.vendor, Method::POST, &endpoints, wrong, 422).await;
    }
    let public = scene.get(&scene.stranger, &format!("/api/products/{}/endpoints", scene.sold.slug)).await;
    assert_eq!(public["data"][0]["endpoints"].as_array().map(Vec::len), Some(3), "{public}");

    let list = format!("/api/licenses/{}/keys", license.id);
    let unknown = scene.told(&scene.buyer, Method::POST, &list, json!({ "name": "x", "scopes": ["nope"] }), 422).await;
    assert_eq!(unknown["errors"][0]["pointer"], "#/scopes/0", "{unknown}");
    let reader = text(&scene.key(&license, json!({ "name": "r", "scopes": ["posts:read"] })).await["secret"]);
    let all = text(&scene.key(&license, json!({ "name": "a" })).await["secret"]);
    let code = async |secret: &str, method: &str, path: &str| {
        let told = scene.verify(json!({ "token": secret, "method": method, "path": path, "calls": 0 })).await;
        assert_eq!(told["allowed"] == true, told["code"] == "OK", "{told}");
        text(&told["code"])
    };
    for (secret, method, path, wanted) in [
        (&reader, "GET", "/v1/posts/7", "OK"),
        (&reader, "POST", "/v1/posts", "SCOPE_MISSING"),
        (&reader, "GET", "/status", "OK"),
        (&reader, "DELETE", "/v1/posts/7", "ENDPOINT_NOT_ALLOWED"),
        (&all, "POST", "/v1/posts", "OK"),
        (&all, "GET", "/v1/../admin", "ENDPOINT_NOT_ALLOWED"),
    ] {
        assert_eq!(code(secret, method, path).await, wanted, "{method} {path}");
    }
    // What the vendor takes out is not allowed a moment later.
    let one = format!("/api/developer/endpoints/{}", text(&reading["id"]));
    let removed = scene.ask(&scene.vendor, Method::DELETE, &one).header("if-match", "\"1\"").send();
    assert_eq!(removed.await.expect("an answer").status(), 204);
    eventually("the endpoint is gone", async || code(&all, "GET", "/v1/posts/7").await == "ENDPOINT_NOT_ALLOWED").await;
});

on_both!(calls_are_counted_up_to_the_limit_of_the_month, |db| async move {
    let (scene, _server, license) = Scene::open(&db).await;
    let secret = text(&scene.key(&license, json!({ "name": "ci" })).await["secret"]);
    let call = json!({ "token": secret, "method": "GET", "path": "/anything" });
    let answers = join_all((0..9).map(|_| scene.verify(call.clone()))).await;
    let allowed = answers.iter().filter(|answer| answer["allowed"] == true).count();
    assert_eq!(allowed, 5, "{answers:?}");
    assert!(answers.iter().any(|answer| answer["code"] == "QUOTA_EXCEEDED" && answer["active"] == true));
    eventually("the owner sees it", async || {
        scene.get(&scene.buyer, &format!("/api/licenses/{}/api-usage", license.id)).await["calls"] == 5
    })
    .await;
    let (of_license, of_key) = (license.id.to_string(), text(&scene.verify(call).await["client_id"]));
    for subject in [of_license, of_key] {
        eventually("the usage is summed up", async || {
            let sums: Vec<i64> = fetch_all!(
                scene.db,
                sqlx::query_scalar(
                    "SELECT count FROM usage_summaries
                     WHERE subject = $1 AND metric = 'api_calls' AND period = 'month'"
                )
                .bind(&subject)
            )
            .expect("answers");
            sums == [5]
        })
        .await;
    }
    eventually("it is known when the key was used", async || {
        let list = scene.get(&scene.buyer, &format!("/api/licenses/{}/keys", license.id)).await;
        list["data"][0]["last_used_at"].is_string()
    })
    .await;
});

on_both!(vendors_see_what_is_theirs_and_operators_everything, |db| async move {
    let (scene, _server, license) = Scene::open(&db).await;
    let made = scene.key(&license, json!({ "name": "ci" })).await;
    let (id, secret) = (text(&made["id"]), text(&made["secret"]));
    // Another vendor, and an operator whose product it is not: no more than that it is none of theirs.
    for who in [&scene.stranger, &scene.operator, &scene.buyer] {
        let told = scene.told(who, Method::POST, "/api/keys/verify", json!({ "token": secret }), 200).await;
        assert_eq!(told, json!({ "active": false }));
    }
    for (who, path, count) in [
        (&scene.vendor, "/api/developer/keys", 1),
        (&scene.stranger, "/api/developer/keys", 0),
        (&scene.operator, "/api/admin/keys?status=active", 1),
        (&scene.operator, "/api/admin/keys?status=revoked", 0),
    ] {
        assert_eq!(scene.get(who, path).await["data"].as_array().map(Vec::len), Some(count), "{path}");
    }
    let plan = scene.sold.entitlement.plan;
    for path in [format!("/api/developer/plans/{plan}/endpoints"), format!("/api/licenses/{}/keys/{id}", license.id)] {
        scene.told(&scene.stranger, Method::GET, &path, Value::Null, 404).await;
    }
    let revoke = |from: &str| format!("/api/{from}/keys/{id}/revoke");
    let because = json!({ "reason": "found in a public repository" });
    scene.told(&scene.stranger, Method::POST, &revoke("developer"), because.clone(), 404).await;
    scene.told(&scene.vendor, Method::POST, &revoke("admin"), because.clone(), 403).await;
    scene.told(&scene.operator, Method::POST, &revoke("admin"), json!({ "reason": " " }), 422).await;
    let revoked = scene.told(&scene.vendor, Method::POST, &revoke("developer"), because.clone(), 200).await;
    assert_eq!(revoked["revoked_reason"], because["reason"]);
    scene.told(&scene.operator, Method::POST, &revoke("admin"), because, 409).await;
    scene.until_good_is(&secret, false).await;
});

on_both!(while_the_flag_is_off_no_key_is_made_and_those_there_are_work, |db| async move {
    let (scene, _server, license) = Scene::open(&db).await;
    let secret = text(&scene.key(&license, json!({ "name": "ci" })).await["secret"]);
    let set = scene.mintreu.run(&["flags", "set", "api.keys", "false", "--reason", "a test"]);
    assert!(set.status.success(), "{set:?}");
    let list = format!("/api/licenses/{}/keys", license.id);
    eventually("making is refused", async || {
        let answer = scene.send(&scene.buyer, Method::POST, &list, json!({ "name": "more" })).await;
        if answer.status() == 403 {
            return true;
        }
        // The switch is not seen yet: what was made makes room for the next try.
        let made: Value = answer.json().await.expect("JSON");
        let one = format!("{list}/{}", text(&made["id"]));
        scene.told(&scene.buyer, Method::DELETE, &one, Value::Null, 204).await;
        false
    })
    .await;
    scene.told(&scene.buyer, Method::POST, &list, json!({ "name": "more" }), 403).await;
    assert_eq!(scene.verify(json!({ "token": secret })).await["active"], true);
});
