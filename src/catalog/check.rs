//! What texts and numbers of the catalogue may be.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::{EditError, Flaw, edit::token};

/// The most characters of a slug.
const LONGEST_SLUG: usize = 80;
/// The most characters of an address.
const LONGEST_URL: usize = 500;
/// The most bytes of a JSON object, as text.
const LONGEST_OBJECT: usize = 16 << 10;

/// Gathers everything that is wrong, so that it is told at once.
#[derive(Debug, Default)]
pub(crate) struct Checks(Vec<Flaw>);

impl Checks {
    pub(crate) fn add(&mut self, field: &str, detail: impl Into<String>) {
        self.0.push(Flaw::new(format!("#/{field}"), detail));
    }

    /// Adds the flaw unless `holds`.
    pub(crate) fn must(&mut self, holds: bool, field: &str, detail: &str) {
        if !holds {
            self.add(field, detail);
        }
    }

    pub(crate) fn done(self) -> Result<(), EditError> {
        if self.0.is_empty() { Ok(()) } else { Err(EditError::Invalid(self.0)) }
    }

    /// A text of one line.
    pub(crate) fn line(&mut self, field: &str, text: &str, length: RangeInclusive<usize>) {
        self.length(field, text, length);
        self.must(!text.chars().any(char::is_control), field, "a line of text, without control characters");
        self.must(text.trim() == text, field, "without blanks at its ends");
    }

    /// A text of any number of lines.
    pub(crate) fn text(&mut self, field: &str, text: &str, length: RangeInclusive<usize>) {
        self.length(field, text, length);
        let control = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
        self.must(!text.chars().any(control), field, "a text without control characters other than line ends and tabs");
    }

    fn length(&mut self, field: &str, text: &str, length: RangeInclusive<usize>) {
        // Bytes first: nothing counts the characters of what is far too long.
        if text.len() > length.end() * 4 || !length.contains(&text.chars().count()) {
            self.add(field, format!("{} to {} characters", length.start(), length.end()));
        }
    }

    pub(crate) fn slug(&mut self, field: &str, slug: &str) {
        self.must(is_slug(slug), field, "1 to 80 of a-z, 0-9 and single hyphens between them, e.g. `night-lamp`");
    }

    /// An address of the web.
    pub(crate) fn url(&mut self, field: &str, url: Option<&str>) {
        let Some(url) = url else { return };
        let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        let sane = host.is_some_and(|host| host.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '['))
            && !url.chars().any(|c| c.is_control() || c.is_whitespace() || matches!(c, '"' | '<' | '>' | '\\'));
        self.must(
            sane && url.len() <= LONGEST_URL,
            field,
            "an address that begins with https://, 500 characters at most",
        );
    }

    /// An address of the web, or a path of this shop.
    pub(crate) fn url_or_path(&mut self, field: &str, url: Option<&str>) {
        match url {
            Some(path) if path.starts_with('/') => {
                let sane = path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-_.~%".contains(&b));
                let inside = !path.starts_with("//") && !path.contains("..");
                self.must(sane && inside && path.len() <= LONGEST_URL, field, "a path such as /assets/lamp.svg");
            }
            url => self.url(field, url),
        }
    }

    pub(crate) fn number(&mut self, field: &str, number: Option<i64>, range: RangeInclusive<i64>) {
        if number.is_some_and(|number| !range.contains(&number)) {
            self.add(field, format!("{} to {}", range.start(), range.end()));
        }
    }

    /// A JSON object of a bearable size. PostgreSQL's texts hold no NUL, which JSON writes as an escape: it may stay.
    pub(crate) fn object(&mut self, field: &str, object: &Map<String, Value>) {
        let size = serde_json::to_string(object).map_or(usize::MAX, |text| text.len());
        self.must(size <= LONGEST_OBJECT, field, "an object of 16 KiB at most");
    }

    /// At most `most` different ones, each a slug or an id.
    pub(crate) fn names(&mut self, field: &str, names: &[String], most: usize) {
        self.must(names.len() <= most, field, "too many");
        for (index, name) in names.iter().enumerate().take(most) {
            let sane =
                name.len() <= LONGEST_SLUG && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
            self.must(sane, &format!("{field}/{index}"), "a slug or an id");
            self.must(!names[..index].contains(name), &format!("{field}/{index}"), "named twice");
        }
    }
}

/// Whether a text is a slug: 1 to 80 of a-z, 0-9 and single hyphens between them.
#[must_use]
pub fn is_slug(slug: &str) -> bool {
    slug.len() <= LONGEST_SLUG
        && slug
            .split('-')
            .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()))
}

