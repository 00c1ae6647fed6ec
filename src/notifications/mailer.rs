//! What a letter is on its way: a message (RFC 5322), into a directory or to a server.
//!
//! Its `Message-ID` is given by whoever keeps the record of it, so that a repetition is recognised; a file is then written
//! over.

use std::{
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use lettre::{
    Address, Message,
    address::Envelope,
    message::{
        Body, Mailbox, MultiPart, SinglePart,
        header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue},
    },
};

use super::{
    Letter, MailId,
    post::name,
    smtp::{Conversation, Server, Trouble},
};
use crate::kernel::Time;

/// Where mail goes.
#[derive(Debug, Clone)]
pub enum MailTo {
    /// Into this directory, a file each.
    Directory(PathBuf),
    /// To a server.
    Server {
        /// At this URL.
        url: String,
        /// Certificates (PEM) of those who may vouch for it beside the public authorities.
        authorities: Option<String>,
        /// How long it may take for one step of a conversation.
        timeout: Duration,
    },
}

/// The sender or the server in the configuration is not usable.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct MailError(String);

/// A letter that no message can be made of: its address is none.
#[derive(Debug, thiserror::Error)]
#[error("the mail is refused: {0}")]
pub(super) struct Unaddressed(String);

/// Sends mail; clones share its connections.
#[derive(Clone)]
pub struct Mailer {
    from: Mailbox,
    transport: Transport,
}

#[derive(Clone)]
enum Transport {
    Directory(Arc<PathBuf>),
    Server(Arc<Server>),
}

/// A message, ready to go.
pub(super) struct Prepared {
    envelope: Envelope,
    bytes: Vec<u8>,
}

impl Prepared {
    /// Its bytes, as they go to a server.
    pub(super) fn content(&self) -> &[u8] {
        &self.bytes
    }
}

impl std::fmt::Debug for Mailer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The server's URL holds a password.
        f.debug_struct("Mailer").field("from", &self.from.to_string()).finish_non_exhaustive()
    }
}

impl Mailer {
    /// A mailer that writes as `from`. Nothing is connected yet.
    pub fn new(from: &str, to: MailTo) -> Result<Self, MailError> {
        let from = from
            .parse::<Mailbox>()
            .map_err(|error| MailError(format!("mail.smtp.from: {from:?} is nobody's address: {error}")))?;
        let transport = match to {
            MailTo::Directory(path) => Transport::Directory(Arc::new(path)),
            MailTo::Server { url, authorities, timeout } => {
                let mut server =
                    Server::parse(&url, timeout).map_err(|error| MailError(format!("mail.smtp.url: {error}")))?;
                if let Some(pem) = authorities {
                    server = server.trusting(&pem).map_err(|error| MailError(format!("mail.smtp.ca_file: {error}")))?;
                }
                Transport::Server(Arc::new(server))
            }
        };
        Ok(Self { from, transport })
    }

    /// Whether what is sent twice is there once: a file is written over, a server takes each.
    pub(super) const fn is_directory(&self) -> bool {
        matches!(self.transport, Transport::Directory(_))
    }

    /// Writes a mail into the directory; nothing where mail goes to a server.
    pub(super) async fn keep(&self, name: String, mail: Prepared) -> Result<(), String> {
        let Transport::Directory(path) = &self.transport else { return Ok(()) };
        let (directory, bytes) = (Arc::clone(path), mail.bytes);
        // One visit to another thread for all of it.
        let written = tokio::task::spawn_blocking(move || keep(&directory, &name, &bytes)).await;
        let written = written.unwrap_or_else(|stopped| Err(std::io::Error::other(stopped)));
        written.map_err(|error| format!("mail.file.path: cannot write to {}: {error}", path.display()))
    }

