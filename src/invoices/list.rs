//! Finding papers.

use schemars::JsonSchema;
use serde::Deserialize;
use sqlx::{AssertSqlSafe, FromRow};

use super::Kind;
use crate::{
    db::{Db, DbError},
    fetch_all, fetch_optional,
    kernel::{
        ByTime, Country, Currency, InvoiceId, OrderId, Page, PageFrom, PageRequest, PaymentId, Sort, TenantId, Time,
    },
};

/// A paper without what it says; amounts in minor units.
#[derive(Debug, Clone, FromRow)]
#[expect(missing_docs, reason = "the fields are the columns of invoices")]
pub struct InvoiceRow {
    pub id: InvoiceId,
    pub kind: Kind,
    pub code: String,
    pub tenant_id: TenantId,
    pub order_id: OrderId,
    pub payment_id: PaymentId,
    pub corrects_id: Option<InvoiceId>,
    pub email: String,
    pub country: Option<String>,
    pub currency: Currency,
    pub net: i64,
    pub tax: i64,
    pub total: i64,
    pub issued_at: Time,
}

/// A paper.
#[derive(Debug, Clone, FromRow)]
pub struct Invoice {
    /// What lists show of it.
    #[sqlx(flatten)]
    pub row: InvoiceRow,
    /// What it says, as JSON: a [`super::Document`].
    pub document: String,
    /// The document's SHA-256.
    pub hash: String,
}

/// Which papers an operator looks for.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
pub struct AnyInvoices {
    /// Of this kind.
    pub kind: Option<Kind>,
    /// With this number.
    pub number: Option<String>,
    /// Of this order.
    pub order: Option<OrderId>,
    /// Of this buyer's address.
    pub email: Option<String>,
    /// Of buyers in this country.
    pub country: Option<Country>,
    /// In this currency.
    pub currency: Option<Currency>,
    /// Issued at this time or later.
    pub from: Option<Time>,
    /// Issued before this time.
    pub until: Option<Time>,
    /// In which order; the newest first if nothing is said.
    pub sort: Option<Sort<ByTime>>,
}

macro_rules! columns {
    () => {
        "id, kind, code, tenant_id, order_id, payment_id, corrects_id, email, country, currency, net, tax, total, issued_at"
    };
}

/// A statement's end for a page, whose cursor is parameter `$1` and whose limit is `$2`.
fn tail(page: &PageRequest<InvoiceId>, sort: Sort<ByTime>) -> (String, Option<InvoiceId>) {
    let (forwards, cursor) = match page.from {
        PageFrom::Start => (true, None),
        PageFrom::After(cursor) => (true, Some(cursor)),
        PageFrom::Before(cursor) => (false, Some(cursor)),
    };
    let down = forwards == sort.down;
    let (sign, order) = if down { ("<", "DESC") } else { (">", "ASC") };
    (format!(" AND ($1 IS NULL OR id {sign} $1) ORDER BY id {order} LIMIT $2"), cursor)
}

/// Whose papers are listed: of a tenant, of an order, or of a tenant's order; of neither, nobody's.
#[derive(Debug, Clone, Copy, Default)]
pub struct Whose {
    /// Of this tenant.
    pub tenant: Option<TenantId>,
    /// Of this order.
    pub order: Option<OrderId>,
}

/// Somebody's papers, the newest first.
pub async fn list(db: &Db, whose: Whose, page: PageRequest<InvoiceId>) -> Result<Page<InvoiceRow>, DbError> {
    let (tail, cursor) = tail(&page, Sort::default());
    // Two texts, so that each is answered from its index.
    let which = match whose.tenant {
        Some(_) => "tenant_id = $3 AND ($4 IS NULL OR order_id = $4)",
        None => "order_id = $4 AND $3 IS NULL",
    };
    let text = format!(concat!("SELECT ", columns!(), " FROM invoices WHERE {}{}"), which, tail);
    let rows = fetch_all!(
        db,
        sqlx::query_as(AssertSqlSafe(text.as_str()))
            .bind(cursor)
            .bind(page.fetch())
            .bind(whose.tenant)
            .bind(whose.order)
    )?;
    Ok(Page::of(rows, &page, |row: &InvoiceRow| row.id))
}

/// Everybody's papers, for operators.
pub async fn list_any(
    db: &Db,
    filter: &AnyInvoices,
    page: PageRequest<InvoiceId>,
) -> Result<Page<InvoiceRow>, DbError> {
    let (tail, cursor) = tail(&page, filter.sort.unwrap_or_default());
    let text = format!(
        concat!(
            "SELECT ",
            columns!(),
            " FROM invoices
              WHERE ($3 IS NULL OR kind = $3) AND ($4 IS NULL OR code = $4) AND ($5 IS NULL OR order_id = $5)
                    AND ($6 IS NULL OR email = $6) AND ($7 IS NULL OR country = $7) AND ($8 IS NULL OR currency = $8)
                    AND ($9 IS NULL OR issued_at >= $9) AND ($10 IS NULL OR issued_at < $10){}"
        ),
        tail
    );
    let email = filter.email.as_ref().map(|email| email.trim().to_lowercase());
    let number = filter.number.as_ref().map(|number| number.trim().to_uppercase());
    let rows = fetch_all!(
        db,
        sqlx::query_as(AssertSqlSafe(text.as_str()))
            .bind(cursor)
            .bind(page.fetch())
            .bind(filter.kind)
            .bind(number.as_deref())
            .bind(filter.order)
            .bind(email.as_deref())
            .bind(filter.country.map(|country| country.to_string()))
            .bind(filter.currency)
            .bind(filter.from)
            .bind(filter.until)
    )?;
    Ok(Page::of(rows, &page, |row: &InvoiceRow| row.id))
}

/// The papers of an order, the oldest first; an order has few.
pub async fn of_order(db: &Db, order: OrderId) -> Result<Vec<InvoiceRow>, DbError> {
    fetch_all!(
        db,
        sqlx::query_as(concat!("SELECT ", columns!(), " FROM invoices WHERE order_id = $1 ORDER BY id LIMIT 500"))
            .bind(order)
    )
}

/// A paper; whose it is, the caller looks.
pub async fn find(db: &Db, id: InvoiceId) -> Result<Option<Invoice>, DbError> {
    fetch_optional!(
        db,
        sqlx::query_as(concat!("SELECT ", columns!(), ", document, hash FROM invoices WHERE id = $1")).bind(id)
    )
}
