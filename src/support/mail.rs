//! A mail as it came in (RFC 5322), reduced to what a ticket needs. Nothing in it is trusted: what it says of its sender
//! is held against the token that it was sent to, by whoever asked for this.

use mail_parser::{Address, Message, MessageParser, MimeHeaders};

use super::{MailToken, flaw};
use crate::accounts::Email;

/// The longest `Message-ID` that is kept, in bytes.
const LONGEST_ID: usize = 250;
/// The most parts that are read.
const MOST_PARTS: usize = 50;
/// Headers in which the address stands that a mail was delivered to, beside `To` and `Cc`.
const DELIVERED_TO: [&str; 4] = ["Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To"];

/// Who a mail says that it is from, and where it was sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Envelope {
    /// The one address that it is from.
    pub(super) from: Option<Email>,
    /// The first token in the addresses that it was sent to.
    pub(super) token: Option<MailToken>,
    /// Its `Message-ID`, without brackets.
    pub(super) message_id: Option<String>,
    /// Whether a program wrote it by itself: a holiday notice, a bounce, a list. Nobody answers those.
    pub(super) automatic: bool,
}

/// What stands in a mail.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Contents {
    /// The text, what it quotes included.
    pub(super) text: String,
    /// Its files: what they are called, and their bytes.
    pub(super) files: Vec<(String, Vec<u8>)>,
}

/// Reads the headers.
pub(super) fn envelope(raw: &[u8]) -> Option<Envelope> {
    let message = MessageParser::default().parse_headers(raw)?;
    let mut sent_to: Vec<String> = [message.to(), message.cc()].into_iter().flatten().flat_map(addresses).collect();
    for name in DELIVERED_TO {
        sent_to.extend(values(&message, name).map(|value| value.trim_matches(['<', '>']).to_owned()));
    }
    let mut from = message.from().map(addresses).unwrap_or_default();
    let from = if from.len() == 1 { from.pop().and_then(|address| address.parse().ok()) } else { None };
    Some(Envelope {
        from,
        token: sent_to.iter().find_map(|address| MailToken::in_address(address)),
        message_id: message.message_id().filter(|id| is_message_id(id)).map(str::to_owned),
        automatic: is_automatic(&message),
    })
}

/// Reads the text and the files.
pub(super) fn contents(raw: &[u8], longest: usize) -> Option<Contents> {
    let message = MessageParser::default().parse(raw)?;
    let count = message.text_body_count().min(MOST_PARTS);
    let texts: Vec<_> = (0..count).filter_map(|place| message.body_text(place)).collect();
    let files = message
        .attachments()
        .take(MOST_PARTS)
        .map(|part| (part.attachment_name().unwrap_or("attachment").to_owned(), part.contents().to_vec()));
    Some(Contents { text: plain(&texts.join("\n"), longest), files: files.collect() })
}

/// A text as a message may be: without what no text has, and cut where it is too long.
fn plain(text: &str, longest: usize) -> String {
    const CUT: &str = "\n[…]";
    let clean: String = text.chars().filter(|c| !flaw::unwanted(*c)).take(longest + 1).collect();
    let clean = clean.trim();
    if clean.chars().count() <= longest {
        return clean.to_owned();
    }
    let kept: String = clean.chars().take(longest - CUT.chars().count()).collect();
    kept + CUT
}

fn addresses(list: &Address<'_>) -> Vec<String> {
    list.iter().take(MOST_PARTS).filter_map(|one| one.address()).map(str::to_owned).collect()
}

