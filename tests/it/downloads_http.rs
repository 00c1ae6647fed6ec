//! Downloads over HTTP: the real server, asked by operators, buyers, strangers and nobody in particular.

use mintreu::{accounts::Role, db::Db};
use reqwest::{Client, Method, Response, header::HeaderMap};
use serde_json::{Value, json};

use crate::{
    downloads_scene::file,
    support::{
        Mintreu, Person, Running, TestDb, eventually, sign_in,
        sold::{Sold, root_text},
    },
};

struct Shop {
    mintreu: Mintreu,
    _running: Running,
    client: Client,
    db: Db,
    buyer: Person,
    stranger: Person,
    operator: Person,
    sold: Sold,
}

impl Shop {
    async fn open(db: &TestDb) -> Self {
        let mintreu = Mintreu::new()
            .env("MINTREU__DATABASE__URL", db.url())
            .env("MINTREU__SECRETS__KEY", root_text())
            .env("MINTREU__DOWNLOADS__LINK_USES", "2")
            .env("MINTREU__DOWNLOADS__MAX_FILE", "3MiB");
        let open = db.open().await;
        let running = mintreu.serve().await;
        let buyer = sign_in(&open, "buyer@example.com", Role::Customer).await;
        let sold = Sold::to(&open, &buyer).await;
        sold.issue(&open).await;
        Self {
            mintreu,
            _running: running,
            // A refused body may cost its connection: each request has one of its own.
            client: Client::builder().pool_max_idle_per_host(0).build().expect("a client"),
            stranger: sign_in(&open, "stranger@example.com", Role::Customer).await,
            operator: sign_in(&open, "operator@example.com", Role::Admin).await,
            db: open,
            buyer,
            sold,
        }
    }

    fn request(&self, who: Option<&Person>, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = if path.starts_with("http") { path.to_owned() } else { self.mintreu.url(path) };
        let request = self.client.request(method, url);
        match who {
            Some(who) => request.header("cookie", &who.cookie),
            None => request,
        }
    }

    async fn send(&self, who: Option<&Person>, method: Method, path: &str, body: Option<Value>) -> Response {
        let request = self.request(who, method, path);
        let request = if let Some(body) = body { request.json(&body) } else { request };
        request.send().await.expect("an answer")
    }

    async fn upload(&self, who: Option<&Person>, query: &str, bytes: Vec<u8>) -> Response {
        let path = format!("/api/admin/products/{}/files?{query}", self.sold.entitlement.product);
        self.request(who, Method::PUT, &path).body(bytes).send().await.expect("an answer")
    }

