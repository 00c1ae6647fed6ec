//! What buyers are told beside their keys: a new file, a payment that waits, a dispute. Each once.

use mintreu::{
    accounts::Role,
    db::DbError,
    execute,
    jobs::Job,
    notifications::{AnnounceFile, TellOfPayments},
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    accounts_scene::Scene,
    journey_shop::{PRODUCT, new_order, until},
};

/// Waits until nothing is left to do about money, files and letters.
async fn quiet(scene: &Scene) {
    until("nothing is left to do", async || {
        let left = "SELECT COUNT(*) FROM jobs WHERE state NOT IN ('completed', 'cancelled')
                    AND queue IN ('payments', 'licensing', 'downloads', 'notifications')";
        let left = scene.number(left).await;
        if left == 0 { Ok(()) } else { Err(left) }
    })
    .await;
}

/// Buys as somebody, and gives the order.
async fn buy(scene: &Scene, cookie: &str) -> String {
    let order = scene.posted("/api/orders", cookie, &new_order(), 201).await;
    let order = order["id"].as_str().expect("an id").to_owned();
    scene.shop.pay(&order).await;
    order
}

async fn enqueue(scene: &Scene, job: &impl Job) {
    scene.db.write(async |tx| tx.enqueue(job).await).await.expect("enqueued");
    quiet(scene).await;
}

/// The letters to somebody with these words in their subject.
fn letters(scene: &Scene, to: &str, subject: &str) -> Vec<String> {
    let is_it = |mail: &String| mail.lines().any(|line| line.starts_with("Subject: ") && line.contains(subject));
    scene.mails(to).into_iter().filter(is_it).collect()
}

on_both!(whoever_bought_a_product_is_told_of_its_new_file_once, |db| async move {
    let scene = Scene::on(&db).await;
    let admin = scene.person("admin@example.com", Role::Admin).await;
    let (buyer, refunded) = (scene.shop.buyer().await.clone(), scene.person("gone@example.com", Role::Customer).await);
    let kept = buy(&scene, &buyer.cookie).await;
    scene.shop.until_order_is(&kept, "fulfilled").await;
    let returned = scene.posted("/api/orders", &refunded.cookie, &new_order(), 201).await;
    let returned = returned["id"].as_str().expect("an id").to_owned();
    scene.shop.pay(&returned).await;
    quiet(&scene).await;
    let total = scene.got(&format!("/api/admin/orders/{returned}"), &admin.cookie).await["total"]["amount"].clone();
    let refund = json!({ "amount": total, "reason": "not wanted" });
    scene.posted(&format!("/api/admin/orders/{returned}/refunds"), &admin.cookie, &refund, 202).await;
    quiet(&scene).await;

    let product = scene.got(&format!("/api/products/{PRODUCT}"), "").await["id"].as_str().expect("an id").to_owned();
    let path = format!("/api/admin/products/{product}/files?file_name=lamp.zip&version=2.2.0");
    let upload = scene.shop.client.request(Method::PUT, scene.shop.mintreu.url(&path)).header("cookie", &admin.cookie);
    let made: Value = upload.body("PK lamp").send().await.expect("an answer").json().await.expect("JSON");
    quiet(&scene).await;
    let told = letters(&scene, &buyer.email, "A new file of");
    let [letter] = told.as_slice() else { panic!("{} letters: {told:?}", told.len()) };
    for words in ["lamp.zip", "2.2.0"] {
        assert!(letter.contains(words), "{words:?} in {letter}");
    }
    assert_eq!(letters(&scene, &refunded.email, "A new file of").len(), 0, "who gave it back is not told");

    // The same announced again, as after a process that died: the letter is known.
    let source: mintreu::downloads::SourceId = made["id"].as_str().expect("an id").parse().expect("an id");
    enqueue(&scene, &AnnounceFile { source: source.uuid(), after: None }).await;
    assert_eq!(letters(&scene, &buyer.email, "A new file of").len(), 1);
    // What is offered no more is no news.
    let sources = format!("/api/admin/sources/{}", made["id"].as_str().expect("an id"));
    let answer = scene.shop.client.request(Method::PATCH, scene.shop.mintreu.url(&sources));
    let answer = answer.header("cookie", &admin.cookie).header("if-match", format!("\"{}\"", made["revision"]));
    let answer = answer.json(&json!({ "is_active": false, "version": "2.3.0" })).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    enqueue(&scene, &AnnounceFile { source: source.uuid(), after: None }).await;
    assert_eq!(letters(&scene, &buyer.email, "A new file of").len(), 1);
});

