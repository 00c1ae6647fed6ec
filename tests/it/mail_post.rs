//! At most one mail for each cause, whatever the server does and whenever the program dies.

use std::time::Duration;

use mintreu::{
    audit::Actor,
    jobs::Job,
    kernel::Clock,
    notifications::{MailTo, Notice, Posted, ResendError, resend},
};

use crate::{
    mail_scene::{ADA, Office, dead, proof_notice, retried, verify_letter},
    support::{Mood, SmtpServer, eventually},
};

const SOON: Duration = Duration::from_secs(20);
/// For servers that say nothing.
const SHORT: Duration = Duration::from_millis(300);

on_both!(a_cause_that_is_told_twice_has_one_mail, |db| async move {
    let server = SmtpServer::start().await;
    let office = Office::by_smtp(&db, &server, SOON).await;
    assert_eq!(office.verify(ADA, 1, 1).await.expect("posted"), Posted::Sent);
    assert_eq!(office.verify(ADA, 1, 1).await.expect("posted"), Posted::Already, "the same job again");
    assert_eq!(office.verify(ADA, 1, 2).await.expect("posted"), Posted::Already, "another job for the same");
    assert_eq!(office.record().await, ("sent", 1, String::new()));
    assert_eq!(office.verify(ADA, 2, 3).await.expect("posted"), Posted::Sent, "another cause");
    let mails = server.mails();
    assert_eq!(mails.len(), 2);
    assert_ne!(mails[0].header("Message-ID"), mails[1].header("Message-ID"));
    assert_eq!(server.connections(), 1, "a connection is used again");
    let records = office.records().await;
    assert_eq!(records[0].recipient_hint, "a…@example.com");
    assert_eq!(mails[0].header("Message-ID"), Some(format!("<{}@example.com>", records[0].id).as_str()));
});

on_both!(of_many_who_tell_a_cause_at_once_one_sends, |db| async move {
    let server = SmtpServer::start().await;
    let office = Office::by_smtp(&db, &server, SOON).await;
    let tries = (1..=8).map(|job| office.verify(ADA, 1, job));
    let posted: Vec<_> = futures::future::join_all(tries).await.into_iter().map(|it| it.expect("posted")).collect();
    assert_eq!(posted.iter().filter(|posted| **posted == Posted::Sent).count(), 1, "{posted:?}");
    assert_eq!(server.mails().len(), 1);
    assert_eq!(office.record().await.0, "sent");
});

on_both!(what_is_refused_for_now_goes_later_under_the_same_name, |db| async move {
    let server = SmtpServer::start().await;
    let office = Office::by_smtp(&db, &server, SOON).await;
    let moods = [
        Mood::RefuseRecipient("450 4.2.1 later".to_owned()),
        Mood::Refuse("451 4.3.0 later".to_owned()),
        Mood::DieBeforeContent,
        Mood::Refuse("535 5.7.8 who are you".to_owned()),
    ];
    for mood in moods.clone() {
        server.be(mood.clone());
        retried(office.verify(ADA, 1, 1).await);
        let (state, _, error) = office.record().await;
        assert_eq!(state, "queued", "{mood:?}: {error}");
        assert!(!error.is_empty(), "{mood:?}");
    }
    assert_eq!(server.mails().len(), 0);
    assert_eq!(office.verify(ADA, 1, 1).await.expect("posted"), Posted::Sent);
    assert_eq!(office.record().await, ("sent", 5, String::new()));
    assert_eq!(server.mails().len(), 1);
});

on_both!(who_is_not_there_gets_nothing_more_until_an_operator_says_so, |db| async move {
    let server = SmtpServer::start().await;
    let office = Office::by_smtp(&db, &server, SOON).await;
    server.nobody_at(ADA, "550 5.1.1 no such mailbox");
    assert!(dead(office.verify(ADA, 1, 1).await).contains("no such mailbox"));
    assert_eq!(office.record().await.0, "refused");
    assert_eq!(office.verify("Ada@Example.COM", 2, 2).await.expect("posted"), Posted::Suppressed, "whatever its case");
    assert_eq!((server.refused(), server.mails().len()), (1, 0), "it is not even asked");
    assert_eq!(office.verify("bob@example.com", 3, 3).await.expect("posted"), Posted::Sent);
});

on_both!(a_refusal_that_is_not_about_the_recipient_suppresses_nobody, |db| async move {
    let server = SmtpServer::start().await;
    let office = Office::by_smtp(&db, &server, SOON).await;
    let refusals = ["554 5.7.1 relaying denied", "550 5.7.26 unauthenticated", "552 5.2.2 mailbox full"];
    for (number, refusal) in (1..).zip(refusals) {
        server.be(Mood::RefuseRecipient(refusal.to_owned()));
        dead(office.verify(ADA, number, number).await);
    }
    server.be(Mood::Refuse("550 5.1.1 after all of it".to_owned()));
    dead(office.verify(ADA, 4, 4).await);
    assert!(office.records().await.iter().all(|mail| mail.state.as_str() == "refused"));
    assert_eq!(office.verify(ADA, 5, 5).await.expect("posted"), Posted::Sent);
    // A job that somebody replays may try again: the server has nothing of it.
    assert_eq!(office.verify(ADA, 1, 1).await.expect("posted"), Posted::Sent);
});

