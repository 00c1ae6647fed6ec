//! Behind a proxy: limits and the trail see the customer's address, and nobody chooses it.

use reqwest::Response;
use serde_json::{Value, json};

use crate::{
    accounts_scene::{PASSWORD, Scene},
    journey_shop::PRODUCT,
    support::Mintreu,
};

/// How many orders guests of one address may place in a minute.
const GUESTS: usize = 10;

async fn guest_order(scene: &Scene, forwarded: &str, number: usize) -> Response {
    let body = json!({ "items": [{ "product": PRODUCT }], "email": format!("g{number}@example.com") });
    let request = scene.shop.client.post(scene.shop.mintreu.url("/api/orders")).json(&body);
    request.header("x-forwarded-for", forwarded).send().await.expect("an answer")
}

on_both!(limits_are_each_customers_own_behind_a_trusted_proxy, |db| async move {
    let mintreu = Mintreu::new().env("MINTREU__HTTP__TRUSTED_PROXIES", "127.0.0.1, 10.0.0.0/8");
    let scene = Scene::of(mintreu, &db).await;
    for number in 0..GUESTS {
        // What the client wrote itself, before the proxies did, helps nobody.
        let forwarded = format!("203.0.113.{number}, 192.0.2.1, 10.0.0.{number}");
        assert_eq!(guest_order(&scene, &forwarded, number).await.status(), 201);
    }
    let refused = guest_order(&scene, "198.51.100.99, 192.0.2.1", 20).await;
    assert_eq!(refused.headers()["x-ratelimit-remaining"], "0");
    assert_eq!(refused.status(), 429);
    let told: Value = refused.json().await.expect("JSON");
    assert_eq!(told["violated-policies"], json!(["guest-orders"]), "{told}");
    assert_eq!(guest_order(&scene, "192.0.2.2", 21).await.status(), 201, "another customer");
    // One customer has a whole network of IPv6.
    for number in 0..GUESTS {
        let forwarded = format!("2001:db8:1:2::{number:x}");
        assert_eq!(guest_order(&scene, &forwarded, 30 + number).await.status(), 201);
    }
    assert_eq!(guest_order(&scene, "2001:db8:1:2:ffff::1", 50).await.status(), 429);
    assert_eq!(guest_order(&scene, "2001:db8:1:3::1", 51).await.status(), 201);
});

on_both!(without_a_trusted_proxy_what_is_claimed_counts_for_nothing, |db| async move {
    for trusted in ["", "192.0.2.0/24"] {
        let scene = Scene::of(Mintreu::new().env("MINTREU__HTTP__TRUSTED_PROXIES", trusted), &db).await;
        for number in 0..GUESTS {
            let forwarded = format!("203.0.113.{number}");
            assert_eq!(guest_order(&scene, &forwarded, number).await.status(), 201, "{trusted}");
        }
        assert_eq!(guest_order(&scene, "203.0.113.99", 20).await.status(), 429, "{trusted}");
    }
});

on_both!(sessions_and_licences_know_the_customers_address, |db| async move {
    let mintreu = Mintreu::new().env("MINTREU__HTTP__TRUSTED_PROXIES", "127.0.0.1");
    let scene = Scene::of(mintreu, &db).await;
    scene.register("ada@example.com").await;
    let login = json!({ "email": "ada@example.com", "password": PASSWORD });
    let request = scene.shop.client.post(scene.shop.mintreu.url("/api/login")).json(&login);
    let answer = request.header("x-forwarded-for", "203.0.113.5, 192.0.2.77").send().await.expect("an answer");
    let cookie = crate::accounts_scene::cookie_of(&answer);
    let sessions = scene.got("/api/account/sessions", &cookie).await;
    assert_eq!(sessions["data"][0]["ip"], "192.0.2.77", "{sessions}");

    let order = scene.shop.open().await;
    scene.shop.pay(&order).await;
    let view = scene.shop.until_order_is(&order, "fulfilled").await;
    let (license, key) = (&view["licenses"][0]["id"], &view["licenses"][0]["license_key"]);
    let path = format!("/api/licenses/{}", license.as_str().expect("an id"));
    let owner = &scene.shop.buyer().await.cookie;
    let rules = scene.send(reqwest::Method::PATCH, &path, owner, Some(&json!({ "ips": ["192.0.2.0/24"] }))).await;
    assert_eq!(rules.status(), 200);
    for (forwarded, code) in [
        ("192.0.2.9", "VALID"),
        ("203.0.113.1", "IP_SCOPE_MISMATCH"),
        // The claim of somebody outside.
        ("192.0.2.9, 203.0.113.1", "IP_SCOPE_MISMATCH"),
    ] {
        let request = scene.shop.client.post(scene.shop.mintreu.url("/api/license/validate"));
        let request = request.header("x-forwarded-for", forwarded).json(&json!({ "license_key": key }));
        let answer: Value = request.send().await.expect("an answer").json().await.expect("JSON");
        assert_eq!(answer["code"], code, "{forwarded}");
    }
});
