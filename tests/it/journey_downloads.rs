//! What a vendor uploads is bought, told of in the letter, downloaded, and gone with the money; and what a store that is
//! away costs.

use mintreu::{accounts::Role, execute};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::{
    accounts_scene::Scene,
    downloads_s3::Store,
    journey_shop::{PRODUCT, new_order, problem, until},
    support::{Mintreu, Nginx, Person},
};

const START: &str = "/api/products/sandbox-license/download";

/// Somebody who sells what the shop sells.
async fn vendor(scene: &Scene) -> Person {
    let person = scene.person("vendor@example.com", Role::Developer).await;
    let statement = "UPDATE developers SET user_id = $1 WHERE id = (SELECT developer_id FROM products WHERE slug = $2)";
    let changed = scene.db.write(async |tx| execute!(tx, sqlx::query(statement).bind(person.user).bind(PRODUCT))).await;
    let changed: u64 = changed.map_err(|error: mintreu::db::DbError| error).expect("changed");
    assert_eq!(changed, 1);
    person
}

async fn product(scene: &Scene, vendor: &Person) -> String {
    let listed = scene.got("/api/developer/products", &vendor.cookie).await;
    assert_eq!(listed["data"].as_array().map(Vec::len), Some(1), "{listed}");
    assert_eq!(listed["data"][0]["slug"], PRODUCT);
    listed["data"][0]["id"].as_str().expect("an id").to_owned()
}

async fn put(scene: &Scene, who: &Person, path: &str, bytes: &'static [u8]) -> Response {
    let request = scene.shop.client.request(Method::PUT, scene.shop.mintreu.url(path)).header("cookie", &who.cookie);
    request.body(bytes).send().await.expect("an answer")
}

/// Buys, and gives the order.
async fn buy(scene: &Scene) -> String {
    let buyer = scene.shop.buyer().await.clone();
    let order = scene.posted("/api/orders", &buyer.cookie, &new_order(), 201).await;
    let order = order["id"].as_str().expect("an id").to_owned();
    scene.shop.pay(&order).await;
    scene.shop.until_order_is(&order, "fulfilled").await;
    order
}

/// A link's path.
async fn link(scene: &Scene, who: &Person) -> String {
    let link = scene.posted(START, &who.cookie, &json!({}), 201).await;
    let token = link["url"].as_str().expect("a URL").rsplit('/').next().expect("a token").to_owned();
    format!("/api/download/{token}")
}

/// The statuses of the log, the oldest first.
async fn log(scene: &Scene, admin: &Person) -> Vec<String> {
    let log = scene.got("/api/admin/downloads?limit=100", &admin.cookie).await;
    let lines = log["data"].as_array().expect("a list").iter().rev();
    lines.map(|line| line["status"].as_str().expect("a status").to_owned()).collect()
}

on_both!(what_a_vendor_uploads_is_bought_downloaded_and_gone_with_the_money, |db| async move {
    let scene = Scene::on(&db).await;
    let (vendor, buyer) = (vendor(&scene).await, scene.shop.buyer().await.clone());
    let admin = scene.person("admin@example.com", Role::Admin).await;
    let stranger = scene.person("stranger@example.com", Role::Customer).await;
    let product = product(&scene, &vendor).await;
    let files = format!("/api/developer/products/{product}/files?file_name=lamp.zip&version=2.1.0&name=Linux");
    assert_eq!(put(&scene, &vendor, &files, b"PK\x03\x04 lamp").await.status(), 201);
    until("it is announced to nobody", async || {
        let left =
            scene.number("SELECT COUNT(*) FROM jobs WHERE queue = 'notifications' AND state <> 'completed'").await;
        if left == 0 { Ok(()) } else { Err(left) }
    })
    .await;

    let order = buy(&scene).await;
    let mail = scene.mail(&buyer.email, 1).await;
    for words in ["Your files", "/downloads"] {
        assert!(mail.contains(words), "{words:?} in {mail}");
    }
    let offered = scene.got("/api/products/sandbox-license/sources", &buyer.cookie).await;
    assert_eq!(offered["data"][0]["file_name"], "lamp.zip", "{offered}");

    // Shared: it is nobody else's. Not sold any more: it is still the buyer's.
    let first = link(&scene, &buyer).await;
    problem(scene.get(&first, &stranger.cookie).await, 404, "not-found").await;
    let archived = "UPDATE products SET status = 'archived' WHERE slug = $1";
    let changed = scene.db.write(async |tx| execute!(tx, sqlx::query(archived).bind(PRODUCT))).await;
    assert_eq!(changed.map_err(|error: mintreu::db::DbError| error).expect("archived"), 1_u64);
    problem(scene.post(START, &stranger.cookie, &json!({})).await, 404, "not-found").await;
    for path in [first.clone(), link(&scene, &buyer).await] {
        let answer = scene.get(&path, &buyer.cookie).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.bytes().await.expect("bytes"), b"PK\x03\x04 lamp".as_slice());
    }

    // The money goes back, and with it the file, also by a link that was given before.
    let total = scene.shop.order(&order).await["total"]["amount"].as_i64().expect("an amount");
    let refund = json!({ "amount": total, "reason": "too dark" });
    scene.posted(&format!("/api/admin/orders/{order}/refunds"), &admin.cookie, &refund, 202).await;
    scene.shop.until_order_is(&order, "refunded").await;
    problem(scene.get(&first, &buyer.cookie).await, 403, "forbidden").await;
    problem(scene.post(START, &buyer.cookie, &json!({})).await, 404, "not-found").await;
    until("every download is written down", async || {
        let log = log(&scene, &admin).await;
        if log == ["refused", "refused", "delivered", "delivered", "refused", "refused"] { Ok(()) } else { Err(log) }
    })
    .await;
    scene.shop.is_sound();
});

