//! Mails over HTTP: what people choose, what operators see and do, and a mail server that is as bad as it gets, with the
//! real program.

use mintreu::{
    accounts::Role,
    notifications::{Holder, Topic, unsubscribe_token},
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    accounts_scene::{PASSWORD, Scene},
    journey_premises::mail as premises_mail,
    journey_shop::{paid_event, until},
    support::{Mintreu, Mood, SmtpServer},
};

fn by_smtp(server: &SmtpServer) -> Mintreu {
    Mintreu::new()
        .env("MINTREU__MAIL__KIND", "smtp")
        .env("MINTREU__MAIL__SMTP__URL", server.url())
        .env("MINTREU__MAIL__SMTP__FROM", "Our shop <shop@example.com>")
}

/// Registers, which owes a letter.
async fn owe(scene: &Scene, email: &str) {
    let body = json!({ "name": "Ada", "email": email, "password": PASSWORD });
    scene.posted("/api/register", "", &body, 202).await;
}

/// Waits until the only mail of a filter is in a state.
async fn until_mail_is(scene: &Scene, admin: &str, state: &str) -> Value {
    until(&format!("a mail is {state}"), async || {
        let list = scene.got(&format!("/api/admin/mails?state={state}"), admin).await;
        match list["data"].as_array().map(Vec::as_slice) {
            Some([mail]) => Ok(mail.clone()),
            _ => Err(list),
        }
    })
    .await
}

on_both!(the_owner_of_an_account_chooses_a_language_and_what_to_decline, |db| async move {
    let scene = Scene::on(&db).await;
    let ada = scene.person("ada@example.com", Role::Customer).await;
    let path = "/api/account/notifications";
    let first = scene.got(path, &ada.cookie).await;
    assert_eq!(first["language"], "en");
    assert_eq!(first["topics"]["orders"], json!({ "enabled": true, "optional": false }));
    assert_eq!(first["topics"]["license_reminders"], json!({ "enabled": true, "optional": true }));
    assert!(first["topics"].get("operations").is_none(), "{first}");
    assert_eq!(first["languages"], json!([{ "code": "de", "name": "Deutsch" }, { "code": "en", "name": "English" }]));
    let change = json!({ "language": "de", "topics": { "license_reminders": false, "orders": true } });
    for _ in 0..2 {
        let answer = scene.send(Method::PATCH, path, &ada.cookie, Some(&change)).await;
        assert_eq!(answer.status(), 200);
        let changed: Value = answer.json().await.expect("JSON");
        assert_eq!(changed["language"], "de");
        assert_eq!(changed["topics"]["license_reminders"]["enabled"], false);
    }
    for (body, pointer, status) in [
        (json!({ "language": "xx" }), "#/language", 422),
        (json!({ "language": "\0" }), "#/language", 422),
        (json!({ "topics": { "orders": false } }), "#/topics/orders", 422),
        (json!({ "topics": { "nothing": false } }), "#/topics", 400),
        (json!({ "topics": { "license_reminders": "no" } }), "#/topics/license_reminders", 400),
        (json!({ "colour": "red" }), "#/colour", 400),
    ] {
        let answer = scene.send(Method::PATCH, path, &ada.cookie, Some(&body)).await;
        assert_eq!(answer.status(), status, "{body}");
        let problem: Value = answer.json().await.expect("JSON");
        let pointed = problem["errors"][0]["pointer"].as_str().unwrap_or_default();
        assert!(pointed.starts_with(pointer), "{body}: {problem}");
    }
    let kept = scene.got(path, &ada.cookie).await;
    assert_eq!((&kept["language"], &kept["topics"]["license_reminders"]["enabled"]), (&json!("de"), &json!(false)));
    let other = scene.person("bob@example.com", Role::Customer).await;
    assert_eq!(scene.got(path, &other.cookie).await, first, "nobody else's");
    let entries = "SELECT COUNT(*) FROM audit_entries WHERE action = 'user.notifications_changed'";
    assert_eq!(scene.number(entries).await, 2);
});

