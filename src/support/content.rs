//! What files may be, judged by their bytes: pictures, documents, archives, plain text. A name proves nothing, so it is
//! made to fit what the bytes are; what a browser or a system would run is refused.

use crate::storage::kind_of;

/// The longest name, in characters.
const LONGEST_NAME: usize = 120;
/// How much of a file is searched for markup that its type does not announce.
const HEAD: usize = 1024;

/// What a file was found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Content {
    /// Its media type, one of ours.
    pub(super) media_type: &'static str,
    /// Its name, which fits the type.
    pub(super) name: String,
}

/// Why a file is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unwelcome {
    /// There is nothing in it.
    #[error("the file is empty")]
    Empty,
    /// It can do things: a page, a script, a program.
    #[error("files that a browser or a computer would run are not taken, whatever they are called")]
    Active,
    /// Something else.
    #[error("only pictures (PNG, JPEG, GIF, WebP), PDF, plain text, ZIP and gzip are taken")]
    Unknown,
}

impl Unwelcome {
    /// For counting.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Active => "active",
            Self::Unknown => "unknown",
        }
    }
}

/// The types that are taken, with the endings that their names may have; the first is given to a name that has none.
const TAKEN: [(&str, &[&str]); 8] = [
    ("image/png", &["png"]),
    ("image/jpeg", &["jpg", "jpeg"]),
    ("image/gif", &["gif"]),
    ("image/webp", &["webp"]),
    ("application/pdf", &["pdf"]),
    ("application/zip", &["zip"]),
    ("application/gzip", &["gz", "tgz"]),
    ("text/plain", &["txt", "log", "csv", "json", "md", "toml", "yaml", "yml", "ini", "conf", "diff", "patch"]),
];

/// A file's type as it is given back: what is none of those that are taken is nothing in particular.
#[must_use]
pub fn safe_type(media_type: &str) -> &'static str {
    let taken = TAKEN.iter().map(|(taken, _)| *taken).find(|taken| *taken == media_type);
    taken.unwrap_or("application/octet-stream")
}

/// What runs in a browser, as it is written.
const MARKUP: [&str; 7] = ["<script", "<svg", "<html", "<!doctype", "<iframe", "<?php", "javascript:"];
/// How programs begin, also those that are too short for others to tell.
const PROGRAMS: [&[u8]; 3] = [b"MZ", b"\x7fELF", b"\xca\xfe\xba\xbe"];
/// What makes a PDF do something by itself: ISO 32000-1, 12.6.4.
const PDF_ACTIONS: [&[u8]; 5] = [b"/JavaScript", b"/JS", b"/Launch", b"/EmbeddedFile", b"/RichMedia"];

/// What a file is, if it is taken.
pub(super) fn judge(name: &str, bytes: &[u8]) -> Result<Content, Unwelcome> {
    let media_type = media_type(bytes)?;
    let endings = TAKEN.iter().find(|(taken, _)| *taken == media_type).map_or(&[][..], |(_, endings)| *endings);
    Ok(Content { media_type, name: fitting_name(name, endings) })
}

fn media_type(bytes: &[u8]) -> Result<&'static str, Unwelcome> {
    if bytes.is_empty() {
        return Err(Unwelcome::Empty);
    }
    let Some(found) = kind_of(bytes) else { return text(bytes) };
    let taken = TAKEN.iter().map(|(taken, _)| *taken).find(|taken| *taken == found.media_type);
    match taken {
        Some("application/pdf") if pdf_acts(bytes) => Err(Unwelcome::Active),
        // What is two things at once is taken for neither.
        Some(kind) if kind.starts_with("image/") && has_markup(bytes) => Err(Unwelcome::Active),
        Some(kind) => Ok(kind),
        None if found.runs => Err(Unwelcome::Active),
        None => Err(Unwelcome::Unknown),
    }
}

fn text(bytes: &[u8]) -> Result<&'static str, Unwelcome> {
    let other =
        if PROGRAMS.iter().any(|start| bytes.starts_with(start)) { Unwelcome::Active } else { Unwelcome::Unknown };
    let text = std::str::from_utf8(bytes).map_err(|_| other)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.chars().any(super::flaw::unwanted) {
        return Err(other);
    }
    if text.trim_start().starts_with(['<', '#']) && (text.trim_start().starts_with("#!") || is_markup(text)) {
        return Err(Unwelcome::Active);
    }
    if has_markup(bytes) { Err(Unwelcome::Active) } else { Ok("text/plain") }
}

/// Whether a text begins like a page or a document of XML.
fn is_markup(text: &str) -> bool {
    let mut rest = text.trim_start().chars();
    rest.next() == Some('<') && rest.next().is_some_and(|c| c.is_ascii_alphabetic() || matches!(c, '!' | '?' | '/'))
}