/// The values of a header, as they are written.
fn values<'m>(message: &'m Message<'_>, name: &'m str) -> impl Iterator<Item = &'m str> {
    message.headers_raw().filter(move |(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// It goes into headers of our own: only what can stand there without harm.
fn is_message_id(id: &str) -> bool {
    id.len() <= LONGEST_ID
        && id.contains('@')
        && id.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>\"".contains(&byte))
}

/// After RFC 3834, 2 and 5, and the habits of programs that are older than it.
fn is_automatic(message: &Message<'_>) -> bool {
    let says = |name: &str, words: &[&str]| {
        values(message, name).any(|value| {
            let word = value.split([';', ' ']).next().unwrap_or_default();
            words.iter().any(|it| it.eq_ignore_ascii_case(word))
        })
    };
    let has = |name: &str| values(message, name).next().is_some();
    let submitted = has("Auto-Submitted") && !says("Auto-Submitted", &["no"]);
    let report = message
        .content_type()
        .is_some_and(|kind| kind.ctype().eq_ignore_ascii_case("multipart") && kind.subtype() == Some("report"));
    let daemon = message.from().is_some_and(|from| {
        addresses(from).iter().any(|address| {
            let name = address.split('@').next().unwrap_or_default();
            name.eq_ignore_ascii_case("mailer-daemon") || name.eq_ignore_ascii_case("postmaster")
        })
    });
    submitted
        || report
        || daemon
        || says("Precedence", &["bulk", "junk", "list", "auto_reply"])
        || says("Return-Path", &["<>"])
        || ["List-Id", "X-Autoreply", "X-Autorespond", "X-Loop"].into_iter().any(has)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TO: &str = "support+000000000000000000000000010123456789abcdef0123@example.com";

    fn mail(headers: &str, body: &str) -> Vec<u8> {
        format!("From: Ada <Ada@Example.com>\r\nTo: {TO}\r\nMessage-ID: <a1@mail.example.com>\r\n{headers}\r\n{body}")
            .into()
    }

    #[test]
    fn who_wrote_where_is_read() {
        let read = envelope(&mail("", "hello")).expect("a mail");
        assert_eq!(read.from.expect("one").as_str(), "ada@example.com");
        assert!(read.token.is_some());
        assert_eq!(read.message_id.as_deref(), Some("a1@mail.example.com"));
        assert!(!read.automatic);
        let delivered = format!("From: a@b.example\r\nTo: x@b.example\r\nDelivered-To: {TO}\r\n\r\nhello");
        assert!(envelope(delivered.as_bytes()).expect("a mail").token.is_some());
    }

    #[test]
    fn two_senders_are_none() {
        let two = format!("From: a@b.example, c@d.example\r\nTo: {TO}\r\n\r\nhello");
        assert_eq!(envelope(two.as_bytes()).expect("a mail").from, None);
    }

    #[test]
    fn what_a_program_wrote_is_known() {
        for header in [
            "Auto-Submitted: auto-replied\r\n",
            "Auto-Submitted: auto-generated; owner=x\r\n",
            "Precedence: bulk\r\n",
            "Return-Path: <>\r\n",
            "List-Id: <list.example.com>\r\n",
            "Content-Type: multipart/report; boundary=x\r\n",
        ] {
            assert!(envelope(&mail(header, "hello")).expect("a mail").automatic, "{header}");
        }
        assert!(!envelope(&mail("Auto-Submitted: no\r\n", "hello")).expect("a mail").automatic);
    }

    #[test]
    fn no_id_that_could_break_a_header_is_kept() {
        for id in ["<a b@c>", "<no-at>", &format!("<{}@x>", "a".repeat(300)), "<a\u{e9}@x>"] {
            let raw = format!("From: a@b.example\r\nMessage-ID: {id}\r\n\r\nhello");
            assert_eq!(envelope(raw.as_bytes()).expect("a mail").message_id, None, "{id}");
        }
    }

    #[test]
    fn the_text_keeps_what_it_quotes_and_loses_what_no_text_has() {
        let raw = mail("Content-Type: text/plain; charset=utf-8\r\n", "Yes\0\u{7}.\r\n\r\n> Is it so?\r\n");
        assert_eq!(contents(&raw, 100).expect("a mail").text, "Yes.\r\n\r\n> Is it so?");
        let raw = mail("", &"é".repeat(300));
        let text = contents(&raw, 100).expect("a mail").text;
        assert_eq!((text.chars().count(), text.ends_with("[…]")), (100, true));
    }

    #[test]
    fn a_page_becomes_text_and_files_are_found() {
        let body = "--x\r\nContent-Type: text/html\r\n\r\n<p>Hello <b>you</b><script>alert(1)</script></p>\r\n\
                    --x\r\nContent-Type: application/octet-stream; name=\"a.bin\"\r\n\
                    Content-Disposition: attachment; filename=\"a.bin\"\r\nContent-Transfer-Encoding: base64\r\n\r\n\
                    AAEC\r\n--x--\r\n";
        let read = contents(&mail("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n", body), 100);
        let read = read.expect("a mail");
        assert!(read.text.starts_with("Hello you") && !read.text.contains('<'), "{}", read.text);
        assert_eq!(read.files, [("a.bin".to_owned(), vec![0, 1, 2])]);
    }

    #[test]
    fn other_characters_than_ours_are_read() {
        let mut raw = mail("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=iso-8859-1\r\n", "");
        raw.extend(b"Gr\xfc\xdfe");
        assert_eq!(contents(&raw, 100).expect("a mail").text, "Grüße");
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_fall(bytes: Vec<u8>) {
            let _ = envelope(&bytes);
            if let Some(read) = contents(&bytes, 50) {
                proptest::prop_assert!(read.text.chars().count() <= 50);
            }
        }

        #[test]
        fn no_headers_make_it_fall(headers in "[A-Za-z-]{1,12}: [ -~\\r\\n\u{e9}]{0,80}", body: String) {
            let raw = mail(&format!("{headers}\r\n"), &body);
            let _ = (envelope(&raw), contents(&raw, 50));
        }
    }
}
