//! What is told of mails later: whose word counts, once, and what comes of it.

use std::time::Duration;

use mintreu::{
    accounts::Role,
    db::DbError,
    kernel::{
        PageFrom, PageRequest,
        hook::{HookSecret, signature},
        seal::Random,
    },
    notifications::{
        Heard, MailReport, Posted, ReportFilter, ReportOutcome, ReportedMail, Suppression, SuppressionFilter,
        SuppressionReason, Trust, hear_reports, mail_reports, read_event, read_report, suppressions,
    },
};
use reqwest::Response;
use serde_json::{Value, json};

use crate::{
    accounts_scene::Scene,
    journey_shop::{now, problem, until},
    mail_scene::{ADA, Office},
    support::{Mintreu, SmtpServer},
};

const SOON: Duration = Duration::from_secs(20);

fn event(kind: &str, recipient: &str, status: Option<&str>) -> Vec<ReportedMail> {
    let event = json!({ "type": kind, "data": { "recipient": recipient, "status": status, "detail": "so it is" } });
    read_event(event.to_string().as_bytes()).expect("an event").mails
}

/// A server's report that a mail did not come to somebody.
fn returned(recipient: &str, mail: &str) -> Vec<u8> {
    format!(
        "From: MAILER-DAEMON@mx.example.com\r\nTo: shop@example.com\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\r\n\r\n{}",
        parts(recipient, mail)
    )
    .into()
}

fn parts(recipient: &str, mail: &str) -> String {
    format!(
        "--b\r\nContent-Type: text/plain\r\n\r\nI am sorry.\r\n\r\n\
         --b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.com\r\n\r\n\
         Final-Recipient: rfc822; {recipient}\r\nAction: failed\r\nStatus: 5.1.1\r\n\
         Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n\r\n\
         --b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: <{mail}@example.com>\r\nTo: {recipient}\r\n\r\n\
         --b--\r\n"
    )
}

async fn hear(office: &Office, id: &str, trust: Trust, mails: &[ReportedMail]) -> Heard {
    let recipients = office.recipients();
    let heard = office.db.write(async |tx| hear_reports(tx, &recipients, (id, trust), mails).await);
    heard.await.map_err(|error: DbError| error).expect("heard")
}

const ALL: i64 = 100;

async fn reports(office: &Office) -> Vec<MailReport> {
    let page = PageRequest { limit: ALL, from: PageFrom::Start };
    mail_reports(&office.db, &office.recipients(), &ReportFilter::default(), page).await.expect("a page").data
}

async fn suppressed(office: &Office) -> Vec<Suppression> {
    let page = PageRequest { limit: ALL, from: PageFrom::Start };
    suppressions(&office.db, &office.recipients(), &SuppressionFilter::default(), page).await.expect("a page").data
}

on_both!(a_provider_is_believed_once, |db| async move {
    let server = SmtpServer::start().await;
    let office = Office::by_smtp(&db, &server, SOON).await;
    let told = event("mail.bounced", "ADA@example.com", Some("5.1.1"));
    assert_eq!(hear(&office, "msg_1", Trust::Provider, &told).await, Heard { reports: 1, suppressed: 1 });
    assert_eq!(hear(&office, "msg_1", Trust::Provider, &told).await, Heard::default(), "the same delivery");
    assert_eq!(hear(&office, "msg_2", Trust::Provider, &told).await, Heard { reports: 1, suppressed: 0 });
    let known = suppressed(&office).await;
    let [one] = known.as_slice() else { panic!("{known:?}") };
    assert_eq!((one.reason, one.detail.as_str()), (SuppressionReason::Bounced, "so it is"));
    assert_eq!(office.verify(ADA, 1, 1).await.expect("handled"), Posted::Suppressed);
    assert_eq!(server.mails().len(), 0);
    let actions: Vec<String> = mintreu::fetch_all!(
        office.db,
        sqlx::query_scalar("SELECT action FROM audit_entries WHERE action = 'mail.suppressed'")
    )
    .expect("the trail");
    assert_eq!(actions.len(), 1);
});

on_both!(what_says_nothing_of_the_address_is_noted, |db| async move {
    let server = SmtpServer::start().await;
    let office = Office::by_smtp(&db, &server, SOON).await;
    for (number, status) in ["5.2.2", "5.7.1", "4.4.1", "5.1.8"].iter().enumerate() {
        let told = event("mail.bounced", ADA, Some(status));
        hear(&office, &format!("msg_{number}"), Trust::Provider, &told).await;
    }
    assert!(reports(&office).await.iter().all(|report| report.outcome == ReportOutcome::Noted));
    assert_eq!(suppressed(&office).await.len(), 0);
    assert_eq!(office.verify(ADA, 1, 1).await.expect("posted"), Posted::Sent);
    hear(&office, "msg_9", Trust::Provider, &event("mail.complained", ADA, None)).await;
    assert_eq!(suppressed(&office).await[0].reason, SuppressionReason::Complained);
});

