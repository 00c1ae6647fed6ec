//! What people decline, in which language they read, and what operators see.

use std::time::Duration;

use mintreu::{
    accounts::Role,
    audit::{Actor, Entry},
    kernel::{PageFrom, PageRequest},
    notifications::{
        Holder, MailFilter, MailState, Posted, PreferenceChange, SuppressionFilter, Topic, change_preferences,
        forget_mails, mails, permission, preferences, suppress, suppressions, unsubscribe, unsuppress,
    },
};

use crate::{
    mail_scene::{ADA, Office},
    support::{SmtpServer, TestDb, sign_in},
};

async fn office(db: &TestDb, server: &SmtpServer) -> Office {
    Office::by_smtp(db, server, Duration::from_secs(20)).await
}

on_both!(a_link_in_a_reminder_makes_it_the_last, |db| async move {
    let server = SmtpServer::start().await;
    let office = office(&db, &server).await;
    let ada = sign_in(&office.db, ADA, Role::Customer).await;
    for (user, to, job) in [(Some(ada.user), ADA, 1), (None, "guest@example.com", 10)] {
        assert_eq!(office.remind(to, user, job).await.expect("posted"), Posted::Sent);
        let mail = server.mails().pop().expect("a mail");
        assert_eq!(mail.header("List-Unsubscribe-Post"), Some("List-Unsubscribe=One-Click"));
        let link = mail.header("List-Unsubscribe").expect("a link").trim_matches(['<', '>']).to_owned();
        assert!(mail.text.contains(&link), "people see it too: {}", mail.text);
        let token = link.strip_prefix("https://shop.example.com/unsubscribe/").expect("a link to the shop");
        let permitted = permission(&office.keys, token).expect("a permission");
        assert_eq!(permitted.topic, Topic::LicenseReminders);
        assert_eq!(matches!(permitted.holder, Holder::User(_)), user.is_some());
        for _ in 0..2 {
            office.db.write(async |tx| unsubscribe(tx, &permitted, None).await).await.expect("declined");
        }
        assert_eq!(office.remind(to, user, job + 1).await.expect("posted"), Posted::Suppressed);
        assert_eq!(office.verify(to, job, job + 2).await.expect("posted"), Posted::Sent, "what belongs to the account");
        let mail = server.mails().pop().expect("a mail");
        assert_eq!(mail.header("List-Unsubscribe"), None, "cannot be declined");
    }
    assert_eq!(office.remind("bob@example.com", None, 20).await.expect("posted"), Posted::Sent, "others still get it");
    let told = preferences(&office.db, ada.user).await.expect("preferences");
    assert!(!told.topics["license_reminders"].enabled && told.topics["product_updates"].enabled);
});

on_both!(a_letter_is_written_in_the_language_of_its_reader, |db| async move {
    let server = SmtpServer::start().await;
    let office = office(&db, &server).await;
    let ada = sign_in(&office.db, ADA, Role::Customer).await;
    let subjects = async |job| {
        assert_eq!(office.remind(ADA, Some(ada.user), job).await.expect("posted"), Posted::Sent);
        server.mails().pop().expect("a mail").header("Subject").expect("a subject").to_owned()
    };
    assert_eq!(subjects(1).await, "Your licence for Editor ends in 7 days");
    for (language, subject) in [
        ("de", "Ihre Lizenz =?utf-8?b?Zg==?="),
        ("en", "Your licence for Editor ends in 7 days"),
        // A language that is gone again.
        ("xx", "Your licence for Editor ends in 7 days"),
    ] {
        let change = PreferenceChange { language: Some(language.to_owned()), topics: Vec::new() };
        let entry = || Entry::new(Actor::system("test"), "test", "user", "1");
        office.db.write(async |tx| change_preferences(tx, ada.user, &change, entry()).await).await.expect("changed");
        let said = subjects(2 + u128::try_from(office.records().await.len()).expect("few")).await;
        if language == "de" {
            assert!(said.starts_with("Ihre Lizenz"), "{subject}: {said}");
        } else {
            assert_eq!(said, subject, "{language}");
        }
    }
    let languages: Vec<_> = office.records().await.into_iter().map(|mail| mail.language).collect();
    assert_eq!(languages, ["en", "de", "en", "en"]);
});

