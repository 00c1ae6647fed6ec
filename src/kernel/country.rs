//! Countries, by their two letters.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A country, by its code of ISO 3166-1 alpha-2.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country([u8; 2]);

/// All that are assigned.
const CODES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS \
    BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI \
    FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR \
    IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM \
    MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT \
    PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM \
    TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW";
/// The European Union's.
const EU: &str = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK";

impl Country {
    /// The code, e.g. `DE`.
    #[must_use]
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Whether it is in the European Union.
    #[must_use]
    pub fn is_in_eu(self) -> bool {
        EU.split(' ').any(|code| code == self.code())
    }
}

/// A text that names no country.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
#[error("a country is two letters of ISO 3166-1, e.g. DE")]
pub struct UnknownCountry;

impl FromStr for Country {
    type Err = UnknownCountry;
    fn from_str(text: &str) -> Result<Self, UnknownCountry> {
        let code: [u8; 2] = text.trim().to_ascii_uppercase().as_bytes().try_into().map_err(|_| UnknownCountry)?;
        let known = CODES.split_ascii_whitespace().any(|known| known.as_bytes() == code);
        if known { Ok(Self(code)) } else { Err(UnknownCountry) }
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for Country {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Country {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Country {
    fn schema_name() -> Cow<'static, str> {
        "Country".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A country, by its code of ISO 3166-1 alpha-2.",
            "pattern": "^\\s*[A-Za-z]{2}\\s*$",
            "examples": ["DE"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_country_is_known_or_refused() {
        assert_eq!(CODES.split_ascii_whitespace().count(), 249);
        assert!(EU.split(' ').all(|code| code.parse::<Country>().is_ok_and(Country::is_in_eu)));
        assert_eq!(EU.split(' ').count(), 27);
        assert!("de".parse::<Country>().is_ok_and(Country::is_in_eu));
        assert!("GB".parse::<Country>().is_ok_and(|country| !country.is_in_eu()));
        for text in ["", "D", "DEU", "XX", "EL", "ü", "\0\0"] {
            assert_eq!(text.parse::<Country>(), Err(UnknownCountry), "{text:?}");
        }
    }
}
