//! The way to a mail server that asks who comes, and whether what is said can be overheard.

use std::time::Duration;

use mintreu::notifications::{MailTo, Posted};

use crate::{
    mail_scene::{ADA, Office, retried},
    support::{Manners, SmtpServer, TestDb, crypto, eventually},
};

const LOGIN: (&str, &str) = ("shop", "p@ss:word");

/// Mail goes to this server by an address that begins so, and ends so.
async fn office(db: &TestDb, server: &SmtpServer, (scheme, login, query): (&str, &str, &str)) -> Office {
    crypto();
    let url = format!("{scheme}://{login}127.0.0.1:{}{query}", server.port());
    Office::open(db, MailTo::Server { url, timeout: Duration::from_secs(5) }).await
}

/// Whether a password was said in the clear.
fn said_a_password(server: &SmtpServer) -> bool {
    server.heard().iter().any(|line| line.to_ascii_uppercase().starts_with("AUTH"))
}

on_both!(a_server_that_asks_for_a_password_gets_it, |db| async move {
    let server = SmtpServer::with(Manners { login: Some(LOGIN), ..Manners::default() }).await;
    // What means something in an address is written with a percent sign.
    let office = office(&db, &server, ("smtp", "shop:p%40ss%3Aword@", "")).await;
    assert_eq!(office.verify(ADA, 1, 1).await.expect("posted"), Posted::Sent);
    assert_eq!(office.verify(ADA, 2, 2).await.expect("posted"), Posted::Sent);
    assert_eq!(server.mails().len(), 2);
    let logins = server.heard().iter().filter(|line| line.starts_with("AUTH")).count();
    assert_eq!(logins, 1, "once for a connection");
});

on_both!(a_password_that_is_wrong_leaves_the_mail_for_later, |db| async move {
    let server = SmtpServer::with(Manners { login: Some(LOGIN), ..Manners::default() }).await;
    for login in ["shop:wrong@", ""] {
        let office = office(&db, &server, ("smtp", login, "")).await;
        let told = retried(office.verify(ADA, 1, 1).await);
        assert!(told.contains("535") || told.contains("530"), "{told}");
        assert!(!told.contains("wrong"), "the password is in no message: {told}");
        assert_eq!(office.record().await.0, "queued");
    }
    assert_eq!(server.mails().len(), 0);
});

on_both!(where_tls_is_required_nothing_is_said_without_it, |db| async move {
    let server = SmtpServer::with(Manners { login: Some(LOGIN), ..Manners::default() }).await;
    let office = office(&db, &server, ("smtp", "shop:p%40ss%3Aword@", "?tls=required")).await;
    retried(office.verify(ADA, 1, 1).await);
    assert!(!said_a_password(&server) && server.mails().is_empty(), "{:?}", server.heard());
    assert_eq!(office.record().await.0, "queued");
});

on_both!(a_certificate_that_nobody_vouches_for_is_not_trusted, |db| async move {
    for query in ["?tls=required", "?tls=opportunistic"] {
        let server = SmtpServer::with(Manners { login: Some(LOGIN), offers_tls: true }).await;
        let office = office(&db, &server, ("smtp", "shop:p%40ss%3Aword@", query)).await;
        let told = retried(office.verify(ADA, 1, 1).await);
        assert!(told.to_lowercase().contains("certificate"), "{told}");
        assert!(!said_a_password(&server) && server.mails().is_empty(), "{query}: {:?}", server.heard());
        eventually("it hung up", async || server.handshakes().first().is_some_and(Result::is_err)).await;
    }
});

on_both!(tls_where_it_is_offered_goes_without_where_it_is_not, |db| async move {
    let server = SmtpServer::with(Manners { login: Some(LOGIN), ..Manners::default() }).await;
    let office = office(&db, &server, ("smtp", "shop:p%40ss%3Aword@", "?tls=opportunistic")).await;
    assert_eq!(office.verify(ADA, 1, 1).await.expect("posted"), Posted::Sent);
    assert_eq!(server.mails().len(), 1);
});

on_both!(a_server_that_speaks_no_tls_is_none_for_smtps, |db| async move {
    let server = SmtpServer::start().await;
    let office = office(&db, &server, ("smtps", "", "")).await;
    retried(office.verify(ADA, 1, 1).await);
    assert_eq!((server.mails().len(), office.record().await.0), (0, "queued"));
});
