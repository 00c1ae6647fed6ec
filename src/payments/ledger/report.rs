//! Reading the ledger: balances, an order's entries, and the proof that everything balances.

use schemars::JsonSchema;
use serde::Serialize;
use sqlx::FromRow;

use super::LedgerTransactionId;
use crate::{
    db::{Db, DbError},
    fetch_all, fetch_one,
    kernel::{Currency, DeveloperId, OrderId, Time},
};

/// What an account holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromRow, JsonSchema)]
#[schemars(rename = "LedgerBalance")]
pub struct Balance {
    /// Which one, e.g. `clearing:stripe`.
    pub account: String,
    /// Of which currency.
    pub currency: Currency,
    /// In minor units; what is owed to others is negative.
    pub amount: i64,
}

/// All accounts that hold anything, as sums over their entries.
pub async fn balances(db: &Db) -> Result<Vec<Balance>, DbError> {
    // SUM of a PostgreSQL bigint is numeric.
    fetch_all!(
        db,
        sqlx::query_as(
            "SELECT account, currency, CAST(SUM(amount) AS BIGINT) AS amount
             FROM ledger_entries GROUP BY account, currency ORDER BY account, currency"
        )
    )
}

/// What a vendor is owed: all of it, and what could be paid out at `now`. Positive is in the vendor's favour.
pub async fn payable(db: &Db, developer: DeveloperId, now: Time) -> Result<Vec<(Currency, i64, i64)>, DbError> {
    fetch_all!(
        db,
        sqlx::query_as(
            "SELECT currency, CAST(-SUM(amount) AS BIGINT),
                    CAST(-SUM(CASE WHEN available_at <= $2 THEN amount ELSE 0 END) AS BIGINT)
             FROM ledger_entries WHERE account = 'vendor_payable' AND developer_id = $1
             GROUP BY currency ORDER BY currency"
        )
        .bind(developer)
        .bind(now)
    )
}

/// An entry with the transaction that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromRow, JsonSchema)]
#[schemars(rename = "LedgerEntry")]
pub struct EntryRow {
    /// Of which transaction.
    pub transaction_id: LedgerTransactionId,
    /// What the transaction is.
    pub kind: String,
    /// What it books.
    pub cause: String,
    /// Where.
    pub account: String,
    /// Whose payable.
    pub developer_id: Option<DeveloperId>,
    /// In minor units; a debit is positive.
    pub amount: i64,
    /// Of what.
    pub currency: Currency,
    /// When it can be paid out.
    pub available_at: Option<Time>,
    /// When it was booked.
    pub created_at: Time,
}

/// Everything that was booked for an order, in order.
pub async fn entries_of_order(db: &Db, order: OrderId) -> Result<Vec<EntryRow>, DbError> {
    fetch_all!(
        db,
        sqlx::query_as(
            "SELECT e.transaction_id, t.kind, t.cause, e.account, e.developer_id, e.amount, e.currency, e.available_at,
                    e.created_at
             FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
             WHERE t.order_id = $1 ORDER BY t.id, e.id"
        )
        .bind(order)
    )
}

/// A transaction that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromRow)]
pub struct TransactionRow {
    /// Which one.
    pub id: LedgerTransactionId,
    /// What it books.
    pub cause: String,
    /// By how much it is off; none if it has no entries at all.
    pub off: Option<i64>,
}

/// Looks for transactions that do not sum to zero in each currency, or have no entries: there are none unless somebody
/// changed the tables by hand. At most 100 are told.
pub async fn verify(db: &Db) -> Result<Vec<TransactionRow>, DbError> {
    fetch_all!(
        db,
        sqlx::query_as(
            "SELECT t.id, t.cause, CAST(SUM(e.amount) AS BIGINT) AS off
             FROM ledger_transactions t LEFT JOIN ledger_entries e ON e.transaction_id = t.id
             GROUP BY t.id, t.cause, e.currency HAVING SUM(e.amount) <> 0 OR COUNT(e.id) = 0
             ORDER BY t.id LIMIT 100"
        )
    )
}

/// How many transactions there are.
pub async fn count(db: &Db) -> Result<i64, DbError> {
    fetch_one!(db, sqlx::query_scalar("SELECT COUNT(*) FROM ledger_transactions"))
}
