//! The second factor: set up, used once, and taken away.

use futures::future::join_all;
use mintreu::accounts::Role;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    accounts_scene::{PASSWORD, Scene, cookie_of, totp},
    journey_shop::{Shop, problem},
    support::{Mintreu, TestDb, sign_in},
};

const EMAIL: &str = "ada@example.com";

/// Sets a second factor up, and gives its secret and the recovery codes.
async fn enrol(scene: &Scene, cookie: &str) -> (String, Vec<String>) {
    let begun = scene.posted("/api/account/totp", cookie, &Value::Null, 201).await;
    let secret = begun["secret"].as_str().expect("a secret").to_owned();
    let confirmed = scene.posted("/api/account/totp/confirm", cookie, &json!({ "totp": totp(&secret, 0) }), 200).await;
    let codes = serde_json::from_value::<Vec<String>>(confirmed["recovery_codes"].clone()).expect("codes");
    (secret, codes)
}

fn login_with(code: &Value) -> Value {
    let mut body = json!({ "email": EMAIL, "password": PASSWORD });
    for (name, value) in code.as_object().expect("an object") {
        body[name] = value.clone();
    }
    body
}

on_both!(with_a_second_factor_the_password_is_not_enough, |db| async move {
    let scene = Scene::on(&db).await;
    scene.register(EMAIL).await;
    let cookie = scene.login(EMAIL, PASSWORD).await;
    let confirm = "/api/account/totp/confirm";
    problem(scene.post(confirm, &cookie, &json!({ "totp": "123456" })).await, 409, "conflict").await;
    let begun = scene.posted("/api/account/totp", &cookie, &Value::Null, 201).await;
    let uri = begun["otpauth_uri"].as_str().expect("a URI");
    assert!(uri.starts_with("otpauth://totp/Mintreu:ada%40example.com?secret="), "{uri}");
    let secret = begun["secret"].as_str().expect("a secret");
    for code in ["000000", "", "12345", "1234567", "abcdef"] {
        if code != totp(secret, 0) {
            let refused =
                problem(scene.post(confirm, &cookie, &json!({ "totp": code })).await, 422, "invalid-input").await;
            assert_eq!(refused["errors"][0]["pointer"], "#/totp");
            break;
        }
    }
    scene.login(EMAIL, PASSWORD).await;
    let (secret, codes) = enrol(&scene, &cookie).await;
    assert_eq!((codes.len(), codes[0].len()), (10, 19));
    problem(scene.send(Method::POST, "/api/account/totp", &cookie, None).await, 409, "conflict").await;
    assert_eq!(scene.got("/api/account", &cookie).await["second_factor"], true);

    let missing = problem(scene.post("/api/login", "", &login_with(&json!({}))).await, 401, "unauthorized").await;
    assert_eq!(missing["second_factor"], "required");
    let wrong = json!({ "email": EMAIL, "password": "not the password", "totp": totp(&secret, 1) });
    let wrong = problem(scene.post("/api/login", "", &wrong).await, 401, "unauthorized").await;
    assert_eq!(wrong["second_factor"], Value::Null, "without the password nobody learns of it");
    let code = json!({ "totp": totp(&secret, 1) });
    let signed_in = cookie_of(&scene.post("/api/login", "", &login_with(&code)).await);
    scene.got("/api/account", &signed_in).await;
    problem(scene.post("/api/login", "", &login_with(&code)).await, 401, "unauthorized").await;
    for private in [&secret, &codes[0]] {
        assert!(!scene.server.stderr().contains(private.as_str()), "in the log");
    }
});

on_both!(a_recovery_code_is_good_once_however_many_try_it, |db| async move {
    let scene = Scene::on(&db).await;
    scene.register(EMAIL).await;
    let (_, codes) = enrol(&scene, &scene.login(EMAIL, PASSWORD).await).await;
    let body = login_with(&json!({ "recovery_code": codes[0].to_uppercase().replace('-', " ") }));
    let answers = join_all((0..3).map(|_| scene.post("/api/login", "", &body))).await;
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status().as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401, 401]);
    problem(scene.post("/api/login", "", &body).await, 401, "unauthorized").await;
    assert_eq!(scene.number("SELECT COUNT(*) FROM recovery_codes WHERE used_at IS NOT NULL").await, 1);
});

