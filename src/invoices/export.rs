//! Papers as rows of a table, for accountants.

use schemars::JsonSchema;
use serde::Serialize;

use super::{InvoiceRow, Kind, document::amount};
use crate::kernel::{Currency, InvoiceId, OrderId, PaymentId, Time};

/// A paper in a table; amounts in whole units, and what credit notes give back is negative.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Booked {
    /// Its number, e.g. `INV-2026-000123`.
    pub number: String,
    /// What it is.
    pub kind: Kind,
    /// When it was issued.
    pub issued_at: Time,
    /// For which order.
    pub order: OrderId,
    /// By which payment.
    pub payment: PaymentId,
    /// Of whom.
    pub email: String,
    /// Where the buyer is, if they said so: two letters of ISO 3166-1.
    pub country: Option<String>,
    /// The currency of its amounts.
    pub currency: Currency,
    /// Without tax, in whole units, e.g. `-12.50`.
    pub net: String,
    /// The tax, in whole units.
    pub tax: String,
    /// Together, in whole units.
    pub total: String,
    /// Which one.
    pub id: InvoiceId,
}

impl From<InvoiceRow> for Booked {
    fn from(row: InvoiceRow) -> Self {
        let sign = if row.corrects_id.is_some() { -1 } else { 1 };
        let plain = |minor: i64| amount(sign * minor, row.currency).replace(',', "");
        Self {
            net: plain(row.net),
            tax: plain(row.tax),
            total: plain(row.total),
            number: row.code,
            kind: row.kind,
            issued_at: row.issued_at,
            order: row.order_id,
            payment: row.payment_id,
            email: row.email,
            country: row.country,
            currency: row.currency,
            id: row.id,
        }
    }
}