on_both!(a_link_declines_when_it_is_posted_and_not_when_it_is_read, |db| async move {
    let mintreu = Mintreu::new().env("MINTREU__SECRETS__KEY", premises_mail::KEY);
    let scene = Scene::of(mintreu, &db).await;
    let ada = scene.person("ada@example.com", Role::Customer).await;
    let holder = Holder::User(ada.user);
    let token = unsubscribe_token(&premises_mail::keys(), &holder, Topic::ProductUpdates);
    let path = format!("/unsubscribe/{token}");
    let enabled = async || {
        let told = scene.got("/api/account/notifications", &ada.cookie).await;
        told["topics"]["product_updates"]["enabled"].as_bool().expect("a truth value")
    };
    let page = scene.get(&path, "").await;
    assert_eq!(page.status(), 200);
    assert!(page.headers()["content-type"].to_str().expect("text").starts_with("text/html"));
    let page = page.text().await.expect("text");
    assert!(page.contains("<form method=\"post\">") && page.contains("Unsubscribe"), "{page}");
    assert!(enabled().await, "reading changes nothing");
    // As mail programs do it: from elsewhere, without a cookie (RFC 8058, 3.2).
    let post = || {
        let url = scene.shop.mintreu.url(&path);
        let request = scene.shop.client.post(url).header("origin", "https://mail.example.org");
        request.form(&[("List-Unsubscribe", "One-Click")]).send()
    };
    for _ in 0..2 {
        let done = post().await.expect("an answer");
        assert_eq!(done.status(), 200);
        assert!(!done.text().await.expect("text").contains("<form"));
        assert!(!enabled().await);
    }
    let entries = "SELECT COUNT(*) FROM audit_entries WHERE action = 'mail.unsubscribed'";
    assert_eq!(scene.number(entries).await, 1);
    for wrong in ["x", &token[..token.len() - 1], &token.replace("product_updates", "account")] {
        assert_eq!(scene.get(&format!("/unsubscribe/{wrong}"), "").await.status(), 404, "{wrong}");
        assert_eq!(scene.post(&format!("/unsubscribe/{wrong}"), "", &json!({})).await.status(), 404, "{wrong}");
    }
});

on_both!(operators_look_at_every_letter_in_every_language, |db| async move {
    let scene = Scene::on(&db).await;
    let admin = scene.person("ops@example.com", Role::Admin).await.cookie;
    let list = scene.got("/api/admin/mail-templates", &admin).await;
    let templates = list["data"].as_array().expect("a list");
    assert!(templates.len() >= 20, "{list}");
    for template in templates {
        let name = template["template"].as_str().expect("a name");
        for language in list["languages"].as_array().expect("a list") {
            let language = language.as_str().expect("a code");
            let path = format!("/api/admin/mail-templates/{name}?language={language}");
            let preview = scene.got(&path, &admin).await;
            for part in ["subject", "text", "html"] {
                assert!(preview[part].as_str().is_some_and(|text| !text.is_empty()), "{path}: {part}");
            }
            for (format, kind) in [("html", "text/html"), ("text", "text/plain")] {
                let shown = scene.get(&format!("{path}&format={format}"), &admin).await;
                assert!(shown.headers()["content-type"].to_str().expect("text").starts_with(kind));
            }
        }
    }
    for wrong in [
        "nothing",
        "verify_email?language=xx",
        "verify_email?format=pdf",
        "verify_email?variant=9",
        "verify_email?variant=-1",
    ] {
        let answer = scene.get(&format!("/api/admin/mail-templates/{wrong}"), &admin).await;
        assert_eq!(answer.status(), 400, "{wrong}");
    }
});

on_both!(one_operator_who_is_not_there_keeps_nothing_from_the_others, |db| async move {
    let server = SmtpServer::start().await;
    server.nobody_at("gone@example.com", "550 5.1.1 no such mailbox");
    let mintreu = by_smtp(&server).env("MINTREU__SHOP__OPERATORS", "gone@example.com,ops@example.com,boss@example.com");
    let scene = Scene::of(mintreu, &db).await;
    let admin = scene.person("admin@example.com", Role::Admin).await.cookie;
    let order = scene.shop.open().await;
    let event = paid_event("evt_less", &order, &json!({ "amount_total": 1, "id": "cs_1" }));
    assert_eq!(scene.shop.deliver(&event).await.status(), 200);
    let told = until("the others are told", async || {
        let mut to: Vec<String> = server.mails().into_iter().flat_map(|mail| mail.to).collect();
        to.sort();
        if to.len() >= 2 { Ok(to) } else { Err(to) }
    })
    .await;
    assert_eq!(told, ["boss@example.com", "ops@example.com"]);
    let refused = until_mail_is(&scene, &admin, "refused").await;
    assert_eq!(refused["recipient"], "g…@example.com");
    let suppressed = scene.got("/api/admin/mail-suppressions?address=gone@example.com", &admin).await;
    assert_eq!(suppressed["data"][0]["reason"], "bounced", "{suppressed}");
    // Somebody mends the mailbox.
    let id = suppressed["data"][0]["id"].as_str().expect("an id");
    let path = format!("/api/admin/mail-suppressions/{id}");
    assert_eq!(scene.delete(&path, &admin).await.status(), 204);
    assert_eq!(scene.delete(&path, &admin).await.status(), 404);
});