    /// Removes the files of a mail, of all its editions; nothing where mail goes to a server.
    pub async fn forget(&self, mail: MailId, edition: i64) -> Result<(), String> {
        let Transport::Directory(path) = &self.transport else { return Ok(()) };
        for edition in 0..=edition {
            let file = path.join(format!("{}.eml", name(mail, edition)));
            match tokio::fs::remove_file(&file).await {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(format!("mail.file.path: cannot remove {}: {error}", file.display()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Begins to send a mail to the server; `None` where mail goes into a directory.
    pub(super) async fn begin(&self, mail: &Prepared) -> Result<Option<Conversation<'_>>, Trouble> {
        match &self.transport {
            Transport::Directory(_) => Ok(None),
            Transport::Server(server) => server.begin(&mail.envelope, mail.bytes.is_ascii()).await.map(Some),
        }
    }

    /// The message that a letter becomes. `id` names it for good: a letter sent twice has one id.
    pub(super) fn message(&self, letter: &Letter, id: &str, now: Time) -> Result<Prepared, Unaddressed> {
        let refused = |error: &dyn std::fmt::Display| Unaddressed(error.to_string());
        let to: Address = letter.to.parse().map_err(|error: lettre::address::AddressError| refused(&error))?;
        // In one line, whatever product or person is named in it.
        let subject: String = letter.subject.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let sent_at = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(now.as_secs()).unwrap_or_default());
        let mut message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(subject)
            .date(sent_at)
            .message_id(Some(format!("<{id}@{}>", self.from.email.domain())))
            // RFC 3834: holiday notices and the like shall not answer.
            .raw_header(header("Auto-Submitted", "auto-generated".to_owned()));
        if let Some(url) = &letter.unsubscribe {
            message = message
                .raw_header(header("List-Unsubscribe", format!("<{url}>")))
                .raw_header(header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned()));
        }
        if let Some(thread) = &letter.thread {
            let root = format!("<{}@{}>", thread.topic, self.from.email.domain());
            let answers = thread.answers.as_ref().map(|id| format!("<{id}>"));
            let references = answers.as_ref().map_or_else(|| root.clone(), |answers| format!("{root} {answers}"));
            message = message.references(references).in_reply_to(answers.unwrap_or(root));
            if let Some(address) = &thread.reply_to {
                let address: Address =
                    address.parse().map_err(|error: lettre::address::AddressError| refused(&error))?;
                message = message.reply_to(Mailbox::new(self.from.name.clone(), address));
            }
        }
        // Made from the id as well, so that the same letter is the same bytes.
        let parts = MultiPart::alternative()
            .boundary(id)
            .singlepart(part(ContentType::TEXT_PLAIN, &letter.text))
            .singlepart(part(ContentType::TEXT_HTML, &letter.html));
        let built = message.multipart(parts).map_err(|error| refused(&error))?;
        Ok(Prepared { envelope: built.envelope().clone(), bytes: built.formatted() })
    }
}

fn part(kind: ContentType, text: &str) -> SinglePart {
    SinglePart::builder().header(kind).body(body(text))
}

/// A header of plain ASCII that is one word, or ours.
fn header(name: &'static str, value: String) -> HeaderValue {
    let plain: String = value.chars().filter(|c| c.is_ascii() && !c.is_ascii_control()).collect();
    HeaderValue::dangerous_new_pre_encoded(HeaderName::new_from_ascii_str(name), value, plain)
}

/// A text in the encoding that keeps it readable. Plain ASCII needs none up to 998 characters a line (RFC 5322, 2.1.1);
/// left to itself the library cuts links in two.
fn body(text: &str) -> Body {
    let plain = text.is_ascii() && !text.contains('\0') && text.lines().all(|line| line.len() <= 998);
    if plain {
        let lines = text.lines().flat_map(|line| [line, "\r\n"]).collect::<String>();
        Body::dangerous_pre_encoded(lines.into_bytes(), ContentTransferEncoding::SevenBit)
    } else {
        Body::new(text.to_owned())
    }
}

/// Writes a mail, whole or not at all as far as anybody sees who reads the directory.
///
/// Nothing waits for the disk: what is lost in a power cut is written again with `resend`, whereas a wait for each mail
/// would stand in the way of the database's own, which is where orders and licences are.
fn keep(directory: &Path, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let (file, beside) = (directory.join(format!("{name}.eml")), directory.join(format!("{name}.new")));
    let mut options = std::fs::OpenOptions::new();
    // Whoever reads it can use the links in it.
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut writing = match options.open(&beside) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
            options.open(&beside)?
        }
        opened => opened?,
    };
    writing.write_all(bytes)?;
    std::fs::rename(&beside, &file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notifications::Thread;

    fn letter(to: &str, subject: &str, text: &str) -> Letter {
        let [to, subject, text] = [to, subject, text].map(str::to_owned);
        Letter { to, subject, text, html: "<p>Hello</p>".to_owned(), thread: None, unsubscribe: None }
    }

    fn mail(to: &str, subject: &str) -> Result<String, Unaddressed> {
        let mailer = Mailer::new("Our shop <shop@example.com>", MailTo::Directory("unused".into())).expect("a mailer");
        let message = mailer.message(&letter(to, subject, "Grüße\n.\n"), "mail_1", Time::from_micros(0))?;
        Ok(String::from_utf8(message.bytes).expect("text"))
    }

    #[test]
    fn a_mail_says_who_when_and_which() {
        let mail = mail("ada@example.com", "Hello").expect("built");
        for line in [
            "From: \"Our shop\" <shop@example.com>\r\n",
            "To: ada@example.com\r\n",
            "Subject: Hello\r\n",
            "Message-ID: <mail_1@example.com>\r\n",
            "Date: Thu, 01 Jan 1970 00:00:00 +0000\r\n",
            "Auto-Submitted: auto-generated\r\n",
        ] {
            assert!(mail.contains(line), "{line:?} in {mail}");
        }
    }

    #[test]
    fn a_letter_of_a_conversation_says_which() {
        let mailer = Mailer::new("Our shop <shop@example.com>", MailTo::Directory("unused".into())).expect("a mailer");
        let build = |answers: Option<&str>| {
            let thread = Thread {
                topic: "tkt_1".to_owned(),
                answers: answers.map(str::to_owned),
                reply_to: Some("support+0123@example.com".to_owned()),
            };
            let letter = Letter { thread: Some(thread), ..letter("ada@example.com", "Re: Hello", "Yes.") };
            let message = mailer.message(&letter, "mail_1", Time::from_micros(0)).expect("built");
            String::from_utf8(message.bytes).expect("text")
        };
        let first = build(None);
        for line in [
            "Message-ID: <mail_1@example.com>\r\n",
            "In-Reply-To: <tkt_1@example.com>\r\n",
            "References: <tkt_1@example.com>\r\n",
            "Reply-To: \"Our shop\" <support+0123@example.com>\r\n",
        ] {
            assert!(first.contains(line), "{line:?} in {first}");
        }
        let second = build(Some("a1@mail.example.org"));
        assert!(second.contains("In-Reply-To: <a1@mail.example.org>\r\n"), "{second}");
        assert!(second.contains("References: <tkt_1@example.com> <a1@mail.example.org>\r\n"), "{second}");
    }

    #[test]
    fn a_letter_that_can_be_declined_says_how() {
        let mailer = Mailer::new("shop@example.com", MailTo::Directory("unused".into())).expect("a mailer");
        let url = format!("https://shop.example.com/unsubscribe/{}", "a".repeat(120));
        let letter = Letter { unsubscribe: Some(url.clone()), ..letter("ada@example.com", "Hello", "Hello") };
        let message = mailer.message(&letter, "mail_1", Time::from_micros(0)).expect("built");
        let built = String::from_utf8(message.bytes).expect("text");
        assert!(built.contains(&format!("\r\nList-Unsubscribe: <{url}>\r\n")), "{built}");
        assert!(built.contains("\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"), "{built}");
        assert!(built.contains("Content-Type: text/plain") && built.contains("Content-Type: text/html"), "{built}");
        let again = mailer.message(&letter, "mail_1", Time::from_micros(0)).expect("built");
        assert_eq!(again.bytes, built.as_bytes(), "the same letter is the same bytes");
    }

    #[test]
    fn nothing_that_is_said_becomes_a_header() {
        let built = mail("ada@example.com", "Hello\r\nBcc: eve@example.com\r\n\r\nlies\0").expect("built");
        assert!(!built.contains("\nBcc:") && !built.contains("\r\n\r\nlies"), "{built}");
        for to in ["ada@example.com\r\nBcc: eve@example.com", "ada@example.com, eve@example.com", "", "ada"] {
            assert!(matches!(mail(to, "Hello"), Err(Unaddressed(_))), "{to:?}");
        }
    }

    #[tokio::test]
    async fn what_cannot_work_is_told_at_the_start() {
        let server = |url: &str| {
            let timeout = Duration::from_secs(1);
            Mailer::new("shop@example.com", MailTo::Server { url: url.to_owned(), authorities: None, timeout })
        };
        server("smtp://localhost:2525").expect("a mailer");
        for url in ["smtp://localhost?tls=maybe", "http://localhost"] {
            server(url).expect_err(url);
        }
        Mailer::new("nobody", MailTo::Directory("x".into())).expect_err("no address");
    }
}
