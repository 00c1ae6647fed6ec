//! A guest's way: order, pay, the key by mail, and an account for whoever proves the address. Nobody else gets anything.

use reqwest::Response;
use serde_json::{Value, json};

use crate::{
    accounts_scene::{PASSWORD, Scene, token_in},
    journey_shop::{PRODUCT, problem, until},
};

const GUEST: &str = "grace@example.com";

/// An order of a guest's: its id and its token.
pub(crate) async fn ordered(scene: &Scene, email: &str) -> (String, String) {
    let body = json!({ "items": [{ "product": PRODUCT }], "email": email });
    let opened = scene.posted("/api/orders", "", &body, 201).await;
    assert!(opened.get("licenses").is_none(), "{opened}");
    (opened["id"].as_str().expect("an id").to_owned(), opened["guest_token"].as_str().expect("a token").to_owned())
}

async fn look(scene: &Scene, (order, token): &(String, String)) -> Value {
    scene.got(&format!("/api/orders/{order}?token={token}"), "").await
}

/// Pays it, and gives the mail that came with the key.
pub(crate) async fn paid(scene: &Scene, order: &(String, String)) -> String {
    scene.shop.pay(&order.0).await;
    until("it is fulfilled", async || {
        let view = look(scene, order).await;
        if view["status"] == "fulfilled" { Ok(()) } else { Err(view) }
    })
    .await;
    let about = format!("your order {}", order.0);
    until("the mail with the key", async || {
        let mails = scene.mails(GUEST);
        mails.iter().find(|mail| mail.contains(&about)).cloned().ok_or(mails.len())
    })
    .await
}

fn key_in(mail: &str) -> String {
    let (_, rest) = mail.split_once("Licence key: ").unwrap_or_else(|| panic!("no key in {mail}"));
    rest.split_whitespace().next().expect("a key").to_owned()
}

async fn refused_token(answer: Response) {
    let told = problem(answer, 422, "invalid-input").await;
    assert_eq!(told["errors"][0]["pointer"], "#/token", "{told}");
}

on_both!(what_a_guest_bought_is_theirs_once_the_address_is_proven, |db| async move {
    let scene = Scene::on(&db).await;
    let order = ordered(&scene, "  Grace@Example.com ").await;
    let mail = paid(&scene, &order).await;
    let key = key_in(&mail);
    let view = look(&scene, &order).await;
    assert!(view.get("licenses").is_none() && !view.to_string().contains(&key), "keys reach guests by mail: {view}");
    assert_eq!(view["email"], GUEST);
    let valid = scene.posted("/api/license/validate", "", &json!({ "license_key": key }), 200).await;
    assert_eq!(valid["code"], "VALID", "{valid}");

    // Others: with no token, a wrong one, the token of another order, somebody signed in.
    let stranger = scene.person("eve@example.com", mintreu::accounts::Role::Customer).await;
    let other = ordered(&scene, "other@example.com").await;
    let path = format!("/api/orders/{}", order.0);
    problem(scene.get(&path, "").await, 401, "unauthorized").await;
    for token in ["x", &other.1, &order.1[1..], &order.1.to_uppercase()] {
        let answer = scene.get(&format!("{path}?token={token}"), "").await;
        problem(answer, 404, "not-found").await;
        let answer = scene.post(&format!("{path}/cancel?token={token}"), "", &json!({})).await;
        problem(answer, 404, "not-found").await;
    }
    problem(scene.get(&format!("{path}?token={}", order.1), &stranger.cookie).await, 404, "not-found").await;

    // What shows an order does not claim it, and neither does a guess.
    for token in [order.1.as_str(), "", "0".repeat(72).as_str()] {
        let body = json!({ "token": token, "password": PASSWORD });
        refused_token(scene.post("/api/claim", &stranger.cookie, &body).await).await;
    }
    // The link's token, shown by somebody who is signed in as another: it is still Grace's.
    let token = token_in(&mail);
    let claim = json!({ "token": token, "name": "Grace", "password": PASSWORD });
    let claimed = scene.posted("/api/claim", &stranger.cookie, &claim, 200).await;
    assert_eq!(claimed, json!({ "account": "created", "email": GUEST, "password_set": true }));
    refused_token(scene.post("/api/claim", "", &claim).await).await;
    let grace = scene.login(GUEST, PASSWORD).await;
    until("the order is in the account", async || {
        let list = scene.got("/api/orders", &grace).await;
        let ids: Vec<_> = list["data"].as_array().expect("a list").iter().map(|order| order["id"].clone()).collect();
        if ids == [json!(order.0)] { Ok(()) } else { Err(list) }
    })
    .await;
    let view = scene.got(&path, &grace).await;
    assert_eq!(view["licenses"][0]["license_key"], key, "{view}");
    let licenses = scene.got("/api/licenses", &grace).await;
    assert_eq!(licenses["data"][0]["license_key"], key, "{licenses}");
    let eves = scene.got("/api/orders", &stranger.cookie).await;
    assert_eq!(eves["data"], json!([]), "who only held the link has nothing");
    assert_eq!(scene.number("SELECT COUNT(*) FROM licenses").await, 1);
    scene.settled().await;
    scene.shop.is_sound();
});