    async fn link(&self) -> String {
        let path = format!("/api/products/{}/download", self.sold.slug);
        let answer = self.send(Some(&self.buyer), Method::POST, &path, None).await;
        assert_eq!(answer.status(), 201);
        let link: Value = answer.json().await.expect("JSON");
        // The server is reached at its public address, which is not where it listens here.
        let token = link["url"].as_str().expect("a URL").rsplit('/').next().expect("a token").to_owned();
        self.mintreu.url(&format!("/api/download/{token}"))
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

fn text<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers.get(name).unwrap_or_else(|| panic!("no {name}")).to_str().expect("text")
}

on_both!(an_upload_becomes_a_download, |db| async move {
    let shop = Shop::open(&db).await;
    // More than a JSON body may have.
    let mut bytes = file(2 << 20);
    bytes[..4].copy_from_slice(b"PK\x03\x04");
    let query = "file_name=L%C3%A4mp%202.zip&version=2.0&is_primary=true";
    let answer = shop.upload(Some(&shop.operator), query, bytes.clone()).await;
    assert_eq!(answer.status(), 201);
    assert_eq!(text(answer.headers(), "etag"), "\"1\"");
    let source: Value = answer.json().await.expect("JSON");
    assert_eq!((&source["state"], &source["content_type"]), (&json!("ok"), &json!("application/zip")), "{source}");

    let path = format!("/api/products/{}/sources", shop.sold.slug);
    let offered: Value = shop.send(Some(&shop.buyer), Method::GET, &path, None).await.json().await.expect("JSON");
    assert_eq!(offered["data"][0]["id"], source["id"], "{offered}");
    assert!(offered["data"][0].get("source_url").is_none(), "{offered}");

    let link = shop.link().await;
    let head = shop.send(Some(&shop.buyer), Method::HEAD, &link, None).await;
    assert_eq!((head.status().as_u16(), text(head.headers(), "content-length")), (200, "2097152"));
    let whole = shop.send(Some(&shop.buyer), Method::GET, &link, None).await;
    assert_eq!(whole.status(), 200);
    let headers = whole.headers().clone();
    assert_eq!(text(&headers, "accept-ranges"), "bytes");
    assert_eq!(text(&headers, "content-type"), "application/zip");
    assert_eq!(
        text(&headers, "content-disposition"),
        "attachment; filename=\"L_mp 2.zip\"; filename*=UTF-8''L%C3%A4mp%202.zip"
    );
    assert_eq!(text(&headers, "etag"), format!("\"{}\"", source["checksum"].as_str().expect("a checksum")));
    assert_eq!(text(&headers, "x-content-type-options"), "nosniff");
    assert!(text(&headers, "content-security-policy").starts_with("sandbox; default-src 'none'"));
    assert!(whole.bytes().await.expect("a body") == bytes);

    let part = shop.request(Some(&shop.buyer), Method::GET, &link).header("range", "bytes=2097000-");
    let part = part.header("if-range", text(&headers, "etag")).send().await.expect("an answer");
    assert_eq!((part.status().as_u16(), text(part.headers(), "content-range")), (206, "bytes 2097000-2097151/2097152"));
    assert!(part.bytes().await.expect("a body") == bytes[2_097_000..]);
    let known = shop.request(Some(&shop.buyer), Method::GET, &link).header("if-none-match", text(&headers, "etag"));
    assert_eq!(known.send().await.expect("an answer").status(), 304);
    let outside = shop.request(Some(&shop.buyer), Method::GET, &link).header("range", "bytes=2097152-");
    let outside = outside.send().await.expect("an answer");
    assert_eq!(text(outside.headers(), "content-range"), "bytes */2097152");
    refused(outside, 416, None).await;

    refused(shop.send(Some(&shop.stranger), Method::GET, &link, None).await, 404, None).await;
    assert_eq!(shop.send(Some(&shop.buyer), Method::GET, &link, None).await.bytes().await.expect("a body"), bytes);
    refused(shop.send(Some(&shop.buyer), Method::GET, &link, None).await, 410, None).await;
    refused(shop.send(Some(&shop.buyer), Method::GET, &format!("{link}x"), None).await, 404, None).await;
    refused(shop.send(None, Method::GET, "/api/download/..%2F..%2Fetc%2Fpasswd", None).await, 404, None).await;
    let product = mintreu::catalog::product(&shop.db, shop.sold.entitlement.product).await.expect("answers");
    assert_eq!(product.expect("it is there").downloads, 2, "heads, parts and refusals are none");

    eventually("all downloads are written down", async || {
        let own: Value =
            shop.send(Some(&shop.buyer), Method::GET, "/api/downloads", None).await.json().await.expect("JSON");
        let statuses: Vec<_> = own["data"].as_array().expect("a list").iter().map(|line| &line["status"]).collect();
        statuses == ["refused", "delivered", "delivered", "delivered"]
    })
    .await;
    let path = "/api/admin/downloads?status=refused&limit=1";
    let all: Value = shop.send(Some(&shop.operator), Method::GET, path, None).await.json().await.expect("JSON");
    assert_eq!((&all["data"][0]["ip_address"], &all["has_more"]), (&json!("127.0.0.1"), &json!(true)), "{all}");
    let strangers: Value =
        shop.send(Some(&shop.stranger), Method::GET, "/api/downloads", None).await.json().await.expect("JSON");
    let reasons: Vec<_> = strangers["data"].as_array().expect("a list").iter().map(|line| &line["reason"]).collect();
    assert_eq!(reasons, ["the link was given to another account"]);
});

on_both!(the_switch_stops_links_and_their_use, |db| async move {
    let shop = Shop::open(&db).await;
    assert_eq!(shop.upload(Some(&shop.operator), "file_name=a.zip", b"hello".to_vec()).await.status(), 201);
    let link = shop.link().await;
    let start = format!("/api/products/{}/download", shop.sold.slug);
    assert!(shop.mintreu.run(&["flags", "kill", "downloads", "--reason", "a test"]).status.success());
    eventually("the switch is off", async || {
        // A head is no use of the link, however often it is asked for.
        shop.send(Some(&shop.buyer), Method::HEAD, &link, None).await.status() == 503
    })
    .await;
    refused(shop.send(Some(&shop.buyer), Method::GET, &link, None).await, 503, None).await;
    refused(shop.send(Some(&shop.buyer), Method::POST, &start, None).await, 503, None).await;
    let sources = format!("/api/products/{}/sources", shop.sold.slug);
    assert_eq!(shop.send(Some(&shop.buyer), Method::GET, &sources, None).await.status(), 200);
    assert!(shop.mintreu.run(&["flags", "restore", "downloads", "--reason", "a test"]).status.success());
    eventually("the switch is on", async || {
        shop.send(Some(&shop.buyer), Method::HEAD, &link, None).await.status() == 200
    })
    .await;
    assert_eq!(shop.send(Some(&shop.buyer), Method::GET, &link, None).await.text().await.expect("text"), "hello");
});

on_both!(every_endpoint_refuses_who_and_what_it_must, |db| async move {
    let shop = Shop::open(&db).await;
    let (product, slug) = (shop.sold.entitlement.product, shop.sold.slug.clone());
    let (operator, buyer, stranger) = (Some(&shop.operator), Some(&shop.buyer), Some(&shop.stranger));
    let made = shop.upload(operator, "file_name=a.zip", b"hello".to_vec()).await;
    let source: Value = made.json().await.expect("JSON");
    let source = source["id"].as_str().expect("an id").to_owned();

    // What only operators may.
    let (sources, one) = (format!("/api/admin/products/{product}/sources"), format!("/api/admin/sources/{source}"));
    let fields = json!({ "provider": "url", "source_url": "https://example.com/a.zip" });
    for (method, path, body) in [
        (Method::GET, sources.clone(), None),
        (Method::POST, sources.clone(), Some(fields.clone())),
        (Method::GET, one.clone(), None),
        (Method::PATCH, one.clone(), Some(json!({}))),
        (Method::DELETE, one.clone(), None),
        (Method::POST, format!("{one}/verify"), None),
        (Method::PUT, format!("/api/admin/products/{product}/files?file_name=a.zip"), None),
        (Method::GET, "/api/admin/downloads".to_owned(), None),
    ] {
        refused(shop.send(None, method.clone(), &path, body.clone()).await, 401, None).await;
        refused(shop.send(buyer, method, &path, body).await, 403, None).await;
    }
    refused(shop.send(None, Method::GET, "/api/downloads", None).await, 401, None).await;

    // Uploads.
    for (query, status, pointer) in [
        ("", 400, Some("#/file_name")),
        ("file_name=a.zip&colour=red", 400, Some("#/colour")),
        ("file_name=..%2F..%2Fpasswd", 422, Some("#/file_name")),
        ("file_name=a%0D%0ASet-Cookie:%20x.zip", 422, Some("#/file_name")),
        ("file_name=a%00.zip", 422, Some("#/file_name")),
        ("file_name=a.zip&version=%00", 422, Some("#/version")),
        ("file_name=a.zip&is_primary=perhaps", 400, Some("#/is_primary")),
    ] {
        refused(shop.upload(operator, query, b"x".to_vec()).await, status, pointer).await;
    }
    refused(shop.upload(operator, "file_name=a.zip", vec![0; (3 << 20) + 1]).await, 413, None).await;
    let nowhere = "/api/admin/products/prd_00000000000000000000000000/files?file_name=a.zip";
    refused(shop.send(operator, Method::PUT, nowhere, None).await, 404, None).await;
    refused(shop.send(operator, Method::PUT, "/api/admin/products/x/files?file_name=a.zip", None).await, 400, None)
        .await;

    // Sources.
    for (body, pointer) in [
        (json!({ "provider": "url", "source_url": "http://example.com/a" }), "#/source_url"),
        (json!({ "provider": "url", "source_url": "file:///etc/passwd" }), "#/source_url"),
        (json!({ "provider": "local", "source_url": "../secret.key" }), "#/source_url"),
        (json!({ "provider": "s3", "source_url": "a.zip" }), "#/provider"),
        (json!({ "provider": "github", "source_url": "https://github.com/acme/lamp" }), "#/source_url"),
        (json!({ "provider": "url", "source_url": "https://example.com/a", "checksum": "x" }), "#/checksum"),
        (json!({ "provider": "url", "source_url": "https://example.com/a", "token": "a\u{0}b" }), "#/token"),
        (json!({ "provider": "url", "source_url": "https://example.com/a", "file_name": "../a" }), "#/file_name"),
        (json!({ "provider": "url", "source_url": "https://example.com/a", "name": "\u{0}" }), "#/name"),
    ] {
        refused(shop.send(operator, Method::POST, &sources, Some(body)).await, 422, Some(pointer)).await;
    }
    let unknown = json!({ "provider": "url", "source_url": "https://example.com/a", "colour": "red" });
    refused(shop.send(operator, Method::POST, &sources, Some(unknown)).await, 400, Some("#/colour")).await;
    let other = json!({ "provider": "ftp", "source_url": "x" });
    refused(shop.send(operator, Method::POST, &sources, Some(other)).await, 400, Some("#/provider")).await;
    refused(shop.send(operator, Method::PATCH, &one, Some(json!({ "name": "x" }))).await, 428, None).await;
    let patch = |body: Value, tag: &'static str| {
        shop.request(operator, Method::PATCH, &one).header("if-match", tag).json(&body)
    };
    refused(patch(json!({ "name": "x" }), "\"7\"").send().await.expect("an answer"), 412, None).await;
    let pointed = patch(json!({ "colour": "red" }), "\"1\"").send().await.expect("an answer");
    refused(pointed, 422, Some("#/colour")).await;
    let good = patch(json!({ "name": "Linux" }), "\"1\"").send().await.expect("an answer");
    assert!(text(good.headers(), "etag").starts_with("\"2-"));
    refused(
        shop.send(operator, Method::GET, "/api/admin/sources/src_00000000000000000000000000", None).await,
        404,
        None,
    )
    .await;
    refused(shop.send(operator, Method::GET, "/api/admin/sources/x", None).await, 400, None).await;
    assert_eq!(shop.send(operator, Method::POST, &format!("{one}/verify"), None).await.status(), 202);

    // Links.
    let start = format!("/api/products/{slug}/download");
    refused(shop.send(None, Method::POST, &start, None).await, 401, None).await;
    refused(shop.send(stranger, Method::POST, &start, None).await, 403, None).await;
    refused(shop.send(None, Method::GET, &format!("/api/products/{slug}/sources"), None).await, 401, None).await;
    refused(shop.send(stranger, Method::GET, &format!("/api/products/{slug}/sources"), None).await, 403, None).await;
    refused(shop.send(buyer, Method::POST, "/api/products/nothing/download", None).await, 404, None).await;
    refused(shop.send(buyer, Method::POST, "/api/products/a%00b/download", None).await, 404, None).await;
    let missing = json!({ "source": "src_00000000000000000000000000" });
    refused(shop.send(buyer, Method::POST, &start, Some(missing)).await, 422, Some("#/source")).await;
    refused(shop.send(buyer, Method::POST, &start, Some(json!({ "source": 7 }))).await, 400, Some("#/source")).await;
    refused(shop.send(buyer, Method::POST, &start, Some(json!({ "version": "\u{0}" }))).await, 422, Some("#/version"))
        .await;
    refused(shop.send(buyer, Method::POST, &start, Some(json!([]))).await, 400, None).await;
    refused(shop.send(buyer, Method::POST, &start, Some(json!({ "version": "x".repeat(20_000) }))).await, 413, None)
        .await;
    let plain = shop.request(buyer, Method::POST, &start).body("x").send().await.expect("an answer");
    refused(plain, 415, None).await;
    let keyed = || shop.request(buyer, Method::POST, &start).header("idempotency-key", "once").send();
    let (first, second) = (keyed().await.expect("an answer"), keyed().await.expect("an answer"));
    assert_eq!(text(second.headers(), "idempotent-replayed"), "true");
    assert_eq!(first.text().await.expect("text"), second.text().await.expect("text"));
    refused(shop.send(buyer, Method::GET, "/api/downloads?limit=0", None).await, 400, Some("#/limit")).await;
    refused(shop.send(buyer, Method::GET, "/api/downloads?status=x", None).await, 400, None).await;
    refused(shop.send(buyer, Method::POST, "/api/downloads", None).await, 405, None).await;

    let gone =
        shop.request(operator, Method::DELETE, &one).header("if-match", "\"2\"").send().await.expect("an answer");
    assert_eq!(gone.status(), 204);
    let stored = shop.mintreu.directory().join("var/files/sources");
    eventually("the file is removed", async || std::fs::read_dir(&stored).map_or(0, Iterator::count) == 0).await;
});