on_both!(a_report_by_mail_counts_if_it_returns_our_mail_to_that_address, |db| async move {
    let server = SmtpServer::start().await;
    let office = Office::by_smtp(&db, &server, SOON).await;
    for (to, number) in [(ADA, 1), ("bob@example.com", 2)] {
        assert_eq!(office.verify(to, number, number).await.expect("posted"), Posted::Sent);
    }
    let sent: Vec<String> = office.records().await.iter().map(|mail| mail.id.to_string()).collect();
    let forged = "mail_01kc0000000000000000000001";
    for (id, recipient, mail) in
        [("1", ADA, forged), ("2", ADA, sent[1].as_str()), ("3", "eve@example.com", sent[0].as_str()), ("4", ADA, "x")]
    {
        let told = read_report(&returned(recipient, mail)).expect("a report").mails;
        assert_eq!(hear(&office, id, Trust::Mail, &told).await, Heard { reports: 1, suppressed: 0 }, "{id}");
    }
    assert!(reports(&office).await.iter().all(|report| report.outcome == ReportOutcome::Unproven));
    assert_eq!(suppressed(&office).await.len(), 0);
    // Another edition of it is it, too.
    let told = read_report(&returned(ADA, &format!("{}.2", sent[0]))).expect("a report").mails;
    assert_eq!(hear(&office, "5", Trust::Mail, &told).await, Heard { reports: 1, suppressed: 1 });
    let report = &reports(&office).await[0];
    assert_eq!(report.mail_id.map(|id| id.to_string()).as_ref(), Some(&sent[0]));
    assert_eq!((report.status.as_deref(), report.recipient_hint.as_str()), (Some("5.1.1"), "a…@example.com"));
    assert_eq!(report.detail, "550 5.1.1 no such user");
    assert_eq!(office.verify(ADA, 3, 3).await.expect("handled"), Posted::Suppressed);
});

async fn tell(scene: &Scene, secret: &HookSecret, id: &str, (kind, body): (&str, &[u8])) -> Response {
    let time = now().as_secs();
    let request = scene
        .shop
        .client
        .post(scene.shop.mintreu.url("/webhooks/mail/reports"))
        .header("webhook-id", id)
        .header("webhook-timestamp", time.to_string())
        .header("webhook-signature", signature(std::slice::from_ref(secret), id, time, body))
        .header("content-type", kind);
    request.body(body.to_vec()).send().await.expect("an answer")
}

on_both!(reports_come_in_signed_and_operators_see_them, |db| async move {
    let secret = HookSecret::random(&Random::seeded(7));
    let scene = Scene::of(Mintreu::new().env("MINTREU__MAIL__REPORT_SECRET", secret.expose()), &db).await;
    let operator = scene.person("operator@example.com", Role::Admin).await;
    let bounce = json!({ "type": "mail.bounced", "data": { "recipient": "gone@example.com" } }).to_string();
    let json = "application/json";

    let stranger = HookSecret::random(&Random::seeded(8));
    problem(tell(&scene, &stranger, "msg_1", (json, bounce.as_bytes())).await, 401, "unauthorized").await;
    let unsigned = scene.post("/webhooks/mail/reports", &operator.cookie, &json!({})).await;
    problem(unsigned, 401, "unauthorized").await;
    for body in ["", "{}", "[]", "\u{0}", r#"{"type": "mail.bounced", "data": {}}"#] {
        problem(tell(&scene, &secret, "msg_2", (json, body.as_bytes())).await, 400, "malformed-body").await;
    }
    let nobody = json!({ "type": "mail.bounced", "data": { "recipient": "nobody" } }).to_string();
    problem(tell(&scene, &secret, "msg_3", (json, nobody.as_bytes())).await, 422, "invalid-input").await;
    for kind in ["text/plain", ""] {
        let answer = tell(&scene, &secret, "msg_4", (kind, bounce.as_bytes())).await;
        problem(answer, 415, "unsupported-media-type").await;
    }
    problem(tell(&scene, &secret, "msg_5", ("message/rfc822", b"hello")).await, 400, "malformed-body").await;
    let large = vec![b'x'; (1 << 20) + 1];
    problem(tell(&scene, &secret, "msg_6", (json, &large)).await, 413, "body-too-large").await;

    for (expected, id) in [(1, "msg_1"), (0, "msg_1")] {
        let answer = tell(&scene, &secret, id, (json, bounce.as_bytes())).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.json::<Value>().await.expect("JSON"), json!({ "reports": expected, "suppressed": expected }));
    }
    // A mail that was really sent comes back, as a mail and as what is in one.
    let register = json!({ "name": "Ada", "email": "ada@example.com", "password": "correct horse battery" });
    scene.posted("/api/register", "", &register, 202).await;
    let mail = until("a record", async || {
        let page = scene.got("/api/admin/mails?to=ada@example.com", &operator.cookie).await;
        page["data"][0]["id"].as_str().map(str::to_owned).ok_or(page)
    })
    .await;
    let parts = parts("ada@example.com", &mail);
    let kind = "multipart/report; report-type=delivery-status; boundary=\"b\"";
    let heard = tell(&scene, &secret, "msg_7", (kind, parts.as_bytes())).await;
    assert_eq!(heard.json::<Value>().await.expect("JSON"), json!({ "reports": 1, "suppressed": 1 }));
    let whole = returned("ada@example.com", &mail);
    let heard = tell(&scene, &secret, "msg_8", ("message/rfc822", &whole)).await;
    assert_eq!(heard.json::<Value>().await.expect("JSON"), json!({ "reports": 1, "suppressed": 0 }));

    let list = scene.got("/api/admin/mail-reports?address=ada@example.com", &operator.cookie).await;
    assert_eq!(list["data"].as_array().expect("a list").len(), 2, "{list}");
    assert_eq!(list["data"][0]["mail"], mail, "{list}");
    let list = scene.got("/api/admin/mail-reports?kind=bounced&outcome=suppressed&limit=2", &operator.cookie).await;
    assert_eq!((list["data"].as_array().expect("a list").len(), &list["has_more"]), (2, &json!(true)), "{list}");
    let held = scene.got("/api/admin/mail-suppressions?reason=bounced", &operator.cookie).await;
    assert_eq!(held["data"].as_array().expect("a list").len(), 2, "{held}");
});

on_both!(without_a_secret_nothing_is_heard, |db| async move {
    let scene = Scene::on(&db).await;
    let secret = HookSecret::random(&Random::seeded(7));
    problem(tell(&scene, &secret, "msg_1", ("application/json", b"{}")).await, 404, "not-found").await;
});
