//! Which part of a file a request is for (RFC 9110, 13 and 14).

use std::ops::Range;

/// What a request says about the part that it wants.
#[derive(Debug, Clone, Default)]
pub struct Conditions {
    /// `Range`
    pub range: Option<String>,
    /// `If-Range`
    pub if_range: Option<String>,
    /// `If-None-Match`
    pub if_none_match: Option<String>,
}

/// What it comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// The whole file.
    Whole,
    /// These bytes of it, of which there is at least one.
    Some(Range<u64>),
    /// The client has it.
    NotModified,
    /// Bytes that the file does not have.
    Unsatisfiable,
}

impl Conditions {
    /// What they come to for a file of this length and tag.
    pub(super) fn resolve(&self, size: u64, tag: &str) -> Part {
        if let Some(known) = &self.if_none_match {
            let mut known = known.split(',').map(str::trim);
            if known.any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag) {
                return Part::NotModified;
            }
        }
        // What is sent after an interruption must be of the same file. A date is never ours.
        let same = self.if_range.as_ref().is_none_or(|known| known.trim() == tag);
        match self.range.as_deref().filter(|_| same).and_then(parse) {
            Some(spec) => spec.of(size),
            None => Part::Whole,
        }
    }
}

/// One range of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spec {
    From(u64),
    Between(u64, u64),
    Last(u64),
}

impl Spec {
    fn of(self, size: u64) -> Part {
        let range = match self {
            Self::From(start) => start..size,
            Self::Between(start, last) => start..last.saturating_add(1).min(size),
            Self::Last(length) => size.saturating_sub(length)..size,
        };
        if range.is_empty() { Part::Unsatisfiable } else { Part::Some(range) }
    }
}

/// Reads one range. Several at once, other units and nonsense are as if nothing was asked for, as the standard allows.
fn parse(text: &str) -> Option<Spec> {
    let (unit, range) = text.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = range.trim().split_once('-')?;
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        // Beyond all files is beyond this one.
        digits.then(|| text.parse().unwrap_or(u64::MAX))
    };
    match (first.trim(), last.trim()) {
        ("", last) => number(last).map(Spec::Last),
        (first, "") => number(first).map(Spec::From),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Spec::Between(first, last))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(range: &str) -> Part {
        Conditions { range: Some(range.to_owned()), ..Conditions::default() }.resolve(10, "\"t\"")
    }

    #[test]
    fn ranges_are_what_the_standard_says() {
        for (text, range) in [
            ("bytes=0-", 0..10),
            ("bytes=0-0", 0..1),
            ("bytes=3-5", 3..6),
            ("bytes=3-99999999999999999999999", 3..10),
            ("bytes=9-", 9..10),
            ("bytes=-3", 7..10),
            ("bytes=-99", 0..10),
            ("Bytes = 3-5", 3..6),
        ] {
            assert_eq!(part(text), Part::Some(range), "{text}");
        }
        for text in ["bytes=10-", "bytes=99-100", "bytes=-0", "bytes=99999999999999999999999-"] {
            assert_eq!(part(text), Part::Unsatisfiable, "{text}");
        }
        for text in
            ["", "bytes", "bytes=", "bytes=-", "bytes=5-3", "bytes=a-b", "bytes=0-1,3-4", "lines=0-1", "bytes=+1-2"]
        {
            assert_eq!(part(text), Part::Whole, "{text}");
        }
        let empty = Conditions { range: Some("bytes=0-".to_owned()), ..Conditions::default() };
        assert_eq!(empty.resolve(0, "\"t\""), Part::Unsatisfiable);
    }

    #[test]
    fn what_was_interrupted_goes_on_only_with_the_same_file() {
        let asked = |if_range: &str| Conditions {
            range: Some("bytes=3-".to_owned()),
            if_range: Some(if_range.to_owned()),
            if_none_match: None,
        };
        assert_eq!(asked("\"t\"").resolve(10, "\"t\""), Part::Some(3..10));
        for other in ["\"u\"", "W/\"t\"", "Wed, 21 Oct 2026 07:28:00 GMT", ""] {
            assert_eq!(asked(other).resolve(10, "\"t\""), Part::Whole, "{other}");
        }
    }

    #[test]
    fn who_has_the_file_is_not_sent_it() {
        let asked = |text: &str| Conditions { if_none_match: Some(text.to_owned()), ..Conditions::default() };
        for text in ["\"t\"", "*", "\"a\", W/\"t\""] {
            assert_eq!(asked(text).resolve(10, "\"t\""), Part::NotModified, "{text}");
        }
        assert_eq!(asked("\"u\"").resolve(10, "\"t\""), Part::Whole);
    }

    proptest::proptest! {
        #[test]
        fn a_part_lies_within_the_file(text: String, first: u64, last: u64, size: u64) {
            for range in [text, format!("bytes={first}-{last}"), format!("bytes=-{last}")] {
                let asked = Conditions { range: Some(range), ..Conditions::default() };
                if let Part::Some(range) = asked.resolve(size, "\"t\"") {
                    proptest::prop_assert!(range.start < range.end && range.end <= size);
                }
            }
        }
    }
}