on_both!(a_guest_with_an_account_claims_into_it_and_not_by_the_address_alone, |db| async move {
    let scene = Scene::on(&db).await;
    scene.register(GUEST).await;
    let cookie = scene.login(GUEST, PASSWORD).await;
    let order = ordered(&scene, GUEST).await;
    let mail = paid(&scene, &order).await;
    scene.settled().await;
    let list = scene.got("/api/orders", &cookie).await;
    assert_eq!(list["data"], json!([]), "somebody typed this address; nobody has proven anything yet: {list}");
    problem(scene.get(&format!("/api/orders/{}", order.0), &cookie).await, 404, "not-found").await;

    let claim = json!({ "token": token_in(&mail), "name": "Mallory", "password": "the password of mallory" });
    let claimed = scene.posted("/api/claim", "", &claim, 200).await;
    assert_eq!(claimed["account"], "existing", "{claimed}");
    scene.settled().await;
    let view = scene.got(&format!("/api/orders/{}", order.0), &cookie).await;
    assert_eq!(view["licenses"][0]["license_key"], key_in(&mail), "{view}");
    assert_eq!(scene.got("/api/account", &cookie).await["name"], "Ada", "a claim changes nothing of an account");
    let login = json!({ "email": GUEST, "password": "the password of mallory" });
    problem(scene.post("/api/login", "", &login).await, 401, "unauthorized").await;
    scene.shop.is_sound();
});

on_both!(a_link_for_one_thing_does_no_other, |db| async move {
    let scene = Scene::on(&db).await;
    let register = json!({ "name": "Eve", "email": "eve@example.com", "password": PASSWORD });
    scene.posted("/api/register", "", &register, 202).await;
    let verify = scene.token("eve@example.com", 1).await;
    let order = ordered(&scene, GUEST).await;
    let claim = token_in(&paid(&scene, &order).await);
    refused_token(scene.post("/api/claim", "", &json!({ "token": verify, "password": PASSWORD })).await).await;
    refused_token(scene.post("/api/verify-email", "", &json!({ "token": claim })).await).await;
    let reset = json!({ "token": claim, "password": PASSWORD });
    refused_token(scene.post("/api/password/reset", "", &reset).await).await;
    // Neither was spent by being shown at the wrong door.
    scene.posted("/api/verify-email", "", &json!({ "token": verify }), 200).await;
    scene.posted("/api/claim", "", &json!({ "token": claim, "password": PASSWORD }), 200).await;
});

on_both!(where_guests_are_not_welcome_they_are_told_to_sign_in, |db| async move {
    let scene = Scene::on(&db).await;
    scene.shop.run(&["flags", "set", "checkout.guest", "false", "--reason", "fraud"]);
    let body = json!({ "items": [{ "product": PRODUCT }], "email": GUEST });
    until("the flag is seen", async || {
        let answer = scene.post("/api/orders", "", &body).await;
        if answer.status() == 401 { Ok(()) } else { Err(answer.status()) }
    })
    .await;
    problem(scene.post("/api/orders", "", &body).await, 401, "unauthorized").await;
    let cookie = &scene.shop.buyer().await.cookie;
    scene.posted("/api/orders", cookie, &json!({ "items": [{ "product": PRODUCT }] }), 201).await;
});
