//! Sessions: how they begin, and everything that ends them.

use mintreu::{accounts::Role, execute};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    accounts_scene::{PASSWORD, Scene, cookie_of},
    journey_shop::problem,
    support::{Mintreu, TestDb},
};

const EMAIL: &str = "ada@example.com";

fn login() -> Value {
    json!({ "email": EMAIL, "password": PASSWORD })
}

on_both!(a_login_gives_a_new_session_and_ends_the_one_before, |db| async move {
    let scene = Scene::on(&db).await;
    scene.register(EMAIL).await;
    let answer = scene.post("/api/login", "", &login()).await;
    let set = answer.headers()["set-cookie"].to_str().expect("text").to_owned();
    for part in ["mintreu_session=mts_", "; HttpOnly", "; SameSite=Lax", "; Path=/;", "; Max-Age=2592000"] {
        assert!(set.contains(part), "{part} in {set}");
    }
    assert!(!set.contains("Secure"), "without TLS a browser would not send it back: {set}");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let first = cookie_of(&answer);
    let body: Value = answer.json().await.expect("JSON");
    assert_eq!((&body["user"]["email"], &body["token"]), (&json!(EMAIL), &Value::Null));

    let second = cookie_of(&scene.post("/api/login", &first, &login()).await);
    assert_ne!(first, second);
    problem(scene.get("/api/account", &first).await, 401, "unauthorized").await;
    scene.got("/api/account", &second).await;
    // A value that somebody planted in the browser is not taken over.
    let planted = "mintreu_session=mts_planted";
    let third = cookie_of(&scene.post("/api/login", planted, &login()).await);
    assert_ne!(third, planted);
    problem(scene.get("/api/account", planted).await, 401, "unauthorized").await;

    let answer = scene.send(Method::POST, "/api/logout", &third, None).await;
    assert_eq!(answer.status(), 204);
    assert!(answer.headers()["set-cookie"].to_str().expect("text").contains("Max-Age=0"));
    problem(scene.get("/api/account", &third).await, 401, "unauthorized").await;
    scene.got("/api/account", &second).await;
    problem(scene.send(Method::POST, "/api/logout", "", None).await, 401, "unauthorized").await;
});

on_both!(a_login_can_give_a_token_that_ends_like_a_session, |db| async move {
    let scene = Scene::on(&db).await;
    scene.register(EMAIL).await;
    let body = json!({ "email": EMAIL, "password": PASSWORD, "token": true });
    let first = scene.posted("/api/login", "", &body, 200).await["token"].as_str().expect("a token").to_owned();
    assert!(first.starts_with("mtp_"));
    let first = format!("Bearer {first}");
    scene.got("/api/account", &first).await;
    assert_eq!(scene.send(Method::POST, "/api/logout", &first, None).await.status(), 204);
    problem(scene.get("/api/account", &first).await, 401, "unauthorized").await;

    let second = scene.posted("/api/login", "", &body, 200).await["token"].as_str().expect("a token").to_owned();
    let (second, cookie) = (format!("Bearer {second}"), scene.login(EMAIL, PASSWORD).await);
    let own = json!({ "name": "mine", "scopes": ["account:read"] });
    let own = scene.posted("/api/account/tokens", &cookie, &own, 201).await["token"].as_str().expect("one").to_owned();
    let change = json!({ "current_password": PASSWORD, "password": "another password" });
    scene.posted("/api/password/change", &cookie, &change, 204).await;
    problem(scene.get("/api/account", &second).await, 401, "unauthorized").await;
    scene.got("/api/account", &format!("Bearer {own}")).await;
});

