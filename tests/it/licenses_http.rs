//! Licences over HTTP: the real server, asked by programs, owners, operators and by nobody in particular.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use ed25519_dalek::{Signature, Verifier, VerifyingKey};
use mintreu::{
    accounts::{ACCESS_TOKEN_PREFIX, Role, token_hash},
    catalog::Limits,
    db::{Db, DbError},
    execute, fetch_one,
    kernel::Time,
    licenses::{self, LicenseView},
};
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};

use crate::support::{
    Mintreu, Person, Running, TestDb, eventually, sign_in,
    sold::{Sold, key, root_text},
};

/// A server, its database and those who use it.
pub(crate) struct Scene {
    pub(crate) mintreu: Mintreu,
    _running: Running,
    pub(crate) client: Client,
    pub(crate) db: Db,
    pub(crate) owner: Person,
    stranger: Person,
    operator: Person,
}

impl Scene {
    pub(crate) async fn open(db: &TestDb) -> Self {
        Self::with(db, Mintreu::new()).await
    }

    async fn with(db: &TestDb, mintreu: Mintreu) -> Self {
        let mintreu = mintreu.env("MINTREU__DATABASE__URL", db.url()).env("MINTREU__SECRETS__KEY", root_text());
        let open = db.open().await;
        let running = mintreu.serve().await;
        Self {
            mintreu,
            _running: running,
            // A refused body may cost its connection: each request has one of its own.
            client: Client::builder().pool_max_idle_per_host(0).build().expect("a client"),
            owner: sign_in(&open, "owner@example.com", Role::Customer).await,
            stranger: sign_in(&open, "stranger@example.com", Role::Customer).await,
            operator: sign_in(&open, "operator@example.com", Role::Admin).await,
            db: open,
        }
    }