on_both!(a_server_that_dies_after_the_content_leaves_it_unknown_and_an_operator_decides, |db| async move {
    let server = SmtpServer::start().await;
    let office = Office::by_smtp(&db, &server, SOON).await;
    server.be(Mood::DieAfterContent);
    assert_eq!(office.verify(ADA, 1, 1).await.expect("posted"), Posted::Unknown);
    let (state, _, error) = office.record().await;
    assert_eq!(state, "unknown", "{error}");
    assert_eq!(office.verify(ADA, 1, 2).await.expect("posted"), Posted::Already, "it is not sent by itself");
    assert_eq!(server.mails().len(), 1, "this one had taken it");

    let id = office.records().await[0].id;
    let again =
        async |reason: &str| office.db.write(async |tx| resend(tx, id, reason, Actor::operator("ops")).await).await;
    again("the customer says nothing came").await.expect("queued");
    assert_eq!(office.record().await.0, "queued");
    assert_eq!(office.jobs("notifications.send_one").await, 1);
    assert_eq!(office.verify(ADA, 1, 1).await.expect("posted"), Posted::Sent);
    let mails = server.mails();
    assert_eq!(mails.len(), 2);
    assert_eq!(mails[0].header("Message-ID"), mails[1].header("Message-ID"), "whoever has it can tell");

    // One that was sent for certain is another mail when it is wanted once more.
    again("the customer deleted it").await.expect("queued");
    assert_eq!(office.verify(ADA, 1, 1).await.expect("posted"), Posted::Sent);
    let mails = server.mails();
    assert_ne!(mails[1].header("Message-ID"), mails[2].header("Message-ID"));
    assert_eq!(office.record().await, ("sent", 3, String::new()));
});

on_both!(a_server_that_says_nothing_is_left, |db| async move {
    let server = SmtpServer::start().await;
    let office = Office::by_smtp(&db, &server, SHORT).await;
    server.be(Mood::HangAtRecipient);
    retried(office.verify(ADA, 1, 1).await);
    assert_eq!(office.record().await.0, "queued", "it has nothing");
    server.be(Mood::HangAfterContent);
    assert_eq!(office.verify(ADA, 1, 1).await.expect("posted"), Posted::Unknown);
    assert_eq!(office.record().await.0, "unknown");
});

on_both!(a_try_that_dies_before_the_answer_leaves_it_unknown, |db| async move {
    let server = SmtpServer::start().await;
    let office = Office::by_smtp(&db, &server, SOON).await;
    server.be(Mood::HangAfterContent);
    {
        let mut dying = std::pin::pin!(office.verify(ADA, 1, 1));
        tokio::select! {
            posted = &mut dying => panic!("nobody answered: {posted:?}"),
            () = eventually("the server has the content", async || server.mails().len() == 1) => {}
        }
    }
    assert_eq!(office.record().await.0, "sending", "recorded before");
    let id = office.records().await[0].id;
    let resent = office.db.write(async |tx| resend(tx, id, "hurry", Actor::operator("ops")).await).await;
    assert!(matches!(resent, Err(ResendError::UnderWay)), "somebody may be at it: {resent:?}");
    assert_eq!(office.verify(ADA, 1, 1).await.expect("posted"), Posted::Unknown);
    assert_eq!(office.record().await.0, "unknown");
    assert_eq!(office.verify(ADA, 1, 1).await.expect("posted"), Posted::Already);
    assert_eq!(server.mails().len(), 1);
});

on_both!(a_server_that_is_away_for_an_hour_gets_it_when_it_is_back, |db| async move {
    let server = SmtpServer::start().await;
    let office = Office::by_smtp(&db, &server, SOON).await;
    let port = server.port();
    drop(server);
    let (began, mut attempt) = (office.clock.now(), 0);
    while office.clock.now() < began + Duration::from_hours(1) {
        attempt += 1;
        assert!(attempt < Notice::RETRY.max_attempts, "its attempts do not last an hour");
        let told = office.tell(&proof_notice(1), &verify_letter(ADA, "Ada"), 1, attempt).await;
        retried(told);
        office.clock.advance(Notice::RETRY.backoff(attempt, office.db.ids().random()));
    }
    assert_eq!(office.record().await.0, "queued");
    let server = SmtpServer::start_at(port).await;
    let posted = office.tell(&proof_notice(1), &verify_letter(ADA, "Ada"), 1, attempt + 1).await;
    assert_eq!(posted.expect("posted"), Posted::Sent);
    assert_eq!(server.mails().len(), 1);
    assert_eq!(office.record().await, ("sent", i64::from(attempt) + 1, String::new()));
});

