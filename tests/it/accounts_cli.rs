//! `mintreu users`

use serde_json::{Value, json};

use crate::{
    accounts_scene::{PASSWORD, Scene, totp},
    journey_shop::problem,
};

const CREATE: [&str; 8] =
    ["users", "create", "--email", "Op@Example.com", "--role", "admin", "--password-stdin", "--json"];

on_both!(the_first_operator_is_made_on_the_command_line_and_signs_in, |db| async move {
    let scene = Scene::on(&db).await;
    for (input, told) in [("", "at least 8"), ("short\n", "at least 8"), ("op@example.com\n", "not the e-mail")] {
        let refused = scene.shop.mintreu.run_with(&CREATE, input);
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        assert!(refused.stderr.contains(told), "{refused:?}");
    }
    let made = scene.shop.mintreu.run_with(&CREATE, &format!("{PASSWORD}\nnot this\n"));
    assert!(made.status.success(), "{made:?}");
    let made: Value = serde_json::from_str(&made.stdout).expect("JSON");
    assert_eq!(
        (&made["email"], &made["role"], &made["name"]),
        (&json!("op@example.com"), &json!("admin"), &json!("op"))
    );
    let again = scene.shop.mintreu.run_with(&CREATE, PASSWORD);
    assert_eq!(again.status.code(), Some(1), "{again:?}");
    let cookie = scene.login("op@example.com", PASSWORD).await;
    assert_eq!(scene.got("/api/admin/users", &cookie).await["data"][0]["id"], made["id"]);
    let entries = scene.shop.json(&["audit", "list", "--action", "user.created"]);
    assert!(entries["data"][0]["actor_id"].to_string().contains("cli:"), "{entries}");
    let text = scene.shop.run(&["users", "list", "--role", "admin"]);
    assert!(text.contains("op@example.com") && text.contains("active"), "{text}");
    scene.shop.refused(&["users", "create", "--email", "x@example.com"], 2);
    scene.shop.refused(&["users", "create", "--email", "nobody", "--password-stdin"], 2);
});

on_both!(accounts_are_changed_on_the_command_line_for_a_reason, |db| async move {
    let scene = Scene::on(&db).await;
    scene.register("ada@example.com").await;
    let cookie = scene.login("ada@example.com", PASSWORD).await;
    let ada = "ada@example.com";
    scene.shop.refused(&["users", "set-role", "ada@example.com", "king", "--reason", "x"], 2);
    scene.shop.refused(&["users", "set-role", "ada@example.com", "admin", "--reason", " "], 2);
    scene.shop.refused(&["users", "disable", "bob@example.com", "--reason", "x"], 1);
    let changed = scene.shop.json(&["users", "set-role", ada, "admin", "--reason", "runs the shop"]);
    assert_eq!(changed["role"], "admin");
    scene.got("/api/admin/users", &cookie).await;
    // The last operator stays one, whoever says otherwise.
    scene.shop.refused(&["users", "disable", ada, "--reason", "left"], 1);
    scene.person("op@example.com", mintreu::accounts::Role::Admin).await;
    scene.shop.json(&["users", "disable", ada, "--reason", "left"]);
    problem(scene.get("/api/account", &cookie).await, 401, "unauthorized").await;
    scene.shop.json(&["users", "enable", ada, "--reason", "came back"]);
    let cookie = scene.login(ada, PASSWORD).await;

    let begun = scene.posted("/api/account/totp", &cookie, &Value::Null, 201).await;
    let code = totp(begun["secret"].as_str().expect("a secret"), 0);
    scene.posted("/api/account/totp/confirm", &cookie, &json!({ "totp": code }), 200).await;
    let login = json!({ "email": ada, "password": PASSWORD });
    problem(scene.post("/api/login", "", &login).await, 401, "unauthorized").await;
    let reset = scene.shop.json(&["users", "reset-totp", ada, "--reason", "lost the telephone"]);
    assert_eq!(reset["second_factor"], false);
    scene.login(ada, PASSWORD).await;
    scene.shop.is_sound();
});