    async fn send(&self, who: Option<&Person>, method: Method, path: &str, body: Option<&Value>) -> Response {
        let mut request = self.client.request(method, self.mintreu.url(path));
        if let Some(who) = who {
            request = request.header("cookie", &who.cookie);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        request.send().await.expect("an answer")
    }

    async fn get(&self, who: &Person, path: &str) -> Value {
        let answer = self.send(Some(who), Method::GET, path, None).await;
        assert_eq!(answer.status(), 200, "{path}");
        answer.json().await.expect("JSON")
    }

    /// What a program gets to hear.
    async fn ask(&self, route: &str, body: Value) -> Value {
        let answer = self.send(None, Method::POST, &format!("/api/license/{route}"), Some(&body)).await;
        let status = answer.status();
        let value: Value = answer.json().await.expect("JSON");
        assert_eq!(status, 200, "{route} {body}: {value}");
        assert_eq!(value["valid"], value["code"] == "VALID", "{value}");
        assert!(value["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{value}");
        value["ts"].as_str().expect("a time").parse::<Time>().expect("RFC 3339");
        value
    }

    async fn code(&self, license: &LicenseView, more: Value) -> String {
        let mut body = json!({ "license_key": key(license) });
        for (name, value) in more.as_object().expect("an object") {
            body[name] = value.clone();
        }
        self.ask("validate", body).await["code"].as_str().expect("a code").to_owned()
    }

    async fn operate(&self, license: &LicenseView, step: &str, body: Value) -> Value {
        let path = format!("/api/admin/licenses/{}/{step}", license.id);
        let answer = self.send(Some(&self.operator), Method::POST, &path, Some(&body)).await;
        assert_eq!(answer.status(), 200, "{step}");
        answer.json().await.expect("JSON")
    }
}

async fn refused(answer: Response, status: u16, pointer: Option<&str>) {
    let (url, got) = (answer.url().clone(), answer.status());
    let body = answer.text().await.expect("text");
    assert_eq!(got, status, "{url}: {body}");
    let problem: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(problem["status"], status, "{body}");
    if let Some(pointer) = pointer {
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}");
    }
}

on_both!(a_program_hears_every_code, |db| async move {
    let scene = Scene::open(&db).await;
    let limits = Limits { activations: Some(1), uses: Some(1), ..Limits::default() };
    let sold = Sold::with(&scene.db, &scene.owner, limits, 1).await;
    let license = sold.license(&scene.db).await;
    let answer =
        scene.ask("validate", json!({ "license_key": key(&license), "nonce": "once-7", "unknown_field": 1 })).await;
    assert_eq!(
        (&answer["code"], &answer["nonce"], &answer["instance"]),
        (&json!("VALID"), &json!("once-7"), &Value::Null)
    );
    assert_eq!(answer["license"]["id"], license.id.to_string());
    assert_eq!(answer["license"]["product"]["slug"], sold.slug);
    assert_eq!(answer["license"]["activations"], json!({ "count": 0, "limit": 1 }));
    assert!(answer.get("stale").is_none() && !answer.to_string().contains("owner@"), "{answer}");
    for (more, code) in [
        (json!({ "product": sold.slug }), "VALID"),
        (json!({ "product": sold.entitlement.product }), "VALID"),
        (json!({ "product": "another" }), "PRODUCT_SCOPE_MISMATCH"),
        (json!({ "domain": "example.com" }), "VALID"),
        (json!({ "fingerprint": "elsewhere" }), "NO_MACHINE"),
        (json!({ "instance_id": "act_00000000000000000000000000" }), "NO_MACHINE"),
        (json!({ "nonce": 7 }), "VALID"),
    ] {
        assert_eq!(scene.code(&license, more.clone()).await, code, "{more}");
    }
    let place = json!({ "license_key": key(&license), "fingerprint": "machine", "server_info": { "os": "linux" } });
    let active = scene.ask("activate", place.clone()).await;
    assert_eq!((&active["code"], &active["license"]["activations"]["count"]), (&json!("VALID"), &json!(1)), "{active}");
    let id = active["instance"]["id"].as_str().expect("an id");
    assert_eq!(scene.ask("activate", place).await["instance"]["id"], id, "the same machine is the same instance");
    assert_eq!(scene.code(&license, json!({ "instance_id": id })).await, "VALID");
    assert_eq!(scene.code(&license, json!({ "fingerprint": "machine" })).await, "VALID");
    let full = scene.ask("activate", json!({ "license_key": key(&license), "fingerprint": "another" })).await;
    assert_eq!((&full["code"], &full["instance"]), (&json!("TOO_MANY_MACHINES"), &Value::Null));
    let ended = scene.ask("deactivate", json!({ "license_key": key(&license), "instance_id": id })).await;
    assert_eq!((&ended["code"], &ended["license"]["activations"]["count"]), (&json!("VALID"), &json!(0)));
    let again = scene.ask("deactivate", json!({ "license_key": key(&license), "instance_id": id })).await;
    assert_eq!(again["code"], "NO_MACHINE");
    assert_eq!(scene.code(&license, json!({ "fingerprint": "machine" })).await, "NO_MACHINE");
    let why = json!({ "reason": "a test" });
    for (step, code) in [("suspend", "SUSPENDED"), ("resume", "VALID"), ("revoke", "REVOKED")] {
        scene.operate(&license, step, why.clone()).await;
        assert_eq!(scene.code(&license, json!({})).await, code, "{step}");
    }
    let other = Sold::to(&scene.db, &scene.owner).await;
    let (ended, item) = (other.license(&scene.db).await, other.entitlement.item);
    assert_eq!(scene.code(&ended, json!({})).await, "VALID");
    scene.db.write(async |tx| licenses::end_item(tx, item, "cancelled").await).await.expect("ended");
    eventually("another process's change is known", async || scene.code(&ended, json!({})).await == "CANCELLED").await;
    let past = scene.db.now() - std::time::Duration::from_secs(1);
    let expired = Sold::to(&scene.db, &scene.owner).await.until(past).license(&scene.db).await;
    let answer = scene.ask("validate", json!({ "license_key": key(&expired) })).await;
    assert_eq!((&answer["code"], &answer["license"]["status"]), (&json!("EXPIRED"), &json!("expired")));
});

on_both!(hostile_keys_and_bodies_are_answered_calmly, |db| async move {
    let scene = Scene::open(&db).await;
    let license = Sold::to(&scene.db, &scene.owner).await.license(&scene.db).await;
    let typo = key(&license).replace("MINTREU-REG-", "MINTREU-EXT-");
    // Right in form, made under another root key.
    let foreign = {
        use mintreu::kernel::seal::{Keyring, Random};
        let keys = licenses::KeyMaker::new(&Keyring::new([[9; 32]], Random::os()).expect("a key"));
        let sold = Sold::to(&scene.db, &scene.owner).await;
        let entitlements = [sold.entitlement.clone()];
        scene.db.write(async |tx| licenses::issue(tx, &keys, &entitlements).await).await.expect("issued");
        let made = licenses::of_order(&scene.db, &keys, sold.entitlement.order).await.expect("read").remove(0);
        key(&made).to_owned()
    };
    let sloppy = format!(" {} ", key(&license).to_lowercase().replace('-', " "));
    assert_eq!(scene.ask("validate", json!({ "license_key": sloppy })).await["code"], "VALID");
    for text in
        ["", "x", "MINTREU", "MINTREU-\u{0}", "ключ", "🔑🔑🔑", "' OR 1=1 --", &typo, &foreign, &"M".repeat(10_000)]
    {
        for route in ["validate", "activate", "deactivate"] {
            let body = json!({ "license_key": text, "instance_id": "act_00000000000000000000000000" });
            let answer = scene.ask(route, body).await;
            assert_eq!((&answer["code"], &answer["license"]), (&json!("NOT_FOUND"), &Value::Null), "{text:.40}");
        }
    }
    for route in ["validate", "activate", "deactivate"] {
        let path = format!("/api/license/{route}");
        let post = async |body: &Value| scene.send(None, Method::POST, &path, Some(body)).await;
        refused(post(&json!({ "license_key": "M".repeat(17 << 10) })).await, 413, None).await;
        refused(post(&json!({})).await, 400, Some("#/license_key")).await;
        refused(post(&json!({ "license_key": 7 })).await, 400, Some("#/license_key")).await;
        refused(post(&json!([])).await, 400, None).await;
        let with = |name: &str, value: Value| {
            let mut body = json!({ "license_key": key(&license), "instance_id": "act_00000000000000000000000000" });
            body[name] = value;
            body
        };
        refused(post(&with("nonce", json!("n".repeat(300)))).await, 422, Some("#/nonce")).await;
        refused(post(&with("instance_id", json!("x"))).await, 422, Some("#/instance_id")).await;
        let text = scene.client.post(scene.mintreu.url(&path)).body("{}").send().await.expect("an answer");
        refused(text, 415, None).await;
        refused(scene.send(None, Method::GET, &path, None).await, 405, None).await;
    }
    for (route, name, value) in [
        ("validate", "domain", json!("not a domain")),
        ("validate", "domain", json!("a\u{0}b.example")),
        ("validate", "product", json!("p".repeat(300))),
        ("validate", "fingerprint", json!("a\u{0}b")),
        ("activate", "fingerprint", json!("")),
        ("activate", "instance_name", json!("a\u{0}b")),
        ("activate", "instance_name", json!("n".repeat(300))),
        ("activate", "server_info", json!({ "x": "y".repeat(5_000) })),
    ] {
        let mut body = json!({ "license_key": key(&license) });
        body[name] = value;
        let answer = scene.send(None, Method::POST, &format!("/api/license/{route}"), Some(&body)).await;
        refused(answer, 422, Some(&format!("#/{name}"))).await;
    }
    let listed = json!({ "license_key": key(&license), "server_info": [1] });
    refused(scene.send(None, Method::POST, "/api/license/activate", Some(&listed)).await, 400, Some("#/server_info"))
        .await;
});

on_both!(owners_see_and_rule_their_own_licences, |db| async move {
    let scene = Scene::open(&db).await;
    let limits = Limits { domains: Some(2), ..Limits::default() };
    let sold = Sold::with(&scene.db, &scene.owner, limits, 3).await;
    let license = sold.license(&scene.db).await;
    let first = scene.get(&scene.owner, "/api/licenses?limit=2").await;
    assert_eq!((first["data"].as_array().map(Vec::len), &first["has_more"]), (Some(2), &json!(true)));
    let next = format!("/api/licenses?limit=2&after={}", first["next_cursor"].as_str().expect("a cursor"));
    let second = scene.get(&scene.owner, &next).await;
    assert_eq!((second["data"].as_array().map(Vec::len), &second["has_more"]), (Some(1), &json!(false)));
    assert_eq!(scene.get(&scene.stranger, "/api/licenses").await["data"], json!([]));
    let path = format!("/api/licenses/{}", license.id);
    assert_eq!(scene.get(&scene.owner, &path).await["license_key"], key(&license));

    let change = async |body: Value| scene.send(Some(&scene.owner), Method::PATCH, &path, Some(&body)).await;
    let rules = json!({ "domains": ["Example.com", "*.example.org"], "ips": ["127.0.0.0/8", "::1"] });
    let shown: Value = change(rules).await.json().await.expect("JSON");
    assert_eq!(shown["domains"], json!(["example.com", "*.example.org"]));
    for (domain, code) in [
        ("example.com", "VALID"),
        ("www.example.org", "VALID"),
        ("example.org", "DOMAIN_SCOPE_MISMATCH"),
        ("evil.example", "DOMAIN_SCOPE_MISMATCH"),
    ] {
        assert_eq!(scene.code(&license, json!({ "domain": domain })).await, code, "{domain}");
    }
    assert_eq!(scene.code(&license, json!({})).await, "DOMAIN_SCOPE_REQUIRED");
    assert!(change(json!({ "domains": [], "ips": ["192.0.2.0/24"] })).await.status().is_success());
    assert_eq!(scene.code(&license, json!({})).await, "IP_SCOPE_MISMATCH");
    assert!(change(json!({ "ips": [] })).await.status().is_success());
    assert_eq!(scene.code(&license, json!({})).await, "VALID");
    refused(change(json!({ "domains": ["a.example", "b.example", "c.example"] })).await, 422, Some("#/domains")).await;
    refused(change(json!({ "domains": ["a.example", "b c"] })).await, 422, Some("#/domains/1")).await;
    refused(change(json!({ "ips": ["x"] })).await, 422, Some("#/ips/0")).await;
    refused(change(json!({ "ips": vec!["192.0.2.1"; 101] })).await, 422, Some("#/ips")).await;
    refused(change(json!({ "status": "active" })).await, 400, Some("#/status")).await;

    let place = json!({ "license_key": key(&license), "instance_name": "shop", "domain": "a.example" });
    let id = scene.ask("activate", place).await["instance"]["id"].as_str().expect("an id").to_owned();
    let places = scene.get(&scene.owner, &format!("{path}/activations")).await;
    assert_eq!((&places["data"][0]["id"], &places["data"][0]["domain"]), (&json!(id), &json!("a.example")));
    let one = format!("{path}/activations/{id}");
    refused(scene.send(Some(&scene.stranger), Method::DELETE, &one, None).await, 404, None).await;
    assert_eq!(scene.send(Some(&scene.owner), Method::DELETE, &one, None).await.status(), 204);
    refused(scene.send(Some(&scene.owner), Method::DELETE, &one, None).await, 404, None).await;
    let ended = json!({ "license_key": key(&license), "instance_id": id });
    assert_eq!(scene.ask("validate", ended).await["code"], "NO_MACHINE");

    let rotate = async |key: &str| {
        let request = scene.client.post(scene.mintreu.url(&format!("{path}/rotate-key")));
        let answer = request.header("cookie", &scene.owner.cookie).header("idempotency-key", key).send().await;
        let answer = answer.expect("an answer");
        assert_eq!(answer.status(), 200);
        answer.json::<Value>().await.expect("JSON")["license_key"].as_str().expect("a key").to_owned()
    };
    let new = rotate("one").await;
    assert_eq!(scene.ask("validate", json!({ "license_key": key(&license) })).await["code"], "NOT_FOUND", "at once");
    assert_eq!(scene.ask("validate", json!({ "license_key": new })).await["code"], "VALID");
    assert_eq!(rotate("one").await, new, "a repeated request is answered alike");
    assert_ne!(rotate("two").await, new);
    let log = scene.get(&scene.owner, &format!("{path}/log?limit=100")).await;
    let mut actions: Vec<_> =
        log["data"].as_array().expect("lines").iter().map(|line| line["action"].as_str().expect("text")).collect();
    actions.reverse();
    assert_eq!(
        actions,
        [
            "created",
            "rules_changed",
            "rules_changed",
            "rules_changed",
            "activated",
            "deactivated",
            "key_rotated",
            "key_rotated"
        ]
    );
});

on_both!(every_door_is_shut_to_those_without_a_right, |db| async move {
    let scene = Scene::open(&db).await;
    let license = Sold::to(&scene.db, &scene.owner).await.license(&scene.db).await;
    let (mine, all) = (format!("/api/licenses/{}", license.id), format!("/api/admin/licenses/{}", license.id));
    let place = format!("{mine}/activations/act_00000000000000000000000000");
    let why = json!({ "reason": "a test", "until": "2999-01-01T00:00:00Z" });
    let owners = [
        (Method::GET, mine.clone(), None),
        (Method::PATCH, mine.clone(), Some(json!({ "domains": [] }))),
        (Method::GET, format!("{mine}/activations"), None),
        (Method::DELETE, place, None),
        (Method::POST, format!("{mine}/rotate-key"), None),
        (Method::GET, format!("{mine}/log"), None),
        (Method::GET, format!("{mine}/file"), None),
    ];
    for (method, path, body) in owners {
        refused(scene.send(None, method.clone(), &path, body.as_ref()).await, 401, None).await;
        refused(scene.send(Some(&scene.stranger), method.clone(), &path, body.as_ref()).await, 404, None).await;
        let unknown = path.replace(&license.id.to_string(), "lic_00000000000000000000000000");
        refused(scene.send(Some(&scene.owner), method.clone(), &unknown, body.as_ref()).await, 404, None).await;
        let malformed = path.replace(&license.id.to_string(), "lic_x");
        refused(scene.send(Some(&scene.owner), method, &malformed, body.as_ref()).await, 400, None).await;
    }
    refused(scene.send(None, Method::GET, "/api/licenses", None).await, 401, None).await;
    for query in ["limit=0", "limit=101", "limit=x", "after=x"] {
        let path = format!("/api/licenses?{query}");
        refused(scene.send(Some(&scene.owner), Method::GET, &path, None).await, 400, None).await;
    }
    let only = |name: &str| json!({ name: why[name] });
    let operators = [
        (Method::GET, "/api/admin/licenses".to_owned(), None),
        (Method::GET, all.clone(), None),
        (Method::GET, format!("{all}/activations"), None),
        (Method::GET, format!("{all}/log"), None),
        (Method::POST, format!("{all}/suspend"), Some(only("reason"))),
        (Method::POST, format!("{all}/resume"), Some(only("reason"))),
        (Method::POST, format!("{all}/revoke"), Some(only("reason"))),
        (Method::POST, format!("{all}/renew"), Some(why.clone())),
    ];
    for (method, path, body) in operators {
        refused(scene.send(None, method.clone(), &path, body.as_ref()).await, 401, None).await;
        refused(scene.send(Some(&scene.owner), method.clone(), &path, body.as_ref()).await, 403, None).await;
        if path.contains("lic_") {
            let unknown = path.replace(&license.id.to_string(), "lic_00000000000000000000000000");
            refused(scene.send(Some(&scene.operator), method, &unknown, body.as_ref()).await, 404, None).await;
        }
    }
    let post = async |path: &str, body: Value| scene.send(Some(&scene.operator), Method::POST, path, Some(&body)).await;
    for reason in [json!(""), json!("  "), json!("a\u{0}b"), json!("r".repeat(501))] {
        refused(post(&format!("{all}/revoke"), json!({ "reason": reason })).await, 422, Some("#/reason")).await;
    }
    refused(post(&format!("{all}/revoke"), json!({ "reason": "x", "more": 1 })).await, 400, Some("#/more")).await;
    refused(post(&format!("{all}/revoke"), json!({})).await, 422, Some("#/reason")).await;
    refused(post(&format!("{all}/resume"), only("reason")).await, 409, None).await;
    let bygone = json!({ "reason": "x", "until": "2001-01-01T00:00:00Z" });
    refused(post(&format!("{all}/renew"), bygone).await, 422, Some("#/until")).await;
    assert_eq!(scene.code(&license, json!({})).await, "VALID", "nothing of this did anything");
});

on_both!(a_token_opens_what_it_was_made_for, |db| async move {
    let scene = Scene::open(&db).await;
    let license = Sold::to(&scene.db, &scene.owner).await.license(&scene.db).await;
    let token = async |scopes: &str| {
        let (id, now) = (scene.db.ids().next_uuid(), scene.db.now());
        let token = format!("{ACCESS_TOKEN_PREFIX}{}", id.simple());
        let made: Result<u64, DbError> = scene
            .db
            .write(async |tx| {
                execute!(
                    tx,
                    sqlx::query(
                        "INSERT INTO access_tokens (id, user_id, name, token_hash, hint, scopes, created_at)
                         VALUES ($1, $2, 'a test', $3, 'hint', $4, $5)"
                    )
                    .bind(id)
                    .bind(scene.owner.user)
                    .bind(token_hash(&token))
                    .bind(scopes)
                    .bind(now)
                )
            })
            .await;
        made.expect("the token is made");
        token
    };
    let (other, reads, writes) =
        (token("orders:read").await, token("licenses:read").await, token("licenses:read licenses:write").await);
    let path = format!("/api/licenses/{}", license.id);
    let status = async |token: &str, method: Method, path: &str, body: Option<Value>| {
        let mut request = scene.client.request(method, scene.mintreu.url(path)).bearer_auth(token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        request.send().await.expect("an answer").status().as_u16()
    };
    for read in ["", "/activations", "/log", "/file"] {
        let path = format!("{path}{read}");
        assert_eq!(status(&other, Method::GET, &path, None).await, 403, "{path}");
        assert_eq!(status(&reads, Method::GET, &path, None).await, 200, "{path}");
    }
    assert_eq!(status(&other, Method::GET, "/api/licenses", None).await, 403);
    let rules = json!({ "domains": ["example.com"] });
    assert_eq!(status(&reads, Method::PATCH, &path, Some(rules.clone())).await, 403);
    assert_eq!(status(&writes, Method::PATCH, &path, Some(rules)).await, 200);
    let rotate = format!("{path}/rotate-key");
    assert_eq!(status(&reads, Method::POST, &rotate, None).await, 403);
    assert_eq!(status(&writes, Method::POST, &rotate, None).await, 200);
    let place = format!("{path}/activations/act_00000000000000000000000000");
    assert_eq!(status(&reads, Method::DELETE, &place, None).await, 403);
    assert_eq!(status(&writes, Method::DELETE, &place, None).await, 404);
});

on_both!(operators_find_licences_and_never_see_keys, |db| async move {
    let scene = Scene::open(&db).await;
    let (sold, other) = (Sold::to(&scene.db, &scene.owner).await, Sold::to(&scene.db, &scene.stranger).await);
    let (license, _) = (sold.license(&scene.db).await, other.license(&scene.db).await);
    scene.operate(&license, "suspend", json!({ "reason": "shared" })).await;
    for query in [
        format!("product={}", sold.entitlement.product),
        format!("order={}", sold.entitlement.order),
        "status=suspended".to_owned(),
        format!("key={}", key(&license).to_lowercase()),
    ] {
        let found = scene.get(&scene.operator, &format!("/api/admin/licenses?{query}")).await;
        let ids: Vec<_> = found["data"].as_array().expect("a list").iter().map(|one| one["id"].clone()).collect();
        assert_eq!(ids, [json!(license.id)], "{query}");
        assert!(found["data"][0].get("license_key").is_none() && !found.to_string().contains(key(&license)), "{found}");
        assert_eq!(found["data"][0]["reason"], "shared");
    }
    let all = scene.get(&scene.operator, "/api/admin/licenses").await;
    assert_eq!(all["data"].as_array().map(Vec::len), Some(2));
    for query in ["product=x", "order=x", "status=x", "key=x"] {
        let path = format!("/api/admin/licenses?{query}");
        refused(scene.send(Some(&scene.operator), Method::GET, &path, None).await, 400, None).await;
    }
    let until = json!({ "reason": "a present", "until": "2999-01-01T00:00:00Z" });
    assert_eq!(scene.operate(&license, "renew", until).await["expires_at"], "2999-01-01T00:00:00Z");
    let log = scene.get(&scene.operator, &format!("/api/admin/licenses/{}/log", license.id)).await;
    assert_eq!(log["data"][0]["detail"]["reason"], "a present");
});

on_both!(the_command_line_does_what_operators_do, |db| async move {
    let scene = Scene::open(&db).await;
    let license = Sold::to(&scene.db, &scene.owner).await.license(&scene.db).await;
    let id = license.id.to_string();
    let run = |arguments: &[&str]| {
        let finished = scene.mintreu.run(&[&["licenses"], arguments, &["--json"]].concat());
        assert!(finished.status.success(), "{finished:?}");
        serde_json::from_str::<Value>(&finished.stdout).expect("JSON")
    };
    assert_eq!(run(&["show", key(&license)])["id"], id);
    assert_eq!(run(&["suspend", &id, "--reason", "a test"])["status"], "suspended");
    eventually("the server knows", async || scene.code(&license, json!({})).await == "SUSPENDED").await;
    assert_eq!(run(&["resume", &id, "--reason", "a test"])["status"], "active");
    assert_eq!(run(&["revoke", &id, "--reason", "a test"])["status"], "revoked");
    eventually("the server knows", async || scene.code(&license, json!({})).await == "REVOKED").await;
    for (arguments, code) in [
        (&["show", "lic_00000000000000000000000000"][..], 1),
        (&["show", "nonsense"], 2),
        (&["revoke", &id, "--reason", " "], 2),
        (&["revoke", &id, "--reason", "again"], 1),
    ] {
        let finished = scene.mintreu.run(&[&["licenses"], arguments].concat());
        assert_eq!(finished.status.code(), Some(code), "{finished:?}");
    }
});

on_both!(a_killed_switch_stops_places_and_nothing_else, |db| async move {
    let scene = Scene::open(&db).await;
    let license = Sold::to(&scene.db, &scene.owner).await.license(&scene.db).await;
    let finished = scene.mintreu.run(&["flags", "kill", "licensing", "--reason", "a test"]);
    assert!(finished.status.success(), "{finished:?}");
    let body =
        json!({ "license_key": key(&license), "instance_name": "x", "instance_id": "act_00000000000000000000000000" });
    let post = async |path: &str| scene.send(None, Method::POST, path, Some(&body)).await;
    eventually("the server knows", async || post("/api/license/activate").await.status() == 503).await;
    for path in ["/api/license/deactivate", "/v1/licenses/activate", "/v1/licenses/deactivate"] {
        let answer = post(path).await;
        assert!(answer.headers().contains_key("retry-after"), "{path}");
        refused(answer, 503, None).await;
    }
    assert_eq!(scene.code(&license, json!({})).await, "VALID");
    scene.operate(&license, "revoke", json!({ "reason": "a test" })).await;
    assert_eq!(scene.code(&license, json!({})).await, "REVOKED");
});

on_both!(who_asks_too_often_is_told_to_wait, |db| async move {
    let mintreu = Mintreu::new()
        .env("MINTREU__LICENSING__VALIDATIONS_PER_MINUTE_PER_KEY", "3")
        .env("MINTREU__LICENSING__VALIDATIONS_PER_MINUTE_PER_ADDRESS", "8");
    let scene = Scene::with(&db, mintreu).await;
    let sold = Sold::with(&scene.db, &scene.owner, Limits::default(), 2).await;
    sold.issue(&scene.db).await;
    let all = sold.licenses(&scene.db).await;
    let ask = async |text: &str| {
        scene.send(None, Method::POST, "/api/license/validate", Some(&json!({ "license_key": text }))).await
    };
    for left in ["2", "1", "0"] {
        let answer = ask(key(&all[0])).await;
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["x-ratelimit-remaining"]),
            (200, &left.parse().expect("a value"))
        );
        assert!(answer.headers().contains_key("ratelimit") && answer.headers().contains_key("ratelimit-policy"));
    }
    let answer = ask(key(&all[0])).await;
    assert!(answer.headers().contains_key("retry-after"));
    refused(answer, 429, None).await;
    assert_eq!(ask(key(&all[1])).await.status(), 200, "another licence has calls of its own");
    for _ in 0..3 {
        assert_eq!(ask("nonsense").await.status(), 200);
    }
    refused(ask("nonsense").await, 429, None).await;
    refused(ask(key(&all[1])).await, 429, None).await;
});