on_both!(operators_find_what_was_mailed, |db| async move {
    let server = SmtpServer::start().await;
    let office = office(&db, &server).await;
    for number in 1..=5 {
        let to = if number == 3 { "bob@example.com" } else { ADA };
        assert_eq!(office.verify(to, number, number).await.expect("posted"), Posted::Sent);
    }
    office.remind(ADA, None, 6).await.expect("posted");
    let recipients = office.recipients();
    let page = async |filter: &MailFilter, limit, from| {
        mails(&office.db, &recipients, filter, PageRequest { limit, from }).await.expect("a page")
    };
    let all = page(&MailFilter::default(), 100, PageFrom::Start).await.data;
    assert_eq!(all.len(), 6);
    assert!(all.windows(2).all(|pair| pair[0].id > pair[1].id), "the newest first");
    for sort in ["-created", "created"] {
        let filter = MailFilter { sort: sort.parse().ok(), ..MailFilter::default() };
        let whole = page(&filter, 100, PageFrom::Start).await.data;
        let first = page(&filter, 4, PageFrom::Start).await;
        assert!(first.has_more);
        let second = page(&filter, 4, PageFrom::After(first.data[3].id)).await;
        assert!(!second.has_more);
        let ids: Vec<_> = first.data.iter().chain(&second.data).map(|mail| mail.id).collect();
        assert_eq!(ids, whole.iter().map(|mail| mail.id).collect::<Vec<_>>());
        let back = page(&filter, 4, PageFrom::Before(second.data[0].id)).await;
        assert_eq!(back.data.iter().map(|mail| mail.id).collect::<Vec<_>>(), ids[..4]);
    }
    let found = async |filter: MailFilter| page(&filter, 100, PageFrom::Start).await.data.len();
    let of = |address: &str| MailFilter { address: Some(address.to_owned()), ..MailFilter::default() };
    assert_eq!(found(of("BOB@example.com")).await, 1);
    assert_eq!(found(of("nobody@example.com")).await, 0);
    assert_eq!(found(MailFilter { state: Some(MailState::Unknown), ..MailFilter::default() }).await, 0);
    assert_eq!(found(MailFilter { state: Some(MailState::Sent), ..MailFilter::default() }).await, 6);
    let reminder = "license_expiring".parse().expect("a template");
    assert_eq!(found(MailFilter { template: Some(reminder), ..MailFilter::default() }).await, 1);

    assert_eq!(forget_mails(&office.db, office.db.now()).await.expect("deleted"), 0, "what is not older stays");
    office.clock.advance(Duration::from_secs(1));
    assert_eq!(forget_mails(&office.db, office.db.now()).await.expect("deleted"), 6);
});

on_both!(an_operator_suppresses_an_address_and_lets_it_go, |db| async move {
    let server = SmtpServer::start().await;
    let office = office(&db, &server).await;
    let recipients = office.recipients();
    let add = async |detail: &str| {
        office
            .db
            .write(async |tx| suppress(tx, &recipients, (ADA, detail), Actor::operator("ops")).await)
            .await
            .expect("suppressed")
    };
    let (first, is_new) = add("asked by telephone").await;
    assert!(is_new);
    let (second, is_new) = add("again").await;
    assert!(!is_new && second.id == first.id && second.detail == "asked by telephone");
    assert_eq!(office.verify(ADA, 1, 1).await.expect("posted"), Posted::Suppressed);
    let page = PageRequest { limit: 10, from: PageFrom::Start };
    let filter = SuppressionFilter { address: Some("Ada@example.com".to_owned()), reason: None };
    assert_eq!(suppressions(&office.db, &recipients, &filter, page).await.expect("a page").data.len(), 1);
    let remove = async || {
        office.db.write(async |tx| unsuppress(tx, first.id, Actor::operator("ops")).await).await.expect("removed")
    };
    assert!(remove().await && !remove().await);
    assert_eq!(office.verify(ADA, 2, 2).await.expect("posted"), Posted::Sent);
    assert_eq!(office.verify(ADA, 1, 1).await.expect("posted"), Posted::Already, "it is sent when somebody says so");
});
