//! The way to a mail server that asks who comes, and whether what is said can be overheard.

use std::time::Duration;

use mintreu::notifications::{MailTo, Posted};

use crate::{
    mail_scene::{ADA, Office, retried},
    support::{CertificateAuthority, Identity, Manners, Mintreu, SmtpServer, TestDb, Tls, crypto, eventually},
};

const LOGIN: (&str, &str) = ("shop", "p@ss:word");

/// Mail goes to this server by an address that begins so, and ends so.
async fn office(db: &TestDb, server: &SmtpServer, (scheme, login, query): (&str, &str, &str)) -> Office {
    trusting(db, server, (scheme, login, query), None).await
}

/// The same, where also this authority is believed.
async fn trusting(
    db: &TestDb,
    server: &SmtpServer,
    (scheme, login, query): (&str, &str, &str),
    authority: Option<&CertificateAuthority>,
) -> Office {
    crypto();
    let url = format!("{scheme}://{login}127.0.0.1:{}{query}", server.port());
    let authorities = authority.map(|authority| authority.pem().to_owned());
    Office::open(db, MailTo::Server { url, authorities, timeout: Duration::from_secs(5) }).await
}

/// A way to a server in private: how it is addressed, and what it offers there.
type Way = ((&'static str, &'static str, &'static str), fn(Identity) -> Tls);

const PRIVATE: [Way; 3] = [
    (("smtps", "shop:p%40ss%3Aword@", ""), Tls::Wrapped),
    (("smtp", "shop:p%40ss%3Aword@", "?tls=required"), Tls::Offered),
    (("smtp", "shop:p%40ss%3Aword@", "?tls=opportunistic"), Tls::Offered),
];

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

on_both!(what_a_known_authority_vouches_for_is_talked_to_in_private, |db| async move {
    let authority = CertificateAuthority::new();
    for (number, (way, tls)) in (1..).zip(PRIVATE) {
        let manners = Manners { login: Some(LOGIN), tls: tls(authority.vouch_for("127.0.0.1")) };
        let server = SmtpServer::with(manners).await;
        let office = trusting(&db, &server, way, Some(&authority)).await;
        for again in [number, number + 100] {
            assert_eq!(office.verify(ADA, again, again).await.expect("posted"), Posted::Sent, "{way:?}");
        }
        assert_eq!((server.mails().len(), server.connections()), (2, 1), "{way:?}");
        assert_eq!(server.handshakes(), [Ok(())], "{way:?}");
        // The password was given, since nothing is taken without, and nobody beside heard it or the mail.
        let mut heard = server.heard();
        heard.retain(|line| !line.starts_with("EHLO") && line != "STARTTLS");
        assert_eq!(heard, [""; 0], "{way:?}");
    }
});

/// Fails unless a server with this identity gets nothing at all, whoever its client believes.
async fn gets_nothing(db: &TestDb, identity: &Identity, authority: Option<&CertificateAuthority>) {
    for (way, tls) in PRIVATE {
        let server = SmtpServer::with(Manners { login: Some(LOGIN), tls: tls(identity.clone()) }).await;
        let office = trusting(db, &server, way, authority).await;
        let told = retried(office.verify(ADA, 1, 1).await);
        assert!(told.to_lowercase().contains("certificate"), "{way:?}: {told}");
        assert!(!said_a_password(&server) && server.mails().is_empty(), "{way:?}: {:?}", server.heard());
        eventually("it hung up", async || server.handshakes().first().is_some_and(Result::is_err)).await;
        assert_eq!(office.record().await.0, "queued");
    }
}

on_both!(a_certificate_that_nobody_known_vouches_for_is_not_trusted, |db| async move {
    let (known, other) = (CertificateAuthority::new(), CertificateAuthority::new());
    gets_nothing(&db, &other.vouch_for("127.0.0.1"), None).await;
    gets_nothing(&db, &other.vouch_for("127.0.0.1"), Some(&known)).await;
});

on_both!(a_certificate_for_another_host_is_not_trusted, |db| async move {
    let authority = CertificateAuthority::new();
    for host in ["mail.example.com", "127.0.0.2"] {
        gets_nothing(&db, &authority.vouch_for(host), Some(&authority)).await;
    }
});

#[test]
fn a_file_of_authorities_that_is_none_is_told_before_a_mail_needs_it() {
    let mintreu = Mintreu::new()
        .env("MINTREU__MAIL__KIND", "smtp")
        .env("MINTREU__MAIL__SMTP__URL", "smtps://mail.example.com")
        .env("MINTREU__MAIL__SMTP__CA_FILE", "authorities.pem");
    let file = mintreu.directory().join("authorities.pem");
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (content, told) in [
        (None, "cannot read authorities.pem"),
        (Some(""), "holds no certificate"),
        (Some("mail.example.com"), "holds no certificate"),
        (Some("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"), "cannot be read"),
        (Some(broken), "cannot be read"),
    ] {
        if let Some(content) = content {
            std::fs::write(&file, content).expect("written");
        }
        for (arguments, code) in [(&["config", "check"][..], 2), (&["serve"], 2), (&["doctor"], 3)] {
            let finished = mintreu.run(arguments);
            assert_eq!(finished.status.code(), Some(code), "{arguments:?}: {finished:?}");
            let text = format!("{}{}", finished.stdout, finished.stderr);
            assert!(text.contains("mail.smtp.ca_file: ") && text.contains(told), "{arguments:?}: {text}");
        }
    }
    std::fs::write(&file, CertificateAuthority::new().pem()).expect("written");
    assert!(mintreu.run(&["config", "check"]).status.success());
    let in_the_clear = mintreu.env("MINTREU__MAIL__SMTP__URL", "smtp://mail.example.com").run(&["config", "check"]);
    assert_eq!(in_the_clear.status.code(), Some(2));
    assert!(in_the_clear.stderr.contains("goes without TLS"), "{in_the_clear:?}");
}

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
