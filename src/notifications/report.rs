//! What is told of a mail later: by a provider in our words, or by a server as a mail of its own.
//!
//! A server's report of a mail that it could not deliver is a delivery status notification (RFC 3464), a mailbox
//! provider's report of a mail that was marked as spam is a feedback report (RFC 5965). Both are `multipart/report` (RFC
//! 6522): a text for people, fields for programs, and the mail that it is about, or its headers.

use mail_parser::{Message, MessageParser, MessagePart, MimeHeaders};
use serde::Deserialize;

use super::{MailId, ReportKind};

/// The most bytes of a report that are read.
pub const LONGEST_REPORT: usize = 1 << 20;
/// The most recipients of one report.
const MOST_RECIPIENTS: usize = 100;
/// The longest text that is kept of what a server said, in characters.
const LONGEST_DETAIL: usize = 500;
/// The longest address, in bytes.
const LONGEST_ADDRESS: usize = 254;

/// A mail of which something is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedMail {
    /// What.
    pub kind: ReportKind,
    /// To whom it went.
    pub recipient: String,
    /// Why it did not arrive, as RFC 3463 counts; `None` if that is not told.
    pub status: Option<String>,
    /// What the server said, or the provider.
    pub detail: String,
    /// Which one, if it is one of ours by its `Message-ID`.
    pub mail: Option<MailId>,
}

/// What is read from a report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reported {
    /// Mails that did not arrive for good, or that were complained of; not those that are late or have arrived.
    pub mails: Vec<ReportedMail>,
}

/// It is no report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Not the JSON that is expected.
    #[error("not a report as it is described")]
    Event,
    /// Not an address.
    #[error("data.recipient is no address")]
    Recipient,
    /// Not a mail with a report in it.
    #[error("not a mail of the kind multipart/report that says for which recipients")]
    Mail,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    data: serde_json::Value,
}

#[derive(Deserialize)]
struct Data {
    recipient: String,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    detail: Option<String>,
    #[serde(default)]
    message_id: Option<String>,
}

/// Reads `{"type": "mail.bounced" | "mail.complained", "data": {"recipient", "status", "detail", "message_id"}}`. Other
/// types tell nothing.
pub fn read_event(body: &[u8]) -> Result<Reported, Unreadable> {
    let event: Event = serde_json::from_slice(body).map_err(|_| Unreadable::Event)?;
    let kind = match event.kind.as_str() {
        "mail.bounced" => ReportKind::Bounced,
        "mail.complained" => ReportKind::Complained,
        _ => return Ok(Reported::default()),
    };
    let data: Data = serde_json::from_value(event.data).map_err(|_| Unreadable::Event)?;
    let recipient = address(&data.recipient).ok_or(Unreadable::Recipient)?;
    let status = match data.status.as_deref() {
        None => None,
        Some(status) => Some(enhanced(status).ok_or(Unreadable::Event)?),
    };
    let mail = data.message_id.as_deref().and_then(ours);
    Ok(Reported {
        mails: vec![ReportedMail { kind, recipient, status, detail: plain(&data.detail.unwrap_or_default()), mail }],
    })
}

/// Reads a mail that is a report.
pub fn read_report(raw: &[u8]) -> Result<Reported, Unreadable> {
    let message = MessageParser::default().parse(raw).ok_or(Unreadable::Mail)?;
    let mail = message.parts.iter().find_map(about);
    let part = |kind| message.parts.iter().find(|part| is(part, "message", kind));
    if let Some(part) = part("delivery-status") {
        return Ok(Reported { mails: undelivered(part.contents(), mail) });
    }
    let part = part("feedback-report").ok_or(Unreadable::Mail)?;
    complaints(&message, part.contents(), mail)
}

/// Those of a notification's recipients that the mail did not come to, and will not.
fn undelivered(contents: &[u8], mail: Option<MailId>) -> Vec<ReportedMail> {
    let groups = groups(contents);
    // The first tells of the mail; each other of a recipient.
    let failed = groups.iter().skip(1).filter(|group| value(group, "action").eq_ignore_ascii_case("failed"));
    let told = failed.filter_map(|group| {
        // Where it went last; who was written to may have sent it on from there.
        let [original, last] =
            ["original-recipient", "final-recipient"].map(|name| address(after_type(value(group, name))));
        Some(ReportedMail {
            kind: ReportKind::Bounced,
            recipient: original.or(last)?,
            status: enhanced(value(group, "status")),
            detail: plain(after_type(value(group, "diagnostic-code"))),
            mail,
        })
    });
    told.take(MOST_RECIPIENTS).collect()
}

