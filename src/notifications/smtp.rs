//! A conversation with a mail server (RFC 5321), with the one moment that counts kept apart: the end of the content.
//!
//! Until the final dot is sent the server has nothing, so whatever goes wrong before may be tried again. Once it is sent
//! only the server's answer tells whether the mail is its own now; without one nobody knows. That is why the library's
//! ready-made transport does not do: it reports both as the same error.
//!
//! Connections are kept for the next mail and closed when they have rested for a while.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use lettre::{
    address::Envelope,
    transport::smtp::{
        self,
        authentication::{Credentials, Mechanism},
        client::{AsyncSmtpConnection, Certificate, TlsParameters},
        commands::{Data, Mail, Rcpt},
        extension::{ClientId, Extension, MailBodyParameter, MailParameter},
    },
};
use rustls_pki_types::{CertificateDer, pem::PemObject};

/// How many steps' time sending the content and hearing what becomes of it may take together. RFC 5321 (4.5.3.2.6) grants
/// the server ten minutes; none takes them.
const VERDICT: u32 = 3;
/// How long a connection may rest. Servers close theirs after some minutes.
const REST: Duration = Duration::from_secs(30);
/// How many connections rest at most.
const MOST_RESTING: usize = 8;

/// Why a mail did not go out.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// The server does not have it, and may take it later.
    #[error("the mail cannot be sent now: {0}")]
    Later(String),
    /// The server does not have it and never will.
    #[error("the mail is refused: {0}")]
    Refused(String),
    /// The server says that nobody is there.
    #[error("the recipient is refused: {0}")]
    NoRecipient(String),
    /// The server may have it, or not: it did not answer.
    #[error("the server did not say whether it took the mail: {0}")]
    Unknown(String),
}

/// How the way to the server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tls {
    None,
    /// From the start.
    Wrapped,
    /// By `STARTTLS`, or not at all.
    Required,
    /// By `STARTTLS` where the server offers it.
    Opportunistic,
}

/// A mail server, and the connections to it that rest.
pub(super) struct Server {
    host: String,
    port: u16,
    tls: Tls,
    /// Who may vouch for it beside the public authorities.
    authorities: Vec<Certificate>,
    credentials: Option<Credentials>,
    /// How long one step may take: to connect and be let in, to have a recipient accepted.
    patience: Duration,
    resting: Mutex<Vec<(AsyncSmtpConnection, Instant)>>,
}

impl Server {
    /// `smtp://USER:PASSWORD@HOST:PORT?tls=required` or `smtps://…`.
    pub(super) fn parse(url: &str, patience: Duration) -> Result<Self, String> {
        let (scheme, rest) = url.split_once("://").ok_or("not a URL")?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (login, place) = match rest.rsplit_once('@') {
            Some((login, place)) => (Some(login), place),
            None => (None, rest),
        };
        let place = place.trim_end_matches('/');
        let tls = match (scheme, query) {
            ("smtps", "") => Tls::Wrapped,
            ("smtp", "") => Tls::None,
            ("smtp", "tls=required") => Tls::Required,
            ("smtp", "tls=opportunistic") => Tls::Opportunistic,
            ("smtp" | "smtps", _) => return Err("after `?` comes `tls=required` or `tls=opportunistic`".to_owned()),
            _ => return Err("it begins with smtp:// or smtps://".to_owned()),
        };
        // An IPv6 address stands in brackets, which have colons of their own.
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| "its port is no number")?),
            _ => (
                place,
                if tls == Tls::Wrapped {
                    465
                } else if tls == Tls::None {
                    25
                } else {
                    587
                },
            ),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err("it names no host".to_owned());
        }
        let credentials = match login.map(|login| login.split_once(':').unwrap_or((login, ""))) {
            Some((user, password)) => Some(Credentials::new(decoded(user)?, decoded(password)?)),
            None => None,
        };
        Ok(Self { host, port, tls, authorities: Vec::new(), credentials, patience, resting: Mutex::default() })
    }

    /// The same, where also the authorities of these certificates (PEM) may vouch for the server.
    pub(super) fn trusting(mut self, pem: &str) -> Result<Self, String> {
        if self.tls == Tls::None {
            return Err(
                "mail.smtp.url goes without TLS, where nobody vouches for anything; write smtps:// or ?tls=required"
                    .to_owned(),
            );
        }
        let unreadable = "holds a certificate that cannot be read";
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let certificate = certificate.map_err(|_| unreadable)?;
            self.authorities.push(Certificate::from_der(certificate.to_vec()).map_err(|_| unreadable)?);
        }
        if self.authorities.is_empty() {
            return Err("holds no certificate (PEM: `-----BEGIN CERTIFICATE-----`)".to_owned());
        }
        // What is none is noticed here, and not with the first mail.
        self.parameters().map_err(|error| format!("{unreadable}: {}", told(&error)))?;
        Ok(self)
    }

    fn parameters(&self) -> Result<TlsParameters, smtp::Error> {
        let mut parameters = TlsParameters::builder(self.host.clone());
        for authority in &self.authorities {
            parameters = parameters.add_root_certificate(authority.clone());
        }
        parameters.build()
    }

    /// Begins to send a mail: connects, and has the sender and the recipient accepted. Nothing is sent yet.
    pub(super) async fn begin(&self, envelope: &Envelope, is_ascii: bool) -> Result<Conversation<'_>, Trouble> {
        // A connection that rested may have been closed by the server meanwhile; that is nobody's fault.
        while let Some(connection) = self.rested() {
            let mut conversation = Conversation { server: self, connection };
            match conversation.introduce(envelope, is_ascii).await {
                Ok(()) => return Ok(conversation),
                Err(Step::Said(trouble)) => return Err(trouble),
                Err(Step::Silent(_)) => {}
            }
        }
        let connection = step(self.patience, "the connection", self.connect()).await.map_err(Step::into_trouble)?;
        let mut conversation = Conversation { server: self, connection };
        conversation.introduce(envelope, is_ascii).await.map_err(Step::into_trouble)?;
        Ok(conversation)
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, smtp::Error> {
        let name = ClientId::default();
        let wrapped = if self.tls == Tls::Wrapped { Some(self.parameters()?) } else { None };
        let address = (self.host.as_str(), self.port);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(address, Some(self.patience), &name, wrapped, None).await?;
        if self.tls == Tls::Required || (self.tls == Tls::Opportunistic && connection.can_starttls()) {
            connection.starttls(self.parameters()?, &name).await?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(&[Mechanism::Plain, Mechanism::Login], credentials).await?;
        }
        Ok(connection)
    }

    fn rested(&self) -> Option<AsyncSmtpConnection> {
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        resting.retain(|(_, since)| since.elapsed() < REST);
        resting.pop().map(|(connection, _)| connection)
    }

    fn rest(&self, connection: AsyncSmtpConnection) {
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        if resting.len() < MOST_RESTING {
            resting.push((connection, Instant::now()));
        }
    }
}

