//! Versions as [Semantic Versioning 2.0.0](https://semver.org/spec/v2.0.0.html) orders them.

use std::cmp::Ordering;

/// A version, borrowed from its text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Version<'a> {
    numbers: [u64; 3],
    /// What follows the hyphen; empty for a release.
    pre: &'a str,
}

/// A version that owns its text.
#[derive(Debug)]
pub(super) struct OwnedVersion {
    numbers: [u64; 3],
    pre: Box<str>,
}

impl OwnedVersion {
    pub(super) fn parse(text: &str) -> Option<Self> {
        Version::parse(text).map(|version| Self { numbers: version.numbers, pre: version.pre.into() })
    }

    pub(super) fn get(&self) -> Version<'_> {
        Version { numbers: self.numbers, pre: &self.pre }
    }
}

impl<'a> Version<'a> {
    /// Reads a version; `None` if the text is none. What follows a plus sign has no part in the order.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (text, build) = text.split_once('+').map_or((text, None), |(text, build)| (text, Some(build)));
        let (core, pre) = text.split_once('-').map_or((text, None), |(core, pre)| (core, Some(pre)));
        let mut parts = core.split('.');
        let mut number = || parts.next().and_then(number);
        let numbers = [number()?, number()?, number()?];
        let identifiers = |text: &str| text.split('.').all(is_identifier);
        let valid = parts.next().is_none()
            && build.is_none_or(identifiers)
            && pre.is_none_or(|pre| identifiers(pre) && pre.split('.').all(|part| !is_digits(part) || is_plain(part)));
        valid.then_some(Self { numbers, pre: pre.unwrap_or_default() })
    }

    /// Precedence (section 11 of the specification).
    pub(super) fn compare(&self, other: &Version<'_>) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| match (self.pre.is_empty(), other.pre.is_empty()) {
            (true, true) => Ordering::Equal,
            // A release comes after what leads up to it.
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => compare_pre(self.pre, other.pre),
        })
    }
}

fn compare_pre(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.split('.'), right.split('.'));
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(left), Some(right)) => match (is_digits(left), is_digits(right)) {
                // Without leading zeros the longer number is the greater, however long.
                (true, true) => left.len().cmp(&right.len()).then_with(|| left.cmp(right)),
                (true, false) => Ordering::Less,
                (false, true) => Ordering::Greater,
                (false, false) => left.cmp(right),
            },
        };
        if order.is_ne() {
            return order;
        }
    }
}

fn number(text: &str) -> Option<u64> {
    (is_digits(text) && is_plain(text)).then(|| text.parse().ok()).flatten()
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether digits have no leading zero.
fn is_plain(digits: &str) -> bool {
    digits.len() == 1 || !digits.starts_with('0')
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The specification's own example, and what lies around it.
    #[test]
    fn precedence_follows_the_specification() {
        let ascending = [
            "0.9.10",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "1.0.1",
            "1.10.0",
            "2.0.0",
        ];
        let versions: Vec<_> = ascending.iter().map(|text| Version::parse(text).expect(text)).collect();
        for (i, left) in versions.iter().enumerate() {
            for (j, right) in versions.iter().enumerate() {
                assert_eq!(left.compare(right), i.cmp(&j), "{left:?} {right:?}");
            }
        }
    }

    #[test]
    fn build_metadata_has_no_part_in_the_order() {
        let parse = |text| Version::parse(text).expect("a version");
        assert_eq!(parse("1.0.0+linux.5-x").compare(&parse("1.0.0+mac")), Ordering::Equal);
    }

    #[test]
    fn other_texts_are_no_versions() {
        for text in
            ["", "1", "1.2", "1.2.3.4", "01.2.3", "v1.2.3", "1.2.x", "1.2.3-", "1.2.3-01", "1.2.3-a..b", "1.2.3+"]
        {
            assert!(Version::parse(text).is_none(), "{text}");
        }
    }
}