fn complaints(message: &Message<'_>, contents: &[u8], mail: Option<MailId>) -> Result<Reported, Unreadable> {
    let groups = groups(contents);
    let fields = groups.first().ok_or(Unreadable::Mail)?;
    let what = value(fields, "feedback-type");
    // "not-spam" and the like are no complaints.
    if !["abuse", "fraud", "virus"].iter().any(|kind| what.eq_ignore_ascii_case(kind)) {
        return Ok(Reported::default());
    }
    let told = fields.iter().filter(|(name, _)| name == "original-rcpt-to").filter_map(|(_, to)| address(to));
    let mut recipients: Vec<String> = told.take(MOST_RECIPIENTS).collect();
    if recipients.is_empty() {
        let inner = message.parts.iter().find_map(MessagePart::message);
        let to = inner.and_then(|inner| inner.to()?.first()?.address().and_then(address));
        recipients.extend(to);
    }
    if recipients.is_empty() {
        return Err(Unreadable::Mail);
    }
    let complaint =
        |recipient| ReportedMail { kind: ReportKind::Complained, recipient, status: None, detail: plain(what), mail };
    Ok(Reported { mails: recipients.into_iter().map(complaint).collect() })
}

fn is(part: &MessagePart<'_>, main: &str, sub: &str) -> bool {
    part.content_type().is_some_and(|kind| {
        kind.ctype().eq_ignore_ascii_case(main) && kind.subtype().is_some_and(|it| it.eq_ignore_ascii_case(sub))
    })
}

/// The mail that a report is about, if a part of it holds that.
fn about(part: &MessagePart<'_>) -> Option<MailId> {
    if let Some(message) = part.message() {
        return message.message_id().and_then(ours);
    }
    if is(part, "text", "rfc822-headers") || is(part, "message", "rfc822") {
        let message = MessageParser::default().parse_headers(part.contents())?;
        return message.message_id().and_then(ours);
    }
    None
}

/// Our mail of a `Message-ID`: `<mail_….2@shop.example>`.
fn ours(id: &str) -> Option<MailId> {
    let name = id.trim().trim_matches(['<', '>']).split('@').next()?;
    name.split('.').next()?.parse().ok()
}

type Fields = Vec<(String, String)>;

/// Groups of fields, separated by empty lines; a line that begins with a blank goes on.
fn groups(contents: &[u8]) -> Vec<Fields> {
    let text = String::from_utf8_lossy(&contents[..contents.len().min(LONGEST_REPORT)]);
    let mut groups: Vec<Fields> = vec![Vec::new()];
    for line in text.lines() {
        let group = groups.last_mut();
        if line.trim().is_empty() {
            if group.is_some_and(|group| !group.is_empty()) {
                groups.push(Vec::new());
            }
        } else if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = group.and_then(|group| group.last_mut()) {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((group, (name, value))) = group.zip(line.split_once(':')) {
            group.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    groups.retain(|group| !group.is_empty());
    groups
}

fn value<'f>(fields: &'f Fields, name: &str) -> &'f str {
    fields.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value)
}

/// `rfc822; ada@example.com`, `smtp; 550 …`
fn after_type(value: &str) -> &str {
    value.split_once(';').map_or(value, |(_, rest)| rest).trim()
}

/// An address without its brackets.
fn address(text: &str) -> Option<String> {
    let address = text.trim().trim_start_matches('<').trim_end_matches('>');
    let sane = address.len() <= LONGEST_ADDRESS
        && !address.contains(|c: char| c.is_control() || c.is_whitespace())
        && address.rsplit_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty());
    sane.then(|| address.to_owned())
}

