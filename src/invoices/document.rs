//! What a paper says: all of it, as it was when it was issued. HTML and PDF are made from this and from nothing else.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    catalog::tax::Percent,
    kernel::{Checksum, Currency, OrderId, PaymentId, SubscriptionId, Time},
    text_enum,
};

text_enum! {
    /// What a paper is.
    #[schemars(rename = "InvoiceKind")]
    pub enum Kind {
        /// For a payment.
        Invoice = "invoice",
        /// For what went back of one.
        CreditNote = "credit_note",
    }
}

/// Who sells.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "InvoiceSeller")]
pub struct Seller {
    /// The name of the business.
    pub name: String,
    /// The lines below the name, six at most.
    pub address: Vec<String>,
    /// Where it is: two letters of ISO 3166-1.
    pub country: Option<String>,
    /// Its number for VAT or sales tax; empty if it has none.
    pub vat_id: String,
    /// Where it is registered, and under which number; may be empty.
    pub registration: String,
    /// Where questions go; may be empty.
    pub email: String,
}

/// Who bought.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "InvoiceBuyer")]
pub struct Buyer {
    /// What they are called, if they said so.
    pub name: Option<String>,
    /// Their business, if it is one that buys.
    pub company: Option<String>,
    /// The lines below the name.
    pub address: Vec<String>,
    /// Where they are, if they said so: two letters of ISO 3166-1.
    pub country: Option<String>,
    /// The number for VAT that they gave.
    pub vat_id: Option<String>,
    /// Where the order's mails go.
    pub email: String,
}

/// What was sold, or what goes back; amounts in minor units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "InvoiceLine")]
pub struct Line {
    /// What was sold: the product.
    pub description: String,
    /// More about it: the plan; may be empty.
    pub detail: String,
    /// How many.
    pub quantity: i64,
    /// What one costs as the catalogue has it, in minor units; with or without tax (`prices_include_tax`).
    pub unit_amount: i64,
    /// What was taken off, in minor units; with or without tax, as the unit price.
    pub discount: i64,
    /// Its rate of tax.
    pub percent: Percent,
    /// Without tax, in minor units.
    pub net: i64,
    /// The tax, in minor units.
    pub tax: i64,
    /// Together, in minor units.
    pub total: i64,
}

/// What a rate comes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "InvoiceTax")]
pub struct TaxSum {
    /// What the tax is called, e.g. `VAT`.
    pub name: String,
    /// The rate.
    pub percent: Percent,
    /// What was taxed at this rate, without the tax, in minor units.
    pub net: i64,
    /// The tax, in minor units.
    pub tax: i64,
}

/// The invoice that a credit note corrects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "CorrectedInvoice")]
pub struct Corrected {
    /// Its number.
    pub number: String,
    /// The day on which it was issued (UTC), e.g. `2026-03-01`.
    pub issued_on: String,
}

/// Everything that a paper says. Days are UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "InvoiceDocument")]
pub struct Document {
    /// What it is.
    pub kind: Kind,
    /// Its number, e.g. `INV-2026-000123`.
    pub number: String,
    /// When it was issued.
    pub issued_on: String,
    /// When it was paid, or went back.
    pub supplied_on: String,
    /// For which order.
    pub order: OrderId,
    /// By which payment.
    pub payment: PaymentId,
    /// Of which subscription, if it is a further period of one.
    pub renewal_of: Option<SubscriptionId>,
    /// Through whom.
    pub provider: String,
    /// The currency of all amounts.
    pub currency: Currency,
    /// Who sells.
    pub seller: Seller,
    /// Who bought.
    pub buyer: Buyer,
    /// What a credit note corrects.
    pub corrects: Option<Corrected>,
    /// Why money went back.
    pub reason: Option<String>,
    /// Whether unit prices and discounts contain their tax.
    pub prices_include_tax: bool,
    /// Whether the buyer owes the tax.
    pub reverse_charge: bool,
    /// What was sold.
    pub lines: Vec<Line>,
    /// What each rate comes to.
    pub taxes: Vec<TaxSum>,
    /// Without tax, in minor units.
    pub net: i64,
    /// The tax, in minor units.
    pub tax: i64,
    /// Together, in minor units.
    pub total: i64,
    /// Lines at the foot.
    pub notes: Vec<String>,
}

/// What an invoice under reverse charge has to say (Directive 2006/112/EC, articles 196 and 226, 11a).
pub(super) const REVERSE_CHARGE: &str =
    "Reverse charge: VAT is to be accounted for by the recipient (Article 196 of Council Directive 2006/112/EC).";

impl Document {
    /// What it is called.
    #[must_use]
    pub const fn title(&self) -> &'static str {
        match self.kind {
            Kind::Invoice => "Invoice",
            Kind::CreditNote => "Credit note",
        }
    }

    /// As it is stored, with its hash.
    pub(super) fn sealed(&self) -> Result<(String, String), serde_json::Error> {
        let text = serde_json::to_string(self)?;
        let hash = hash(&text);
        Ok((text, hash))
    }
}

/// The SHA-256 of a stored document.
pub(super) fn hash(text: &str) -> String {
    let mut checksum = Checksum::new();
    checksum.update(text.as_bytes());
    checksum.finish()
}

/// The day of a point in time, in UTC.
pub(super) fn day(time: Time) -> String {
    time.to_string().chars().take(10).collect()
}

/// An amount with the decimals of its currency, without its code: `1,234.50`.
pub(super) fn amount(minor: i64, currency: Currency) -> String {
    let text = crate::kernel::Money::new(minor, currency).to_string();
    let number = text.split(' ').next().unwrap_or_default();
    let (sign, number) = number.strip_prefix('-').map_or(("", number), |rest| ("-", rest));
    let (whole, part) = number.split_once('.').map_or((number, None), |(whole, part)| (whole, Some(part)));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    part.map_or_else(|| format!("{sign}{grouped}"), |part| format!("{sign}{grouped}.{part}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_the_decimals_of_their_currency() {
        for (minor, currency, text) in [
            (123_456_789, Currency::USD, "1,234,567.89"),
            (5, Currency::EUR, "0.05"),
            (-100_000, Currency::EUR, "-1,000.00"),
            (1_999, Currency::JPY, "1,999"),
            (999, Currency::JPY, "999"),
            (1_234_567, Currency::KWD, "1,234.567"),
        ] {
            assert_eq!(amount(minor, currency), text);
        }
    }

    #[test]
    fn a_day_ends_at_midnight_utc() {
        let midnight: Time = "2027-01-01T00:00:00Z".parse().expect("a time");
        assert_eq!(day(midnight), "2027-01-01");
        assert_eq!(day(Time::from_micros(midnight.as_micros() - 1)), "2026-12-31");
    }
}
