//! Values with a form of their own: parsed once here, trusted everywhere else. Errors say how to write them.

use std::{fmt, net::SocketAddr, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::kernel::Network;

/// Implements serde through the text form.
macro_rules! as_text {
    ($($type:ty),*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    )*};
}
pub(super) use as_text;
as_text!(LogFilter, Network);

/// A number with a unit, or a plain number where that is allowed.
fn with_unit(text: &str) -> Option<(u64, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text.get(..digits)?.parse().ok()?, text.get(digits..)?.trim_start()))
}

const DURATION_UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

fn parse_duration(text: &str) -> Result<Duration, String> {
    const FORM: &str = r#"write a whole number with a unit: "250ms", "30s", "5m", "1h" or "7d""#;
    match with_unit(text.trim()) {
        Some((number, "")) => Err(format!("{number} has no unit; {FORM}")),
        Some((number, unit)) => DURATION_UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .and_then(|(_, millis)| number.checked_mul(*millis))
            .map(Duration::from_millis)
            .ok_or_else(|| format!("{text:?} is not a duration; {FORM}")),
        None => Err(format!("{text:?} is not a duration; {FORM}")),
    }
}

/// A duration as it is written in the configuration, to the millisecond.
pub(super) fn show_duration(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    DURATION_UNITS
        .iter()
        .find(|(_, unit)| millis >= *unit && millis.is_multiple_of(*unit))
        .map_or_else(|| "0s".to_owned(), |(name, unit)| format!("{}{name}", millis / unit))
}

pub(super) mod duration {
    use super::{Deserializer, Duration, Serializer, TextOrNumber, parse_duration, show_duration};

    pub(crate) fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&show_duration(*value))
    }
    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        deserializer.deserialize_any(TextOrNumber("a duration", parse_duration))
    }
}

/// A secret that may be left empty, which a listing shows.
pub(super) mod secret_text {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::kernel::Secret;

    pub(crate) fn serialize<S: Serializer>(value: &Secret<String>, serializer: S) -> Result<S::Ok, S::Error> {
        if value.expose().is_empty() { serializer.serialize_str("") } else { value.serialize(serializer) }
    }
    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret<String>, D::Error> {
        Secret::deserialize(deserializer)
    }
}

/// Reads a text, or a whole number as the text it is written as.
struct TextOrNumber<T>(&'static str, fn(&str) -> Result<T, String>);

impl<T> de::Visitor<'_> for TextOrNumber<T> {
    type Value = T;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        self.1(text).map_err(E::custom)
    }
    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }
}

/// A size in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub usize);

const SIZE_UNITS: [(&str, usize); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

impl FromStr for Bytes {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        with_unit(text.trim())
            .and_then(|(number, unit)| {
                let factor = match unit {
                    "" | "B" => 1,
                    _ => SIZE_UNITS.iter().find(|(name, _)| *name == unit)?.1,
                };
                usize::try_from(number).ok()?.checked_mul(factor)
            })
            .map(Self)
            .ok_or_else(|| format!(r#"{text:?} is not a size; write bytes as 65536, or "64KiB", "1MiB", "1GiB""#))
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match SIZE_UNITS.iter().find(|(_, unit)| self.0 >= *unit && self.0.is_multiple_of(*unit)) {
            Some((name, unit)) => write!(f, "{}{name}", self.0 / unit),
            None => write!(f, "{}", self.0),
        }
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOrNumber("a size in bytes", str::parse))
    }
}

fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!(r#"{text:?} is not an address with a port; write for example "127.0.0.1:8080" or "[::]:8080""#)
    })
}

pub(super) mod listen {
    use super::{Deserialize, Deserializer, Serializer, SocketAddr, de, parse_listen};

    pub(crate) fn serialize<S: Serializer>(value: &SocketAddr, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }
    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
        parse_listen(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

pub(super) mod optional_listen {
    use super::{Deserialize, Deserializer, Serializer, SocketAddr, de, optional, parse_listen};

    #[expect(clippy::ref_option, reason = "serde's `with` passes the field by reference")]
    pub(crate) fn serialize<S: Serializer>(value: &Option<SocketAddr>, serializer: S) -> Result<S::Ok, S::Error> {
        optional::serialize(value, serializer)
    }
    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() { Ok(None) } else { parse_listen(&text).map(Some).map_err(de::Error::custom) }
    }
}

/// The empty text stands for nothing, so that every key can be written in every layer.
pub(super) mod optional {
    use super::{Deserialize, Deserializer, FromStr, Serializer, de, fmt};

    #[expect(clippy::ref_option, reason = "serde's `with` passes the field by reference")]
    pub(crate) fn serialize<T: fmt::Display, S: Serializer>(
        value: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => serializer.collect_str(value),
            None => serializer.serialize_str(""),
        }
    }
    pub(crate) fn deserialize<'de, T: FromStr<Err: fmt::Display>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<T>, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(de::Error::custom) }
    }
}

/// What is logged, in the form of `tracing`'s filter directives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFilter(String);

impl LogFilter {
    /// The directives, known to be well formed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LogFilter {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        // A lone word is read as the name of a target by the filter's parser: a mistyped level would log nothing.
        let levels = ["off", "error", "warn", "info", "debug", "trace"];
        let bare_is_level = text
            .split(',')
            .map(str::trim)
            .all(|part| part.contains(['=', '[']) || levels.iter().any(|level| level.eq_ignore_ascii_case(part)));
        match tracing_subscriber::EnvFilter::builder().parse(text) {
            Ok(_) if bare_is_level => Ok(Self(text.to_owned())),
            _ => Err(format!(
                r#"{text:?} is not a log filter; write one of {}, or directives such as "info,mintreu::jobs=debug""#,
                levels.join(", ")
            )),
        }
    }
}

impl fmt::Display for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_with_their_unit() {
        for (text, millis) in
            [("250ms", 250), ("30s", 30_000), ("5 m", 300_000), ("1h", 3_600_000), ("7d", 604_800_000)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "s", "-1s", "1.5s", "30", "5min", "99999999999999999999s", "18446744073709551615d", "€"] {
            parse_duration(text).expect_err(text);
        }
        assert_eq!(show_duration(Duration::from_secs(90)), "90s");
        assert_eq!(show_duration(Duration::ZERO), "0s");
    }

    proptest::proptest! {
        #[test]
        fn every_duration_survives_its_text(millis in 0_u64..1 << 50) {
            let duration = Duration::from_millis(millis);
            proptest::prop_assert_eq!(parse_duration(&show_duration(duration)), Ok(duration));
        }

        #[test]
        fn every_size_survives_its_text(bytes: usize) {
            proptest::prop_assert_eq!(Bytes(bytes).to_string().parse(), Ok(Bytes(bytes)));
        }
    }

    #[test]
    fn a_mistyped_level_is_no_filter() {
        for text in ["info", "WARN", "info,mintreu::jobs=debug", "off"] {
            text.parse::<LogFilter>().expect(text);
        }
        for text in ["", "inof", "mintreu=loud", "info,,"] {
            text.parse::<LogFilter>().expect_err(text);
        }
    }
}
