//! Papers as rows of a table, for accountants.

use schemars::JsonSchema;
use serde::Serialize;

use super::{InvoiceRow, Kind, document::amount};
use crate::kernel::{Currency, InvoiceId, OrderId, PaymentId, Time};

/// A paper in a table; amounts in whole units, and what credit notes give back is negative.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the fields are the columns of invoices")]
pub struct Booked {
    pub number: String,
    pub kind: Kind,
    pub issued_at: Time,
    pub order: OrderId,
    pub payment: PaymentId,
    pub email: String,
    pub country: Option<String>,
    pub currency: Currency,
    pub net: String,
    pub tax: String,
    pub total: String,
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
