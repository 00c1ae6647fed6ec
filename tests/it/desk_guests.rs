//! Guests at the desk: whoever bought without an account asks, is answered, and finds it all in the account made later.

use mintreu::{accounts::Role, payments::signature};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::{
    accounts_scene::{PASSWORD, Scene, likeness, token_in},
    desk_scene::mail,
    journey_guest::{ordered, paid},
    journey_shop::{now, problem, until},
    support::{Mintreu, Person, TestDb},
};

const GUEST: &str = "grace@example.com";
const SECRET: &str = "whsec_mail";
const LINKS: &str = "/api/guest/support-links";
const TICKETS: &str = "/api/guest/tickets";

async fn scene(db: &TestDb) -> Scene {
    let mintreu = Mintreu::new()
        .env("MINTREU__SUPPORT__INBOUND_SECRET", SECRET)
        .env("MINTREU__SUPPORT__MAIL_ADDRESS", "support@example.com");
    Scene::of(mintreu, db).await
}

/// The token of the link that was mailed because it was asked for.
async fn link(scene: &Scene, email: &str) -> String {
    scene.posted(LINKS, "", &json!({ "email": email }), 202).await;
    until("the link", async || {
        let mails = scene.mails(email);
        let found = mails.iter().rev().find(|mail| mail.contains("/guest/support?token="));
        found.map(|mail| token_in(mail)).ok_or(mails.len())
    })
    .await
}

fn question(token: &str) -> Value {
    json!({ "token": token, "subject": "It stops", "body": "Why?" })
}

/// A letter about a ticket.
async fn letter(scene: &Scene, about: &str) -> String {
    until("the letter", async || {
        let mails = scene.mails(GUEST);
        mails.iter().find(|mail| mail.contains(about)).cloned().ok_or_else(|| mails.join("\n"))
    })
    .await
}

async fn deliver(scene: &Scene, raw: &[u8]) {
    let request = scene.shop.client.post(scene.shop.mintreu.url("/webhooks/mail/inbound"));
    let request = request.header("mintreu-signature", signature::sign(SECRET, raw, now())).body(raw.to_vec());
    assert_eq!(request.send().await.expect("an answer").status(), 200);
}

/// What became of the mails that came in, the first first.
async fn outcomes(scene: &Scene, operator: &Person, number: usize) -> Vec<Value> {
    until("the mails are handled", async || {
        let page = scene.got("/api/admin/inbound-mails", &operator.cookie).await;
        let mut outcomes: Vec<_> =
            page["data"].as_array().expect("a list").iter().map(|mail| mail["outcome"].clone()).collect();
        outcomes.reverse();
        if outcomes.len() == number && !outcomes.contains(&Value::Null) { Ok(outcomes) } else { Err(page) }
    })
    .await
}

async fn refused(answer: Response, pointer: &str) {
    let told = problem(answer, 422, "invalid-input").await;
    assert_eq!(told["errors"][0]["pointer"], pointer, "{told}");
}