on_both!(another_password_ends_all_other_sessions, |db| async move {
    let scene = Scene::on(&db).await;
    scene.register(EMAIL).await;
    let (own, other) = (scene.login(EMAIL, PASSWORD).await, scene.login(EMAIL, PASSWORD).await);
    for (current, password, pointer) in [
        ("not the password", "another password", "#/current_password"),
        (PASSWORD, "short", "#/password"),
        (PASSWORD, EMAIL, "#/password"),
        (PASSWORD, "password123", "#/password"),
    ] {
        let body = json!({ "current_password": current, "password": password });
        let refused = problem(scene.post("/api/password/change", &own, &body).await, 422, "invalid-input").await;
        assert_eq!(refused["errors"][0]["pointer"], pointer, "{refused}");
    }
    scene.got("/api/account", &other).await;
    let body = json!({ "current_password": PASSWORD, "password": "another password" });
    scene.posted("/api/password/change", &own, &body, 204).await;
    problem(scene.get("/api/account", &other).await, 401, "unauthorized").await;
    scene.got("/api/account", &own).await;
    problem(scene.post("/api/login", "", &login()).await, 401, "unauthorized").await;
    scene.login(EMAIL, "another password").await;
    assert!(scene.mail(EMAIL, 2).await.contains("was changed"));
    scene.settled().await;
    scene.shop.is_sound();
});

on_both!(a_password_that_is_reset_by_mail_ends_everything, |db| async move {
    let scene = Scene::on(&db).await;
    scene.register(EMAIL).await;
    let cookie = scene.login(EMAIL, PASSWORD).await;
    let own = json!({ "name": "mine", "scopes": ["account:read"] });
    let token =
        scene.posted("/api/account/tokens", &cookie, &own, 201).await["token"].as_str().expect("one").to_owned();
    for _ in 0..2 {
        scene.posted("/api/password/forgot", "", &json!({ "email": EMAIL }), 202).await;
    }
    let (first, second) = (scene.token(EMAIL, 2).await, scene.token(EMAIL, 3).await);
    let body = json!({ "token": first, "password": "12345678" });
    let weak = problem(scene.post("/api/password/reset", "", &body).await, 422, "invalid-input").await;
    assert_eq!(weak["errors"][0]["pointer"], "#/password", "and the link is not used up");
    let body = json!({ "token": first, "password": "another password" });
    scene.posted("/api/password/reset", "", &body, 204).await;
    for token in [first, second] {
        let body = json!({ "token": token, "password": "a third password" });
        problem(scene.post("/api/password/reset", "", &body).await, 422, "invalid-input").await;
    }
    problem(scene.get("/api/account", &cookie).await, 401, "unauthorized").await;
    problem(scene.get("/api/account", &format!("Bearer {token}")).await, 401, "unauthorized").await;
    scene.login(EMAIL, "another password").await;
});

on_both!(sessions_are_listed_and_ended_by_their_owner_alone, |db| async move {
    let scene = Scene::on(&db).await;
    scene.register(EMAIL).await;
    let (first, second) = (scene.login(EMAIL, PASSWORD).await, scene.login(EMAIL, PASSWORD).await);
    let eve = scene.person("eve@example.com", Role::Customer).await;
    let listed = scene.got("/api/account/sessions", &second).await;
    let sessions = listed["data"].as_array().expect("a list");
    assert_eq!(sessions.iter().map(|session| &session["current"]).collect::<Vec<_>>(), [true, false]);
    assert_eq!((&sessions[0]["ip"], &listed["has_more"]), (&json!("127.0.0.1"), &json!(false)));
    assert!(!listed.to_string().contains("token"), "{listed}");
    let page = scene.got("/api/account/sessions?limit=1", &second).await;
    assert_eq!((&page["has_more"], &page["data"][0]["id"]), (&json!(true), &sessions[0]["id"]));
    let next = page["next_cursor"].as_str().expect("a cursor");
    let page = scene.got(&format!("/api/account/sessions?limit=1&after={next}"), &second).await;
    assert_eq!((&page["has_more"], &page["data"][0]["id"]), (&json!(false), &sessions[1]["id"]));

    let path = format!("/api/account/sessions/{}", sessions[1]["id"].as_str().expect("an identifier"));
    problem(scene.delete(&path, "").await, 401, "unauthorized").await;
    problem(scene.delete(&path, &eve.cookie).await, 404, "not-found").await;
    scene.got("/api/account", &first).await;
    assert_eq!(scene.delete(&path, &second).await.status(), 204);
    problem(scene.delete(&path, &second).await, 404, "not-found").await;
    problem(scene.get("/api/account", &first).await, 401, "unauthorized").await;
    problem(scene.delete("/api/account/sessions/ses_x", &second).await, 400, "invalid-parameter").await;
});