/// `5.1.1`, whatever is said behind it.
fn enhanced(text: &str) -> Option<String> {
    let word = text.split([' ', '(', '\t']).next().unwrap_or_default();
    let mut parts = word.split('.');
    let number = |part: Option<&str>| {
        part.is_some_and(|part| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let class = matches!(parts.next(), Some("2" | "4" | "5"));
    (class && number(parts.next()) && number(parts.next()) && parts.next().is_none()).then(|| word.to_owned())
}

fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST_DETAIL).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIL: &str = "mail_01kc0000000000000000000001";

    fn dsn(fields: &str, returned: &str) -> Vec<u8> {
        format!(
            "From: MAILER-DAEMON@mx.example.com\r\nTo: shop@example.com\r\nSubject: Undelivered Mail\r\n\
             MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\r\n\r\n\
             --b\r\nContent-Type: text/plain\r\n\r\nI am sorry.\r\n\r\n\
             --b\r\nContent-Type: message/delivery-status\r\n\r\n{fields}\r\n\
             --b\r\nContent-Type: {returned}\r\nMessage-ID: <{MAIL}.2@shop.example>\r\nTo: ada@example.com\r\n\r\nHello\r\n\
             --b--\r\n"
        )
        .into()
    }

    #[test]
    fn what_did_not_arrive_is_read_and_nothing_else() {
        let fields = "Reporting-MTA: dns; mx.example.com\r\nArrival-Date: x\r\n\r\n\
            Original-Recipient: rfc822;Ada@example.com\r\nFinal-Recipient: rfc822; lovelace@other.example\r\n\
            Action: failed\r\nStatus: 5.1.1 (no such user)\r\nDiagnostic-Code: smtp; 550 5.1.1 no\r\n such user\r\n\r\n\
            Final-Recipient: rfc822; late@example.com\r\nAction: delayed\r\nStatus: 4.4.1\r\n\r\n\
            Final-Recipient: rfc822; <full@example.com>\r\nAction: Failed\r\nStatus: 5.2.2\r\n";
        for returned in ["message/rfc822\r\n", "text/rfc822-headers\r\n"] {
            let read = read_report(&dsn(fields, returned)).expect("a report");
            let told: Vec<_> = read.mails.iter().map(|it| (it.recipient.as_str(), it.status.as_deref())).collect();
            assert_eq!(told, [("Ada@example.com", Some("5.1.1")), ("full@example.com", Some("5.2.2"))]);
            assert_eq!(read.mails[0].detail, "550 5.1.1 no such user");
            assert_eq!(read.mails[0].mail, MAIL.parse().ok(), "{returned}");
        }
    }

    #[test]
    fn a_complaint_is_read() {
        let arf = |kind: &str, to: &str| {
            format!(
                "From: fbl@isp.example\r\nMIME-Version: 1.0\r\n\
                 Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n\
                 --b\r\nContent-Type: text/plain\r\n\r\nSpam.\r\n\
                 --b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: {kind}\r\nUser-Agent: x/1\r\n{to}\r\n\
                 --b\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: <{MAIL}@shop.example>\r\nTo: Ada <ada@example.com>\
                 \r\nSubject: x\r\n\r\nHello\r\n--b--\r\n"
            )
        };
        for to in ["Original-Rcpt-To: ada@example.com\r\n", ""] {
            let read = read_report(arf("abuse", to).as_bytes()).expect("a report");
            let [one] = read.mails.as_slice() else { panic!("{read:?}") };
            assert_eq!((one.kind, one.recipient.as_str()), (ReportKind::Complained, "ada@example.com"));
            assert_eq!(one.mail, MAIL.parse().ok());
        }
        assert_eq!(read_report(arf("not-spam", "").as_bytes()), Ok(Reported::default()));
        for other in ["", "From: a@b.example\r\n\r\nHello", "\r\n\r\n"] {
            assert_eq!(read_report(other.as_bytes()), Err(Unreadable::Mail), "{other:?}");
        }
    }

    #[test]
    fn an_event_is_read() {
        let event = r#"{"type": "mail.bounced", "timestamp": "x", "data": {"recipient": "<ada@example.com>", "status": "5.1.1",
                        "detail": "no\u0000such", "message_id": "<mail_01kc0000000000000000000001@x>", "more": 1}}"#;
        let read = read_event(event.as_bytes()).expect("an event");
        let told = &read.mails[0];
        assert_eq!((told.recipient.as_str(), told.detail.as_str()), ("ada@example.com", "no such"));
        assert!(told.mail.is_some());
        assert_eq!(read_event(br#"{"type": "mail.opened", "data": 1}"#), Ok(Reported::default()));
        for (body, why) in [
            ("", Unreadable::Event),
            ("[]", Unreadable::Event),
            (r#"{"type": "mail.bounced"}"#, Unreadable::Event),
            (r#"{"type": "mail.bounced", "data": {}}"#, Unreadable::Event),
            (r#"{"type": "mail.bounced", "data": {"recipient": "a@b", "status": "bad"}}"#, Unreadable::Event),
            (r#"{"type": "mail.complained", "data": {"recipient": "nobody"}}"#, Unreadable::Recipient),
            (r#"{"type": "mail.complained", "data": {"recipient": "a@b\u0000"}}"#, Unreadable::Recipient),
        ] {
            assert_eq!(read_event(body.as_bytes()), Err(why), "{body}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_fall(bytes: Vec<u8>, fields: String) {
            let _ = (read_report(&bytes), read_event(&bytes));
            let _ = read_report(&dsn(&fields, "message/rfc822\r\n"));
        }
    }
}