on_both!(a_killed_program_leaves_a_mail_unknown_and_an_operator_sends_it_again, |db| async move {
    let server = SmtpServer::start().await;
    let mut scene = Scene::of(by_smtp(&server), &db).await;
    let admin = scene.person("admin@example.com", Role::Admin).await.cookie;
    server.be(Mood::HangAfterContent);
    owe(&scene, "ada@example.com").await;
    until("the server has the content", async || if server.mails().len() == 1 { Ok(()) } else { Err(()) }).await;
    until_mail_is(&scene, &admin, "sending").await;
    scene.server.kill_9();
    scene.server = scene.shop.serve().await;
    let mail = until_mail_is(&scene, &admin, "unknown").await;
    assert_eq!(server.mails().len(), 1, "it is not sent again by itself");
    let path = format!("/api/admin/mails/{}", mail["id"].as_str().expect("an id"));
    let resend = format!("{path}/resend");
    for body in [json!({}), json!({ "reason": "" }), json!({ "reason": "x".repeat(501) }), json!({ "reason": "\0" })] {
        assert!(scene.post(&resend, &admin, &body).await.status().is_client_error(), "{body}");
    }
    assert_eq!(scene.post(&resend, &admin, &json!({ "reason": "nothing came" })).await.status(), 202);
    until_mail_is(&scene, &admin, "sent").await;
    let mails = server.mails();
    assert_eq!(mails.len(), 2);
    assert_eq!(mails[0].header("Message-ID"), mails[1].header("Message-ID"));
    let shown = scene.got(&path, &admin).await;
    assert_eq!(shown["attempts"], 2, "{shown}");
    let entries = "SELECT COUNT(*) FROM audit_entries WHERE action = 'mail.resent' AND reason = 'nothing came'";
    assert_eq!(scene.number(entries).await, 1);
    let gone = "/api/admin/mails/mail_00000000000000000000000000";
    assert_eq!(scene.get(gone, &admin).await.status(), 404);
    assert_eq!(scene.post(&format!("{gone}/resend"), &admin, &json!({ "reason": "x" })).await.status(), 404);
});

on_both!(an_operator_suppresses_what_is_an_address, |db| async move {
    let scene = Scene::on(&db).await;
    let admin = scene.person("admin@example.com", Role::Admin).await.cookie;
    let path = "/api/admin/mail-suppressions";
    let body = json!({ "address": "Ada@example.com", "reason": "asked by telephone" });
    let first = scene.posted(path, &admin, &body, 201).await;
    assert_eq!(scene.posted(path, &admin, &body, 200).await, first);
    assert_eq!((&first["recipient"], &first["reason"]), (&json!("a…@example.com"), &json!("operator")));
    for (body, status) in [
        (json!({ "address": "nobody", "reason": "x" }), 422),
        (json!({ "address": format!("{}@example.com", "x".repeat(300)), "reason": "x" }), 422),
        (json!({ "address": "ada@example.com", "reason": " " }), 422),
        (json!({ "address": "ada@example.com" }), 422),
        (json!({ "address": "ada@example.com", "reason": "x", "more": 1 }), 400),
    ] {
        assert_eq!(scene.post(path, &admin, &body).await.status(), status, "{body}");
    }
    owe(&scene, "ada@example.com").await;
    let mail = until_mail_is(&scene, &admin, "suppressed").await;
    assert!(mail["last_error"].as_str().is_some_and(|why| why.contains("suppressed")), "{mail}");
    assert_eq!(scene.mails("ada@example.com").len(), 0);
    for query in ["state=nothing", "template=x", "sort=x", "to=", "to=%00", "user=x", "limit=0", "after=x"] {
        assert_eq!(scene.get(&format!("/api/admin/mails?{query}"), &admin).await.status(), 400, "{query}");
    }
});
