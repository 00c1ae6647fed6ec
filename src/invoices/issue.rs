//! Issuing invoices: what is due becomes papers with numbers, many in one transaction.
//!
//! What a paper says is read outside the transaction, since nothing of it changes any more. Inside, the rows that are due are
//! deleted, which says whose they are; the series' counter moves on by as many; and the papers are appended with the commit.
//! A rollback, or a crash, gives back the numbers with the rows.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::json;
use sqlx::FromRow;
use uuid::Uuid;

use super::{
    Buyer, Desk, Document, Kind, Line, TaxSum,
    desk::{BATCH, Batch},
    document::day,
};
use crate::{
    audit::{Actor, Entry},
    catalog::tax::{Percent, TaxTreatment},
    db::{AppendTable, Column, Db, DbError, Tx},
    fetch_all, fetch_one,
    jobs::DomainEvent,
    kernel::{Currency, InvoiceId, Money, OrderId, OrderItemId, PaymentId, SubscriptionId, TenantId, Time},
    payments::ProviderName,
};

const ACTOR: Actor = Actor::system("invoices");

static INVOICES: AppendTable = AppendTable::new(
    "invoices",
    &[
        ("id", Column::Uuid),
        ("kind", Column::Text),
        ("series", Column::Text),
        ("number", Column::Int),
        ("code", Column::Text),
        ("cause", Column::Text),
        ("tenant_id", Column::Uuid),
        ("order_id", Column::Uuid),
        ("payment_id", Column::Uuid),
        ("corrects_id", Column::Uuid),
        ("email", Column::Text),
        ("country", Column::Text),
        ("currency", Column::Text),
        ("net", Column::Int),
        ("tax", Column::Int),
        ("total", Column::Int),
        ("issued_at", Column::Time),
        ("document", Column::Text),
        ("hash", Column::Text),
    ],
);

/// A paper was issued.
#[derive(Debug, Serialize)]
pub struct InvoiceIssued {
    /// Which one.
    pub invoice: InvoiceId,
    /// What it is.
    pub kind: Kind,
    /// Its number.
    pub number: String,
    /// For which order.
    pub order: OrderId,
    /// How much it is about.
    pub total: Money,
}

impl DomainEvent for InvoiceIssued {
    const NAME: &'static str = "invoice.issued";
}

/// A paper that lacks only its number and its day.
pub(super) struct Draft {
    /// The row that it was due by.
    pub(super) due: Uuid,
    pub(super) cause: String,
    pub(super) tenant: TenantId,
    pub(super) corrects: Option<InvoiceId>,
    pub(super) document: Document,
}

/// A payment that is due an invoice, with its order.
#[derive(FromRow)]
struct Due {
    id: Uuid,
    cause: String,
    order_id: OrderId,
    payment_id: PaymentId,
    tenant_id: TenantId,
    email: String,
    currency: Currency,
    tax_treatment: TaxTreatment,
    provider: ProviderName,
    settled_at: Option<Time>,
    created_at: Time,
    subscription_id: Option<SubscriptionId>,
    order_item_id: Option<OrderItemId>,
    name: Option<String>,
    company: Option<String>,
    line1: Option<String>,
    line2: Option<String>,
    city: Option<String>,
    region: Option<String>,
    postcode: Option<String>,
    country: Option<String>,
    vat_id: Option<String>,
}

/// What was sold.
#[derive(FromRow)]
struct Item {
    id: OrderItemId,
    order_id: OrderId,
    title: String,
    plan_name: String,
    quantity: i64,
    unit_amount: i64,
    discount: i64,
    tax: i64,
    tax_included: i64,
    tax_rate: i64,
    tax_name: String,
    total: i64,
}

/// Issues the invoices that have been due longest.
pub(super) async fn batch(desk: &Desk) -> Result<Batch, DbError> {
    let due: Vec<Due> = fetch_all!(
        desk.db,
        sqlx::query_as(
            "SELECT d.id, d.cause, d.order_id, d.payment_id, o.tenant_id, o.email, o.currency, o.tax_treatment,
                    p.provider, p.settled_at, d.created_at, p.subscription_id, s.order_item_id,
                    b.name, b.company, b.line1, b.line2, b.city, b.region, b.postcode, b.country, b.vat_id
             FROM invoices_due d JOIN orders o ON o.id = d.order_id JOIN payments p ON p.id = d.payment_id
                  LEFT JOIN subscriptions s ON s.id = p.subscription_id
                  LEFT JOIN order_billing b ON b.order_id = o.id
             WHERE d.kind = 'invoice' ORDER BY d.id LIMIT $1"
        )
        .bind(i64::try_from(BATCH).unwrap_or(i64::MAX))
    )?;
    let found = due.len();
    if found == 0 {
        return Ok(Batch { found, issued: 0 });
    }
    let items = items(&desk.db, &due).await?;
    let drafts = due.into_iter().map(|due| draft(desk, due, &items)).collect();
    let issued = issue(desk, Kind::Invoice, drafts).await?;
    Ok(Batch { found, issued })
}

