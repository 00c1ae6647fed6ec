//! The proof that the papers are right: no gaps, nothing forgotten, nothing changed, and the ledger says the same.

use serde::Serialize;
use sqlx::FromRow;

use super::document::hash;
use crate::{
    db::{Db, DbError},
    fetch_all, fetch_one, fetch_optional,
    kernel::{InvoiceId, PaymentId},
};

/// How many findings of a sort are told.
const MAX_FINDINGS: usize = 20;
/// How many papers are read at once.
const PAGE: i64 = 500;

/// Something that is wrong with the papers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Finding {
    /// Numbers of a series are missing.
    Gap {
        /// Which series.
        series: String,
        /// How many numbers it gave.
        given: i64,
        /// How many papers there are.
        there: i64,
    },
    /// A settled payment without an invoice, and none is due.
    Forgotten(PaymentId),
    /// A paper that the ledger knows otherwise.
    Ledger(String),
    /// A paper whose hash is not its document's.
    Changed(String),
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Gap { series, given, there } => {
                write!(f, "series {series} gave {given} numbers, but {there} papers from 1 on are there")
            }
            Self::Forgotten(payment) => write!(f, "{payment} is settled and has no invoice"),
            Self::Ledger(number) => write!(f, "{number} says another total or tax than the ledger"),
            Self::Changed(number) => write!(f, "{number} was changed after it was issued"),
        }
    }
}

/// How many papers are due.
pub async fn waiting(db: &Db) -> Result<i64, DbError> {
    fetch_one!(db, sqlx::query_scalar("SELECT COUNT(*) FROM invoices_due"))
}

/// Whether there is any paper.
pub async fn any(db: &Db) -> Result<bool, DbError> {
    let found: Option<i32> = fetch_optional!(db, sqlx::query_scalar("SELECT 1 FROM invoices LIMIT 1"))?;
    Ok(found.is_some())
}

/// Looks at all papers.
pub async fn prove(db: &Db) -> Result<(u64, Vec<Finding>), DbError> {
    let mut findings = gaps(db).await?;
    findings.extend(forgotten(db).await?.into_iter().map(Finding::Forgotten));
    findings.extend(unlike_the_ledger(db).await?.into_iter().map(Finding::Ledger));
    let (papers, changed) = changed(db).await?;
    findings.extend(changed.into_iter().map(Finding::Changed));
    Ok((papers, findings))
}

async fn gaps(db: &Db) -> Result<Vec<Finding>, DbError> {
    let rows: Vec<(String, i64, i64)> = fetch_all!(
        db,
        // Numbers are unique in a series: as many as its last one, none above it, are all of them.
        sqlx::query_as(
            "SELECT s.name, s.last, COUNT(i.id) FROM invoice_series s
                    LEFT JOIN invoices i ON i.series = s.name AND i.number <= s.last
             GROUP BY s.name, s.last
             HAVING COUNT(i.id) <> s.last
                    OR EXISTS (SELECT 1 FROM invoices o WHERE o.series = s.name AND o.number > s.last)
             ORDER BY s.name LIMIT 20"
        )
    )?;
    Ok(rows.into_iter().map(|(series, given, there)| Finding::Gap { series, given, there }).collect())
}

async fn forgotten(db: &Db) -> Result<Vec<PaymentId>, DbError> {
    fetch_all!(
        db,
        sqlx::query_scalar(
            "SELECT p.id FROM payments p
             WHERE p.state = 'succeeded' AND NOT p.unmatched AND p.amount > 0
                   AND NOT EXISTS (SELECT 1 FROM invoices i WHERE i.payment_id = p.id AND i.kind = 'invoice')
                   AND NOT EXISTS (SELECT 1 FROM invoices_due d WHERE d.payment_id = p.id AND d.kind = 'invoice')
             ORDER BY p.id LIMIT 20"
        )
    )
}

/// Each paper has the cause of one transaction of the ledger, whose money and tax it repeats.
async fn unlike_the_ledger(db: &Db) -> Result<Vec<String>, DbError> {
    fetch_all!(
        db,
        sqlx::query_scalar(
            "SELECT i.code FROM invoices i
                    LEFT JOIN ledger_transactions t ON t.cause = i.cause
                    LEFT JOIN ledger_entries e ON e.transaction_id = t.id AND e.currency = i.currency
             GROUP BY i.id, i.code, i.tax, i.total
             HAVING ABS(COALESCE(SUM(CASE WHEN e.account = 'tax' THEN e.amount END), 0)) <> i.tax
                    OR ABS(COALESCE(SUM(CASE WHEN e.account LIKE 'clearing:%' OR e.account LIKE 'disputed:%'
                                             THEN e.amount END), 0)) <> i.total
             ORDER BY i.code LIMIT 20"
        )
    )
}

#[derive(FromRow)]
struct Kept {
    id: InvoiceId,
    code: String,
    document: String,
    hash: String,
}

async fn changed(db: &Db) -> Result<(u64, Vec<String>), DbError> {
    let (mut papers, mut changed) = (0, Vec::new());
    let mut after: Option<InvoiceId> = None;
    loop {
        let rows: Vec<Kept> = fetch_all!(
            db,
            sqlx::query_as(
                "SELECT id, code, document, hash FROM invoices WHERE $1 IS NULL OR id > $1 ORDER BY id LIMIT $2"
            )
            .bind(after)
            .bind(PAGE)
        )?;
        let Some(last) = rows.last() else { return Ok((papers, changed)) };
        after = Some(last.id);
        papers += rows.len() as u64;
        let wrong = rows.into_iter().filter(|row| hash(&row.document) != row.hash).map(|row| row.code);
        changed.extend(wrong.take(MAX_FINDINGS.saturating_sub(changed.len())));
    }
}
