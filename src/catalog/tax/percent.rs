//! Rates: percentages with up to four decimal places, exactly.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A rate, in millionths: 19 % is 190000. Outside it is a text, `"19"` or `"8.875"`, since a number of JSON may be rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Percent(i64);

/// All of it.
const WHOLE: i64 = 1_000_000;

impl Percent {
    /// From millionths as they are stored.
    #[must_use]
    pub const fn from_millionths(millionths: i64) -> Self {
        Self(millionths)
    }

    /// In millionths.
    #[must_use]
    pub const fn millionths(self) -> i64 {
        self.0
    }

    /// What comes on top of `net`, rounded half up.
    #[must_use]
    pub fn on(self, net: i64) -> i64 {
        crate::kernel::money::portion(net, self.0, WHOLE)
    }

    /// What `gross` contains, rounded half up.
    #[must_use]
    pub fn within(self, gross: i64) -> i64 {
        crate::kernel::money::portion(gross, self.0, WHOLE + self.0)
    }
}

impl JsonSchema for Percent {
    fn schema_name() -> Cow<'static, str> {
        "Percent".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A rate in percent, 0 to 100, exactly: a text with at most four decimal places.",
            "pattern": r"^[0-9]{1,3}(\.[0-9]{1,4})?$",
            "examples": ["8.875"],
        })
    }
}

/// A text that is no rate.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
#[error("a rate is a text of 0 to 100 with at most 4 decimal places, e.g. \"19\" or \"8.875\"")]
pub struct NoPercent;

impl FromStr for Percent {
    type Err = NoPercent;
    fn from_str(text: &str) -> Result<Self, NoPercent> {
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let digits =
            |text: &str, most| (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole, 3) || !digits(part, 4) {
            return Err(NoPercent);
        }
        let millionths = format!("{whole}{part:0<4}").parse().map_err(|_| NoPercent)?;
        if millionths > WHOLE { Err(NoPercent) } else { Ok(Self(millionths)) }
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / 10_000, self.0 % 10_000);
        let part = format!("{part:04}");
        match part.trim_end_matches('0') {
            "" => write!(f, "{whole}"),
            part => write!(f, "{whole}.{part}"),
        }
    }
}

impl Serialize for Percent {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_what_is_written() {
        for (text, millionths) in [("0", 0), ("19", 190_000), ("8.875", 88_750), ("0.0001", 1), ("100", 1_000_000)] {
            let rate: Percent = text.parse().expect("a rate");
            assert_eq!((rate.millionths(), rate.to_string().as_str()), (millionths, text));
        }
        for text in ["", "-1", "100.0001", "101", "1,5", "1.00001", ".5", "5.", "1e1", "٣", "9999999999999999999"] {
            assert_eq!(text.parse::<Percent>(), Err(NoPercent), "{text}");
        }
    }

    #[test]
    fn halves_are_rounded_up() {
        let half: Percent = "50".parse().expect("a rate");
        assert_eq!((half.on(1), half.on(3)), (1, 2));
        let german: Percent = "19".parse().expect("a rate");
        assert_eq!((german.on(10_000), german.within(11_900)), (1_900, 1_900));
        assert_eq!(Percent::default().within(11_900), 0);
    }
}