on_both!(a_store_that_is_away_is_told_and_nothing_counts_as_delivered, |db| async move {
    let store = Store::open().await;
    let mintreu = store.used_by(Mintreu::new().env("MINTREU__DOWNLOADS__TIMEOUT", "2s"));
    let mut scene = Scene::of(mintreu, &db).await;
    let (vendor, buyer) = (vendor(&scene).await, scene.shop.buyer().await.clone());
    let admin = scene.person("admin@example.com", Role::Admin).await;
    // Else buyers are sent to the bucket, and how that went is not known here.
    scene.shop.run(&["flags", "set", "downloads.proxy", "true", "--reason", "a test"]);
    scene.server.kill_9();
    scene.server = scene.shop.serve().await;
    let files = format!("/api/developer/products/{}/files?file_name=lamp.zip", product(&scene, &vendor).await);
    let made: Value = put(&scene, &vendor, &files, b"PK\x03\x04 lamp").await.json().await.expect("JSON");
    let source = made["id"].as_str().expect("an id").to_owned();
    let attach = async || {
        let request = scene.shop.client.post(scene.shop.mintreu.url("/api/attachments?name=a.txt"));
        request.header("cookie", &buyer.cookie).body("hello").send().await.expect("an answer")
    };
    let file: Value = attach().await.json().await.expect("JSON");
    let file = format!("/api/attachments/{}", file["id"].as_str().expect("an id"));
    assert_eq!(scene.get(&file, &buyer.cookie).await.text().await.expect("text"), "hello");
    let names = store.names();
    assert!(names.iter().any(|name| name.starts_with("private/attachments/")), "customers' files too: {names:?}");
    buy(&scene).await;
    let link = link(&scene, &buyer).await;

    store.switch_off();
    for _ in 0..3 {
        let answer = scene.get(&link, &buyer.cookie).await;
        assert!(answer.headers().contains_key("retry-after"));
        problem(answer, 503, "storage-unavailable").await;
    }
    problem(put(&scene, &vendor, &files, b"another").await, 503, "storage-unavailable").await;
    problem(scene.get(&file, &buyer.cookie).await, 503, "storage-unavailable").await;
    problem(attach().await, 503, "storage-unavailable").await;
    let asked = scene.post(&format!("/api/developer/sources/{source}/verify"), &vendor.cookie, &json!({})).await;
    assert_eq!(asked.status(), 202);
    until("it is looked at in vain, and will be again", async || {
        let waiting = "SELECT COUNT(*) FROM jobs WHERE kind = 'downloads.verify' AND state = 'retryable'";
        if scene.number(waiting).await == 1 { Ok(()) } else { Err(()) }
    })
    .await;
    let known = scene.got(&format!("/api/developer/sources/{source}"), &vendor.cookie).await;
    assert_eq!(known["state"], "ok", "an outage flags nothing at once: {known}");
    let sources = format!("/api/developer/products/{}/sources", made["product"].as_str().expect("an id"));
    let listed = scene.got(&sources, &vendor.cookie).await;
    let states: Vec<_> = listed["data"].as_array().expect("a list").iter().map(|one| &one["state"]).collect();
    assert_eq!(states, ["uploading", "ok"], "what was not kept waits to be cleaned up");
    let offered = scene.got("/api/products/sandbox-license/sources", &buyer.cookie).await;
    assert_eq!(offered["data"].as_array().map(Vec::len), Some(1), "and is not offered: {offered}");
    assert_eq!(log(&scene, &admin).await, ["failed", "failed", "failed"]);
    assert_eq!(scene.number("SELECT downloads FROM products WHERE slug = 'sandbox-license'").await, 0);
});

