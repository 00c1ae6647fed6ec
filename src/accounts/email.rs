//! E-mail addresses, parsed at the border: what has this type can be stored, compared and written to.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sqlx::{Database, Decode, Encode, Type, encode::IsNull, error::BoxDynError};

/// The longest address that mail can be sent to: RFC 5321, 4.5.3.1.3, without its angle brackets.
const LONGEST: usize = 254;

/// An e-mail address, in lower case. Only a mail that arrives proves that somebody reads it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Email(String);

impl JsonSchema for Email {
    fn schema_name() -> Cow<'static, str> {
        "Email".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "email",
            "maxLength": LONGEST,
            "description": "An e-mail address, in lower case.",
        })
    }
}

/// A text that is no address. It does not repeat the text, whose length is the sender's choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an e-mail address: it needs a name, an @ and a domain with a dot, {LONGEST} characters at most")]
pub struct InvalidEmail;

impl Email {
    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// An address that was parsed when it was stored.
    pub(super) fn stored(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// What stands before the @.
    #[must_use]
    pub fn local_part(&self) -> &str {
        self.0.split('@').next().unwrap_or_default()
    }
}

impl FromStr for Email {
    type Err = InvalidEmail;

    fn from_str(text: &str) -> Result<Self, InvalidEmail> {
        let text = text.trim();
        // Checked before it is copied and folded: folding may lengthen it.
        if text.len() > LONGEST {
            return Err(InvalidEmail);
        }
        let text = text.to_lowercase();
        let (local, domain) = text.split_once('@').ok_or(InvalidEmail)?;
        // Quotes, brackets and lists have a meaning in headers; no mailbox that anybody uses has them.
        let odd = |c: char| c.is_control() || c.is_whitespace() || "\"(),:;<>[\\]".contains(c);
        let labels = domain.split('.').collect::<Vec<_>>();
        let fine = |label: &&str| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_alphanumeric() || c == '-')
        };
        let dots = local.starts_with('.') || local.ends_with('.') || local.contains("..");
        let good = text.len() <= LONGEST
            && !text.contains(odd)
            && !local.is_empty()
            && local.len() <= 64
            && !dots
            && labels.len() > 1
            && labels.iter().all(fine);
        if good { Ok(Self(text)) } else { Err(InvalidEmail) }
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Email {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Email {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl<DB: Database> Type<DB> for Email
where
    String: Type<DB>,
{
    fn type_info() -> DB::TypeInfo {
        <String as Type<DB>>::type_info()
    }
    fn compatible(ty: &DB::TypeInfo) -> bool {
        <String as Type<DB>>::compatible(ty)
    }
}

impl<'q, DB: Database> Encode<'q, DB> for Email
where
    String: Encode<'q, DB>,
{
    fn encode_by_ref(&self, buffer: &mut DB::ArgumentBuffer) -> Result<IsNull, BoxDynError> {
        self.0.encode_by_ref(buffer)
    }
}

impl<'r, DB: Database> Decode<'r, DB> for Email
where
    String: Decode<'r, DB>,
{
    /// What the database holds was an address when it was written; a stricter program must still read it.
    fn decode(value: DB::ValueRef<'r>) -> Result<Self, BoxDynError> {
        String::decode(value).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_trimmed_and_in_lower_case() {
        for (text, address) in [
            ("ada@example.com", "ada@example.com"),
            (" Ada.Lovelace+shop@Example.COM\n", "ada.lovelace+shop@example.com"),
            ("o'hara@mail.example.co.uk", "o'hara@mail.example.co.uk"),
            ("ü@münchen.example", "ü@münchen.example"),
        ] {
            assert_eq!(text.parse::<Email>().map(|email| email.to_string()), Ok(address.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("{}@example.com", "a".repeat(60) + &".b".repeat(100));
        for text in [
            "",
            "ada",
            "@example.com",
            "ada@",
            "ada@example",
            "ada@@example.com",
            "ada@example..com",
            "ada@.com",
            "a b@example.com",
            "ada@exa mple.com",
            "ada@example.com\r\nBcc: eve@example.com",
            "ada\0@example.com",
            "Ada <ada@example.com>",
            "ada@example.com, eve@example.com",
            ".ada@example.com",
            "a..b@example.com",
            "ada@-example.com",
            "ada@[127.0.0.1]",
            "\"ada\"@example.com",
            &long,
        ] {
            assert_eq!(text.parse::<Email>(), Err(InvalidEmail), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn an_address_reads_back_as_itself(text: String) {
            if let Ok(email) = text.parse::<Email>() {
                proptest::prop_assert_eq!(email.as_str().parse::<Email>(), Ok(email.clone()));
                proptest::prop_assert!(!email.as_str().contains(char::is_control));
            }
        }
    }
}
