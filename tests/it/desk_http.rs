//! The desk over HTTP: who is let in where, what is refused and how, and what files come back as.

use mintreu::{accounts::Role, db::Db, kernel::SystemClock, payments::signature};
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};

use crate::{
    desk_scene::{PNG, give_shop_to},
    journey_shop::{now, problem, until},
    support::{Mintreu, Person, Running, TestDb, open_with, sign_in, sold::Sold},
};

const SECRET: &str = "whsec_mail";

/// A server, and those who use it.
pub(crate) struct Served {
    pub(crate) mintreu: Mintreu,
    _running: Running,
    client: Client,
    pub(crate) db: Db,
    pub(crate) ada: Person,
    eve: Person,
    vendor: Person,
    pub(crate) grace: Person,
    license: String,
}

impl Served {
    pub(crate) async fn on(test: &TestDb) -> Self {
        Self::with(test, Mintreu::new()).await
    }

    async fn with(test: &TestDb, mintreu: Mintreu) -> Self {
        let mintreu = mintreu
            .env("MINTREU__DATABASE__URL", test.url())
            .env("MINTREU__SUPPORT__INBOUND_SECRET", SECRET)
            .env("MINTREU__SUPPORT__ATTACHMENT_SIZE", "64KiB")
            .env("MINTREU__SUPPORT__INBOUND_SIZE", "100KiB")
            .env("MINTREU__SUPPORT__CONTACT", "help@example.com")
            .env("MINTREU__SUPPORT__MAIL_ADDRESS", "support@example.com")
            .env("MINTREU__SHOP__OPERATORS", "grace@example.com");
        let db = open_with(&mintreu::db::DbOptions::new(test.url()), std::sync::Arc::new(SystemClock)).await;
        let ada = sign_in(&db, "ada@example.com", Role::Customer).await;
        let eve = sign_in(&db, "eve@example.com", Role::Customer).await;
        let vendor = sign_in(&db, "vendor@example.com", Role::Developer).await;
        let grace = sign_in(&db, "grace@example.com", Role::Admin).await;
        let sold = Sold::to(&db, &ada).await;
        let license = sold.license(&db).await.id.to_string();
        give_shop_to(&db, &sold, &vendor).await;
        let running = mintreu.serve().await;
        // The server may close a connection whose request it did not read to its end: none is used again.
        let client = Client::builder().pool_max_idle_per_host(0).build().expect("a client");
        Self { mintreu, _running: running, client, db, ada, eve, vendor, grace, license }
    }

