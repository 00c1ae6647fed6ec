//! What is owed a paper: rows that wait, written with the commit that settles, until the invoices' desk takes them. They
//! cost the transaction no statement.

use crate::{
    db::{AppendTable, Column, Tx},
    kernel::{OrderId, PaymentId},
};

static DUE: AppendTable = AppendTable::new(
    "invoices_due",
    &[
        ("id", Column::Uuid),
        ("kind", Column::Text),
        ("cause", Column::Text),
        ("order_id", Column::Uuid),
        ("payment_id", Column::Uuid),
        ("amount", Column::Int),
        ("before", Column::Int),
        ("reason", Column::Text),
        ("created_at", Column::Time),
    ],
)
.referring(1);

/// A payment, or a part of one that went back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Due<'a> {
    pub(super) order: OrderId,
    pub(super) payment: PaymentId,
    /// What the ledger books it under.
    pub(super) cause: &'a str,
    /// In minor units.
    pub(super) amount: i64,
}

impl Due<'_> {
    /// A payment settled: an invoice is owed.
    pub(super) fn invoice(self, tx: &mut Tx) {
        self.append(tx, "invoice", 0, "");
    }

    /// Money went back, after `before` had: a credit note is owed.
    pub(super) fn credit_note(self, tx: &mut Tx, before: i64, reason: &str) {
        self.append(tx, "credit_note", before, reason);
    }

    fn append(self, tx: &mut Tx, kind: &str, before: i64, reason: &str) {
        // Nothing was charged: there is nothing to invoice.
        if self.amount <= 0 {
            return;
        }
        let (id, now) = (tx.ids().next_uuid(), tx.now());
        tx.append(&DUE, |row| {
            row.uuid(id)
                .text(kind)
                .text(self.cause)
                .uuid(self.order.uuid())
                .uuid(self.payment.uuid())
                .int(self.amount)
                .int(before)
                .text(reason)
                .time(now);
        });
    }
}
