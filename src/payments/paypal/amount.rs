//! PayPal's amounts: decimal texts, in the currencies that it charges in
//! (<https://developer.paypal.com/reference/currency-codes/>).

use crate::kernel::{Currency, Money};

/// What PayPal charges in.
const OFFERED: &[&str] = &[
    "AUD", "BRL", "CAD", "CHF", "CNY", "CZK", "DKK", "EUR", "GBP", "HKD", "HUF", "ILS", "JPY", "MXN", "MYR", "NOK",
    "NZD", "PHP", "PLN", "SEK", "SGD", "THB", "TWD", "USD",
];

/// Of these PayPal takes no fractions, though two of them have a minor unit.
const WHOLE: &[&str] = &["HUF", "JPY", "TWD"];

/// Whether PayPal charges in it.
pub(super) fn is_offered(currency: Currency) -> bool {
    OFFERED.contains(&currency.code())
}

/// The amount as PayPal writes it; none if it cannot be written.
pub(super) fn to_text(money: Money) -> Option<String> {
    let Money { amount, currency } = money;
    if amount < 0 || !is_offered(currency) {
        return None;
    }
    let (unit, places) = (10_i64.pow(currency.decimals()), currency.decimals() as usize);
    let (whole, part) = (amount / unit, amount % unit);
    match (WHOLE.contains(&currency.code()), places) {
        (true, _) => (part == 0).then(|| whole.to_string()),
        (false, 0) => Some(whole.to_string()),
        (false, _) => Some(format!("{whole}.{part:0places$}")),
    }
}

/// The amount that PayPal wrote, in minor units; none if it is none.
pub(super) fn from_text(text: &str, currency: Currency) -> Option<i64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(part) {
        return None;
    }
    let places = currency.decimals() as usize;
    // `10.00` yen are ten yen; `10.50` are no yen.
    let (minor, rest) = part.split_at_checked(places).unwrap_or((part, ""));
    if rest.bytes().any(|byte| byte != b'0') {
        return None;
    }
    format!("{whole}{minor:0<places$}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn currency(code: &str) -> Currency {
        code.parse().expect("a currency")
    }

    #[test]
    fn amounts_are_written_and_read_as_paypal_does() {
        for (amount, code, text) in
            [(1999, "USD", "19.99"), (5, "EUR", "0.05"), (500, "JPY", "500"), (100_000, "HUF", "1000")]
        {
            assert_eq!(to_text(Money::new(amount, currency(code))).as_deref(), Some(text));
            assert_eq!(from_text(text, currency(code)), Some(amount));
        }
        assert_eq!(from_text("19.9", currency("USD")), Some(1990));
        assert_eq!(from_text("10.00", currency("JPY")), Some(10));
    }

    #[test]
    fn what_cannot_be_charged_is_not_written() {
        for (amount, code) in [(1_050, "HUF"), (1_001, "TWD"), (100, "KWD"), (100, "ISK"), (-1, "USD")] {
            assert_eq!(to_text(Money::new(amount, currency(code))), None, "{amount} {code}");
        }
        for text in ["", ".", ".5", "-1.00", "1,00", "1.005", "1e3", "1.0.0", "99999999999999999999", " 1"] {
            assert_eq!(from_text(text, currency("USD")), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read(amount in 0_i64..1 << 50, code in "(USD|EUR|JPY|HUF|GBP)") {
            let money = Money::new(amount, currency(&code));
            if let Some(text) = to_text(money) {
                proptest::prop_assert_eq!(from_text(&text, money.currency), Some(amount));
            }
        }

        #[test]
        fn no_text_makes_it_panic(text: String, code in "(USD|JPY|KWD)") {
            let _ = from_text(&text, currency(&code));
        }
    }
}
