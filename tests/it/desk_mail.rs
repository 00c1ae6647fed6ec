//! Mail that comes in: what becomes a message, what does not, and what somebody may try.

use mintreu::{
    kernel::{PageFrom, PageRequest, TicketId},
    support::{self, Delivered, MailOutcome, Message, Reader, Status, Via},
};

use crate::desk_scene::{HOUR, PNG, Scene, mail};

async fn messages(scene: &Scene, ticket: TicketId) -> Vec<Message> {
    let page = PageRequest { limit: 100, from: PageFrom::Start };
    support::messages(&scene.db, ticket, Reader::Agent, page).await.expect("a page").data
}

on_both!(an_answer_by_mail_is_a_message_once, |test| async move {
    let scene = Scene::on(&test).await;
    let id = scene.open(&scene.ada).await;
    scene.set(id, Status::Solved).await;
    let text = "Not yet.\r\n\r\nOn Monday Grace wrote:\r\n> Restart it.";
    let raw = mail("Ada <ADA@example.com>", &scene.address(id, &scene.ada), "a1@mail.example.com", text);
    assert_eq!(scene.mail(&raw).await, MailOutcome::Accepted);
    let written = messages(&scene, id).await;
    let last = written.last().expect("a message");
    assert_eq!((last.body.as_str(), last.via, last.author_id), (text, Via::Mail, Some(scene.ada.user)));
    assert_eq!(support::last_mail(&scene.db, id).await.expect("answers").as_deref(), Some("a1@mail.example.com"));
    assert_eq!(scene.ticket(id).await.progress.status, Status::Open, "it is opened again");

    let mut again = raw.clone();
    again.splice(0..0, b"Received: by another server\r\n".iter().copied());
    for raw in [&raw, &again] {
        let delivered = support::deliver(&scene.db, &scene.desk.files, raw.clone().into()).await.expect("kept");
        let Delivered::Again(known) = delivered else { panic!("{delivered:?}") };
        assert_eq!(scene.handle(known).await, None);
    }
    assert_eq!(messages(&scene, id).await.len(), 2);
    let second = mail("ada@example.com", &scene.address(id, &scene.ada), "a2@mail.example.com", text);
    assert_eq!(scene.mail(&second).await, MailOutcome::Accepted, "another mail that says the same");
});

on_both!(those_who_answer_do_it_by_mail_too, |test| async move {
    let scene = Scene::on(&test).await;
    let id = scene.open_about_product(&scene.ada).await;
    for (number, who) in [&scene.grace, &scene.vendor].into_iter().enumerate() {
        let raw = mail(&who.email, &scene.address(id, who), &format!("g{number}@example.com"), "Restart it.");
        assert_eq!(scene.mail(&raw).await, MailOutcome::Accepted);
    }
    let ticket = scene.ticket(id).await;
    assert_eq!((ticket.progress.status, ticket.assignee_id), (Status::Pending, Some(scene.grace.user)));
    assert_eq!(scene.notices().await, ["ticket_opened", "ticket_answered", "ticket_answered"]);
    let general = scene.open(&scene.ada).await;
    let raw = mail(&scene.vendor.email, &scene.address(general, &scene.vendor), "g9@example.com", "Mine?");
    assert_eq!(scene.mail(&raw).await, MailOutcome::Stranger, "not about the vendor's product");
});