on_both!(a_mail_that_was_tried_too_often_is_refused, |db| async move {
    let server = SmtpServer::start().await;
    let office = Office::by_smtp(&db, &server, SOON).await;
    let last = Notice::RETRY.max_attempts;
    server.refuse("451 4.3.0 later");
    retried(office.tell(&proof_notice(1), &verify_letter(ADA, "Ada"), 1, last).await);
    assert_eq!(office.record().await.0, "refused");
    server.be(Mood::RefuseRecipient("451 4.3.0 later".to_owned()));
    retried(office.tell(&proof_notice(1), &verify_letter(ADA, "Ada"), 1, last).await);
    assert_eq!(office.record().await.0, "refused");
});

on_both!(a_file_is_there_once_however_often_it_is_written, |db| async move {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("mail");
    let office = Office::open(&db, MailTo::Directory(path.clone())).await;
    let files = || std::fs::read_dir(&path).map_or(0, Iterator::count);
    assert_eq!(office.verify(ADA, 1, 1).await.expect("posted"), Posted::Sent);
    assert_eq!(office.verify(ADA, 1, 2).await.expect("posted"), Posted::Already);
    assert_eq!(office.record().await, ("sent", 1, String::new()));
    assert_eq!(files(), 1);
    // As if the program had died after it had written the file and before it had said so.
    let forgotten: Result<u64, mintreu::db::DbError> =
        office.db.write(async |tx| mintreu::execute!(tx, sqlx::query("DELETE FROM mails"))).await;
    assert_eq!(forgotten.expect("deleted"), 1);
    assert_eq!(office.verify(ADA, 1, 1).await.expect("posted"), Posted::Sent);
    assert_eq!(files(), 1, "the same file");
    assert_eq!(office.verify(ADA, 2, 3).await.expect("posted"), Posted::Sent);
    assert_eq!(files(), 2);
});

on_both!(a_directory_that_cannot_be_written_is_tried_again, |db| async move {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("mail");
    std::fs::write(&path, "a file").expect("written");
    let office = Office::open(&db, MailTo::Directory(path.clone())).await;
    retried(office.verify(ADA, 1, 1).await);
    assert_eq!(office.record().await.0, "queued");
    std::fs::remove_file(&path).expect("removed");
    assert_eq!(office.verify(ADA, 1, 1).await.expect("posted"), Posted::Sent);
    assert_eq!(office.record().await, ("sent", 2, String::new()));
});

on_both!(whatever_people_are_called_a_mail_has_its_headers_and_no_others, |db| async move {
    let server = SmtpServer::start().await;
    let office = Office::by_smtp(&db, &server, SOON).await;
    let names = [
        "Ada\r\nBcc: eve@example.com\r\n\r\nlies",
        ".\r\nMAIL FROM:<eve@example.com>\r\n",
        "</p><script>alert(1)</script>",
        "\0\u{7}\u{202e}",
        "משתמש",
        &"x".repeat(100_000),
    ];
    for (number, name) in (1..).zip(names) {
        let posted = office.tell(&proof_notice(number), &verify_letter(ADA, name), number, 1).await;
        assert_eq!(posted.expect("posted"), Posted::Sent);
    }
    let mails = server.mails();
    assert_eq!(mails.len(), 6);
    for mail in mails {
        assert_eq!(mail.to, [ADA]);
        let head = mail.text.split("\r\n\r\n").next().expect("a head");
        let known = ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"];
        for line in head.split("\r\n").filter(|line| !line.starts_with([' ', '\t'])) {
            let name = line.split(':').next().unwrap_or_default();
            assert!(known.contains(&name), "{line}");
        }
        assert!(mail.text.len() < 20_000, "{}", mail.text.len());
        let (_, html) = mail.text.split_once("Content-Type: text/html").expect("HTML");
        assert!(!html.contains("<script"), "{html}");
        assert!(mail.text.split("\r\n").all(|line| line.len() <= 998), "RFC 5322, 2.1.1");
    }
});

on_both!(an_address_that_is_none_is_refused_once, |db| async move {
    let server = SmtpServer::start().await;
    let office = Office::by_smtp(&db, &server, SOON).await;
    for (number, address) in (1..).zip(["nobody", "ada@example.com\r\nBcc: eve@example.com", ""]) {
        dead(office.verify(address, number, number).await);
    }
    assert_eq!(server.connections(), 0);
    assert!(office.records().await.iter().all(|mail| mail.state.as_str() == "refused"));
});
