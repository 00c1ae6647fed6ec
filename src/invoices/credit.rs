//! Credit notes: what went back of a payment, as a correction of its invoice.

use sqlx::FromRow;
use uuid::Uuid;

use super::{
    Desk, Document, Kind, Line, TaxSum,
    desk::{BATCH, Batch},
    document::{Corrected, day},
    issue::{Draft, issue},
};
use crate::{
    catalog::tax::Percent,
    db::DbError,
    fetch_all,
    kernel::{InvoiceId, TenantId, Time, money},
};

/// Money that went back, beside the invoice of its payment.
#[derive(FromRow)]
struct Due {
    id: Uuid,
    cause: String,
    amount: i64,
    before: i64,
    reason: String,
    created_at: Time,
    invoice_id: InvoiceId,
    tenant_id: TenantId,
    document: String,
}

/// Issues the credit notes that have been due longest. One whose invoice is not there yet waits for it.
pub(super) async fn batch(desk: &Desk) -> Result<Batch, DbError> {
    let due: Vec<Due> = fetch_all!(
        desk.db,
        sqlx::query_as(
            "SELECT d.id, d.cause, d.amount, d.before, d.reason, d.created_at, i.id AS invoice_id, i.tenant_id,
                    i.document
             FROM invoices_due d JOIN invoices i ON i.payment_id = d.payment_id AND i.kind = 'invoice'
             WHERE d.kind = 'credit_note' ORDER BY d.id LIMIT $1"
        )
        .bind(i64::try_from(BATCH).unwrap_or(i64::MAX))
    )?;
    let found = due.len();
    if found == 0 {
        return Ok(Batch { found, issued: 0 });
    }
    let drafts = due.into_iter().map(|due| draft(desk, due)).collect::<Result<Vec<_>, _>>()?;
    let issued = issue(desk, Kind::CreditNote, drafts).await?;
    Ok(Batch { found, issued })
}

fn draft(desk: &Desk, due: Due) -> Result<Draft, DbError> {
    let invoice: Document =
        serde_json::from_str(&due.document).map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
    let taxes = parts(&invoice, due.before, due.amount);
    let lines = lines(&invoice, &taxes);
    let tax = taxes.iter().map(|sum| sum.tax).sum();
    let document = Document {
        kind: Kind::CreditNote,
        number: String::new(),
        issued_on: String::new(),
        supplied_on: day(due.created_at),
        // The seller may have moved since; what is corrected stays as it was.
        seller: desk.options.seller.clone(),
        corrects: Some(Corrected { number: invoice.number, issued_on: invoice.issued_on }),
        reason: Some(due.reason).filter(|reason| !reason.is_empty()),
        lines,
        taxes: if invoice.taxes.is_empty() { Vec::new() } else { taxes },
        net: due.amount - tax,
        tax,
        total: due.amount,
        notes: desk.options.notes.clone(),
        ..invoice
    };
    Ok(Draft { due: due.id, cause: due.cause, tenant: due.tenant_id, corrects: Some(due.invoice_id), document })
}

/// What of each rate goes back: in proportion, exactly as the ledger takes the tax back.
fn parts(invoice: &Document, before: i64, amount: i64) -> Vec<TaxSum> {
    let untaxed = [TaxSum { name: String::new(), percent: Percent::default(), net: invoice.net, tax: invoice.tax }];
    let sums = if invoice.taxes.is_empty() { &untaxed[..] } else { &invoice.taxes };
    let of = |part: fn(&TaxSum) -> i64| {
        let all: Vec<i64> = sums.iter().map(part).collect();
        money::slice(&all, invoice.total, before, amount)
    };
    let (totals, taxes) = (of(|sum| sum.net + sum.tax), of(|sum| sum.tax));
    let part = |(sum, (total, tax)): (&TaxSum, (i64, i64))| TaxSum { net: total - tax, tax, ..sum.clone() };
    sums.iter().zip(totals.into_iter().zip(taxes)).map(part).collect()
}

/// A line for each rate.
fn lines(invoice: &Document, taxes: &[TaxSum]) -> Vec<Line> {
    let line = |sum: &TaxSum| Line {
        description: format!("Refund for invoice {}", invoice.number),
        detail: if sum.name.is_empty() { String::new() } else { format!("{} {} %", sum.name, sum.percent) },
        quantity: 1,
        unit_amount: if invoice.prices_include_tax { sum.net + sum.tax } else { sum.net },
        discount: 0,
        percent: sum.percent,
        net: sum.net,
        tax: sum.tax,
        total: sum.net + sum.tax,
    };
    taxes.iter().map(line).collect()
}
