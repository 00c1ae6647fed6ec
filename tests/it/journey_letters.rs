//! The letters about orders, read as the files that they are: to whom, about how much, and each once.

use std::collections::BTreeMap;
use std::fs;

use mintreu::{catalog::BillingCycle, db::DbError, execute};
use serde_json::{Value, json};

use crate::{
    accounts_scene::Scene,
    journey_shop::{PRODUCT, paid_event, until},
    support::{Mintreu, Sells, put_on_sale},
};

/// Every mail by the name of its file.
fn mailbox(scene: &Scene) -> BTreeMap<String, String> {
    let Ok(entries) = fs::read_dir(scene.shop.mintreu.directory().join("var/mail")) else { return BTreeMap::new() };
    let read = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        (name, fs::read_to_string(path).expect("a mail"))
    };
    entries.map(read).collect()
}

/// Waits until every letter that is owed has been written.
async fn posted(scene: &Scene) {
    until("every letter is written", async || {
        let owed = "SELECT COUNT(*) FROM jobs WHERE kind LIKE 'notifications.send%' AND state <> 'completed'";
        let owed = scene.number(owed).await;
        if owed == 0 { Ok(()) } else { Err(owed) }
    })
    .await;
}

fn header<'a>(mail: &'a str, name: &str) -> &'a str {
    let head = mail.split("\r\n\r\n").next().unwrap_or_default();
    let mut lines = head.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let value = lines.next().unwrap_or_else(|| panic!("no {name} in {mail}"));
    assert!(lines.next().is_none(), "{name} twice in {mail}");
    value
}

/// Has every letter sent again, as after a process that died before it could say that it had sent them.
async fn send_again(scene: &Scene) {
    let before = mailbox(scene);
    assert!(!before.is_empty());
    scene
        .db
        .write(async |tx| {
            let again = "UPDATE jobs SET state = 'retryable', run_at = 0, finished_at = NULL
                         WHERE kind LIKE 'notifications.send%' AND state = 'completed'";
            let past = "UPDATE jobs SET state = 'retryable', run_at = CAST('epoch' AS TIMESTAMPTZ), finished_at = NULL
                        WHERE kind LIKE 'notifications.send%' AND state = 'completed'";
            let text = tx.dialect().pick(again, past);
            execute!(tx, sqlx::query(text))
        })
        .await
        .map_err(|error: DbError| error)
        .expect("they are to be sent again");
    posted(scene).await;
    let after = mailbox(scene);
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>(), "no letter is there twice");
    for (name, mail) in &after {
        assert_eq!(header(mail, "Message-ID"), header(&before[name], "Message-ID"), "whoever gets it twice can tell");
        assert_eq!(header(mail, "To"), header(&before[name], "To"));
    }
}

on_both!(a_paid_order_is_told_to_its_buyer_once_with_its_key_and_its_total, |db| async move {
    let scene = Scene::on(&db).await;
    let body = json!({ "items": [{ "product": PRODUCT, "quantity": 2 }] });
    let buyer = scene.shop.buyer().await.clone();
    let opened = scene.posted("/api/orders", &buyer.cookie, &body, 201).await;
    let order = opened["id"].as_str().expect("an id");
    let session = scene.shop.session(order).await;
    for number in 0..5 {
        let event = paid_event(&format!("evt_{number}"), order, &json!({ "id": session, "amount_total": 3998 }));
        assert_eq!(scene.shop.deliver(&event).await.status(), 200);
    }
    let view = scene.shop.until_order_is(order, "fulfilled").await;
    posted(&scene).await;
    let mails = scene.mails(&buyer.email);
    let [mail] = mails.as_slice() else { panic!("{} letters: {mails:?}", mails.len()) };
    assert_eq!(header(mail, "Subject"), "Your order from Mintreu");
    assert_eq!(header(mail, "From"), "Mintreu <shop@localhost>");
    assert_eq!(header(mail, "Auto-Submitted"), "auto-generated");
    for words in [order, "2 x sandbox-license (Plan)", "Total: 39.98 USD"] {
        assert!(mail.contains(words), "{words:?} in {mail}");
    }
    for license in view["licenses"].as_array().expect("a list") {
        let key = license["license_key"].as_str().expect("a key");
        assert_eq!(mail.matches(key).count(), 2, "{key} in the text and in the HTML of {mail}");
    }
    assert!(!mail.contains("/claim?token="), "who has an account needs no link to one: {mail}");
    assert_eq!(mailbox(&scene).len(), 1, "nobody else is told");
    send_again(&scene).await;
    scene.shop.is_sound();
});

