//! E-mail addresses.

use serde::{Deserialize, Serialize};

/// A parsed address, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Email(String);

/// Why a text is no address.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
#[error("not an e-mail address")]
pub struct InvalidEmail;

impl Email {
    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Email {
    type Err = InvalidEmail;
    fn from_str(text: &str) -> Result<Self, InvalidEmail> {
        Ok(Self(text.trim().to_lowercase()))
    }
}
