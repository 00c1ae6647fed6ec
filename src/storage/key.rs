//! Names of files in a store.

use std::{fmt, str::FromStr};

use uuid::Uuid;

/// The name of a file in a store: parts of plain letters, digits, `.`, `_` and `-`, with slashes between them.
///
/// No part is `.` or `..` or begins with a dot, so a name leads down from the store's root and never out of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ObjectKey(String);

/// A text that is no name of a file in a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("1 to 500 of A-Z, a-z, 0-9, `.`, `_`, `-`, with `/` between parts that do not begin with a dot")]
pub struct ParseObjectKeyError;

const LONGEST: usize = 500;

/// Below it is what is no product's and is never offered as one's file.
const PRIVATE: &str = "private/";

impl ObjectKey {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of something that is no product's: made from its kind and its identifier, of nothing that anybody sent.
    #[must_use]
    pub fn private(kind: &'static str, id: Uuid) -> Self {
        let name = id.simple().to_string();
        // The end of an identifier is random: it spreads files over directories.
        Self(format!("{PRIVATE}{kind}/{}/{name}", &name[30..]))
    }

    /// Whether it is such a name.
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.0.starts_with(PRIVATE)
    }
}

impl FromStr for ObjectKey {
    type Err = ParseObjectKeyError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let is_part = |part: &str| !part.is_empty() && !part.starts_with('.') && part.bytes().all(plain);
        if text.len() <= LONGEST && text.split('/').all(is_part) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseObjectKeyError)
        }
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_products_has_a_place_of_its_own() {
        let key = ObjectKey::private("mails", Uuid::from_u128(0xab));
        assert_eq!(key.as_str(), "private/mails/ab/000000000000000000000000000000ab");
        assert_eq!(key.as_str().parse(), Ok(key.clone()), "which is a name as others are");
        assert!(key.is_private() && !"privates/a".parse::<ObjectKey>().expect("a key").is_private());
    }

    #[test]
    fn a_key_leads_down_and_never_out() {
        for text in ["a", "a/b.zip", "sources/2026_01-x.tar.gz"] {
            assert_eq!(text.parse::<ObjectKey>().expect("a key").as_str(), text);
        }
        let long = "a".repeat(501);
        for text in [
            "", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", ".hidden", "a/.b", "a\\b", "a b", "a\0",
            "é", "a\r\nb", "%2e%2e/a", "C:/a", &long,
        ] {
            assert_eq!(text.parse::<ObjectKey>(), Err(ParseObjectKeyError), "{text:?}");
        }
    }
}
