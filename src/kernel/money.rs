//! Money: whole minor units of a currency, and the arithmetic that loses none of them.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use sqlx::{Database, Decode, Encode, Type, encode::IsNull, error::BoxDynError};

/// An ISO 4217 currency that is in use.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

/// Currencies without a minor unit (ISO 4217).
const NO_DECIMALS: &[&[u8; 3]] = &[
    b"BIF", b"CLP", b"DJF", b"GNF", b"ISK", b"JPY", b"KMF", b"KRW", b"PYG", b"RWF", b"UGX", b"UYI", b"VND", b"VUV",
    b"XAF", b"XOF", b"XPF",
];
/// Currencies whose minor unit is a thousandth (ISO 4217).
const THREE_DECIMALS: &[&[u8; 3]] = &[b"BHD", b"IQD", b"JOD", b"KWD", b"LYD", b"OMR", b"TND"];
/// All others that money is asked for in.
#[rustfmt::skip]
const TWO_DECIMALS: &[&[u8; 3]] = &[
    b"AED", b"AFN", b"ALL", b"AMD", b"ANG", b"AOA", b"ARS", b"AUD", b"AWG", b"AZN", b"BAM", b"BBD", b"BDT", b"BGN",
    b"BMD", b"BND", b"BOB", b"BRL", b"BSD", b"BTN", b"BWP", b"BYN", b"BZD", b"CAD", b"CDF", b"CHF", b"CNY", b"COP",
    b"CRC", b"CUP", b"CVE", b"CZK", b"DKK", b"DOP", b"DZD", b"EGP", b"ERN", b"ETB", b"EUR", b"FJD", b"FKP", b"GBP",
    b"GEL", b"GHS", b"GIP", b"GMD", b"GTQ", b"GYD", b"HKD", b"HNL", b"HTG", b"HUF", b"IDR", b"ILS", b"INR", b"IRR",
    b"JMD", b"KES", b"KGS", b"KHR", b"KPW", b"KYD", b"KZT", b"LAK", b"LBP", b"LKR", b"LRD", b"LSL", b"MAD", b"MDL",
    b"MGA", b"MKD", b"MMK", b"MNT", b"MOP", b"MRU", b"MUR", b"MVR", b"MWK", b"MXN", b"MYR", b"MZN", b"NAD", b"NGN",
    b"NIO", b"NOK", b"NPR", b"NZD", b"PAB", b"PEN", b"PGK", b"PHP", b"PKR", b"PLN", b"QAR", b"RON", b"RSD", b"RUB",
    b"SAR", b"SBD", b"SCR", b"SDG", b"SEK", b"SGD", b"SHP", b"SLE", b"SOS", b"SRD", b"SSP", b"STN", b"SVC", b"SYP",
    b"SZL", b"THB", b"TJS", b"TMT", b"TOP", b"TRY", b"TTD", b"TWD", b"TZS", b"UAH", b"USD", b"UYU", b"UZS", b"VES",
    b"WST", b"XCD", b"YER", b"ZAR", b"ZMW",
];

impl Currency {
    /// The US dollar.
    pub const USD: Self = Self(*b"USD");
    /// The euro.
    pub const EUR: Self = Self(*b"EUR");
    /// The yen, which has no minor unit.
    pub const JPY: Self = Self(*b"JPY");
    /// The Kuwaiti dinar, of a thousand fils.
    pub const KWD: Self = Self(*b"KWD");

    /// The code, e.g. `USD`.
    #[must_use]
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// How many decimal places the minor unit stands for: 0, 2 or 3.
    #[must_use]
    pub fn decimals(self) -> u32 {
        if NO_DECIMALS.contains(&&self.0) {
            0
        } else if THREE_DECIMALS.contains(&&self.0) {
            3
        } else {
            2
        }
    }
}

/// Why a text is no currency.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
#[error("a currency is three letters of ISO 4217, e.g. USD")]
pub struct UnknownCurrency;

