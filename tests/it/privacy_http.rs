//! People ask for their data and for their end over HTTP: the real server, its jobs and its mails.

use mintreu::{
    accounts::Role,
    execute, fetch_one,
    kernel::Id,
    privacy::{DataExportMarker, Links},
};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::{
    accounts_scene::{PASSWORD, Scene, totp},
    journey_premises::mail::keys,
    journey_shop::{problem, until},
    privacy_export::unpack,
    support::{Mintreu, TestDb},
};

const ADA: &str = "ada@example.com";
const EXPORTS: &str = "/api/account/exports";
const DELETION: &str = "/api/account/deletion";

async fn scene(test: &TestDb, grace: &str) -> Scene {
    let mintreu = Mintreu::new()
        .env("MINTREU__SECRETS__KEY", crate::journey_premises::mail::KEY)
        .env("MINTREU__PRIVACY__DELETION_GRACE", grace);
    Scene::of(mintreu, test).await
}

async fn status(scene: &Scene, path: &str, who: &str, wanted: &str) -> Value {
    until(&format!("{path} is {wanted}"), async || {
        let view = scene.got(path, who).await;
        if view["status"] == wanted { Ok(view) } else { Err(view) }
    })
    .await
}

async fn bytes(answer: Response) -> Vec<u8> {
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/zip");
    assert!(
        answer.headers()["content-disposition"].to_str().expect("text").starts_with("attachment; filename=\"data-20")
    );
    assert_eq!(answer.headers()["cache-control"], "private, no-store");
    answer.bytes().await.expect("bytes").to_vec()
}

/// The path of the link in a mail.
fn link_in(mail: &str) -> String {
    let (_, rest) = mail.split_once("/api/exports/").unwrap_or_else(|| panic!("no link in {mail}"));
    let token: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect();
    format!("/api/exports/{token}")
}

/// The same link with another character in its token.
fn altered(link: &str) -> String {
    let (start, last) = link.split_at(link.len() - 1);
    format!("{start}{}", if last == "A" { "Q" } else { "A" })
}

on_both!(an_archive_is_asked_for_told_of_and_fetched, |test: TestDb| async move {
    let scene = scene(&test, "14d").await;
    scene.register(ADA).await;
    let ada = scene.login(ADA, PASSWORD).await;
    let eve = scene.person("eve@example.com", Role::Customer).await.cookie;
    problem(scene.send(Method::POST, EXPORTS, "", None).await, 401, "unauthorized").await;
    let request = || {
        let request = scene.shop.client.post(scene.shop.mintreu.url(EXPORTS)).header("cookie", &ada);
        request.header("idempotency-key", "k").send()
    };
    let first = request().await.expect("an answer");
    assert_eq!(first.status(), 202);
    let first: Value = first.json().await.expect("JSON");
    let again = request().await.expect("an answer");
    assert_eq!((again.status().as_u16(), again.headers()["idempotent-replayed"].to_str().ok()), (202, Some("true")));
    assert_eq!(again.json::<Value>().await.expect("JSON"), first);

    let path = format!("{EXPORTS}/{}", first["id"].as_str().expect("an id"));
    let ready = status(&scene, &path, &ada, "ready").await;
    let own = bytes(scene.get(&format!("{path}/archive"), &ada).await).await;
    assert_eq!(ready["size"], own.len());
    let files = unpack(&own);
    assert!(String::from_utf8_lossy(&files["account.json"]).contains(ADA));
    // Registration came first.
    let link = link_in(&scene.mail(ADA, 2).await);
    assert!(ready["link"].as_str().expect("a link").ends_with(&link));
    assert_eq!(bytes(scene.get(&link, "").await).await, own);
    assert_eq!(scene.got(EXPORTS, &ada).await["data"][0]["id"], first["id"]);

    for (path, who, expected, kind) in [
        (path.as_str(), eve.as_str(), 404, "not-found"),
        (&format!("{path}/archive"), &eve, 404, "not-found"),
        (&path, "", 401, "unauthorized"),
        (&format!("{path}/archive"), "", 401, "unauthorized"),
        (&format!("{EXPORTS}/exp_x"), &ada, 400, "invalid-parameter"),
        (&format!("{EXPORTS}?limit=0"), &ada, 400, "invalid-parameter"),
        ("/api/exports/x", "", 404, "not-found"),
        (&altered(&link), "", 404, "not-found"),
    ] {
        problem(scene.get(path, who).await, expected, kind).await;
    }
    // A token that may do everything else opens nothing here.
    let made = json!({ "name": "all", "scopes": ["account:read", "account:write", "orders:read"] });
    let token = scene.posted("/api/account/tokens", &ada, &made, 201).await;
    let bearer = format!("Bearer {}", token["token"].as_str().expect("a token"));
    for (method, path) in [(Method::GET, path.as_str()), (Method::POST, EXPORTS), (Method::GET, DELETION)] {
        problem(scene.send(method, path, &bearer, None).await, 403, "forbidden").await;
    }

    // Its time is over, whether it was removed already or not.
    let now = scene.db.now();
    scene
        .db
        .write(async |tx| execute!(tx, sqlx::query("UPDATE data_exports SET expires_at = $1").bind(now)))
        .await
        .expect("changed");
    problem(scene.get(&link, "").await, 410, "gone").await;
    problem(scene.get(&format!("{path}/archive"), &ada).await, 410, "gone").await;
    assert_eq!(scene.got(&path, &ada).await["link"], Value::Null);
});

