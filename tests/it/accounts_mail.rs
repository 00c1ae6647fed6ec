//! Mail that really goes out: by SMTP, refused now or for good.

use serde_json::json;

use crate::{
    accounts_scene::{PASSWORD, Scene, token_in},
    journey_shop::until,
    support::{Mintreu, Received, SmtpServer, TestDb},
};

fn by_smtp(server: &SmtpServer) -> Mintreu {
    Mintreu::new()
        .env("MINTREU__MAIL__KIND", "smtp")
        .env("MINTREU__MAIL__SMTP__URL", server.url())
        .env("MINTREU__MAIL__SMTP__FROM", "Our shop <shop@example.com>")
}

async fn arrived(server: &SmtpServer, number: usize) -> Vec<Received> {
    until(&format!("{number} mails"), async || {
        let mails = server.mails();
        if mails.len() >= number { Ok(mails) } else { Err(mails.len()) }
    })
    .await
}

fn registration(email: &str) -> serde_json::Value {
    json!({ "name": "Zoë", "email": email, "password": PASSWORD })
}

on_both!(a_mail_arrives_and_its_link_works, |db| async move {
    let server = SmtpServer::start().await;
    let scene = Scene::of(by_smtp(&server), &db).await;
    scene
        .posted("/api/register", "", &json!({ "name": "Ada", "email": "ada@example.com", "password": PASSWORD }), 202)
        .await;
    let mail = arrived(&server, 1).await.remove(0);
    assert_eq!((mail.from.as_str(), mail.to.as_slice()), ("shop@example.com", &["ada@example.com".to_owned()][..]));
    assert_eq!(mail.header("From"), Some("\"Our shop\" <shop@example.com>"));
    assert_eq!(mail.header("To"), Some("ada@example.com"));
    assert_eq!(mail.header("Subject"), Some("Confirm your address for Mintreu"));
    assert_eq!(mail.header("Auto-Submitted"), Some("auto-generated"));
    let id = mail.header("Message-ID").expect("an identifier");
    assert!(id.starts_with("<mail_") && id.ends_with("@example.com>"), "{id}");
    let token = token_in(&mail.text);
    scene.posted("/api/verify-email", "", &json!({ "token": token }), 200).await;
    scene.login("ada@example.com", PASSWORD).await;
    scene.settled().await;
    scene.shop.is_sound();
});

on_both!(a_mail_that_is_refused_for_now_goes_out_later_under_the_same_name, |db| async move {
    let server = SmtpServer::start().await;
    server.refuse("451 4.3.0 try again");
    server.refuse("535 5.7.8 who are you");
    let scene = Scene::of(by_smtp(&server), &db).await;
    scene.posted("/api/register", "", &registration("zoe@example.com"), 202).await;
    let mail = arrived(&server, 1).await.remove(0);
    assert_eq!(server.refused(), 2);
    let attempts =
        "SELECT COUNT(*) FROM jobs WHERE kind = 'notifications.send' AND state = 'completed' AND attempt = 3";
    until("the job is done at its third attempt", async || {
        let done = scene.number(attempts).await;
        if done == 1 { Ok(()) } else { Err(done) }
    })
    .await;
    assert!(mail.text.contains("Content-Transfer-Encoding: quoted-printable"), "the name is not ASCII: {}", mail.text);
    assert!(mail.text.contains("Hello Zo=C3=AB,"), "{}", mail.text);
});

on_both!(a_mail_that_is_refused_for_good_is_dead_and_others_go_out, |db| async move {
    let server = SmtpServer::start().await;
    server.refuse("550 5.1.1 no such mailbox");
    let scene = Scene::of(by_smtp(&server), &db).await;
    scene.posted("/api/register", "", &registration("gone@example.com"), 202).await;
    until("the mail is dead", async || {
        let dead = scene.number("SELECT COUNT(*) FROM jobs WHERE state = 'discarded'").await;
        if dead == 1 { Ok(()) } else { Err(dead) }
    })
    .await;
    let dead = scene.shop.json(&["jobs", "list", "--state", "dead"]).to_string();
    assert!(dead.contains("no such mailbox"), "{dead}");
    scene.posted("/api/register", "", &registration("zoe@example.com"), 202).await;
    assert_eq!(arrived(&server, 1).await[0].to, ["zoe@example.com"]);
});

#[tokio::test]
async fn a_server_that_is_away_is_waited_for() {
    let db = TestDb::sqlite();
    let gone = SmtpServer::start().await;
    let (url, mintreu) = (gone.url(), by_smtp(&gone));
    drop(gone);
    let scene = Scene::of(mintreu, &db).await;
    scene.posted("/api/register", "", &registration("zoe@example.com"), 202).await;
    until("an attempt failed", async || {
        let failed = scene
            .number("SELECT COUNT(*) FROM jobs WHERE state IN ('retryable', 'available', 'running') AND attempt > 0")
            .await;
        if failed == 1 { Ok(()) } else { Err(failed) }
    })
    .await;
    let dead = scene.number("SELECT COUNT(*) FROM jobs WHERE state = 'discarded'").await;
    assert_eq!(dead, 0, "{url}");
}