impl FromStr for Currency {
    type Err = UnknownCurrency;
    fn from_str(text: &str) -> Result<Self, UnknownCurrency> {
        let code: [u8; 3] = text.to_ascii_uppercase().as_bytes().try_into().map_err(|_| UnknownCurrency)?;
        let known = [NO_DECIMALS, TWO_DECIMALS, THREE_DECIMALS].iter().any(|list| list.contains(&&code));
        if known { Ok(Self(code)) } else { Err(UnknownCurrency) }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for Currency {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Currency {
    fn schema_name() -> Cow<'static, str> {
        "Currency".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A currency in use, by its code of ISO 4217.",
            "pattern": "^[A-Za-z]{3}$",
            "examples": ["USD"],
        })
    }
}

impl<DB: Database> Type<DB> for Currency
where
    String: Type<DB>,
{
    fn type_info() -> DB::TypeInfo {
        String::type_info()
    }
    fn compatible(ty: &DB::TypeInfo) -> bool {
        String::compatible(ty)
    }
}

impl<'q, DB: Database> Encode<'q, DB> for Currency
where
    String: Encode<'q, DB>,
{
    fn encode_by_ref(&self, buf: &mut DB::ArgumentBuffer) -> Result<IsNull, BoxDynError> {
        self.code().to_owned().encode(buf)
    }
}

impl<'r, DB: Database> Decode<'r, DB> for Currency
where
    String: Decode<'r, DB>,
{
    fn decode(value: DB::ValueRef<'r>) -> Result<Self, BoxDynError> {
        Ok(String::decode(value)?.parse()?)
    }
}

/// An amount of a currency: `{"amount": 1999, "currency": "USD"}` is 19.99 dollars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Money {
    /// In the currency's minor unit: cents of dollars, whole yen, fils of dinars.
    pub amount: i64,
    /// Of what.
    pub currency: Currency,
}

impl Money {
    /// `amount` minor units.
    #[must_use]
    pub const fn new(amount: i64, currency: Currency) -> Self {
        Self { amount, currency }
    }
}

impl fmt::Display for Money {
    /// With a decimal point where the currency has one: `19.99 USD`, `1999 JPY`, `1.999 KWD`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.amount < 0 { "-" } else { "" };
        let decimals = self.currency.decimals();
        let (unit, amount) = (10_u64.pow(decimals), self.amount.unsigned_abs());
        match decimals {
            0 => write!(f, "{sign}{amount} {}", self.currency),
            places => {
                let (whole, part) = (amount / unit, amount % unit);
                write!(f, "{sign}{whole}.{part:0width$} {}", self.currency, width = places as usize)
            }
        }
    }
}

/// A share of an amount, given in hundredths of a percent, rounded half up (away from zero).
#[must_use]
pub fn share(amount: i64, basis_points: i64) -> i64 {
    portion(amount, basis_points, 10_000)
}

/// `amount × part / whole`, rounded half away from zero. Nothing of nothing.
#[must_use]
pub fn portion(amount: i64, part: i64, whole: i64) -> i64 {
    if whole == 0 {
        return 0;
    }
    let (product, whole) = (i128::from(amount) * i128::from(part), i128::from(whole));
    let (magnitude, divisor) = (product.unsigned_abs(), whole.unsigned_abs());
    let rounded = (magnitude * 2 + divisor) / (divisor * 2);
    let negative = (product < 0) != (whole < 0);
    let signed = i128::try_from(rounded).unwrap_or(i128::MAX) * if negative { -1 } else { 1 };
    i64::try_from(signed).unwrap_or(if negative { i64::MIN } else { i64::MAX })
}