on_both!(whoever_paid_and_waits_is_told_that_the_money_came, |db| async move {
    let scene = Scene::on(&db).await;
    let buyer = scene.shop.buyer().await.clone();
    scene.shop.run(&["flags", "kill", "licensing", "--reason", "a test"]);
    until("licences are off", async || {
        let answer = scene.post("/api/license/activate", "", &json!({ "license_key": "x", "fingerprint": "y" })).await;
        if answer.status() == 503 { Ok(()) } else { Err(answer.status()) }
    })
    .await;
    let order = buy(&scene, &buyer.cookie).await;
    scene.shop.until_order_is(&order, "paid").await;
    let waiting = "We have your payment";
    let tell = async || {
        scene.db.write(async |tx| tx.enqueue(&TellOfPayments {}).await).await.expect("enqueued");
        until("it is told", async || {
            let left = "SELECT COUNT(*) FROM jobs WHERE kind LIKE 'notifications.%' AND state <> 'completed'";
            let left = scene.number(left).await;
            if left == 0 { Ok(()) } else { Err(left) }
        })
        .await;
    };
    tell().await;
    assert_eq!(letters(&scene, &buyer.email, waiting).len(), 0, "a moment ago: the keys may come yet");
    scene
        .db
        .write(async |tx| {
            let text = tx.dialect().pick(
                "UPDATE orders SET paid_at = paid_at - 660000000",
                "UPDATE orders SET paid_at = paid_at - INTERVAL '11 minutes'",
            );
            execute!(tx, sqlx::query(text))
        })
        .await
        .map_err(|error: DbError| error)
        .expect("time passed");
    for _ in 0..2 {
        tell().await;
        let told = letters(&scene, &buyer.email, waiting);
        let [letter] = told.as_slice() else { panic!("{} letters: {told:?}", told.len()) };
        assert!(letter.contains(&order) && letter.contains("19.99 USD"), "{letter}");
    }
    scene.shop.run(&["flags", "restore", "licensing", "--reason", "a test"]);
    scene.shop.until_order_is(&order, "fulfilled").await;
    until("the keys came", async || {
        let told = letters(&scene, &buyer.email, "Your order from").len();
        if told == 1 { Ok(()) } else { Err(told) }
    })
    .await;
});

on_both!(whoever_disputes_is_told_how_it_stands_each_time_it_changes, |db| async move {
    let scene = Scene::on(&db).await;
    let buyer = scene.shop.buyer().await.clone();
    for (outcome, word) in [("win", "the payment stands"), ("lose", "the money went back to you")] {
        let order = buy(&scene, &buyer.cookie).await;
        scene.shop.until_order_is(&order, "fulfilled").await;
        let view = scene.shop.order(&order).await;
        let session = view["payments"][0]["reference"].as_str().expect("a session").to_owned();
        for (action, status, words) in [
            ("open", "disputed", "It will decide"),
            (outcome, if outcome == "win" { "fulfilled" } else { "disputed" }, word),
        ] {
            // Thrice, as providers do.
            let dispute = json!({ "action": action, "copies": 3 });
            let answer = scene.post(&format!("/sandbox/sessions/{session}/dispute"), "", &dispute).await;
            assert!(answer.status().is_success(), "{action}: {}", answer.text().await.expect("text"));
            let path = format!("/api/orders/{order}");
            until("it is known", async || {
                let view = scene.got(&path, &buyer.cookie).await;
                let told = letters(&scene, &buyer.email, "is disputed");
                let told = told.iter().filter(|mail| mail.contains(&order)).count();
                let expected = if action == "open" { 1 } else { 2 };
                let fits = action != "win" || view["status"] == status;
                if told == expected && fits { Ok(()) } else { Err((told, view["status"].clone())) }
            })
            .await;
            quiet(&scene).await;
            let all = letters(&scene, &buyer.email, "is disputed");
            let mine: Vec<_> = all.iter().filter(|mail| mail.contains(&order)).collect();
            assert_eq!(mine.len(), if action == "open" { 1 } else { 2 }, "{mine:?}");
            let flat = mine.last().expect("a letter").replace("=\r\n", "").replace("\r\n", " ");
            assert!(flat.contains(words), "{words:?} in {flat}");
        }
    }
    scene.shop.is_sound();
});