on_both!(a_guest_asks_is_answered_and_has_it_in_the_account_later, |db| async move {
    let scene = scene(&db).await;
    let operator = scene.person("operator@example.com", Role::Admin).await;
    let order = ordered(&scene, GUEST).await;
    let receipt = paid(&scene, &order).await;
    let token = link(&scene, GUEST).await;
    let mut new = question(&token);
    new["order"] = json!(order.0);
    let opened = scene.posted(TICKETS, "", &new, 201).await;
    let id = opened["id"].as_str().expect("an id");
    assert_eq!(opened["order"], order.0, "{opened}");
    assert!(!opened["product"].is_null(), "an order of one product implies it: {opened}");

    // The letter opens the ticket, and is answered at an address of its own.
    let told = letter(&scene, &format!("/guest/tickets/{id}?token=")).await;
    let (_, rest) = told.split_once(&format!("{id}?token=")).expect("a link");
    let key: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '.').collect();
    assert_eq!(opened["token"], key, "{told}");
    let reply_to = told.lines().find_map(|line| line.strip_prefix("Reply-To: ")).expect("an address").to_owned();

    // Those who answer see who asks, and are not told of an account that is not there.
    let ticket = format!("/api/admin/tickets/{id}");
    let seen = scene.got(&ticket, &operator.cookie).await;
    assert_eq!(seen["requester"], json!({ "id": null, "name": null, "email": GUEST }), "{seen}");
    let answer = json!({ "body": "Restart it." });
    scene.posted(&format!("{ticket}/messages"), &operator.cookie, &answer, 201).await;
    let note = json!({ "body": "A secret.", "internal": true });
    scene.posted(&format!("{ticket}/messages"), &operator.cookie, &note, 201).await;
    letter(&scene, "Restart it.").await;

    // The guest reads, and answers on the page and by mail; others do not.
    let own = format!("{TICKETS}/{id}");
    let messages = format!("{own}/messages?token={key}");
    let read = scene.got(&messages, "").await;
    let bodies: Vec<_> = read["data"].as_array().expect("a list").iter().map(|it| it["body"].clone()).collect();
    assert_eq!(bodies, ["Why?", "Restart it."], "no note: {read}");
    assert_eq!(read["data"][0]["author"], Value::Null);
    scene.posted(&messages, "", &json!({ "body": "It still stops." }), 201).await;
    refused(scene.post(&messages, "", &json!({ "body": "", "attachments": [] })).await, "#/body").await;
    deliver(&scene, &mail(GUEST, &reply_to, "1@x.example", "By mail.")).await;
    deliver(&scene, &mail("eve@example.com", &reply_to, "2@x.example", "I am Grace.")).await;
    let code = reply_to.find('@').expect("an address") - 10;
    let guessed = reply_to.replace(&reply_to[code..code + 10], "0123456789");
    deliver(&scene, &mail(GUEST, &guessed, "3@x.example", "Guessed.")).await;
    assert_eq!(outcomes(&scene, &operator, 3).await, ["accepted", "stranger", "stranger"]);
    assert_eq!(scene.got(&messages, "").await["data"].as_array().expect("a list").len(), 4);
    let first = scene.got(&format!("{messages}&limit=3"), "").await;
    assert_eq!((first["data"].as_array().map(Vec::len), &first["has_more"]), (Some(3), &json!(true)), "{first}");
    let after = first["next_cursor"].as_str().expect("a cursor");
    let last = scene.got(&format!("{messages}&after={after}"), "").await;
    assert_eq!((last["data"].as_array().map(Vec::len), &last["has_more"]), (Some(1), &json!(false)), "{last}");

    // Who proves the address with an account has the ticket, and what was mailed before leads to it still.
    let claim = json!({ "token": token_in(&receipt), "name": "Grace", "password": PASSWORD });
    scene.posted("/api/claim", "", &claim, 200).await;
    let grace = scene.login(GUEST, PASSWORD).await;
    let path = format!("/api/tickets/{id}");
    until("the ticket is in the account", async || {
        let answer = scene.get(&path, &grace).await;
        if answer.status() == 200 { Ok(()) } else { Err(answer.status()) }
    })
    .await;
    problem(scene.get(&format!("{own}?token={key}"), "").await, 404, "not-found").await;
    let account = scene.got("/api/account", &grace).await;
    let read = scene.got(&format!("{path}/messages"), &grace).await;
    let authors: Vec<_> = read["data"].as_array().expect("a list").iter().map(|it| it["author"].clone()).collect();
    assert_eq!(authors.len(), 4, "{read}");
    for place in [0, 2, 3] {
        assert_eq!(authors[place], account["id"], "{read}");
    }
    deliver(&scene, &mail(GUEST, &reply_to, "4@x.example", "Later.")).await;
    assert_eq!(outcomes(&scene, &operator, 4).await[3], "accepted");
    refused(scene.post(TICKETS, "", &question(&token)).await, "#/token").await;
    scene.settled().await;
    scene.shop.is_sound();
});