on_both!(an_archive_opens_only_for_those_who_sign_in_where_a_second_factor_is_set, |test: TestDb| async move {
    let scene = scene(&test, "14d").await;
    scene.register(ADA).await;
    let ada = scene.login(ADA, PASSWORD).await;
    let secret =
        scene.posted("/api/account/totp", &ada, &json!({}), 201).await["secret"].as_str().expect("one").to_owned();
    let codes = scene.posted("/api/account/totp/confirm", &ada, &json!({ "totp": totp(&secret, 0) }), 200).await;
    assert_eq!(scene.send(Method::POST, EXPORTS, &ada, None).await.status(), 202);
    let mail = scene.mail(ADA, 2).await;
    assert!(mail.contains("/account/privacy") && !mail.contains("/api/exports/"), "{mail}");

    let wrong = [
        (json!({ "password": PASSWORD }), "#/totp"),
        (json!({ "password": PASSWORD, "totp": "000000" }), "#/totp"),
        (json!({ "password": "wrong password", "recovery_code": codes["recovery_codes"][0] }), "#/password"),
    ];
    for (body, pointer) in wrong {
        let problem = problem(scene.post(DELETION, &ada, &body).await, 422, "invalid-input").await;
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}");
    }
    let body = json!({ "password": PASSWORD, "recovery_code": codes["recovery_codes"][0] });
    scene.posted(DELETION, &ada, &body, 202).await;
    scene.delete(DELETION, &ada).await;
    // A code is good once.
    problem(scene.post(DELETION, &ada, &body).await, 422, "invalid-input").await;
});

on_both!(an_account_is_deleted_and_its_address_comes_anew_as_a_stranger, |test: TestDb| async move {
    let scene = scene(&test, "1s").await;
    scene.register(ADA).await;
    let ada = scene.login(ADA, PASSWORD).await;
    let made =
        scene.posted("/api/account/tokens", &ada, &json!({ "name": "ci", "scopes": ["account:read"] }), 201).await;
    let bearer = format!("Bearer {}", made["token"].as_str().expect("a token"));
    assert_eq!(scene.get("/api/account", &bearer).await.status(), 200);
    assert_eq!(scene.send(Method::POST, EXPORTS, &ada, None).await.status(), 202);
    let link = link_in(&scene.mail(ADA, 2).await);
    let scheduled = scene.posted(DELETION, &ada, &json!({ "password": PASSWORD }), 202).await;
    assert_eq!(scheduled["status"], "scheduled");
    until("the account is deleted", async || {
        let done = scene.number("SELECT COUNT(*) FROM account_deletions WHERE state = 'done'").await;
        if done == 1 { Ok(()) } else { Err(done) }
    })
    .await;
    let farewell = until("the last mail is sent", async || {
        let mails = scene.mails(ADA);
        let last = mails.iter().find(|mail| mail.contains("was deleted"));
        last.cloned().ok_or(mails.len())
    })
    .await;
    assert!(farewell.contains("Invoices are kept"), "{farewell}");
    assert_eq!(scene.mails(ADA).len(), 1, "all others are gone");
    problem(scene.get("/api/account", &ada).await, 401, "unauthorized").await;
    problem(scene.get("/api/account", &bearer).await, 401, "unauthorized").await;
    let login = json!({ "email": ADA, "password": PASSWORD });
    problem(scene.post("/api/login", "", &login).await, 401, "unauthorized").await;
    problem(scene.get(&link, "").await, 410, "gone").await;
    let verified = scene.shop.mintreu.run(&["audit", "verify"]);
    assert!(verified.status.success(), "{verified:?}");

    // The old last mail is still where mails are.
    let body = json!({ "name": "Ada", "email": ADA, "password": PASSWORD });
    scene.posted("/api/register", "", &body, 202).await;
    let token = until("a link", async || {
        let mails = scene.mails(ADA);
        let fresh = mails.iter().find(|mail| mail.contains("/verify-email?token="));
        fresh.map(|mail| crate::accounts_scene::token_in(mail)).ok_or(mails.len())
    })
    .await;
    scene.posted("/api/verify-email", "", &json!({ "token": token }), 200).await;
    let stranger = scene.login(ADA, PASSWORD).await;
    for path in ["/api/orders", "/api/licenses", EXPORTS, "/api/account/tokens", "/api/tickets"] {
        assert_eq!(scene.got(path, &stranger).await["data"], json!([]), "{path}");
    }
    assert_eq!(scene.got("/api/account", &stranger).await["deletion"], Value::Null);
    problem(scene.get(DELETION, &stranger).await, 404, "not-found").await;
});