on_both!(a_browser_changes_something_only_from_our_own_pages, |db| async move {
    let scene = Scene::of(Mintreu::new().env("MINTREU__HTTP__PUBLIC_URL", "https://shop.example.com/store"), &db).await;
    let ada = scene.person(EMAIL, Role::Customer).await;
    let try_with = async |headers: &[(&str, &str)], path: &str, who: &str| {
        let mut request = scene.shop.client.patch(scene.shop.mintreu.url(path)).json(&json!({ "name": "Ada" }));
        let name = if who.starts_with("Bearer ") { "authorization" } else { "cookie" };
        request = request.header(name, who);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.expect("an answer")
    };
    let own_host = scene.shop.mintreu.url("").trim_end_matches('/').to_owned();
    let allowed: [&[(&str, &str)]; 6] = [
        &[],
        &[("sec-fetch-site", "same-origin")],
        &[("sec-fetch-site", "none")],
        &[("origin", "https://shop.example.com")],
        &[("origin", "https://shop.example.com"), ("sec-fetch-site", "same-origin")],
        &[("origin", &own_host), ("sec-fetch-site", "same-origin")],
    ];
    for headers in allowed {
        assert_eq!(try_with(headers, "/api/account", &ada.cookie).await.status(), 200, "{headers:?}");
    }
    let refused: [&[(&str, &str)]; 9] = [
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "nonsense")],
        &[("origin", "https://evil.example")],
        &[("origin", "http://shop.example.com")],
        &[("origin", "https://shop.example.com.evil.example")],
        &[("origin", "null")],
        &[("origin", &own_host)],
        &[("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")],
    ];
    for headers in refused {
        let refused = problem(try_with(headers, "/api/account", &ada.cookie).await, 403, "forbidden").await;
        assert!(refused["detail"].as_str().is_some_and(|detail| detail.contains("another site")), "{refused}");
    }
    // Reading is not changing, and a token is nothing that a browser sends by itself.
    let read = scene.shop.client.get(scene.shop.mintreu.url("/api/account")).header("cookie", &ada.cookie);
    assert_eq!(read.header("sec-fetch-site", "cross-site").send().await.expect("an answer").status(), 200);
    let own = json!({ "name": "mine", "scopes": ["account:write"] });
    let token =
        scene.posted("/api/account/tokens", &ada.cookie, &own, 201).await["token"].as_str().expect("one").to_owned();
    let answer = try_with(&[("sec-fetch-site", "cross-site")], "/api/account", &format!("Bearer {token}")).await;
    assert_eq!(answer.status(), 200);
    let login = scene.shop.client.post(scene.shop.mintreu.url("/api/login")).json(&login());
    let login = login.header("origin", "https://evil.example").send().await.expect("an answer");
    problem(login, 403, "forbidden").await;
});

on_both!(guesses_are_counted_for_an_account_and_others_are_left_alone, |db| async move {
    let scene = Scene::on(&db).await;
    scene.register(EMAIL).await;
    for email in [EMAIL, "nobody@example.com"] {
        let wrong = json!({ "email": email, "password": "not the password" });
        let mut refused = None;
        for _ in 0..12 {
            let answer = scene.post("/api/login", "", &wrong).await;
            if answer.status() == 429 {
                refused = Some(answer);
                break;
            }
            assert_eq!(answer.status(), 401);
        }
        let refused = refused.expect("refused at some time");
        let header = |name: &str| refused.headers()[name].to_str().expect("text").to_owned();
        assert_eq!(header("ratelimit-policy"), "\"login-account\";q=10;w=600");
        assert!(header("ratelimit").starts_with("\"login-account\";r=0;t="));
        assert_eq!((header("x-ratelimit-limit"), header("x-ratelimit-remaining")), ("10".to_owned(), "0".to_owned()));
        assert!((1..=60).contains(&header("retry-after").parse::<u64>().expect("seconds")));
        let body: Value = refused.json().await.expect("JSON");
        assert_eq!(body["type"], "https://iana.org/assignments/http-problem-types#quota-exceeded");
        assert_eq!(body["violated-policies"], json!(["login-account"]));
    }
    assert_eq!(scene.post("/api/login", "", &login()).await.status(), 429, "with the right password too");
    let other = json!({ "email": "bob@example.com", "password": "not the password" });
    let answer = scene.post("/api/login", "", &other).await;
    assert_eq!(answer.status(), 401, "another account is asked for its password");
});

