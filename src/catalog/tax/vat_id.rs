//! Numbers of businesses that are registered for VAT in the European Union.
//!
//! Only the form is looked at. Whether a number is anybody's, the Commission's VIES would know; it is not asked, because an
//! order must not wait for it. The number is kept with the order as evidence.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::Country;

/// A number in the form of its country, with the country's prefix, without blanks: `DE123456789`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct VatId(String);

/// `9` stands for a digit, `A` for a letter, `X` for either, `b` for 0 or 1, another letter for itself.
/// Source: the European Commission's list of structures, in the questions and answers on VIES.
#[rustfmt::skip]
const FORMS: &[(&str, &[&str])] = &[
    ("AT", &["U99999999"]), ("BE", &["b999999999"]), ("BG", &["999999999", "9999999999"]), ("CY", &["99999999A"]),
    ("CZ", &["99999999", "999999999", "9999999999"]), ("DE", &["999999999"]), ("DK", &["99999999"]),
    ("EE", &["999999999"]), ("EL", &["999999999"]), ("ES", &["A9999999X", "X9999999A"]), ("FI", &["99999999"]),
    ("FR", &["XX999999999"]), ("HR", &["99999999999"]), ("HU", &["99999999"]),
    ("IE", &["9999999A", "9999999AA", "9A99999A"]), ("IT", &["99999999999"]),
    ("LT", &["999999999", "999999999999"]), ("LU", &["99999999"]), ("LV", &["99999999999"]), ("MT", &["99999999"]),
    ("NL", &["999999999B99"]), ("PL", &["9999999999"]), ("PT", &["999999999"]),
    ("RO", &["99", "999", "9999", "99999", "999999", "9999999", "99999999", "999999999", "9999999999"]),
    ("SE", &["999999999999"]), ("SI", &["99999999"]), ("SK", &["9999999999"]),
];

/// A text that has the form of no country's number.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
#[error("no VAT number of a country of the EU: its prefix and what follows it, e.g. DE123456789")]
pub struct BadVatId;

impl VatId {
    /// The number with its prefix.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whose number it is. Greece's begin with EL.
    #[must_use]
    pub fn country(&self) -> Country {
        let prefix = if self.0.starts_with("EL") { "GR" } else { &self.0[..2] };
        // Every prefix that parses is in the table, and all of the table's are countries: a test looks.
        prefix.parse().unwrap_or_else(|_| unreachable!("{prefix} is a country"))
    }
}

impl FromStr for VatId {
    type Err = BadVatId;
    fn from_str(text: &str) -> Result<Self, BadVatId> {
        if text.len() > 40 {
            return Err(BadVatId);
        }
        let plain: String = text.chars().filter(|c| !matches!(c, ' ' | '.' | '-')).collect();
        let plain = plain.to_ascii_uppercase();
        let (prefix, rest) = plain.split_at_checked(2).ok_or(BadVatId)?;
        let prefix = if prefix == "GR" { "EL" } else { prefix };
        let (_, forms) = FORMS.iter().find(|(country, _)| *country == prefix).ok_or(BadVatId)?;
        if forms.iter().any(|form| fits(form, rest)) { Ok(Self(format!("{prefix}{rest}"))) } else { Err(BadVatId) }
    }
}

fn fits(form: &str, text: &str) -> bool {
    let one = |(form, byte): (u8, u8)| match form {
        b'9' => byte.is_ascii_digit(),
        b'A' => byte.is_ascii_uppercase(),
        b'X' => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
        b'b' => byte == b'0' || byte == b'1',
        other => byte == other,
    };
    form.len() == text.len() && form.bytes().zip(text.bytes()).all(one)
}

impl fmt::Display for VatId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for VatId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_prefix_is_of_a_country_in_the_union() {
        for (prefix, forms) in FORMS {
            let example = forms[0].replace('b', "0").replace('9', "7").replace('X', "1");
            let id: VatId = format!("{prefix}{example}").parse().expect(prefix);
            assert!(id.country().is_in_eu(), "{prefix}");
        }
        assert_eq!(FORMS.len(), 27);
    }

    #[test]
    fn numbers_are_taken_by_their_form() {
        for (text, kept) in [
            ("de 123 456 789", "DE123456789"),
            ("ATU12345678", "ATU12345678"),
            ("GR123456789", "EL123456789"),
            ("FRXX999999999", "FRXX999999999"),
            ("NL123456789B01", "NL123456789B01"),
            ("ESX1234567A", "ESX1234567A"),
            ("IE1234567WA", "IE1234567WA"),
            ("be-0123.456.789", "BE0123456789"),
        ] {
            assert_eq!(text.parse::<VatId>().expect(text).as_str(), kept);
        }
        for text in [
            "",
            "D",
            "DE",
            "DE12345678",
            "DE1234567890",
            "AT12345678",
            "GB123456789",
            "BE2123456789",
            "ÄÖ123456789",
            "DE12345678\u{0}",
        ] {
            assert_eq!(text.parse::<VatId>(), Err(BadVatId), "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_too_strange(text in "\\PC*") {
            if let Ok(id) = text.parse::<VatId>() {
                proptest::prop_assert_eq!(id.as_str().parse::<VatId>(), Ok(id.clone()));
                let _ = id.country();
            }
        }
    }
}
