//! The way in: registering, confirming, and what nobody learns on the way.

use serde_json::{Value, json};

use crate::{
    accounts_scene::{PASSWORD, Scene, likeness, token_in},
    journey_shop::problem,
};

on_both!(whoever_registers_confirms_the_address_and_signs_in, |db| async move {
    let scene = Scene::on(&db).await;
    let body = json!({ "name": " Ada Lovelace ", "email": " Ada@Example.com ", "password": PASSWORD });
    scene.posted("/api/register", "", &body, 202).await;
    let early = scene.post("/api/login", "", &json!({ "email": "ada@example.com", "password": PASSWORD })).await;
    problem(early, 401, "unauthorized").await;

    let mail = scene.mail("ada@example.com", 1).await;
    assert!(mail.contains("Hello Ada Lovelace,") && mail.contains("Subject: Confirm your address"), "{mail}");
    let token = token_in(&mail);
    let verified = scene.posted("/api/verify-email", "", &json!({ "token": token }), 200).await;
    assert_eq!(verified, json!({ "status": "verified", "email": "ada@example.com", "password_set": true }));
    let again = scene.post("/api/verify-email", "", &json!({ "token": token })).await;
    assert_eq!(problem(again, 422, "invalid-input").await["errors"][0]["pointer"], "#/token");

    let cookie = scene.login("ADA@example.com", PASSWORD).await;
    let account = scene.got("/api/account", &cookie).await;
    assert_eq!((&account["email"], &account["name"]), (&json!("ada@example.com"), &json!("Ada Lovelace")));
    assert_eq!((&account["role"], &account["second_factor"]), (&json!("customer"), &json!(false)));
    assert!(account["tenant_id"].as_str().is_some_and(|id| id.starts_with("ten_")), "{account}");
    assert_eq!(scene.number("SELECT COUNT(*) FROM tenants WHERE kind = 'personal'").await, 1);
    assert_eq!(scene.number("SELECT COUNT(*) FROM domain_events WHERE name = 'user.verified'").await, 1);
    for private in [PASSWORD, "ada@example.com", &token, &cookie["mintreu_session=".len()..]] {
        assert!(!scene.server.stderr().contains(private), "{private} is in the log");
    }
    scene.settled().await;
    scene.shop.is_sound();
});

on_both!(no_answer_tells_whether_an_address_has_an_account, |db| async move {
    let scene = Scene::on(&db).await;
    scene.register("known@example.com").await;
    scene.posted("/api/register", "", &registration("waiting@example.com"), 202).await;
    let cases: [(&str, fn(&str) -> Value); 4] = [
        ("/api/register", registration),
        ("/api/password/forgot", |email| json!({ "email": email })),
        ("/api/verify-email/resend", |email| json!({ "email": email })),
        ("/api/login", |email| json!({ "email": email, "password": "not the password" })),
    ];
    for (path, body) in cases {
        let mut answers = Vec::new();
        for email in ["known@example.com", "waiting@example.com", "unknown@example.com"] {
            answers.push(likeness(scene.post(path, "", &body(email)).await).await);
        }
        assert_eq!(answers[0], answers[2], "{path}");
        assert_eq!(answers[1], answers[2], "{path}");
    }
    // The right password of an address that is not confirmed is answered like a wrong one.
    let login = json!({ "email": "waiting@example.com", "password": PASSWORD });
    let waiting = likeness(scene.post("/api/login", "", &login).await).await;
    let login = json!({ "email": "nobody@example.com", "password": PASSWORD });
    assert_eq!(waiting, likeness(scene.post("/api/login", "", &login).await).await);
});

fn registration(email: &str) -> Value {
    json!({ "name": "Ada", "email": email, "password": PASSWORD })
}

on_both!(the_owner_of_an_account_is_told_that_somebody_registers_with_its_address, |db| async move {
    let scene = Scene::on(&db).await;
    scene.register("ada@example.com").await;
    let body = json!({ "name": "Eve", "email": "ada@example.com", "password": "another password" });
    scene.posted("/api/register", "", &body, 202).await;
    let mail = scene.mail("ada@example.com", 2).await;
    assert!(mail.contains("You already have an account") && mail.contains("/forgot-password"), "{mail}");
    assert!(!mail.contains("token="), "{mail}");
    scene.login("ada@example.com", PASSWORD).await;
    let eve =
        scene.post("/api/login", "", &json!({ "email": "ada@example.com", "password": "another password" })).await;
    problem(eve, 401, "unauthorized").await;
});