on_both!(nobody_writes_in_anothers_name, |test| async move {
    let scene = Scene::on(&test).await;
    let id = scene.open(&scene.ada).await;
    let other = scene.open(&scene.eve).await;
    let (to_ada, to_eve) = (scene.address(id, &scene.ada), scene.address(id, &scene.eve));
    let guessed = to_ada.replace(&to_ada[40..50], "0123456789");
    let moved = {
        let (ours, theirs) = (id.to_string().replace("tkt_", ""), other.to_string().replace("tkt_", ""));
        scene.address(other, &scene.eve).replace(&theirs, &ours)
    };
    let unknown: TicketId = scene.db.ids().next();
    let text = "Give me the key.";
    let cases = [
        (mail("eve@example.com", &to_ada, "1@x.example", text), MailOutcome::Stranger),
        (mail("eve@example.com", &to_eve, "2@x.example", text), MailOutcome::Stranger),
        (mail("grace@example.com", &to_ada, "3@x.example", text), MailOutcome::Stranger),
        (mail("ada@example.com", &guessed, "4@x.example", text), MailOutcome::Stranger),
        (mail("eve@example.com", &moved, "5@x.example", text), MailOutcome::Stranger),
        (mail("nobody@example.com", &to_ada, "6@x.example", text), MailOutcome::Stranger),
        (mail("ada@example.com, eve@example.com", &to_ada, "7@x.example", text), MailOutcome::Stranger),
        (mail("ada@example.com", "support@example.com", "8@x.example", text), MailOutcome::NoTicket),
        (mail("ada@example.com", &scene.address(unknown, &scene.ada), "9@x.example", text), MailOutcome::NoTicket),
        (
            mail(
                "eve@example.com\r\nReply-To: ada@example.com\r\nSender: ada@example.com",
                &to_ada,
                "10@x.example",
                text,
            ),
            MailOutcome::Stranger,
        ),
    ];
    for (raw, outcome) in cases {
        assert_eq!(scene.mail(&raw).await, outcome, "{}", String::from_utf8_lossy(&raw));
    }
    assert_eq!((messages(&scene, id).await.len(), messages(&scene, other).await.len()), (1, 1));
    assert_eq!(scene.notices().await, ["ticket_opened", "ticket_opened"]);
});

on_both!(programs_that_answer_by_themselves_are_not_answered, |test| async move {
    let scene = Scene::on(&test).await;
    let id = scene.open(&scene.ada).await;
    scene.answer(scene.operator(), id, &Scene::answer_of("Restart it.")).await.expect("answered");
    let owed = scene.notices().await.len();
    for (number, header) in
        ["Auto-Submitted: auto-replied", "Precedence: auto_reply", "Return-Path: <>", "X-Autoreply: yes"]
            .into_iter()
            .enumerate()
    {
        let from = format!("ada@example.com\r\n{header}");
        let raw = mail(&from, &scene.address(id, &scene.ada), &format!("v{number}@x.example"), "I am on holiday.");
        assert_eq!(scene.mail(&raw).await, MailOutcome::Automatic, "{header}");
    }
    assert_eq!(scene.notices().await.len(), owed);
    assert_eq!((messages(&scene, id).await.len(), scene.ticket(id).await.progress.status), (2, Status::Pending));

    // A program that does not say what it is comes to an end all the same.
    let mut outcomes = Vec::new();
    for number in 0..40 {
        let raw = mail("ada@example.com", &scene.address(id, &scene.ada), &format!("l{number}@x.example"), "Hello!");
        outcomes.push(scene.mail(&raw).await);
    }
    let accepted = outcomes.iter().filter(|outcome| **outcome == MailOutcome::Accepted).count();
    assert_eq!((accepted, outcomes[39]), (30, MailOutcome::TooMany));
    scene.clock.advance(HOUR * 2);
    let raw = mail("ada@example.com", &scene.address(id, &scene.ada), "later@x.example", "Hello!");
    assert_eq!(scene.mail(&raw).await, MailOutcome::Accepted);
});

on_both!(whatever_comes_is_handled_and_nothing_breaks, |test| async move {
    let scene = Scene::on(&test).await;
    let id = scene.open(&scene.ada).await;
    let to = scene.address(id, &scene.ada);
    let nothing: Vec<Vec<u8>> = vec![
        b"\0\x01\x02\xff\xfe".to_vec(),
        b"no headers at all".to_vec(),
        b"\r\n\r\n".to_vec(),
        vec![b'a'; 200_000],
        b"From: \xff\xff\r\nTo: \0\r\n\r\nx".to_vec(),
        [b"Content-Type: multipart/mixed; boundary=x\r\n\r\n".as_slice(), &b"--x\r\n".repeat(20_000)].concat(),
    ];
    for raw in nothing {
        let outcome = scene.mail(&raw).await;
        let expected = [MailOutcome::NoTicket, MailOutcome::Unreadable, MailOutcome::Stranger];
        assert!(expected.contains(&outcome), "{outcome}: {:?}", &raw[..raw.len().min(40)]);
    }
    assert_eq!(scene.mail(&mail("ada@example.com", &to, "e1@x.example", " \r\n ")).await, MailOutcome::Unreadable);

    let long = "é\0\u{1b}[31m ".repeat(20_000);
    assert_eq!(scene.mail(&mail("ada@example.com", &to, "e2@x.example", &long)).await, MailOutcome::Accepted);
    let injected = mail("ada@example.com", &to, "e3> \r\n\tBcc: <eve@example.com", "hello");
    assert_eq!(scene.mail(&injected).await, MailOutcome::Accepted);
    let written = messages(&scene, id).await;
    let cut = &written[1].body;
    assert!(cut.chars().count() <= 20_000 && cut.ends_with("[…]") && !cut.contains(['\0', '\u{1b}']));
    let kept = support::last_mail(&scene.db, id).await.expect("answers").expect("one of its parts");
    assert!(!kept.contains(|c: char| c.is_whitespace() || c.is_control() || "<>:".contains(c)), "{kept}");
});