on_both!(a_proxy_in_front_sends_the_file_and_the_link_still_counts, |db| async move {
    let settings = [("MINTREU__DOWNLOADS__ACCEL_REDIRECT", "/internal/"), ("MINTREU__DOWNLOADS__LINK_USES", "2")];
    let mintreu = settings.into_iter().fold(Mintreu::new(), |mintreu, (name, value)| mintreu.env(name, value));
    let scene = Scene::of(mintreu, &db).await;
    let (vendor, buyer) = (vendor(&scene).await, scene.shop.buyer().await.clone());
    let admin = scene.person("admin@example.com", Role::Admin).await;
    let product = product(&scene, &vendor).await;
    let files = format!("/api/developer/products/{product}/files?file_name=lamp.zip&version=2.1.0");
    assert_eq!(put(&scene, &vendor, &files, b"PK\x03\x04 lamp").await.status(), 201);
    buy(&scene).await;
    let link = link(&scene, &buyer).await;

    // To the proxy: where the file is, and none of it.
    let told = scene.get(&link, &buyer.cookie).await;
    assert_eq!(told.status(), 200);
    let place = told.headers()["x-accel-redirect"].to_str().expect("text").to_owned();
    assert!(place.starts_with("/internal/sources/src_"), "{place}");
    let tag = told.headers()["etag"].clone();
    assert!(told.bytes().await.expect("a body").is_empty());
    let program = scene.shop.mintreu.url("");
    let stored = scene.shop.mintreu.directory().join("var/files");
    let Some(nginx) = Nginx::before(program.trim_start_matches("http://"), &stored).await else { return };
    let get = async |name: &'static str, value: &str| {
        let request = scene.shop.client.get(nginx.url(&link)).header("cookie", &buyer.cookie);
        request.header(name, value).send().await.expect("an answer")
    };

    // Through it: the file, called and guarded as ever.
    let whole = get("accept", "*/*").await;
    assert_eq!((whole.status().as_u16(), whole.headers().get("x-accel-redirect")), (200, None));
    assert_eq!(whole.headers()["etag"], tag);
    assert_eq!(whole.headers()["content-disposition"], "attachment; filename=\"lamp.zip\"");
    assert!(whole.headers()["content-security-policy"].to_str().expect("text").starts_with("sandbox"));
    assert_eq!(whole.headers()["x-content-type-options"], "nosniff");
    assert_eq!(whole.headers().get_all("accept-ranges").iter().count(), 1);
    assert_eq!(whole.bytes().await.expect("bytes"), b"PK\x03\x04 lamp".as_slice());
    // Interrupted and gone on with: not another use. What the client has is not sent.
    let request = scene.shop.client.get(nginx.url(&link)).header("cookie", &buyer.cookie);
    let rest = request.header("range", "bytes=5-").header("if-range", &tag).send().await.expect("an answer");
    assert_eq!(
        (rest.status().as_u16(), &rest.headers()["content-range"]),
        (206, &"bytes 5-8/9".parse().expect("a value"))
    );
    assert_eq!(rest.bytes().await.expect("bytes"), b"lamp".as_slice());
    assert_eq!(get("if-none-match", tag.to_str().expect("text")).await.status(), 304);
    problem(get("accept", "application/json").await, 410, "gone").await;
    // What the proxy keeps to itself is nobody's.
    let direct = scene.shop.client.get(nginx.url(&place)).send().await.expect("an answer");
    assert_eq!(direct.status(), 404);
    assert_eq!(log(&scene, &admin).await, ["redirected", "redirected", "redirected", "refused"]);
    assert_eq!(scene.number("SELECT downloads FROM products WHERE slug = 'sandbox-license'").await, 2);
});
