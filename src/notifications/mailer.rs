//! Sending letters: to a directory, or to a server by SMTP.
//!
//! At least once: a letter may go out again when the process dies before its job is recorded as done. Its `Message-ID` is
//! made from the job, so that the repetition is recognised; a file is then written over.

use std::{
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use lettre::{
    Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{
        Body, Mailbox, MultiPart, SinglePart,
        header::{ContentTransferEncoding, HeaderName, HeaderValue},
    },
    transport::smtp,
};

use super::Letter;
use crate::kernel::Time;

/// How long the server may take for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where mail goes.
#[derive(Debug, Clone)]
pub enum MailTo {
    /// Into this directory, a file each.
    Directory(PathBuf),
    /// To the server at this URL.
    Server(String),
}

/// Why a letter was not sent.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The sender or the server in the configuration is not usable.
    #[error("{0}")]
    Configured(String),
    /// It can never be sent: no address, or the server says so for good.
    #[error("the mail is refused: {0}")]
    Refused(String),
    /// Later it may go.
    #[error("the mail cannot be sent now: {0}")]
    Later(String),
}

/// Sends mail; clones share its connections.
#[derive(Clone)]
pub struct Mailer {
    from: Mailbox,
    transport: Transport,
}

#[derive(Clone)]
enum Transport {
    Directory(Arc<PathBuf>),
    Server(AsyncSmtpTransport<Tokio1Executor>),
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
            .map_err(|error| MailError::Configured(format!("mail.smtp.from: {from:?} is nobody's address: {error}")))?;
        let transport = match to {
            MailTo::Directory(path) => Transport::Directory(Arc::new(path)),
            MailTo::Server(url) => {
                let server = AsyncSmtpTransport::<Tokio1Executor>::from_url(&url)
                    .map_err(|error| MailError::Configured(format!("mail.smtp.url: {error}")))?;
                Transport::Server(server.timeout(Some(PATIENCE)).build())
            }
        };
        Ok(Self { from, transport })
    }

    /// Sends a letter. `id` names it for good: a letter sent twice has one id.
    pub async fn send(&self, letter: &Letter, id: &str, now: Time) -> Result<(), MailError> {
        let message = self.message(letter, id, now)?;
        match &self.transport {
            Transport::Directory(path) => keep(path, id, message.formatted()).await.map_err(|error| {
                MailError::Later(format!("mail.file.path: cannot write to {}: {error}", path.display()))
            }),
            Transport::Server(server) => server.send(message).await.map(|_| ()).map_err(|error| judge(&error)),
        }
    }

    fn message(&self, letter: &Letter, id: &str, now: Time) -> Result<Message, MailError> {
        let refused = |error: &dyn std::fmt::Display| MailError::Refused(error.to_string());
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
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ));
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
        let text = body(&letter.text);
        let built = match &letter.html {
            Some(html) => message.multipart(MultiPart::alternative_plain_html(text, html.clone())),
            None => message.singlepart(SinglePart::plain(text)),
        };
        built.map_err(|error| refused(&error))
    }
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

/// Writes a mail, whole or not at all.
async fn keep(directory: &std::path::Path, id: &str, bytes: Vec<u8>) -> std::io::Result<()> {
    let (file, beside) = (directory.join(format!("{id}.eml")), directory.join(format!("{id}.new")));
    // One visit to another thread for all of it.
    let written = tokio::task::spawn_blocking(move || {
        let mut options = std::fs::OpenOptions::new();
        // Whoever reads it can use the links in it.
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut writing = match options.open(&beside) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let parent = beside.parent().unwrap_or_else(|| std::path::Path::new("."));
                std::fs::DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
                options.open(&beside)?
            }
            opened => opened?,
        };
        writing.write_all(&bytes)?;
        writing.sync_all()?;
        std::fs::rename(&beside, &file)
    });
    written.await.unwrap_or_else(|stopped| Err(std::io::Error::other(stopped)))
}

/// Only what the server says of this mail is final. That it does not let us in is for the operator to mend.
fn judge(error: &smtp::Error) -> MailError {
    let code = error.status().map(|code| code.to_string()).unwrap_or_default();
    let about_us = ["421", "454", "530", "534", "535", "538"].contains(&code.as_str());
    let told = std::error::Error::source(error).map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"));
    if error.is_permanent() && !about_us { MailError::Refused(told) } else { MailError::Later(told) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notifications::Thread;

    fn mail(to: &str, subject: &str) -> Result<String, MailError> {
        let mailer = Mailer::new("Our shop <shop@example.com>", MailTo::Directory("unused".into())).expect("a mailer");
        let letter = Letter {
            to: to.to_owned(),
            subject: subject.to_owned(),
            text: "Grüße\n.\n".to_owned(),
            html: None,
            thread: None,
        };
        let message = mailer.message(&letter, "job_1", Time::from_micros(0))?;
        Ok(String::from_utf8(message.formatted()).expect("text"))
    }

    #[test]
    fn a_mail_says_who_when_and_which() {
        let mail = mail("ada@example.com", "Hello").expect("built");
        for line in [
            "From: \"Our shop\" <shop@example.com>\r\n",
            "To: ada@example.com\r\n",
            "Subject: Hello\r\n",
            "Message-ID: <job_1@example.com>\r\n",
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
            let (to, subject, text) = ("ada@example.com".to_owned(), "Re: Hello".to_owned(), "Yes.".to_owned());
            let letter = Letter { to, subject, text, html: None, thread: Some(thread) };
            let message = mailer.message(&letter, "job_1", Time::from_micros(0)).expect("built");
            String::from_utf8(message.formatted()).expect("text")
        };
        let first = build(None);
        for line in [
            "Message-ID: <job_1@example.com>\r\n",
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
    fn nothing_that_is_said_becomes_a_header() {
        let built = mail("ada@example.com", "Hello\r\nBcc: eve@example.com\r\n\r\nlies\0").expect("built");
        assert!(!built.contains("\nBcc:") && !built.contains("\r\n\r\nlies"), "{built}");
        for to in ["ada@example.com\r\nBcc: eve@example.com", "ada@example.com, eve@example.com", "", "ada"] {
            assert!(matches!(mail(to, "Hello"), Err(MailError::Refused(_))), "{to:?}");
        }
    }

    #[tokio::test]
    async fn what_cannot_work_is_told_at_the_start() {
        let server = |url: &str| Mailer::new("shop@example.com", MailTo::Server(url.to_owned()));
        server("smtp://localhost:2525").expect("a mailer");
        for url in ["smtp://localhost?tls=maybe", "http://localhost"] {
            assert!(matches!(server(url), Err(MailError::Configured(_))), "{url}");
        }
        Mailer::new("nobody", MailTo::Directory("x".into())).expect_err("no address");
    }
}