async fn items(db: &Db, due: &[Due]) -> Result<BTreeMap<OrderId, Vec<Item>>, DbError> {
    let orders: Vec<String> = due.iter().map(|due| due.order_id.uuid().simple().to_string()).collect();
    macro_rules! select {
        ($orders:literal) => {
            concat!(
                "SELECT id, order_id, title, plan_name, quantity, unit_amount, discount, tax, tax_included, tax_rate,
                        tax_name, total
                 FROM order_items WHERE order_id IN (",
                $orders,
                ") ORDER BY order_id, position"
            )
        };
    }
    let text = db.dialect().pick(
        select!("SELECT unhex(value) FROM json_each($1)"),
        select!("SELECT value::uuid FROM jsonb_array_elements_text($1::jsonb)"),
    );
    let rows: Vec<Item> = fetch_all!(db, sqlx::query_as(text).bind(json!(orders).to_string()))?;
    let mut by_order = BTreeMap::<OrderId, Vec<Item>>::new();
    for item in rows {
        by_order.entry(item.order_id).or_default().push(item);
    }
    Ok(by_order)
}

fn draft(desk: &Desk, due: Due, items: &BTreeMap<OrderId, Vec<Item>>) -> Draft {
    // A later period is charged for its own item alone.
    let renewed = due.order_item_id.filter(|_| due.subscription_id.is_some());
    let sold = items.get(&due.order_id).map(Vec::as_slice).unwrap_or_default();
    let sold: Vec<&Item> = sold.iter().filter(|item| renewed.is_none_or(|id| item.id == id)).collect();
    let lines: Vec<Line> = sold.iter().map(|item| line(item)).collect();
    let sum = |amount: fn(&Line) -> i64| lines.iter().map(amount).sum::<i64>();
    let (net, tax, total) = (sum(|line| line.net), sum(|line| line.tax), sum(|line| line.total));
    let document = Document {
        kind: Kind::Invoice,
        number: String::new(),
        issued_on: String::new(),
        supplied_on: day(due.settled_at.unwrap_or(due.created_at)),
        order: due.order_id,
        payment: due.payment_id,
        renewal_of: due.subscription_id,
        provider: due.provider.to_string(),
        currency: due.currency,
        seller: desk.options.seller.clone(),
        corrects: None,
        reason: None,
        prices_include_tax: sold.iter().any(|item| item.tax_included > 0),
        reverse_charge: due.tax_treatment == TaxTreatment::ReverseCharge,
        taxes: if due.tax_treatment == TaxTreatment::Taxed { taxes(&sold) } else { Vec::new() },
        lines,
        net,
        tax,
        total,
        notes: desk.options.notes.clone(),
        buyer: buyer(&due),
    };
    Draft { due: due.id, cause: due.cause, tenant: due.tenant_id, corrects: None, document }
}

fn line(item: &Item) -> Line {
    let tax = item.tax + item.tax_included;
    Line {
        description: item.title.clone(),
        detail: item.plan_name.clone(),
        quantity: item.quantity,
        unit_amount: item.unit_amount,
        discount: item.discount,
        percent: Percent::from_millionths(item.tax_rate),
        net: item.total - tax,
        tax,
        total: item.total,
    }
}

fn taxes(items: &[&Item]) -> Vec<TaxSum> {
    let mut sums = BTreeMap::<(&str, i64), (i64, i64)>::new();
    for item in items {
        let tax = item.tax + item.tax_included;
        let sum = sums.entry((item.tax_name.as_str(), item.tax_rate)).or_default();
        *sum = (sum.0 + item.total - tax, sum.1 + tax);
    }
    let sum = |((name, rate), (net, tax)): ((&str, i64), (i64, i64))| TaxSum {
        name: name.to_owned(),
        percent: Percent::from_millionths(rate),
        net,
        tax,
    };
    sums.into_iter().map(sum).collect()
}

fn buyer(due: &Due) -> Buyer {
    let place = [due.postcode.as_deref(), due.city.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let lines = [due.line1.clone(), due.line2.clone(), Some(place), due.region.clone()];
    Buyer {
        name: due.name.clone(),
        company: due.company.clone(),
        address: lines.into_iter().flatten().filter(|line| !line.is_empty()).collect(),
        country: due.country.clone(),
        vat_id: due.vat_id.clone(),
        email: due.email.clone(),
    }
}

/// Numbers drafts and keeps them; how many of them were still due.
pub(super) async fn issue(desk: &Desk, kind: Kind, drafts: Vec<Draft>) -> Result<usize, DbError> {
    let prefix = match kind {
        Kind::Invoice => &desk.options.prefix,
        Kind::CreditNote => &desk.options.credit_note_prefix,
    };
    let issued = desk
        .db
        .write(async |tx| {
            let mut mine = take(tx, &drafts).await?;
            if mine.is_empty() {
                return Ok::<_, DbError>(0);
            }
            // Numbers follow the order in which the papers fell due.
            mine.sort_unstable();
            let now = tx.now();
            let series = format!("{prefix}-{}", &day(now)[..4]);
            let count = i64::try_from(mine.len()).unwrap_or(i64::MAX);
            let last = advance(tx, &series, count).await?;
            let mut number = last - count;
            for mut draft in drafts.into_iter().filter(|draft| mine.binary_search(&draft.due).is_ok()) {
                number += 1;
                draft.document.number = format!("{series}-{number:06}");
                draft.document.issued_on = day(now);
                keep(tx, &series, number, &draft)?;
            }
            Ok(mine.len())
        })
        .await?;
    metrics::counter!("mintreu_invoices_issued_total", "kind" => kind.as_str()).increment(issued as u64);
    Ok(issued)
}

/// Deletes the rows that drafts were due by. Whoever deletes a row issues its paper.
async fn take(tx: &mut Tx, drafts: &[Draft]) -> Result<Vec<Uuid>, DbError> {
    let ids: Vec<String> = drafts.iter().map(|draft| draft.due.simple().to_string()).collect();
    let text = tx.dialect().pick(
        "DELETE FROM invoices_due WHERE id IN (SELECT unhex(value) FROM json_each($1)) RETURNING id",
        "DELETE FROM invoices_due WHERE id IN (SELECT value::uuid FROM jsonb_array_elements_text($1::jsonb)) RETURNING id",
    );
    fetch_all!(tx, sqlx::query_scalar(text).bind(json!(ids).to_string()))
}

/// Moves a series on; its last number. Its row is held until the commit, so that numbers given back by a rollback are given
/// again.
async fn advance(tx: &mut Tx, series: &str, count: i64) -> Result<i64, DbError> {
    fetch_one!(
        tx,
        sqlx::query_scalar(
            "INSERT INTO invoice_series (name, last) VALUES ($1, $2)
             ON CONFLICT (name) DO UPDATE SET last = invoice_series.last + excluded.last RETURNING last"
        )
        .bind(series)
        .bind(count)
    )
}

fn keep(tx: &mut Tx, series: &str, number: i64, draft: &Draft) -> Result<(), DbError> {
    let (id, now): (InvoiceId, _) = (tx.new_id(), tx.now());
    let document = &draft.document;
    let (text, hash) = document.sealed().map_err(|error| sqlx::Error::Encode(error.into()))?;
    tx.append(&INVOICES, |row| {
        row.uuid(id.uuid())
            .text(document.kind.as_str())
            .text(series)
            .int(number)
            .text(document.number.as_str())
            .text(draft.cause.as_str())
            .uuid(draft.tenant.uuid())
            .uuid(document.order.uuid())
            .uuid(document.payment.uuid())
            .uuid(draft.corrects.map(crate::kernel::Id::uuid))
            .text(document.buyer.email.as_str())
            .text(document.buyer.country.as_deref())
            .text(document.currency.code())
            .int(document.net)
            .int(document.tax)
            .int(document.total)
            .time(now)
            .text(text.as_str())
            .text(hash.as_str());
    });
    let total = Money::new(document.total, document.currency);
    let (kind, number, order) = (document.kind, document.number.clone(), document.order);
    let entry = Entry::new(ACTOR, "invoice.issued", "invoice", id.to_string());
    tx.audit(entry.change(None, json!({ "kind": kind, "number": number, "total": total })));
    tx.emit(&InvoiceIssued { invoice: id, kind, number, order, total })?;
    Ok(())
}
