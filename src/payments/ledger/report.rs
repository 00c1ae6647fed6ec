//! Reading the ledger: balances, an order's entries, and the proof that everything balances.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, FromRow};

use super::LedgerTransactionId;
use crate::{
    db::{Db, DbError, conditions, page_by_time, place_of},
    fetch_all, fetch_one, fetch_optional,
    kernel::{ByTime, Currency, DeveloperId, OrderId, Page, PageRequest, Sort, Time, ids_between},
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

crate::id_type!(LedgerEntryId, LedgerEntryMarker, "lge", "An entry of the ledger.");

/// Which entries.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
pub struct EntryFilter {
    /// Of this account, e.g. `clearing:stripe`.
    pub account: Option<String>,
    /// Of transactions of this kind.
    pub kind: Option<String>,
    /// Of this order.
    pub order: Option<OrderId>,
    /// Of this transaction.
    pub transaction: Option<LedgerTransactionId>,
    /// Of this vendor's payable.
    pub developer: Option<DeveloperId>,
    /// In this currency.
    pub currency: Option<Currency>,
    /// Booked at this time or later.
    pub from: Option<Time>,
    /// Booked before this time.
    pub until: Option<Time>,
    /// In which order.
    pub sort: Option<Sort<ByTime>>,
}

/// An entry in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromRow, JsonSchema)]
#[schemars(rename = "ListedLedgerEntry")]
pub struct ListedEntry {
    /// Which one.
    pub id: LedgerEntryId,
    /// Of which order.
    pub order_id: Option<OrderId>,
    /// The entry and its transaction.
    #[sqlx(flatten)]
    #[serde(flatten)]
    pub entry: EntryRow,
}

/// Entries that fit, with their transactions.
pub async fn entries(
    db: &Db,
    filter: &EntryFilter,
    request: PageRequest<LedgerEntryId>,
) -> Result<Page<ListedEntry>, DbError> {
    let (first, last) = ids_between(filter.from, filter.until);
    let conditions = conditions(&[
        (filter.account.is_some(), "e.account = $1"),
        (filter.kind.is_some(), "t.kind = $2"),
        (filter.order.is_some(), "t.order_id = $3"),
        (filter.transaction.is_some(), "e.transaction_id = $4"),
        (filter.developer.is_some(), "e.developer_id = $5"),
        (filter.currency.is_some(), "e.currency = $6"),
        (filter.from.is_some(), "e.created_at >= $7 AND e.id >= $9"),
        (filter.until.is_some(), "e.created_at < $8 AND e.id < $10"),
    ]);
    let text = format!(
        "SELECT e.id, t.order_id, e.transaction_id, t.kind, t.cause, e.account, e.developer_id, e.amount, e.currency,
                e.available_at, e.created_at
         FROM ledger_entries e JOIN ledger_transactions t ON t.id = e.transaction_id WHERE TRUE{conditions}{}",
        page_by_time(&request, filter.sort, "e.id", 11)
    );
    let rows = fetch_all!(
        db,
        sqlx::query_as(AssertSqlSafe(text.as_str()))
            .bind(filter.account.as_deref())
            .bind(filter.kind.as_deref())
            .bind(filter.order)
            .bind(filter.transaction)
            .bind(filter.developer)
            .bind(filter.currency)
            .bind(filter.from)
            .bind(filter.until)
            .bind(first)
            .bind(last)
            .bind(place_of(&request))
            .bind(request.fetch())
    )?;
    Ok(Page::of(rows, &request, |row: &ListedEntry| row.id))
}

/// A transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromRow, JsonSchema)]
#[schemars(rename = "LedgerTransaction")]
pub struct BookedTransaction {
    /// Which one.
    pub id: LedgerTransactionId,
    /// What it is.
    pub kind: String,
    /// What it books.
    pub cause: String,
    /// Of which order.
    pub order_id: Option<OrderId>,
    /// When it was booked.
    pub created_at: Time,
}

/// Which transactions.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
pub struct TransactionFilter {
    /// Of this kind.
    pub kind: Option<String>,
    /// Of this order.
    pub order: Option<OrderId>,
    /// That books this, e.g. `refund:rfd_…`.
    pub cause: Option<String>,
    /// Booked at this time or later.
    pub from: Option<Time>,
    /// Booked before this time.
    pub until: Option<Time>,
    /// In which order.
    pub sort: Option<Sort<ByTime>>,
}

const BOOKED: &str = "SELECT id, kind, cause, order_id, created_at FROM ledger_transactions WHERE TRUE";

/// Transactions that fit.
pub async fn transactions(
    db: &Db,
    filter: &TransactionFilter,
    request: PageRequest<LedgerTransactionId>,
) -> Result<Page<BookedTransaction>, DbError> {
    let (first, last) = ids_between(filter.from, filter.until);
    let conditions = conditions(&[
        (filter.kind.is_some(), "kind = $1"),
        (filter.order.is_some(), "order_id = $2"),
        (filter.cause.is_some(), "cause = $3"),
        (filter.from.is_some(), "created_at >= $4 AND id >= $6"),
        (filter.until.is_some(), "created_at < $5 AND id < $7"),
    ]);
    let text = format!("{BOOKED}{conditions}{}", page_by_time(&request, filter.sort, "id", 8));
    let rows = fetch_all!(
        db,
        sqlx::query_as(AssertSqlSafe(text.as_str()))
            .bind(filter.kind.as_deref())
            .bind(filter.order)
            .bind(filter.cause.as_deref())
            .bind(filter.from)
            .bind(filter.until)
            .bind(first)
            .bind(last)
            .bind(place_of(&request))
            .bind(request.fetch())
    )?;
    Ok(Page::of(rows, &request, |row: &BookedTransaction| row.id))
}

/// A transaction.
pub async fn transaction(db: &Db, id: LedgerTransactionId) -> Result<Option<BookedTransaction>, DbError> {
    let text = format!("{BOOKED} AND id = $1");
    fetch_optional!(db, sqlx::query_as(AssertSqlSafe(text.as_str())).bind(id))
}

/// What was debited and credited in a currency: as much of one as of the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromRow, JsonSchema)]
#[schemars(rename = "LedgerTotals")]
pub struct TrialRow {
    /// In which currency.
    pub currency: Currency,
    /// All debits, in minor units.
    pub debits: i64,
    /// All credits.
    pub credits: i64,
}

/// The trial balance: reads all entries.
pub async fn trial_balance(db: &Db) -> Result<Vec<TrialRow>, DbError> {
    fetch_all!(
        db,
        sqlx::query_as(
            "SELECT currency, CAST(SUM(CASE WHEN amount > 0 THEN amount ELSE 0 END) AS BIGINT) AS debits,
                    CAST(SUM(CASE WHEN amount < 0 THEN -amount ELSE 0 END) AS BIGINT) AS credits
             FROM ledger_entries GROUP BY currency ORDER BY currency"
        )
    )
}

/// A transaction that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromRow, JsonSchema)]
#[schemars(rename = "UnbalancedTransaction")]
pub struct TransactionRow {
    /// Which one.
    pub id: LedgerTransactionId,
    /// What it books; none if only its entries are there.
    pub cause: Option<String>,
    /// By how much it is off; none if it has no entries at all.
    pub off: Option<i64>,
}

impl TransactionRow {
    /// What is wrong with it, in a few words.
    #[must_use]
    pub fn fault(&self) -> String {
        match (&self.cause, self.off) {
            (None, _) => "is not there, its entries are".to_owned(),
            (Some(cause), None) => format!("({cause}) has no entries"),
            (Some(cause), Some(off)) => format!("({cause}) is off by {off}"),
        }
    }
}

/// Looks for transactions that do not sum to zero in each currency, have no entries, or are missing themselves: there are none
/// unless somebody changed the tables by hand. At most 100 are told.
pub async fn verify(db: &Db) -> Result<Vec<TransactionRow>, DbError> {
    fetch_all!(
        db,
        sqlx::query_as(
            "SELECT COALESCE(t.id, e.transaction_id) AS id, t.cause, CAST(SUM(e.amount) AS BIGINT) AS off
             FROM ledger_transactions t FULL JOIN ledger_entries e ON e.transaction_id = t.id
             GROUP BY COALESCE(t.id, e.transaction_id), t.cause, e.currency
             HAVING SUM(e.amount) <> 0 OR COUNT(e.id) = 0 OR t.cause IS NULL
             ORDER BY 1 LIMIT 100"
        )
    )
}

/// How many transactions there are.
pub async fn count(db: &Db) -> Result<i64, DbError> {
    fetch_one!(db, sqlx::query_scalar("SELECT COUNT(*) FROM ledger_transactions"))
}