on_both!(a_code_by_the_clock_is_good_once_however_many_try_it, |db| async move {
    let scene = Scene::on(&db).await;
    scene.register(EMAIL).await;
    let (secret, _) = enrol(&scene, &scene.login(EMAIL, PASSWORD).await).await;
    let body = login_with(&json!({ "totp": totp(&secret, 1) }));
    let answers = join_all((0..4).map(|_| scene.post("/api/login", "", &body))).await;
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status().as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401, 401, 401]);
});

on_both!(codes_are_not_guessed, |db| async move {
    let scene = Scene::on(&db).await;
    scene.register(EMAIL).await;
    let (secret, codes) = enrol(&scene, &scene.login(EMAIL, PASSWORD).await).await;
    let right = [totp(&secret, -1), totp(&secret, 0), totp(&secret, 1), totp(&secret, 2)];
    let wrong =
        ["111111", "222222", "333333", "444444", "555555"].into_iter().find(|it| !right.contains(&(*it).to_owned()));
    let body = login_with(&json!({ "totp": wrong.expect("one of five") }));
    // Setting it up was a try too.
    for _ in 0..4 {
        assert_eq!(scene.post("/api/login", "", &body).await.status(), 401);
    }
    let refused = scene.post("/api/login", "", &body).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["ratelimit-policy"], "\"second-factor\";q=5;w=300");
    let body = login_with(&json!({ "recovery_code": codes[0] }));
    assert_eq!(scene.post("/api/login", "", &body).await.status(), 429, "by no other code either");
});

on_both!(a_second_factor_is_taken_away_with_the_password_and_a_code, |db| async move {
    let scene = Scene::on(&db).await;
    scene.register(EMAIL).await;
    let cookie = scene.login(EMAIL, PASSWORD).await;
    let path = "/api/account/totp/disable";
    let body = json!({ "password": PASSWORD, "totp": "000000" });
    problem(scene.post(path, &cookie, &body).await, 409, "conflict").await;
    let (_, codes) = enrol(&scene, &cookie).await;
    for (body, pointer) in [
        (json!({ "password": PASSWORD }), "#/totp"),
        (json!({ "password": "not the password", "recovery_code": codes[1] }), "#/password"),
        (json!({ "password": PASSWORD, "recovery_code": "0000-0000-0000-0000" }), "#/totp"),
    ] {
        let refused = problem(scene.post(path, &cookie, &body).await, 422, "invalid-input").await;
        assert_eq!(refused["errors"][0]["pointer"], pointer, "{refused}");
    }
    let body = json!({ "password": PASSWORD, "recovery_code": codes[1] });
    scene.posted(path, &cookie, &body, 204).await;
    scene.login(EMAIL, PASSWORD).await;
    assert_eq!(scene.number("SELECT COUNT(*) FROM recovery_codes").await, 0);
    problem(scene.post(path, "", &body).await, 401, "unauthorized").await;
});

#[tokio::test]
async fn in_production_an_operator_needs_a_second_factor() {
    let db = TestDb::sqlite();
    let mintreu = Mintreu::new()
        .env("MINTREU__PROFILE", "production")
        .env("MINTREU__HTTP__PUBLIC_URL", "https://shop.example.com")
        .env("MINTREU__SECRETS__KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    let shop = Shop::of(mintreu, &db.url());
    shop.run(&["migrate"]);
    let server = shop.serve().await;
    let scene = Scene { db: db.open().await, shop, server };
    let operator = sign_in(&scene.db, "op@example.com", Role::Admin).await;
    let refused = problem(scene.get("/api/admin/users", &operator.cookie).await, 403, "forbidden").await;
    assert_eq!(refused["second_factor"], "required");
    enrol(&scene, &operator.cookie).await;
    scene.got("/api/admin/users", &operator.cookie).await;
    assert!(scene.server.stderr().contains("nobody gets the mails"), "a file is no mail: {}", scene.server.stderr());
}