on_both!(operators_are_told_of_what_a_person_has_to_look_at, |db| async move {
    let mintreu = Mintreu::new().env("MINTREU__SHOP__OPERATORS", "ops@example.com,boss@example.com");
    let scene = Scene::of(mintreu, &db).await;
    let order = scene.shop.open().await;
    let event = paid_event("evt_less", &order, &json!({ "amount_total": 1, "id": "cs_1" }));
    assert_eq!(scene.shop.deliver(&event).await.status(), 200);
    for _ in 0..3 {
        assert_eq!(scene.shop.deliver(&event).await.status(), 200);
    }
    for operator in ["ops@example.com", "boss@example.com"] {
        let mail = scene.mail(operator, 1).await;
        assert_eq!(header(&mail, "Subject"), "Mintreu: an order needs attention");
        assert!(mail.contains(&order) && mail.contains("another amount or currency"), "{mail}");
    }
    posted(&scene).await;
    let all = mailbox(&scene);
    assert_eq!(all.len(), 2, "one for each operator, and none for the buyer: {all:?}");
    let ids: std::collections::BTreeSet<_> = all.values().map(|mail| header(mail, "Message-ID")).collect();
    assert_eq!(ids.len(), 2, "two letters are two");
    send_again(&scene).await;

    // Once a person has looked, a letter that was late is not sent any more.
    let admin = scene.person("admin@example.com", mintreu::accounts::Role::Admin).await;
    let listed = scene.got("/api/admin/orders?attention=true&limit=5", &admin.cookie).await;
    assert_eq!(listed["data"][0]["attention"], "wrong_amount", "{listed}");
    let attended = format!("/api/admin/orders/{order}/attended");
    assert_eq!(scene.post(&attended, &admin.cookie, &json!({ "reason": "seen" })).await.status(), 204);
    let listed = scene.got("/api/admin/orders?attention=true", &admin.cookie).await;
    assert_eq!(listed["data"], json!([]), "{listed}");
});

on_both!(a_renewal_that_fails_is_told_to_the_subscriber_with_its_amount, |db| async move {
    let scene = Scene::on(&db).await;
    put_on_sale(&scene.db, "club", Sells { price: 1_250, billing: BillingCycle::Monthly, ..Sells::default() }).await;
    let buyer = scene.shop.buyer().await.clone();
    let body = json!({ "items": [{ "product": "club" }] });
    let opened = scene.posted("/api/orders", &buyer.cookie, &body, 201).await;
    let order = opened["id"].as_str().expect("an id");
    scene.shop.pay(order).await;
    scene.shop.until_order_is(order, "fulfilled").await;
    posted(&scene).await;
    let subscription: String =
        mintreu::fetch_one!(scene.db, sqlx::query_scalar("SELECT id FROM sandbox_subscriptions")).expect("one");
    let renew = format!("/sandbox/subscriptions/{subscription}/renew");
    scene.posted(&renew, "", &json!({ "outcome": "failed", "copies": 3 }), 204).await;
    let mail = scene.mail(&buyer.email, 2).await;
    assert_eq!(header(&mail, "Subject"), "Your subscription to club could not be renewed");
    for words in ["We could not charge 12.50 USD for club.", "We will try again on ", "/subscriptions/sub_"] {
        assert!(mail.contains(words), "{words:?} in {mail}");
    }
    let subscriptions = scene.got("/api/subscriptions", &buyer.cookie).await;
    assert_eq!(subscriptions["data"][0]["status"], "past_due", "{subscriptions}");
    posted(&scene).await;
    assert_eq!(scene.mails(&buyer.email).len(), 2, "told once, however often the provider tells it");
    send_again(&scene).await;

    scene.posted(&renew, "", &json!({ "outcome": "paid" }), 204).await;
    until("it goes on", async || {
        let subscriptions: Value = scene.got("/api/subscriptions", &buyer.cookie).await;
        if subscriptions["data"][0]["status"] == "active" { Ok(()) } else { Err(subscriptions) }
    })
    .await;
    posted(&scene).await;
    scene.shop.is_sound();
});
