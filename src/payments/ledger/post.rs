//! Booking a transaction.

use std::collections::BTreeMap;

use super::Account;
use crate::{
    db::{AppendTable, Column, Tx},
    id_type,
    kernel::{Currency, DeveloperId, OrderId, Time},
};

id_type!(LedgerTransactionId, LedgerTransaction, "ltx", "A transaction of the ledger.");

static TRANSACTIONS: AppendTable = AppendTable::new(
    "ledger_transactions",
    &[
        ("id", Column::Uuid),
        ("kind", Column::Text),
        ("cause", Column::Text),
        ("order_id", Column::Uuid),
        ("created_at", Column::Time),
    ],
)
.referring(1);

static ENTRIES: AppendTable = AppendTable::new(
    "ledger_entries",
    &[
        ("id", Column::Uuid),
        ("transaction_id", Column::Uuid),
        ("account", Column::Text),
        ("developer_id", Column::Uuid),
        ("amount", Column::Int),
        ("currency", Column::Text),
        ("available_at", Column::Time),
        ("created_at", Column::Time),
    ],
)
.referring(2);

/// One side of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LedgerEntry {
    /// Where.
    pub account: Account,
    /// Whose payable.
    pub developer: Option<DeveloperId>,
    /// In minor units; a debit is positive.
    pub amount: i64,
    /// When a vendor's share can be paid out.
    pub available_at: Option<Time>,
}

impl LedgerEntry {
    /// An entry of an account that is nobody's in particular.
    #[must_use]
    pub const fn new(account: Account, amount: i64) -> Self {
        Self { account, developer: None, amount, available_at: None }
    }
}

/// A transaction to be booked, in one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posting {
    /// What it is: `sale`, `refund`, `fee` …
    pub kind: &'static str,
    /// What it books; nothing is booked twice.
    pub cause: String,
    /// Of which order.
    pub order: OrderId,
    /// The currency of all entries.
    pub currency: Currency,
    /// The entries; those of nothing are left out.
    pub entries: Vec<LedgerEntry>,
}

/// Entries that do not sum to zero: a defect of this program, never of its input.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[error("the ledger transaction {cause} is off by {off}")]
pub struct Unbalanced {
    /// Of which transaction.
    pub cause: String,
    /// By how much.
    pub off: i128,
}

impl Posting {
    /// Whether the entries sum to zero.
    pub fn check(&self) -> Result<(), Unbalanced> {
        let off: i128 = self.entries.iter().map(|entry| i128::from(entry.amount)).sum();
        if off == 0 { Ok(()) } else { Err(Unbalanced { cause: self.cause.clone(), off }) }
    }

    /// Books it with the commit. The caller has made sure, by a guarded change in the same transaction, that its cause
    /// happens once. A posting without entries books nothing.
    pub fn book(&self, tx: &mut Tx) -> Result<(), Unbalanced> {
        self.check()?;
        let entries = self.merged();
        if entries.is_empty() {
            return Ok(());
        }
        let (id, now): (LedgerTransactionId, Time) = (tx.new_id(), tx.now());
        tx.append(&TRANSACTIONS, |row| {
            row.uuid(id.uuid()).text(self.kind).text(self.cause.as_str()).uuid(self.order.uuid()).time(now);
        });
        for entry in entries {
            let line = tx.ids().next_uuid();
            tx.append(&ENTRIES, |row| {
                row.uuid(line)
                    .uuid(id.uuid())
                    .text(entry.account.name().as_ref())
                    .uuid(entry.developer.map(crate::kernel::Id::uuid))
                    .int(entry.amount)
                    .text(self.currency.code())
                    .time(entry.available_at)
                    .time(now);
            });
        }
        Ok(())
    }

    /// One entry for each account and vendor.
    fn merged(&self) -> Vec<LedgerEntry> {
        let mut merged = BTreeMap::<_, LedgerEntry>::new();
        for entry in &self.entries {
            let key = (entry.account.name(), entry.developer, entry.available_at);
            merged.entry(key).and_modify(|sum| sum.amount += entry.amount).or_insert(*entry);
        }
        merged.into_values().filter(|entry| entry.amount != 0).collect()
    }
}