/// A verifier as a sold program would have it: written from the format's description alone.
fn verify(text: &str, public_key: &str) -> Option<Value> {
    let body: String = text
        .strip_prefix("-----BEGIN LICENSE FILE-----\n")?
        .strip_suffix("\n-----END LICENSE FILE-----\n")?
        .lines()
        .collect();
    let envelope: Value = serde_json::from_slice(&BASE64.decode(body).ok()?).ok()?;
    let (enc, sig) = (envelope["enc"].as_str()?, envelope["sig"].as_str()?);
    (envelope["alg"] == "base64+ed25519").then_some(())?;
    let bytes: [u8; 32] = BASE64.decode(public_key).ok()?.try_into().ok()?;
    let signature = Signature::from_slice(&BASE64.decode(sig).ok()?).ok()?;
    VerifyingKey::from_bytes(&bytes).ok()?.verify(format!("license/{enc}").as_bytes(), &signature).ok()?;
    serde_json::from_slice(&BASE64.decode(enc).ok()?).ok()
}

on_both!(a_signed_file_proves_the_licence_without_a_connection, |db| async move {
    let scene = Scene::open(&db).await;
    let license = Sold::to(&scene.db, &scene.owner).await.license(&scene.db).await;
    let path = format!("/api/licenses/{}/file", license.id);
    let answer = scene.send(Some(&scene.owner), Method::GET, &format!("{path}?ttl=7200"), None).await;
    assert_eq!(answer.status(), 200);
    let text = answer.text().await.expect("text");
    let keys: Value = scene.send(None, Method::GET, "/api/license/public-key", None).await.json().await.expect("JSON");
    let public = keys["public_key"].as_str().expect("a key");
    let said = verify(&text, public).expect("it is signed");
    assert_eq!(said["license"]["id"], license.id.to_string());
    assert_eq!((&said["license"]["license_key"], &said["meta"]["ttl"]), (&json!(key(&license)), &json!(7200)));
    assert_eq!((&said["meta"]["key_id"], &keys["keys"][0]["current"]), (&keys["key_id"], &json!(true)));
    let signer = crate::support::sold::key_maker().signer().clone();
    assert_eq!(signer.verify(&text, scene.db.now()).expect("verified").license.id, license.id);
    let late = scene.db.now() + std::time::Duration::from_hours(3);
    assert_eq!(signer.verify(&text, late), Err(licenses::FileError::Expired));
    for place in 0..text.len() {
        let mut altered = text.clone().into_bytes();
        altered[place] ^= 1;
        let altered = String::from_utf8(altered).expect("ASCII stays so");
        assert!(verify(&altered, public).is_none_or(|other| other == said), "byte {place}: another document");
        signer.verify(&altered, scene.db.now()).expect_err("every byte counts");
    }
    for ttl in ["0", "-1", "x", "99999999999"] {
        let answer = scene.send(Some(&scene.owner), Method::GET, &format!("{path}?ttl={ttl}"), None).await;
        refused(answer, 400, Some("#/ttl")).await;
    }
    scene.operate(&license, "suspend", json!({ "reason": "a test" })).await;
    refused(scene.send(Some(&scene.owner), Method::GET, &path, None).await, 409, None).await;
    scene.operate(&license, "resume", json!({ "reason": "a test" })).await;
    let finished = scene.mintreu.run(&["flags", "set", "licenses.offline_files", "false", "--reason", "a test"]);
    assert!(finished.status.success(), "{finished:?}");
    eventually("the flag takes files away", async || {
        scene.send(Some(&scene.owner), Method::GET, &path, None).await.status() == 404
    })
    .await;
});