on_both!(a_guests_ticket_is_nobody_elses, |db| async move {
    let scene = scene(&db).await;
    let (mine, other) = (ordered(&scene, GUEST).await, ordered(&scene, "other@example.com").await);
    let (token, others) = (link(&scene, GUEST).await, link(&scene, "other@example.com").await);
    // Neither an order's token nor another link proves the address.
    let register = json!({ "name": "Eve", "email": "eve@example.com", "password": PASSWORD });
    scene.posted("/api/register", "", &register, 202).await;
    let verify = scene.token("eve@example.com", 1).await;
    for wrong in [mine.1.as_str(), verify.as_str(), "", "x", &token[1..], &"0".repeat(72), &"a".repeat(5_000)] {
        refused(scene.post(TICKETS, "", &question(wrong)).await, "#/token").await;
    }
    for order in [other.0.as_str(), "ord_01kc0000000000000000000001"] {
        let mut new = question(&token);
        new["order"] = json!(order);
        refused(scene.post(TICKETS, "", &new).await, "#/order").await;
    }
    for (field, value) in [("subject", json!("")), ("body", json!("a\u{0}b")), ("product", json!("prd_x"))] {
        let mut new = question(&token);
        new[field] = value;
        let answer = scene.post(TICKETS, "", &new).await;
        assert!(answer.status().is_client_error(), "{field}: {}", answer.status());
    }
    // The link is good for more than one question; without an order it is about the last one's buyer.
    let [first, second] = [&token, &others].map(|token| question(token));
    let first = scene.posted(TICKETS, "", &first, 201).await;
    let second = scene.posted(TICKETS, "", &second, 201).await;
    scene.posted(TICKETS, "", &question(&token), 201).await;
    let path = format!("{TICKETS}/{}", first["id"].as_str().expect("an id"));
    let key = |ticket: &Value| ticket["token"].as_str().expect("a token").to_owned();
    let eve = scene.person("mallory@example.com", Role::Customer).await;
    for wrong in [key(&second), key(&first).to_uppercase(), token.clone(), String::new(), "x.y".to_owned()] {
        for (method, rest, body) in [
            (Method::GET, "", None),
            (Method::GET, "/messages", None),
            (Method::POST, "/messages", Some(json!({ "body": "Mine." }))),
            (Method::POST, "/solve", None),
        ] {
            let target = format!("{path}{rest}?token={wrong}");
            problem(scene.send(method, &target, &eve.cookie, body.as_ref()).await, 404, "not-found").await;
        }
    }
    problem(scene.get(&path, "").await, 400, "invalid-parameter").await;
    let solved = scene.send(Method::POST, &format!("{path}/solve?token={}", key(&first)), "", None).await;
    assert_eq!(solved.json::<Value>().await.expect("JSON")["status"], "solved");
    assert_eq!(scene.got(&format!("{path}?token={}", key(&first)), "").await["status"], "solved");
});

on_both!(who_has_ordered_is_not_told, |db| async move {
    let scene = scene(&db).await;
    ordered(&scene, GUEST).await;
    let ask = async |email: &str| scene.post(LINKS, "", &json!({ "email": email })).await;
    let (known, unknown) = (likeness(ask(GUEST).await).await, likeness(ask("nobody@example.com").await).await);
    assert_eq!(known, unknown);
    assert_eq!(known.0, 202);
    scene.settled().await;
    assert_eq!(scene.mails("nobody@example.com").len(), 0);
    assert_eq!(scene.mails(GUEST).len(), 1);
    refused(ask("nobody").await, "#/email").await;
    problem(scene.post(LINKS, "", &json!({ "email": GUEST, "more": 1 })).await, 400, "malformed-body").await;
    // So many mails to one address, whoever asks.
    for _ in 0..4 {
        assert_eq!(ask(GUEST).await.status(), 202);
    }
    assert_eq!(ask(GUEST).await.status(), 429);
    assert_eq!(ask("nobody@example.com").await.status(), 202, "another address");
});

on_both!(a_guest_who_asks_twice_with_one_key_has_one_ticket, |db| async move {
    let scene = scene(&db).await;
    ordered(&scene, GUEST).await;
    let token = link(&scene, GUEST).await;
    let ask = async || {
        let request = scene.shop.client.post(scene.shop.mintreu.url(TICKETS)).header("idempotency-key", "one");
        let answer = request.json(&question(&token)).send().await.expect("an answer");
        assert_eq!(answer.status(), 201);
        answer.json::<Value>().await.expect("JSON")
    };
    assert_eq!(ask().await, ask().await);
    assert_eq!(scene.number("SELECT COUNT(*) FROM tickets").await, 1);
});
