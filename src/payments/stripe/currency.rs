//! How Stripe counts: mostly in minor units as ISO 4217 does, with exceptions
//! (<https://docs.stripe.com/currencies#zero-decimal>, `#special-cases`, `#three-decimal`).

use crate::{
    kernel::{Currency, Money},
    payments::ProviderError,
};

/// What Stripe charges in no country.
#[rustfmt::skip]
const NOT_OFFERED: &[&str] = &[
    "CUP", "ERN", "GHS", "IQD", "IRR", "KPW", "LYD", "MRU", "SDG", "SSP", "STN", "SVC", "SYP", "TMT", "UYI", "VES",
];

/// Whether Stripe charges in it.
#[must_use]
pub fn is_offered(currency: Currency) -> bool {
    !NOT_OFFERED.contains(&currency.code())
}

/// The amount as Stripe counts it.
pub(in crate::payments) fn to_stripe(money: Money) -> Result<i64, ProviderError> {
    let Money { amount, currency } = money;
    let refused = |why: &str| Err(ProviderError::Refused(format!("{money}: {why}")));
    match currency.code() {
        // Without a minor unit, but counted in hundredths for the sake of older programs.
        "ISK" | "UGX" => match amount.checked_mul(100) {
            Some(amount) => Ok(amount),
            None => refused("more than can be charged"),
        },
        // Of five iraimbilanja, which Stripe does not count.
        "MGA" if amount % 100 != 0 => refused("only whole ariary can be charged"),
        "MGA" => Ok(amount / 100),
        _ if currency.decimals() == 3 && amount % 10 != 0 => {
            refused("the last of three decimals must be 0 to be charged")
        }
        _ => Ok(amount),
    }
}

/// The amount that Stripe tells, as we count; none if it cannot be said so.
pub(in crate::payments) fn from_stripe(amount: i64, currency: Currency) -> Option<i64> {
    match currency.code() {
        "ISK" | "UGX" => (amount % 100 == 0).then_some(amount / 100),
        "MGA" => amount.checked_mul(100),
        _ => Some(amount),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(amount: i64, code: &str) -> Money {
        Money::new(amount, code.parse().expect("a currency"))
    }

    #[test]
    fn amounts_are_counted_as_stripe_counts_them() {
        for (amount, code, wire) in [
            (1999, "USD", 1999),
            (500, "JPY", 500),
            (5, "ISK", 500),
            (5, "UGX", 500),
            (500, "MGA", 5),
            (5_120, "KWD", 5_120),
            (1_045, "HUF", 1_045),
        ] {
            assert_eq!(to_stripe(money(amount, code)), Ok(wire), "{code}");
            assert_eq!(from_stripe(wire, code.parse().expect("a currency")), Some(amount), "{code}");
        }
    }

    #[test]
    fn what_cannot_be_charged_exactly_is_refused() {
        for (amount, code) in [(5_124, "KWD"), (501, "MGA"), (i64::MAX, "ISK")] {
            assert!(matches!(to_stripe(money(amount, code)), Err(ProviderError::Refused(_))), "{code}");
        }
        assert_eq!(from_stripe(550, "ISK".parse().expect("a currency")), None);
    }

    #[test]
    fn every_currency_of_the_list_is_known() {
        for code in NOT_OFFERED {
            assert!(!is_offered(code.parse().expect("a currency")));
        }
        assert!(is_offered(Currency::USD) && is_offered(Currency::KWD));
    }

    proptest::proptest! {
        #[test]
        fn what_is_sent_comes_back(amount in 0_i64..1 << 40, code in "(USD|EUR|JPY|KWD|ISK|UGX|MGA)") {
            let money = money(amount, &code);
            if let Ok(wire) = to_stripe(money) {
                proptest::prop_assert_eq!(from_stripe(wire, money.currency), Some(amount));
            }
        }
    }
}