    pub(crate) async fn send(
        &self,
        who: Option<&Person>,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Response {
        self.send_with(who, method, path, body, &[]).await
    }

    async fn send_with(
        &self,
        who: Option<&Person>,
        method: Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Response {
        let mut request = self.client.request(method, self.mintreu.url(path));
        if let Some(who) = who {
            request = request.header("cookie", &who.cookie);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        request.send().await.expect("an answer")
    }

    pub(crate) async fn json(&self, who: &Person, method: Method, path: &str, body: Option<&Value>) -> Value {
        let answer = self.send(Some(who), method, path, body).await;
        let status = answer.status();
        let read: Value = answer.json().await.expect("JSON");
        assert!(status.is_success(), "{path}: {status} {read}");
        read
    }

    pub(crate) async fn ask(&self, who: &Person, more: Value) -> String {
        let mut body = json!({ "subject": "It stops", "body": "Why?" });
        for (name, value) in more.as_object().expect("an object") {
            body[name] = value.clone();
        }
        let made = self.json(who, Method::POST, "/api/tickets", Some(&body)).await;
        made["id"].as_str().expect("an identifier").to_owned()
    }

    async fn upload(&self, who: Option<&Person>, name: &str, bytes: &[u8]) -> Response {
        let url = self.mintreu.url(&format!("/api/attachments?name={name}"));
        let mut request = self.client.post(url).body(bytes.to_vec());
        if let Some(who) = who {
            request = request.header("cookie", &who.cookie);
        }
        request.send().await.expect("an answer")
    }

    async fn deliver(&self, raw: &[u8], signature: &str) -> Response {
        let request =
            self.client.post(self.mintreu.url("/webhooks/mail/inbound")).header("mintreu-signature", signature);
        request.header("content-type", "message/rfc822").body(raw.to_vec()).send().await.expect("an answer")
    }
}

on_both!(everybody_is_let_in_where_they_belong, |test| async move {
    let served = Served::on(&test).await;
    let id = served.ask(&served.ada, json!({ "license": served.license })).await;
    let nothing: [(Method, &str, Option<Value>); 7] = [
        (Method::GET, "", None),
        (Method::GET, "/messages", None),
        (Method::POST, "/messages", Some(json!({ "body": "x" }))),
        (Method::POST, "/solve", None),
        (Method::GET, "?limit=0", None),
        (Method::PATCH, "", Some(json!({ "status": "solved" }))),
        (Method::GET, "/canned-answers/ans_00000000000000000000000001", None),
    ];
    for (method, rest, body) in nothing {
        for prefix in ["/api", "/api/admin", "/api/developer"] {
            let own = prefix == "/api";
            if own == (method == Method::PATCH || rest.starts_with("/canned")) && (own || rest == "/solve") {
                continue;
            }
            if !own && rest == "/solve" {
                continue;
            }
            let path = format!("{prefix}/tickets/{id}{rest}");
            problem(served.send(None, method.clone(), &path, body.as_ref()).await, 401, "unauthorized").await;
            let eve = served.send(Some(&served.eve), method.clone(), &path, body.as_ref()).await;
            if own {
                problem(eve, 404, "not-found").await;
            } else {
                problem(eve, 403, "forbidden").await;
            }
        }
    }
    for (who, path, status) in [
        (&served.ada, format!("/api/tickets/{id}"), 200),
        (&served.grace, format!("/api/admin/tickets/{id}"), 200),
        (&served.vendor, format!("/api/developer/tickets/{id}"), 200),
        (&served.vendor, format!("/api/admin/tickets/{id}"), 403),
        (&served.grace, format!("/api/developer/tickets/{id}"), 403),
        (&served.grace, format!("/api/tickets/{id}"), 404),
        (&served.vendor, format!("/api/tickets/{id}"), 404),
    ] {
        assert_eq!(served.send(Some(who), Method::GET, &path, None).await.status(), status, "{path} {}", who.email);
    }
    let general = served.ask(&served.ada, json!({})).await;
    let path = format!("/api/developer/tickets/{general}");
    problem(served.send(Some(&served.vendor), Method::GET, &path, None).await, 404, "not-found").await;
    for path in ["/api/admin/canned-answers", "/api/admin/articles", "/api/admin/inbound-mails"] {
        problem(served.send(None, Method::GET, path, None).await, 401, "unauthorized").await;
        for who in [&served.ada, &served.vendor] {
            problem(served.send(Some(who), Method::GET, path, None).await, 403, "forbidden").await;
        }
        assert_eq!(served.send(Some(&served.grace), Method::GET, path, None).await.status(), 200, "{path}");
    }
    let seen = served.json(&served.vendor, Method::GET, &format!("/api/developer/tickets/{id}"), None).await;
    assert_eq!(seen["requester"].get("email"), None, "addresses are for operators: {seen}");
});

on_both!(what_cannot_be_is_refused_where_it_stands, |test| async move {
    let served = Served::on(&test).await;
    let id = served.ask(&served.ada, json!({})).await;
    let replies = format!("/api/tickets/{id}/messages");
    let long = json!({ "subject": "x", "body": "y".repeat(30_000) });
    for (path, body, status, name) in [
        ("/api/tickets", json!({}), 400, "malformed-body"),
        ("/api/tickets", json!({ "subject": 7, "body": "x" }), 400, "malformed-body"),
        ("/api/tickets", json!({ "subject": "x", "body": "y", "status": "solved" }), 400, "malformed-body"),
        ("/api/tickets", json!({ "subject": "x", "body": "y", "category": "gossip" }), 400, "malformed-body"),
        ("/api/tickets", json!({ "subject": "x", "body": "y", "order": "ord_x" }), 400, "malformed-body"),
        ("/api/tickets", json!({ "subject": "", "body": "" }), 422, "invalid-input"),
        ("/api/tickets", json!({ "subject": "a\nb", "body": "nul\u{0}" }), 422, "invalid-input"),
        ("/api/tickets", long, 422, "invalid-input"),
        ("/api/tickets", json!({ "subject": "x", "body": "y".repeat(300_000) }), 413, "body-too-large"),
        (replies.as_str(), json!({ "body": "x", "internal": true }), 400, "malformed-body"),
        (replies.as_str(), json!({ "body": "  " }), 422, "invalid-input"),
        ("/api/tickets/tkt_x/messages", json!({ "body": "x" }), 400, "invalid-parameter"),
    ] {
        problem(served.send(Some(&served.ada), Method::POST, path, Some(&body)).await, status, name).await;
    }
    for path in [
        "/api/tickets?limit=101",
        "/api/tickets?after=x",
        "/api/tickets?status=odd",
        "/api/articles?q=%00",
        "/api/articles?after=0.art_x",
    ] {
        problem(served.send(Some(&served.ada), Method::GET, path, None).await, 400, "invalid-parameter").await;
    }
    for path in ["/api/admin/tickets?assignee=x", "/api/admin/tickets?breached=maybe", "/api/admin/tickets?sort=x"] {
        problem(served.send(Some(&served.grace), Method::GET, path, None).await, 400, "invalid-parameter").await;
    }
    let bodies: i64 =
        mintreu::fetch_one!(&served.db, sqlx::query_scalar("SELECT COUNT(*) FROM ticket_messages")).expect("a number");
    assert_eq!(bodies, 1);
});

on_both!(a_key_opens_one_ticket, |test| async move {
    let served = Served::on(&test).await;
    let key = [("idempotency-key", "k1")];
    let body = json!({ "subject": "Once", "body": "x" });
    let first = served.send_with(Some(&served.ada), Method::POST, "/api/tickets", Some(&body), &key).await;
    assert_eq!((first.status().as_u16(), first.headers().get("ratelimit-policy").is_some()), (201, true));
    let first: Value = first.json().await.expect("JSON");
    let again = served.send_with(Some(&served.ada), Method::POST, "/api/tickets", Some(&body), &key).await;
    assert_eq!(again.headers()["idempotent-replayed"], "true");
    assert_eq!(again.json::<Value>().await.expect("JSON"), first);
    let other = json!({ "subject": "Twice", "body": "x" });
    let other = served.send_with(Some(&served.ada), Method::POST, "/api/tickets", Some(&other), &key).await;
    problem(other, 422, "invalid-input").await;
    let page = served.json(&served.ada, Method::GET, "/api/tickets", None).await;
    assert_eq!(page["data"].as_array().map(Vec::len), Some(1));
});

on_both!(too_many_tickets_are_refused, |test| async move {
    let served = Served::with(&test, Mintreu::new().env("MINTREU__SUPPORT__TICKETS_PER_HOUR", "2")).await;
    served.ask(&served.ada, json!({})).await;
    served.ask(&served.ada, json!({})).await;
    let body = json!({ "subject": "x", "body": "y" });
    let refused = served.send(Some(&served.ada), Method::POST, "/api/tickets", Some(&body)).await;
    assert_eq!(refused.status(), 429);
    assert!(refused.headers().contains_key("retry-after"));
    served.ask(&served.eve, json!({})).await;
});

on_both!(a_file_comes_back_as_something_to_be_saved, |test| async move {
    let served = Served::on(&test).await;
    let file: Value = served.upload(Some(&served.ada), "scr%22een.exe", PNG).await.json().await.expect("JSON");
    assert_eq!((&file["media_type"], &file["name"]), (&json!("image/png"), &json!("scr\"een.exe.png")), "{file}");
    let id = served.ask(&served.ada, json!({ "attachments": [file["id"]] })).await;
    let path = format!("/api/attachments/{}", file["id"].as_str().expect("an identifier"));
    let answer = served.send(Some(&served.ada), Method::GET, &path, None).await;
    for (name, value) in [
        ("content-type", "image/png"),
        ("content-disposition", "attachment; filename=\"scr_een.exe.png\"; filename*=UTF-8''scr%22een.exe.png"),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "sandbox; default-src 'none'; frame-ancestors 'none'"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cache-control", "private, no-store"),
    ] {
        assert_eq!(answer.headers()[name], value, "{name}");
    }
    assert_eq!(answer.bytes().await.expect("bytes"), PNG);
    problem(served.send(None, Method::GET, &path, None).await, 401, "unauthorized").await;
    problem(served.send(Some(&served.eve), Method::GET, &path, None).await, 404, "not-found").await;
    let desk = path.replace("/api/", "/api/admin/");
    assert_eq!(served.send(Some(&served.grace), Method::GET, &desk, None).await.status(), 200);
    problem(served.send(Some(&served.ada), Method::GET, &desk, None).await, 403, "forbidden").await;
    let vendors = path.replace("/api/", "/api/developer/");
    problem(served.send(Some(&served.vendor), Method::GET, &vendors, None).await, 404, "not-found").await;

    let note: Value = served.upload(Some(&served.grace), "note.txt", b"a note").await.json().await.expect("JSON");
    let body = json!({ "body": "A note.", "internal": true, "attachments": [note["id"]] });
    served.json(&served.grace, Method::POST, &format!("/api/admin/tickets/{id}/messages"), Some(&body)).await;
    let hidden = format!("/api/attachments/{}", note["id"].as_str().expect("an identifier"));
    problem(served.send(Some(&served.ada), Method::GET, &hidden, None).await, 404, "not-found").await;
    let page = served.json(&served.ada, Method::GET, &format!("/api/tickets/{id}/messages"), None).await;
    assert!(!page.to_string().contains("A note.") && !page.to_string().contains("note.txt"), "{page}");
    assert_eq!(page["data"][0]["attachments"][0]["name"], "scr\"een.exe.png");
});

on_both!(files_that_do_things_are_refused, |test| async move {
    let served = Served::on(&test).await;
    let exe = [b"MZ\x90\0".as_slice(), &[0; 60]].concat();
    let large = vec![b'a'; 70_000];
    let cases: [(&str, &[u8], u16, &str); 11] = [
        ("page.html", b"<!DOCTYPE html><script>alert(1)</script>", 415, "unsupported-media-type"),
        ("picture.png", b"<svg onload=alert(1)/>", 415, "unsupported-media-type"),
        ("picture.png", &exe, 415, "unsupported-media-type"),
        (
            "picture.svg",
            b"<?xml version=\"1.0\"?><svg xmlns=\"http://www.w3.org/2000/svg\"/>",
            415,
            "unsupported-media-type",
        ),
        ("both.gif", b"GIF89a/*\x01*/<script>alert(1)</script>", 415, "unsupported-media-type"),
        ("both.txt", b"\xef\xbb\xbf \n<!doctype html><body onload=alert(1)>", 415, "unsupported-media-type"),
        ("bill.pdf", b"%PDF-1.7\n1 0 obj <</S /JavaScript /JS (app.alert(1))>>", 415, "unsupported-media-type"),
        ("run.txt", b"#!/bin/sh\nid\n", 415, "unsupported-media-type"),
        ("empty.txt", b"", 400, "malformed-body"),
        ("large.txt", &large, 413, "body-too-large"),
        (&"n".repeat(300), PNG, 400, "invalid-parameter"),
    ];
    for (name, bytes, status, kind) in cases {
        problem(served.upload(Some(&served.ada), name, bytes).await, status, kind).await;
    }
    problem(served.upload(None, "a.png", PNG).await, 401, "unauthorized").await;
    let rows: i64 = mintreu::fetch_one!(&served.db, sqlx::query_scalar("SELECT COUNT(*) FROM ticket_attachments"))
        .expect("a number");
    assert_eq!(rows, 0);
});

on_both!(whatever_was_taken_runs_in_no_page, |test| async move {
    let served = Served::on(&test).await;
    // What is taken for what it says that it is, though a browser that looked further might find more in it.
    let cases: [(&str, &[u8], &str, &str); 4] = [
        ("page.html", b"PK\x03\x04\x14\0\0\0<script>alert(1)</script>", "application/zip", "page.html.zip"),
        ("page.html", b"alert(1) // no markup", "text/plain; charset=utf-8", "page.html.txt"),
        ("page.svg", b"%PDF-1.7\n<svg onload=alert(1)>", "application/pdf", "page.svg.pdf"),
        ("page.htm%00l", PNG, "image/png", "page.html.png"),
    ];
    let paths = futures::future::join_all(cases.map(async |(name, bytes, kind, called)| {
        let answer = served.upload(Some(&served.ada), name, bytes).await;
        if name.contains("%00") {
            problem(answer, 400, "invalid-parameter").await;
            return None;
        }
        let file: Value = answer.json().await.expect("JSON");
        assert_eq!(file["name"], called, "{file}");
        Some((format!("/api/attachments/{}", file["id"].as_str().expect("an identifier")), kind))
    }));
    let paths: Vec<_> = paths.await.into_iter().flatten().collect();
    assert_eq!(paths.len(), 3);
    let safe = async |path: &str, kind: &str| {
        let answer = served.send(Some(&served.ada), Method::GET, path, None).await;
        assert_eq!(answer.status(), 200);
        let header = |name: &str| answer.headers()[name].to_str().expect("text").to_owned();
        assert_eq!(header("content-type"), kind);
        assert!(header("content-disposition").starts_with("attachment; filename=\""));
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert!(header("content-security-policy").starts_with("sandbox; default-src 'none'"));
        assert!(answer.headers().get_all("content-security-policy").iter().count() == 1);
    };
    for (path, kind) in &paths {
        safe(path, kind).await;
    }
    // Should something else ever be there, a browser gets no page of it either.
    let statement = "UPDATE ticket_attachments SET media_type = 'text/html', name = 'page.html'";
    let changed = served.db.write(async |tx| mintreu::execute!(tx, sqlx::query(statement))).await;
    let changed: u64 = changed.map_err(|error: mintreu::db::DbError| error).expect("changed");
    assert_eq!(changed, 3);
    safe(&paths[0].0, "application/octet-stream").await;
});

on_both!(while_support_is_switched_off_old_tickets_go_on, |test| async move {
    let served = Served::with(&test, Mintreu::new().env("MINTREU__SUPPORT__TICKETS_PER_HOUR", "10000")).await;
    let id = served.ask(&served.ada, json!({})).await;
    let killed = served.mintreu.run(&["flags", "kill", "support", "--reason", "a holiday"]);
    assert!(killed.status.success(), "{killed:?}");
    let body = json!({ "subject": "x", "body": "y" });
    let refused = until("tickets are refused", async || {
        let answer = served.send(Some(&served.ada), Method::POST, "/api/tickets", Some(&body)).await;
        if answer.status() == 503 { Ok(answer) } else { Err(answer.status()) }
    })
    .await;
    assert!(refused.headers().contains_key("retry-after"));
    let refused = problem(refused, 503, "capability-disabled").await;
    assert_eq!((&refused["capability"], &refused["contact"]), (&json!("support"), &json!("help@example.com")));
    served.json(&served.ada, Method::GET, &format!("/api/tickets/{id}"), None).await;
    let reply = json!({ "body": "Still?" });
    served.json(&served.ada, Method::POST, &format!("/api/tickets/{id}/messages"), Some(&reply)).await;

    let raw = b"From: ada@example.com\r\nTo: support@example.com\r\n\r\nhello";
    let signed = signature::sign(SECRET, raw, now());
    assert_eq!(served.deliver(raw, &signed).await.status(), 200, "mail is kept");
    let waiting = async || {
        let query = "SELECT COUNT(*) FROM inbound_mails WHERE handled_at IS NULL";
        let number: i64 = mintreu::fetch_one!(&served.db, sqlx::query_scalar(query)).expect("a number");
        number
    };
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!(waiting().await, 1, "and waits");
    assert!(served.mintreu.run(&["flags", "restore", "support", "--reason", "back"]).status.success());
    until("the mail is handled", async || if waiting().await == 0 { Ok(()) } else { Err("it waits") }).await;
    until("tickets are taken", async || {
        let answer = served.send(Some(&served.ada), Method::POST, "/api/tickets", Some(&body)).await;
        if answer.status() == 201 { Ok(()) } else { Err(answer.status()) }
    })
    .await;
});

on_both!(articles_are_changed_by_who_has_read_them, |test| async move {
    let served = Served::on(&test).await;
    let body = json!({ "slug": "a-b", "title": "A", "category": "keys", "body": "text", "status": "published" });
    let made = served.send(Some(&served.grace), Method::POST, "/api/admin/articles", Some(&body)).await;
    assert_eq!((made.status().as_u16(), made.headers()["etag"].to_str().expect("text")), (201, "\"1\""));
    let made: Value = made.json().await.expect("JSON");
    let path = format!("/api/admin/articles/{}", made["id"].as_str().expect("an identifier"));
    let twin = served.send(Some(&served.grace), Method::POST, "/api/admin/articles", Some(&body)).await;
    problem(twin, 409, "conflict").await;
    let other_title = json!({ "title": "B" });
    let bare = served.send(Some(&served.grace), Method::PATCH, &path, Some(&other_title)).await;
    problem(bare, 428, "precondition-required").await;
    let change = async |etag: &str, fields: &Value| {
        served.send_with(Some(&served.grace), Method::PATCH, &path, Some(fields), &[("if-match", etag)]).await
    };
    // Whether it helped changes the tag, and refuses no edit.
    let vote = json!({ "helpful": true });
    let voted = served.send(None, Method::POST, "/api/articles/a-b/votes", Some(&vote)).await;
    assert_eq!(voted.json::<Value>().await.expect("JSON"), json!({ "helpful": 1, "not_helpful": 0 }));
    let voted = served.send(None, Method::POST, "/api/articles/a-b/votes", Some(&json!({ "helpful": false }))).await;
    assert_eq!(voted.json::<Value>().await.expect("JSON"), json!({ "helpful": 0, "not_helpful": 1 }));
    let read = served.send(Some(&served.grace), Method::GET, &path, None).await;
    assert_eq!(read.headers()["etag"], "\"1-0-1\"");
    assert_eq!(change("\"1-0-0\"", &other_title).await.status(), 200);
    problem(change("\"1\"", &json!({ "title": "C" })).await, 412, "precondition-failed").await;
    problem(change("\"2\"", &json!({ "slug": "A B" })).await, 422, "invalid-input").await;
    problem(change("\"2\"", &json!({ "helpful": 7 })).await, 400, "malformed-body").await;
    let read = served.send(None, Method::GET, "/api/articles/a-b", None).await;
    let etag = read.headers()["etag"].to_str().expect("text").to_owned();
    let read: Value = read.json().await.expect("JSON");
    assert_eq!((&read["title"], read.get("id")), (&json!("B"), None));
    let same = served.send_with(None, Method::GET, "/api/articles/a-b", None, &[("if-none-match", &etag)]).await;
    assert_eq!(same.status(), 304);
    assert_eq!(change("\"2\"", &json!({ "status": "draft" })).await.status(), 200);
    problem(served.send(None, Method::GET, "/api/articles/a-b", None).await, 404, "not-found").await;
    problem(served.send(None, Method::POST, "/api/articles/a-b/votes", Some(&vote)).await, 404, "not-found").await;
    problem(served.send(None, Method::GET, "/api/articles/..%2Fsecret", None).await, 404, "not-found").await;
    let answer = json!({ "title": "Hello", "body": "Dear {{customer.name}}" });
    let canned = served.json(&served.grace, Method::POST, "/api/admin/canned-answers", Some(&answer)).await;
    let ticket = served.ask(&served.ada, json!({})).await;
    let canned = canned["id"].as_str().expect("an identifier");
    let path = format!("/api/admin/tickets/{ticket}/canned-answers/{canned}");
    let filled = served.json(&served.grace, Method::GET, &path, None).await;
    assert_eq!(filled["body"], "Dear ada@example.com");
});

on_both!(mail_is_taken_in_with_a_signature_only, |test| async move {
    let served = Served::on(&test).await;
    let raw = b"From: ada@example.com\r\nTo: support@example.com\r\n\r\nhello";
    let old = mintreu::kernel::Time::from_micros(now().as_micros() - 400_000_000);
    for signature in [
        String::new(),
        "nonsense".to_owned(),
        signature::sign("another", raw, now()),
        signature::sign(SECRET, b"another body", now()),
        signature::sign(SECRET, raw, old),
    ] {
        problem(served.deliver(raw, &signature).await, 401, "unauthorized").await;
    }
    let large = vec![b'x'; 110_000];
    problem(served.deliver(&large, &signature::sign(SECRET, &large, now())).await, 413, "body-too-large").await;
    problem(served.deliver(b"", &signature::sign(SECRET, b"", now())).await, 400, "malformed-body").await;
    let mails: i64 =
        mintreu::fetch_one!(&served.db, sqlx::query_scalar("SELECT COUNT(*) FROM inbound_mails")).expect("a number");
    assert_eq!(mails, 0);
    for duplicate in [false, true] {
        let answer = served.deliver(raw, &signature::sign(SECRET, raw, now())).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.json::<Value>().await.expect("JSON")["duplicate"], duplicate);
    }
    let seen = until("it is handled", async || {
        let page = served.json(&served.grace, Method::GET, "/api/admin/inbound-mails", None).await;
        if page["data"][0]["outcome"].is_null() { Err(page) } else { Ok(page) }
    })
    .await;
    assert_eq!((&seen["data"][0]["outcome"], &seen["data"][1]), (&json!("no_ticket"), &Value::Null));
    let again = served.mintreu.run_with(&["support", "receive"], std::str::from_utf8(raw).expect("text"));
    assert!(again.status.success() && again.stdout.contains("had come before"), "{again:?}");
    let empty = served.mintreu.run_with(&["support", "receive"], "");
    assert_eq!(empty.status.code(), Some(65), "{empty:?}");
    let large = served.mintreu.run_with(&["support", "receive"], &"x".repeat(110_000));
    assert_eq!(large.status.code(), Some(65), "{large:?}");
});

#[tokio::test]
async fn without_a_secret_the_mail_route_is_off() {
    let test = TestDb::sqlite();
    let mintreu = Mintreu::new().env("MINTREU__DATABASE__URL", test.url());
    let _running = mintreu.serve().await;
    let request = Client::new().post(mintreu.url("/webhooks/mail/inbound")).body("From: a@b.example\r\n\r\nx");
    problem(request.send().await.expect("an answer"), 404, "not-found").await;
}

#[test]
fn a_pipe_is_told_to_try_again_when_nothing_can_be_kept() {
    let mintreu = Mintreu::new();
    let raw = "From: ada@example.com\r\n\r\nhello";
    assert_eq!(mintreu.run_with(&["support", "receive"], raw).status.code(), Some(75), "there is no database");
    let broken = Mintreu::new().env("MINTREU__SUPPORT__CLOSE_AFTER", "never");
    assert_eq!(broken.run_with(&["support", "receive"], raw).status.code(), Some(75), "nor a configuration");
}
