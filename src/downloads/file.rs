//! Files: what they may be called, what they are, and how an answer names them.

use crate::storage::kind_of;

/// What is said of a file whose content tells nothing.
pub const ANY_TYPE: &str = "application/octet-stream";

/// How many bytes of its beginning tell what a file is.
pub(super) const TELLING: usize = 8 << 10;

/// The longest name, in bytes: what file systems take.
const LONGEST: usize = 200;

/// Characters that make a name look like another: they turn the direction of writing, or are not seen.
const fn is_deceptive(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

/// Whether a buyer's file may be called so: a name, not a path, of characters that can be seen.
#[must_use]
pub fn is_file_name(name: &str) -> bool {
    let part = |c: char| {
        c.is_control() || is_deceptive(c) || matches!(c, '/' | '\\' | ':' | '"' | '<' | '>' | '|' | '?' | '*')
    };
    !name.is_empty()
        && name.len() <= LONGEST
        && !name.starts_with(['.', '-', ' '])
        && !name.ends_with(['.', ' '])
        && !name.contains(part)
}

/// A name made of one that somebody else gave: what may not be in it is left out.
#[must_use]
pub fn file_name_of(text: &str) -> String {
    let last = text.rsplit(['/', '\\']).next().unwrap_or_default();
    let kept = last.chars().filter(|c| is_file_name(&format!("a{c}a")));
    let mut name: String = kept.collect();
    name.truncate(name.floor_char_boundary(LONGEST));
    let name = name.trim_start_matches(['.', '-', ' ']).trim_end_matches(['.', ' ']);
    if name.is_empty() { "download".to_owned() } else { name.to_owned() }
}

/// What a file is, by its first bytes. What its sender or its name says does not count.
#[must_use]
pub fn content_type(beginning: &[u8]) -> &'static str {
    kind_of(beginning).map_or(ANY_TYPE, |kind| kind.media_type)
}

/// `Content-Disposition` that saves the file under its name (RFC 6266, with RFC 8187 for what is not ASCII).
#[must_use]
pub fn disposition(name: &str) -> String {
    use std::fmt::Write;
    let plain = |c: char| if c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '%') || c == ' ' { c } else { '_' };
    let fallback: String = name.chars().map(plain).collect();
    let mut value = format!("attachment; filename=\"{fallback}\"");
    if fallback != name {
        value.push_str("; filename*=UTF-8''");
        for byte in name.bytes() {
            // `attr-char` of RFC 8187.
            if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
                value.push(char::from(byte));
            } else {
                // Writing into a string cannot fail.
                let _ = write!(value, "%{byte:02X}");
            }
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_path_and_hides_nothing() {
        let long = "a".repeat(201);
        for name in ["lamp.zip", "Größe 2.0.tar.gz", "夜.zip", "a'b.zip", "a;b=c.zip", "100%.zip"] {
            assert!(is_file_name(name), "{name}");
        }
        for name in [
            "",
            ".",
            "..",
            "../a",
            "a/b",
            "a\\b",
            ".htaccess",
            "-rf",
            " a",
            "a ",
            "a.",
            "a\r\nSet-Cookie: b",
            "a\0",
            "a\"b",
            "C:a",
            "a\u{202e}piz.exe",
            "a\u{200b}b",
            &long,
        ] {
            assert!(!is_file_name(name), "{name:?}");
        }
    }

    #[test]
    fn a_strange_name_is_made_a_good_one() {
        for (text, name) in [
            ("https://example.com/a/b.zip", "b.zip"),
            ("../../etc/passwd", "passwd"),
            ("..\\..\\boot.ini", "boot.ini"),
            ("a\r\nb\".zip", "ab.zip"),
            ("", "download"),
            ("...", "download"),
            ("/", "download"),
        ] {
            assert_eq!(file_name_of(text), name, "{text:?}");
        }
    }

    #[test]
    fn an_answer_names_the_file_for_old_and_new_clients() {
        assert_eq!(disposition("lamp 2.zip"), "attachment; filename=\"lamp 2.zip\"");
        assert_eq!(
            disposition("Größe.zip"),
            "attachment; filename=\"Gr__e.zip\"; filename*=UTF-8''Gr%C3%B6%C3%9Fe.zip"
        );
        assert_eq!(disposition("100%.zip"), "attachment; filename=\"100_.zip\"; filename*=UTF-8''100%25.zip");
    }

    #[test]
    fn the_content_tells_what_a_file_is() {
        assert_eq!(content_type(b"PK\x03\x04rest"), "application/zip");
        assert_eq!(content_type(b"%PDF-1.7"), "application/pdf");
        assert_eq!(content_type(b"nothing in particular"), ANY_TYPE);
        assert_eq!(content_type(b""), ANY_TYPE);
    }

    proptest::proptest! {
        #[test]
        fn whatever_the_text_its_name_is_one_and_fits_a_header(text: String) {
            let name = file_name_of(&text);
            proptest::prop_assert!(is_file_name(&name), "{:?}", name);
            let value = disposition(&text);
            proptest::prop_assert!(value.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{:?}", value);
            let inside = &value["attachment; filename=\"".len()..];
            let end = inside.find('"').expect("a closing quote");
            proptest::prop_assert!(!inside[..end].contains('\\'));
            proptest::prop_assert!(inside[end + 1..].is_empty() || inside[end + 1..].starts_with("; filename*=UTF-8''"));
        }
    }
}