on_both!(a_deletion_is_seen_and_cancelled_while_it_waits, |test: TestDb| async move {
    let scene = scene(&test, "14d").await;
    scene.register(ADA).await;
    let ada = scene.login(ADA, PASSWORD).await;
    let good = json!({ "password": PASSWORD });
    problem(scene.post(DELETION, "", &good).await, 401, "unauthorized").await;
    problem(scene.delete(DELETION, "").await, 401, "unauthorized").await;
    problem(scene.delete(DELETION, &ada).await, 404, "not-found").await;
    for (body, expected, kind) in [
        (json!({ "password": "wrong password" }), 422, "invalid-input"),
        (json!({ "password": "x".repeat(257) }), 422, "invalid-input"),
        (json!({ "password": "nul\0" }), 422, "invalid-input"),
        (json!({}), 400, "malformed-body"),
        (json!({ "password": PASSWORD, "more": 1 }), 400, "malformed-body"),
        (json!([PASSWORD]), 400, "malformed-body"),
    ] {
        problem(scene.post(DELETION, &ada, &body).await, expected, kind).await;
    }
    // It may cost its connection, which is one of its own.
    let large = reqwest::Client::new().post(scene.shop.mintreu.url(DELETION)).header("cookie", &ada);
    let large = large.json(&json!({ "password": "x".repeat(1 << 20) })).send().await.expect("an answer");
    problem(large, 413, "body-too-large").await;
    let scheduled = scene.posted(DELETION, &ada, &good, 202).await;
    assert_eq!(scene.got(DELETION, &ada).await, scheduled);
    assert_eq!(scene.got("/api/account", &ada).await["deletion"], scheduled);
    problem(scene.post(DELETION, &ada, &good).await, 409, "conflict").await;
    assert!(scene.mail(ADA, 2).await.contains("will be deleted"));
    let again = scene.login(ADA, PASSWORD).await;
    assert_eq!(scene.delete(DELETION, &again).await.status(), 204);
    assert_eq!(scene.got("/api/account", &ada).await["deletion"], Value::Null);
    problem(scene.get(DELETION, &ada).await, 404, "not-found").await;
});