fn has_markup(bytes: &[u8]) -> bool {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(HEAD)]).to_ascii_lowercase();
    MARKUP.iter().any(|mark| head.contains(mark))
}

fn pdf_acts(bytes: &[u8]) -> bool {
    PDF_ACTIONS.iter().any(|action| bytes.windows(action.len()).any(|window| window == *action))
}

/// The last part of a name, in one line, with an ending that fits.
fn fitting_name(name: &str, endings: &[&str]) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    // Marks that turn the direction of writing hide endings.
    let odd = |c: &char| {
        !c.is_control() && !matches!(*c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let shown: String = last.chars().filter(odd).take(LONGEST_NAME).collect();
    let plain = match shown.trim().trim_start_matches('.') {
        "" => "attachment",
        plain => plain,
    };
    let fits =
        plain.rsplit_once('.').is_some_and(|(_, ending)| endings.iter().any(|it| it.eq_ignore_ascii_case(ending)));
    match endings.first() {
        Some(ending) if !fits => format!("{plain}.{ending}"),
        _ => plain.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0";

    #[test]
    fn what_is_welcome_gets_a_name_that_fits() {
        for (name, bytes, kind, called) in [
            ("screen.png", PNG, "image/png", "screen.png"),
            ("setup.exe", PNG, "image/png", "setup.exe.png"),
            ("photo.JPEG", b"\xff\xd8\xff\xe0\0\x10JFIF\0", "image/jpeg", "photo.JPEG"),
            ("../../etc/passwd", b"root: none\n", "text/plain", "passwd.txt"),
            ("C:\\logs\\app.log", "gestürzt\r\n\tum 12:00".as_bytes(), "text/plain", "app.log"),
            ("", b"x < y and y > z", "text/plain", "attachment.txt"),
            ("a\u{202e}gnp.exe", PNG, "image/png", "agnp.exe.png"),
            ("x\r\nSet-Cookie: a.txt", b"text", "text/plain", "xSet-Cookie: a.txt"),
            ("bill.pdf", b"%PDF-1.7\n1 0 obj <</Type /Catalog>>", "application/pdf", "bill.pdf"),
            ("logs.zip", b"PK\x03\x04\x14\0\0\0", "application/zip", "logs.zip"),
        ] {
            let expected = Content { media_type: kind, name: called.to_owned() };
            assert_eq!(judge(name, bytes), Ok(expected), "{name}");
        }
    }

    #[test]
    fn what_could_run_is_refused_whatever_it_is_called() {
        let exe = [b"MZ\x90\0".as_slice(), &[0; 64]].concat();
        let mut gif = b"GIF89a".to_vec();
        gif.extend(b"/*\x01*/<script>alert(1)</script>");
        let cases: [(&str, &[u8]); 14] = [
            ("page.html", b"<!DOCTYPE html><p>hello"),
            ("page.txt", b"  \n<html><body onload=alert(1)>"),
            ("picture.png", b"<svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"alert(1)\"/>"),
            ("picture.svg", b"<?xml version=\"1.0\"?><svg/>"),
            ("feed.xml", b"<?xml version=\"1.0\"?><a/>"),
            ("note.txt", b"hello <script>alert(1)</script>"),
            ("bom.txt", b"\xef\xbb\xbf<b onclick=x>"),
            ("picture.png", &exe),
            ("tool.png", b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0"),
            ("run.txt", b"#!/bin/sh\nrm -rf /\n"),
            ("shell.php", b"<?php system($_GET['x']);"),
            ("poly.gif", &gif),
            ("bill.pdf", b"%PDF-1.7\n1 0 obj <</OpenAction <</S /JavaScript /JS (app.alert(1))>>>>"),
            ("m.wasm", b"\0asm\x01\0\0\0"),
        ];
        for (name, bytes) in cases {
            assert_eq!(judge(name, bytes), Err(Unwelcome::Active), "{name}: {}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn what_is_not_known_is_refused() {
        assert_eq!(judge("x.txt", b""), Err(Unwelcome::Empty));
        for bytes in [&b"\0\x01\x02\x03"[..], b"text\0text", b"\xff\xfe\xfd", b"ID3\x03\0\0\0"] {
            assert_eq!(judge("x.txt", bytes), Err(Unwelcome::Unknown), "{bytes:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_and_no_name_make_it_fall(name: String, bytes: Vec<u8>) {
            if let Ok(content) = judge(&name, &bytes) {
                proptest::prop_assert!(!content.name.is_empty());
                proptest::prop_assert!(!content.name.contains(['/', '\\', '\0', '\n', '\r']));
            }
        }
    }
}