on_both!(validations_are_counted_by_licence, |db| async move {
    let scene = Scene::open(&db).await;
    let license = Sold::to(&scene.db, &scene.owner).await.license(&scene.db).await;
    scene.operate(&license, "suspend", json!({ "reason": "a test" })).await;
    for _ in 0..3 {
        assert_eq!(scene.code(&license, json!({})).await, "SUSPENDED");
    }
    scene.ask("validate", json!({ "license_key": "nonsense" })).await;
    let counted = "SELECT CAST(COALESCE(SUM(count), 0) AS BIGINT) FROM usage_summaries
                   WHERE metric = 'license.validations' AND subject = $1 AND period = 'month'";
    eventually("all three are counted, valid or not", async || {
        let counted = fetch_one!(&scene.db, sqlx::query_scalar(counted).bind(license.id.to_string()));
        counted.is_ok_and(|counted: i64| counted == 3)
    })
    .await;
});

on_both!(the_queue_ends_licences_and_owes_reminders, |db| async move {
    let scene = Scene::open(&db).await;
    let day = std::time::Duration::from_hours(24);
    let now = scene.db.now();
    let over = Sold::to(&scene.db, &scene.owner).await.until(now - day);
    let soon = Sold::to(&scene.db, &scene.owner).await.until(now + day * 29);
    let (over, soon) = (over.license(&scene.db).await, soon.license(&scene.db).await);
    let (id, issued) = (soon.id, now - day * 60);
    scene
        .db
        .write(async |tx| {
            execute!(tx, sqlx::query("UPDATE licenses SET created_at = $2 WHERE id = $1").bind(id).bind(issued))?;
            tx.enqueue(&licenses::ExpireLicenses {}).await?;
            tx.enqueue(&licenses::RemindOfExpiry {}).await?;
            Ok::<_, DbError>(())
        })
        .await
        .expect("enqueued");
    eventually("it is written down", async || {
        let status =
            fetch_one!(&scene.db, sqlx::query_scalar("SELECT status FROM licenses WHERE id = $1").bind(over.id));
        status.is_ok_and(|status: String| status == "expired")
    })
    .await;
    eventually("the reminder is owed", async || {
        let days =
            fetch_one!(&scene.db, sqlx::query_scalar("SELECT reminded_days FROM licenses WHERE id = $1").bind(soon.id));
        days.is_ok_and(|days: Option<i64>| days == Some(30))
    })
    .await;
});

/// Only a database of its own kind can be taken away under a running server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_database_is_gone_programs_are_answered_from_memory_and_told_so() {
    let Some(db) = TestDb::postgres().await else { return };
    let scene = Scene::open(&db).await;
    let asked = Sold::to(&scene.db, &scene.owner).await.license(&scene.db).await;
    let never_asked = Sold::to(&scene.db, &scene.owner).await.license(&scene.db).await;
    // Until the server has read that the licences were issued, and keeps what it is asked about.
    for _ in 0..60 {
        assert_eq!(scene.code(&asked, json!({})).await, "VALID");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    drop(db);
    eventually("the server notices", async || {
        let answer = scene.ask("validate", json!({ "license_key": key(&asked) })).await;
        assert_eq!(answer["code"], "VALID");
        answer["stale"] == true
    })
    .await;
    let body = json!({ "license_key": key(&never_asked) });
    let answer = scene.send(None, Method::POST, "/api/license/validate", Some(&body)).await;
    assert!(answer.headers().contains_key("retry-after"));
    refused(answer, 503, None).await;
    assert_eq!(scene.ask("validate", json!({ "license_key": "nonsense" })).await["code"], "NOT_FOUND");
}