on_both!(a_password_comes_into_force_only_with_the_link_that_was_mailed_for_it, |db| async move {
    let scene = Scene::on(&db).await;
    let eve = json!({ "name": "Eve", "email": "ada@example.com", "password": "the password of eve" });
    scene.posted("/api/register", "", &eve, 202).await;
    scene.posted("/api/register", "", &registration("ada@example.com"), 202).await;
    scene.posted("/api/register", "", &eve, 202).await;
    let of_ada = scene.token("ada@example.com", 2).await;
    scene.mail("ada@example.com", 3).await;
    scene.posted("/api/verify-email", "", &json!({ "token": of_ada }), 200).await;
    scene.login("ada@example.com", PASSWORD).await;
    for number in [1, 3] {
        let token = scene.token("ada@example.com", number).await;
        problem(scene.post("/api/verify-email", "", &json!({ "token": token })).await, 422, "invalid-input").await;
    }
    let login = json!({ "email": "ada@example.com", "password": "the password of eve" });
    problem(scene.post("/api/login", "", &login).await, 401, "unauthorized").await;
    assert_eq!(scene.got("/api/account", &scene.login("ada@example.com", PASSWORD).await).await["name"], "Ada");
});

on_both!(a_link_that_is_sent_again_keeps_the_password_unless_it_could_be_anothers, |db| async move {
    let scene = Scene::on(&db).await;
    scene.posted("/api/register", "", &registration("ada@example.com"), 202).await;
    scene.posted("/api/verify-email/resend", "", &json!({ "email": "ada@example.com" }), 202).await;
    let token = scene.token("ada@example.com", 2).await;
    scene.posted("/api/verify-email", "", &json!({ "token": token }), 200).await;
    scene.login("ada@example.com", PASSWORD).await;

    scene.posted("/api/register", "", &registration("bob@example.com"), 202).await;
    let eve = json!({ "name": "Eve", "email": "bob@example.com", "password": "the password of eve" });
    scene.posted("/api/register", "", &eve, 202).await;
    scene.posted("/api/verify-email/resend", "", &json!({ "email": "bob@example.com" }), 202).await;
    let token = scene.token("bob@example.com", 3).await;
    let verified = scene.posted("/api/verify-email", "", &json!({ "token": token }), 200).await;
    assert_eq!(verified["password_set"], false);
    for password in [PASSWORD, "the password of eve"] {
        let login = json!({ "email": "bob@example.com", "password": password });
        problem(scene.post("/api/login", "", &login).await, 401, "unauthorized").await;
    }
    scene.posted("/api/password/forgot", "", &json!({ "email": "bob@example.com" }), 202).await;
    let token = scene.token("bob@example.com", 4).await;
    scene.posted("/api/password/reset", "", &json!({ "token": token, "password": PASSWORD }), 204).await;
    scene.login("bob@example.com", PASSWORD).await;
});

on_both!(a_link_is_good_for_its_purpose_alone, |db| async move {
    let scene = Scene::on(&db).await;
    scene.posted("/api/register", "", &registration("ada@example.com"), 202).await;
    let verify = scene.token("ada@example.com", 1).await;
    let mut forged = verify.clone();
    forged.replace_range(71..72, if verify.ends_with('0') { "1" } else { "0" });
    for token in [forged.as_str(), "", "x", &"0".repeat(72), &"é".repeat(36), "\0"] {
        problem(scene.post("/api/verify-email", "", &json!({ "token": token })).await, 422, "invalid-input").await;
    }
    for path in ["/api/password/reset", "/api/claim"] {
        let body = json!({ "token": verify, "password": "yet another password" });
        let refused = problem(scene.post(path, "", &body).await, 422, "invalid-input").await;
        assert_eq!(refused["errors"][0]["pointer"], "#/token", "{path}");
    }
    scene.posted("/api/verify-email", "", &json!({ "token": verify }), 200).await;
});