on_both!(files_in_a_mail_are_judged_like_others, |test| async move {
    use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
    let scene = Scene::on(&test).await;
    let id = scene.open(&scene.ada).await;
    let part = |name: &str, bytes: &[u8]| {
        format!(
            "--x\r\nContent-Type: image/png; name=\"{name}\"\r\nContent-Disposition: attachment; filename=\"{name}\"\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n{}\r\n",
            BASE64.encode(bytes)
        )
    };
    let exe = [b"MZ\x90\0".as_slice(), &[0; 60]].concat();
    let body = [
        "--x\r\nContent-Type: text/plain\r\n\r\nSee here.\r\n".to_owned(),
        part("good.png", PNG),
        part("bad.png", &exe),
        part("page.png", b"<svg onload=alert(1)>"),
        part("../../../etc/cron.d/x.png", PNG),
        part("third.png", PNG),
        part("large.png", &[PNG, &vec![0; 70_000]].concat()),
        "--x--\r\n".to_owned(),
    ];
    let raw = format!(
        "From: ada@example.com\r\nTo: {}\r\nMessage-ID: <f1@x.example>\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=x\r\n\r\n{}",
        scene.address(id, &scene.ada),
        body.concat()
    );
    assert_eq!(scene.mail(raw.as_bytes()).await, MailOutcome::Accepted);
    let written = messages(&scene, id).await;
    let last = written.last().expect("a message");
    let names: Vec<_> = last.attachments.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["good.png", "x.png"], "two a message");
    assert_eq!(last.body, "See here.\n\n[files left out, because of their kind, size or number: 4]");
});

on_both!(a_mail_to_a_closed_ticket_opens_another, |test| async move {
    let scene = Scene::on(&test).await;
    let id = scene.open_about_product(&scene.ada).await;
    scene.set(id, Status::Closed).await;
    let raw = mail("ada@example.com", &scene.address(id, &scene.ada), "c1@x.example", "It stopped again.");
    assert_eq!(scene.mail(&raw).await, MailOutcome::FollowUp);
    let page = PageRequest { limit: 10, from: PageFrom::Start };
    let all = support::list_tickets(&scene.db, scene.ada.tenant, None, page).await.expect("a page").data;
    let [new, old] = all.as_slice() else { panic!("{all:?}") };
    assert_eq!((old.progress.status, new.progress.status), (Status::Closed, Status::New));
    assert_eq!((new.follow_up_of, new.license_id), (Some(id), Some(scene.license)));
});

on_both!(mails_are_forgotten_after_their_time, |test| async move {
    let scene = Scene::on(&test).await;
    let id = scene.open(&scene.ada).await;
    let raw = mail("ada@example.com", &scene.address(id, &scene.ada), "k1@x.example", "Hello.");
    scene.mail(&raw).await;
    scene.clock.advance(HOUR * 24 * 29);
    support::tidy(&scene.db, &scene.desk.files).await.expect("tidied");
    assert!(matches!(
        support::deliver(&scene.db, &scene.desk.files, raw.clone().into()).await,
        Ok(Delivered::Again(_))
    ));
    scene.clock.advance(HOUR * 24);
    support::tidy(&scene.db, &scene.desk.files).await.expect("tidied");
    assert_eq!(scene.number("SELECT COUNT(*) FROM inbound_mails").await, 0);
});