on_both!(operators_do_it_on_a_written_word, |test: TestDb| async move {
    let scene = scene(&test, "14d").await;
    scene.register(ADA).await;
    let ada = scene.login(ADA, PASSWORD).await;
    let operator = scene.person("operator@example.com", Role::Admin).await;
    let user = scene.got("/api/account", &ada).await["id"].as_str().expect("an id").to_owned();
    let (exports, deletion) = (format!("/api/admin/users/{user}/exports"), format!("/api/admin/users/{user}/deletion"));
    let good = json!({ "reason": "letter 17" });
    for path in [&exports, &deletion] {
        problem(scene.post(path, "", &good).await, 401, "unauthorized").await;
        problem(scene.post(path, &ada, &good).await, 403, "forbidden").await;
        problem(scene.get(path, &ada).await, 403, "forbidden").await;
        problem(scene.post(path, &operator.cookie, &json!({ "reason": " " })).await, 422, "invalid-input").await;
        problem(scene.post(path, &operator.cookie, &json!({ "reason": "nul\0" })).await, 422, "invalid-input").await;
        problem(scene.post(path, &operator.cookie, &json!({ "reason": "x".repeat(501) })).await, 422, "invalid-input")
            .await;
        problem(scene.post(path, &operator.cookie, &json!({})).await, 422, "invalid-input").await;
        let nobody = path.replace(&user, "usr_01h455vb4pex5vsknk084sn02q");
        problem(scene.post(&nobody, &operator.cookie, &good).await, 404, "not-found").await;
        problem(scene.get(&nobody, &operator.cookie).await, 404, "not-found").await;
    }
    let made = scene.posted(&exports, &operator.cookie, &good, 202).await;
    assert_eq!(made["requested_by"], "operator");
    // The archive goes to its person; the operator sees that there is one.
    let link = link_in(&scene.mail(ADA, 2).await);
    assert_eq!(scene.get(&link, "").await.status(), 200);
    let listed = scene.got(&exports, &operator.cookie).await;
    assert!(listed["data"][0]["status"] == "ready" && listed["data"][0].get("link").is_none(), "{listed}");
    let own = format!("/api/admin/users/{}/deletion", operator.user);
    let refused = problem(scene.post(&own, &operator.cookie, &good).await, 409, "conflict").await;
    assert_eq!(refused["blockers"], json!(["last_operator"]));
    let at_once = json!({ "reason": "letter 18", "at_once": true });
    scene.posted(&deletion, &operator.cookie, &at_once, 202).await;
    until("the account is deleted", async || {
        let view = scene.got(&deletion, &operator.cookie).await;
        if view["status"] == "done" { Ok(()) } else { Err(view) }
    })
    .await;
    let reasons =
        "SELECT COUNT(*) FROM audit_entries WHERE reason IN ('letter 17', 'letter 18') AND actor_kind = 'operator'";
    assert_eq!(scene.number(reasons).await, 2);
    problem(scene.post(&exports, &operator.cookie, &good).await, 404, "not-found").await;
    problem(scene.post(&deletion, &operator.cookie, &at_once).await, 409, "conflict").await;
});

on_both!(the_command_line_does_it_too, |test: TestDb| async move {
    let scene = scene(&test, "14d").await;
    scene.register(ADA).await;
    let shop = &scene.shop;
    let export = shop.json(&["users", "export", ADA, "--reason", "letter 1"]);
    assert_eq!(export["status"], "pending");
    assert!(scene.mail(ADA, 2).await.contains("/api/exports/"));
    let refused = shop.refused(&["users", "delete", "nobody@example.com", "--reason", "letter 2"], 1);
    assert!(refused.stderr.contains("there is no account"), "{}", refused.stderr);
    shop.refused(&["users", "delete", ADA, "--reason", " "], 2);
    let waits = shop.json(&["users", "delete", ADA, "--reason", "letter 2"]);
    assert_eq!(waits["status"], "scheduled");
    shop.refused(&["users", "delete", ADA, "--reason", "letter 3"], 1);
});

on_both!(a_server_that_is_killed_amid_a_deletion_ends_it, |test: TestDb| async move {
    let mut scene = {
        let mintreu = Mintreu::new()
            .env("MINTREU__SECRETS__KEY", crate::journey_premises::mail::KEY)
            .env("MINTREU__PRIVACY__DELETION_GRACE", "0s")
            .env("MINTREU__JOBS__LEASE", "2s");
        Scene::of(mintreu, &test).await
    };
    scene.register(ADA).await;
    let ada = scene.login(ADA, PASSWORD).await;
    // Asked for, and killed before anybody can say how far it came.
    scene.posted(DELETION, &ada, &json!({ "password": PASSWORD }), 202).await;
    for _ in 0..3 {
        scene.server.kill_9();
        scene.server = scene.shop.serve().await;
    }
    until("the account is deleted", async || {
        let done = scene.number("SELECT COUNT(*) FROM account_deletions WHERE state = 'done'").await;
        if done == 1 { Ok(()) } else { Err(done) }
    })
    .await;
    let left: i64 = fetch_one!(&scene.db, sqlx::query_scalar("SELECT COUNT(*) FROM users WHERE email = $1").bind(ADA))
        .expect("a number");
    assert_eq!(left, 0);
    assert_eq!(scene.number("SELECT COUNT(*) FROM audit_entries WHERE action = 'account.deleted'").await, 1);
});

#[test]
fn a_link_is_made_by_the_installation_alone() {
    let export: Id<DataExportMarker> = "exp_01h455vb4pex5vsknk084sn02q".parse().expect("an id");
    let links = Links::new(&keys());
    assert_eq!(links.open(&links.token(export)), Some(export));
}