/// Divides `amount` by `weights` so that the parts sum to it: each gets its exact part rounded down, and the units that
/// are left go to those who lost most, the first of equals first. `amount` and weights are not negative.
#[must_use]
pub fn allocate(amount: i64, weights: &[i64]) -> Vec<i64> {
    let total: i128 = weights.iter().map(|weight| i128::from(*weight)).sum();
    if total == 0 {
        return vec![0; weights.len()];
    }
    let exact = |weight: i64| i128::from(amount) * i128::from(weight);
    let mut parts: Vec<i64> = weights.iter().map(|w| i64::try_from(exact(*w) / total).unwrap_or(i64::MAX)).collect();
    let left = usize::try_from(amount - parts.iter().sum::<i64>()).unwrap_or(0);
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by_key(|&index| std::cmp::Reverse(exact(weights[index]) % total));
    for &index in order.iter().take(left) {
        parts[index] += 1;
    }
    parts
}

/// What a refund takes of each of `parts`, in proportion, when `before` of `whole` went back already and `taken` goes now.
/// Together it takes of their sum exactly that sum's own proportion, however the sum is divided into parts; and refunds of
/// the whole take each part to its last unit.
#[must_use]
pub fn slice(parts: &[i64], whole: i64, before: i64, taken: i64) -> Vec<i64> {
    let gone = |amount: i64| portion(amount, before.saturating_add(taken), whole) - portion(amount, before, whole);
    let (mut sum, mut last) = (0_i64, 0);
    let next = |part: &i64| {
        sum = sum.saturating_add(*part);
        let upto = gone(sum);
        upto - std::mem::replace(&mut last, upto)
    };
    parts.iter().map(next).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_written_with_the_decimals_of_its_currency() {
        for (amount, currency, text) in [
            (1999, Currency::USD, "19.99 USD"),
            (5, Currency::EUR, "0.05 EUR"),
            (-5, Currency::EUR, "-0.05 EUR"),
            (1999, Currency::JPY, "1999 JPY"),
            (1999, Currency::KWD, "1.999 KWD"),
        ] {
            assert_eq!(Money::new(amount, currency).to_string(), text);
        }
    }

    #[test]
    fn a_currency_is_known_or_refused() {
        assert_eq!("usd".parse(), Ok(Currency::USD));
        for text in ["", "US", "USDD", "ZZZ", "üS", "X X"] {
            assert_eq!(text.parse::<Currency>(), Err(UnknownCurrency), "{text}");
        }
    }

    #[test]
    fn halves_are_rounded_away_from_zero() {
        assert_eq!(share(50, 100), 1);
        assert_eq!(share(-50, 100), -1);
        assert_eq!(share(49, 100), 0);
        assert_eq!(share(i64::MAX, 10_000), i64::MAX);
        assert_eq!(portion(7, 3, 0), 0);
    }

    proptest::proptest! {
        #[test]
        fn slices_sum_to_the_parts(
            parts in proptest::collection::vec(0..1_000_000_i64, 1..6),
            cuts in proptest::collection::vec(1..=1_000_i64, 1..6),
        ) {
            let whole: i64 = parts.iter().sum();
            proptest::prop_assume!(whole > 0);
            let (mut before, mut taken) = (0, vec![0; parts.len()]);
            for cut in allocate(whole, &cuts) {
                let slices = slice(&parts, whole, before, cut);
                proptest::prop_assert_eq!(slices.iter().sum::<i64>(), cut);
                for (sum, part) in taken.iter_mut().zip(slices) {
                    *sum += part;
                }
                before += cut;
            }
            proptest::prop_assert_eq!(taken, parts);
        }

        #[test]
        fn parts_sum_to_the_whole(amount in 0..i64::MAX / 4, weights in proptest::collection::vec(0..1_000_000_i64, 1..20)) {
            let parts = allocate(amount, &weights);
            let whole = if weights.iter().sum::<i64>() == 0 { 0 } else { amount };
            proptest::prop_assert_eq!(parts.iter().sum::<i64>(), whole);
            for (part, weight) in parts.iter().zip(&weights) {
                proptest::prop_assert!(*part >= 0 && (*weight > 0 || *part == 0));
            }
        }
    }
}