/// A slug made from a title; empty if nothing of it can be in one.
pub(super) fn slug_of(title: &str) -> String {
    let mut slug = String::new();
    for character in title.chars().take(4 * LONGEST_SLUG).flat_map(char::to_lowercase) {
        let letters = fold(character);
        if letters.is_empty() {
            if !slug.is_empty() && !slug.ends_with('-') {
                slug.push('-');
            }
        } else {
            slug.push_str(letters.as_str());
        }
    }
    // Room is left for a number that tells it from others.
    slug.truncate(LONGEST_SLUG - 4);
    slug.trim_end_matches('-').to_owned()
}

/// What stands for a letter in a slug; nothing for what is none.
fn fold(character: char) -> String {
    let folded = match character {
        'a'..='z' | '0'..='9' => return character.to_string(),
        'à' | 'á' | 'â' | 'ã' | 'å' | 'ā' | 'ą' => "a",
        'ä' | 'æ' => "ae",
        'ç' | 'ć' | 'č' => "c",
        'ď' | 'đ' | 'ð' => "d",
        'è' | 'é' | 'ê' | 'ë' | 'ē' | 'ę' | 'ě' => "e",
        'ğ' => "g",
        'ì' | 'í' | 'î' | 'ï' | 'ī' | 'ı' => "i",
        'ł' => "l",
        'ñ' | 'ń' | 'ň' => "n",
        'ò' | 'ó' | 'ô' | 'õ' | 'ō' | 'ő' => "o",
        'ö' | 'ø' | 'œ' => "oe",
        'ř' => "r",
        'ś' | 'š' | 'ş' => "s",
        'ß' => "ss",
        'ť' => "t",
        'ù' | 'ú' | 'û' | 'ū' | 'ů' | 'ű' => "u",
        'ü' => "ue",
        'ý' | 'ÿ' => "y",
        'ź' | 'ż' | 'ž' => "z",
        _ => "",
    };
    folded.to_owned()
}

/// `base`, or `base` with the first number from 2 on that none of `taken` has.
pub(super) fn free_slug(base: &str, taken: &[String]) -> String {
    if !taken.iter().any(|slug| slug == base) {
        return base.to_owned();
    }
    let numbered = (2..).map(|number| format!("{base}-{number}"));
    // There are more numbers than slugs.
    numbered.into_iter().find(|slug| !taken.contains(slug)).unwrap_or_default()
}

/// The pointer of an entry of a map.
pub(super) fn entry(field: &str, name: &str) -> String {
    format!("{field}/{}", token(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_becomes_a_slug() {
        for (title, slug) in [
            ("Night Lamp 2.0", "night-lamp-2-0"),
            ("  Größe & Maß!  ", "groesse-mass"),
            ("Crème brûlée", "creme-brulee"),
            ("!?", ""),
            ("夜", ""),
            ("A--B", "a-b"),
        ] {
            assert_eq!(slug_of(title), slug, "{title}");
            assert!(slug.is_empty() || is_slug(slug));
        }
        assert!(is_slug(&slug_of(&"ab ".repeat(500))));
    }

    #[test]
    fn a_slug_that_is_taken_gets_a_number() {
        let taken = ["lamp".to_owned(), "lamp-2".to_owned()];
        assert_eq!(free_slug("lamp", &taken), "lamp-3");
        assert_eq!(free_slug("candle", &taken), "candle");
    }

    #[test]
    fn slugs_and_addresses_are_held_to_their_form() {
        for slug in ["", "-a", "a-", "a--b", "A", "a_b", "a b", "ä", &"a".repeat(81)] {
            assert!(!is_slug(slug), "{slug}");
        }
        for (url, good) in [
            ("https://example.com/a?b=c", true),
            ("http://[::1]/", true),
            ("javascript:alert(1)", false),
            ("https://", false),
            ("https://exa mple.com", false),
            ("https://example.com/\"><script>", false),
            ("//example.com", false),
            ("/assets/lamp.svg", true),
            ("/../secret", false),
        ] {
            let mut checks = Checks::default();
            checks.url_or_path("image", Some(url));
            assert_eq!(checks.done().is_ok(), good, "{url}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_the_title_its_slug_is_one(title: String) {
            let slug = slug_of(&title);
            proptest::prop_assert!(slug.is_empty() || is_slug(&slug), "{}", slug);
        }
    }
}