/// Percent-decoding (RFC 3986, 2.1).
fn decoded(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let hex = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        let byte = match byte {
            b'%' => {
                let (high, low) = (hex(rest.next()), hex(rest.next()));
                let value = high.zip(low).map(|(high, low)| high * 16 + low);
                value.and_then(|value| u8::try_from(value).ok()).ok_or("a `%` in it is followed by no two digits")?
            }
            byte => byte,
        };
        bytes.push(byte);
    }
    String::from_utf8(bytes).map_err(|_| "its user or password is not UTF-8".to_owned())
}

/// A mail whose recipient the server has accepted, and whose content it waits for. Dropped, it closes the connection, and
/// the server throws away what it has.
pub(super) struct Conversation<'a> {
    server: &'a Server,
    connection: AsyncSmtpConnection,
}

/// What went wrong in a step.
enum Step {
    /// The server said something.
    Said(Trouble),
    /// It said nothing, or nothing that can be understood.
    Silent(String),
}

impl Step {
    fn into_trouble(self) -> Trouble {
        match self {
            Self::Said(trouble) => trouble,
            Self::Silent(told) => Trouble::Later(told),
        }
    }
}

impl Conversation<'_> {
    async fn introduce(&mut self, envelope: &Envelope, is_ascii: bool) -> Result<(), Step> {
        let (info, patience) = (self.connection.server_info(), self.server.patience);
        let mut parameters = Vec::new();
        let is_plain = |address: &lettre::Address| AsRef::<str>::as_ref(address).is_ascii();
        if !envelope.from().into_iter().chain(envelope.to()).all(is_plain) {
            if !info.supports_feature(Extension::SmtpUtfEight) {
                let told = "the address is not ASCII, and the server takes no other (no SMTPUTF8)";
                return Err(Step::Said(Trouble::Refused(told.to_owned())));
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        if !is_ascii && info.supports_feature(Extension::EightBitMime) {
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        step(patience, "MAIL", self.connection.command(Mail::new(envelope.from().cloned(), parameters))).await?;
        for to in envelope.to() {
            let accepted = timed(patience, "RCPT", self.connection.command(Rcpt::new(to.clone(), Vec::new()))).await;
            accepted.map_err(|error| match error {
                Failed::Silence(told) => Step::Silent(told),
                Failed::Smtp(error) => judge_recipient(&error),
            })?;
        }
        step(patience, "DATA", self.connection.command(Data)).await?;
        Ok(())
    }

    /// Sends the content. From here on only the server's answer tells.
    pub(super) async fn finish(mut self, content: &[u8]) -> Result<(), Trouble> {
        let sent = std::sync::atomic::AtomicBool::new(false);
        // The library sends the final dot when it asks for another part and there is none.
        let parts = content.chunks(64 * 1024).map(Some).chain(std::iter::once(None)).map_while(|part| {
            if part.is_none() {
                sent.store(true, std::sync::atomic::Ordering::Relaxed);
            }
            part
        });
        let answered = tokio::time::timeout(self.server.patience * VERDICT, self.connection.message_iter(parts)).await;
        let was_sent = sent.load(std::sync::atomic::Ordering::Relaxed);
        match answered {
            Ok(Ok(_)) => {
                self.server.rest(self.connection);
                Ok(())
            }
            Ok(Err(error)) if error.status().is_some() => Err(judge(&error).into_trouble()),
            Ok(Err(error)) if was_sent => Err(Trouble::Unknown(told(&error))),
            Ok(Err(error)) => Err(Trouble::Later(told(&error))),
            Err(_) if was_sent => Err(Trouble::Unknown("it did not answer in time".to_owned())),
            Err(_) => Err(Trouble::Later("the content could not be sent in time".to_owned())),
        }
    }
}

enum Failed {
    Smtp(smtp::Error),
    Silence(String),
}

async fn timed<T>(
    patience: Duration,
    what: &str,
    work: impl Future<Output = Result<T, smtp::Error>>,
) -> Result<T, Failed> {
    match tokio::time::timeout(patience, work).await {
        Ok(done) => done.map_err(Failed::Smtp),
        Err(_) => Err(Failed::Silence(format!("no answer to {what} within {} s", patience.as_secs_f32()))),
    }
}

async fn step<T>(
    patience: Duration,
    what: &str,
    work: impl Future<Output = Result<T, smtp::Error>>,
) -> Result<T, Step> {
    timed(patience, what, work).await.map_err(|error| match error {
        Failed::Silence(told) => Step::Silent(told),
        Failed::Smtp(error) => judge(&error),
    })
}

/// What an answer means for the mail. Only what the server says of this mail is final; that it does not let us in is for
/// the operator to mend.
fn judge(error: &smtp::Error) -> Step {
    let told = told(error);
    match error.status().map(|code| code.to_string()) {
        None => Step::Silent(told),
        Some(code) => {
            let about_us = ["421", "454", "530", "534", "535", "538"].contains(&code.as_str());
            let refused = error.is_permanent() && !about_us;
            Step::Said(if refused { Trouble::Refused(told) } else { Trouble::Later(told) })
        }
    }
}

/// What an answer to `RCPT` means. "No such mailbox" is about the recipient for good; "relaying denied" and the like are
/// about this mail or about us (RFC 3463: `5.1` and `5.2` are addresses and mailboxes, `5.7` is policy).
fn judge_recipient(error: &smtp::Error) -> Step {
    let told = told(error);
    match judge(error) {
        Step::Said(Trouble::Refused(_)) => {
            let enhanced = told.split([' ', ':']).find(|word| is_enhanced(word)).map(str::to_owned);
            let code = error.status().map(|code| code.to_string()).unwrap_or_default();
            let nobody = match enhanced.as_deref() {
                Some(enhanced) => is_nobody(enhanced),
                None => ["550", "551", "553"].contains(&code.as_str()),
            };
            Step::Said(if nobody { Trouble::NoRecipient(told) } else { Trouble::Refused(told) })
        }
        step => step,
    }
}

/// Whether a status says that nobody is there. 5.2.2 is a full mailbox: somebody lives there.
pub(super) fn is_nobody(enhanced: &str) -> bool {
    (enhanced.starts_with("5.1.") && !["5.1.7", "5.1.8"].contains(&enhanced)) || enhanced == "5.2.1"
}

/// `5.1.1`
fn is_enhanced(word: &str) -> bool {
    let mut parts = word.split('.');
    let number = |part: Option<&str>| {
        part.is_some_and(|part| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    matches!(parts.next(), Some("5")) && number(parts.next()) && number(parts.next()) && parts.next().is_none()
}

fn told(error: &smtp::Error) -> String {
    error.to_string().chars().map(|c| if c.is_control() { ' ' } else { c }).take(500).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_written_as_a_url() {
        let server =
            |url: &str| Server::parse(url, Duration::from_secs(1)).map(|server| (server.host, server.port, server.tls));
        assert_eq!(server("smtp://localhost:2525"), Ok(("localhost".to_owned(), 2525, Tls::None)));
        assert_eq!(server("smtps://u:p@mail.example.com"), Ok(("mail.example.com".to_owned(), 465, Tls::Wrapped)));
        assert_eq!(
            server("smtp://u:p%40ss@mail.example.com?tls=required"),
            Ok(("mail.example.com".to_owned(), 587, Tls::Required))
        );
        assert_eq!(server("smtp://[::1]:25?tls=opportunistic"), Ok(("::1".to_owned(), 25, Tls::Opportunistic)));
        for url in
            ["smtp://localhost?tls=maybe", "http://localhost", "smtp://", "localhost", "smtp://h:x", "smtp://%zz:p@h"]
        {
            server(url).expect_err(url);
        }
        assert_eq!(decoded("p%40s%C3%A9"), Ok("p@sé".to_owned()));
    }

    #[test]
    fn enhanced_codes_are_told_from_other_numbers() {
        for word in ["5.1.1", "5.7.26", "5.2.1"] {
            assert!(is_enhanced(word), "{word}");
        }
        for word in ["4.1.1", "5.1", "5.1.1.1", "5.a.1", "192.0.2.1", "5..1", ""] {
            assert!(!is_enhanced(word), "{word}");
        }
    }
}