on_both!(mails_are_counted_for_an_address, |db| async move {
    let scene = Scene::on(&db).await;
    scene.register(EMAIL).await;
    let body = json!({ "email": EMAIL });
    let mut sent = 1;
    let refused = loop {
        let answer = scene.post("/api/password/forgot", "", &body).await;
        if answer.status() == 429 {
            break answer;
        }
        assert_eq!(answer.status(), 202);
        assert!(answer.headers().contains_key("ratelimit"), "what is left is told");
        sent += 1;
    };
    assert_eq!(sent, 5);
    assert!(refused.headers().contains_key("retry-after"));
    for path in ["/api/register", "/api/verify-email/resend"] {
        let body = json!({ "name": "Ada", "email": EMAIL, "password": PASSWORD });
        assert_eq!(scene.post(path, "", &body).await.status(), 429, "{path}");
    }
});

on_both!(a_disabled_account_is_told_so_only_with_its_password, |db| async move {
    let scene = Scene::on(&db).await;
    scene.register(EMAIL).await;
    let cookie = scene.login(EMAIL, PASSWORD).await;
    let operator = scene.person("op@example.com", Role::Admin).await;
    let id = scene.got("/api/account", &cookie).await["id"].as_str().expect("an identifier").to_owned();
    let change = json!({ "disabled": true, "reason": "stolen cards" });
    let path = format!("/api/admin/users/{id}");
    let changed = scene.send(Method::PATCH, &path, &operator.cookie, Some(&change)).await;
    assert_eq!(changed.status(), 200);
    problem(scene.get("/api/account", &cookie).await, 401, "unauthorized").await;
    problem(scene.post("/api/login", "", &login()).await, 403, "forbidden").await;
    let wrong = json!({ "email": EMAIL, "password": "not the password" });
    problem(scene.post("/api/login", "", &wrong).await, 401, "unauthorized").await;
    scene.posted("/api/password/forgot", "", &json!({ "email": EMAIL }), 202).await;
    scene.settled().await;
    assert_eq!(scene.mails(EMAIL).len(), 1, "no link for a disabled account");
    let change = json!({ "disabled": false, "reason": "a mistake" });
    assert_eq!(scene.send(Method::PATCH, &path, &operator.cookie, Some(&change)).await.status(), 200);
    problem(scene.get("/api/account", &cookie).await, 401, "unauthorized").await;
    scene.login(EMAIL, PASSWORD).await;
});

on_both!(an_old_hash_is_replaced_at_the_next_login, |db| async move {
    use argon2::{Argon2, Params, PasswordHasher};
    let scene = Scene::on(&db).await;
    scene.register(EMAIL).await;
    let old = Argon2::from(Params::new(1024, 1, 1, None).expect("parameters"));
    let old = old.hash_password_with_salt(PASSWORD.as_bytes(), b"sixteen bytes!!!").expect("hashed").to_string();
    scene
        .db
        .write(async |tx| execute!(tx, sqlx::query("UPDATE users SET password_hash = $1").bind(&old)))
        .await
        .expect("written");
    for _ in 0..2 {
        scene.login(EMAIL, PASSWORD).await;
        let today = "SELECT COUNT(*) FROM users WHERE password_hash LIKE '$argon2id$v=19$m=19456,t=2,p=1$%'";
        assert_eq!(scene.number(today).await, 1);
    }
});

#[tokio::test]
async fn over_tls_the_cookie_is_sent_over_tls_alone() {
    let db = TestDb::sqlite();
    let scene = Scene::of(Mintreu::new().env("MINTREU__HTTP__PUBLIC_URL", "https://shop.example.com"), &db).await;
    scene.register(EMAIL).await;
    assert!(scene.mail(EMAIL, 1).await.contains("https://shop.example.com/verify-email?token="));
    let answer = scene.post("/api/login", "", &login()).await;
    assert!(answer.headers()["set-cookie"].to_str().expect("text").ends_with("; Secure"));
}
