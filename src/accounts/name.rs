//! What people are called.

use std::{fmt, str::FromStr};

/// A person's name, as they write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(String);

/// A text that nobody is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a name has 1 to {} characters, in one line", Name::LONGEST)]
pub struct NotAName;

impl Name {
    /// How many characters it has at most.
    pub const LONGEST: usize = 200;

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let text = text.trim();
        let fine = !text.is_empty() && text.chars().count() <= Self::LONGEST && !text.contains(char::is_control);
        if fine { Ok(Self(text.to_owned())) } else { Err(NotAName) }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
