//! What is written down: invoices, mails, the ledger, the audit trail.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Walk, amount, list, missing, money, text};
use crate::{
    audit,
    cli::{Failure, output::counted},
    kernel::{Money, OrderId},
    payments::ledger,
};

/// How long papers and seals may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The invoice of each order, as a PDF too.
pub(super) async fn invoices(walk: &mut Walk<'_>, orders: &[&Value]) -> Result<(), Failure> {
    walk.teller.step("Invoices");
    for order in orders {
        let invoice = invoice(walk, text(&order["id"])?).await?;
        if money(&invoice["total"])? != money(&order["total"])? {
            return Err(missing(&format!("an invoice of what was paid: {invoice}")));
        }
        let path = format!("/api/invoices/{}.pdf", text(&invoice["id"])?);
        let pdf = walk.buyer.bytes(&path).await?;
        if !pdf.starts_with(b"%PDF-") {
            return Err(missing("a PDF"));
        }
        let (total, tax) = (amount(&invoice["total"])?, money(&invoice["tax"])?);
        walk.teller.plain(text(&invoice["number"])?, format!("{total}, of it {tax} VAT; PDF of {} bytes", pdf.len()));
        walk.teller.plain("", format!("  {}{path}", walk.app.shop.public_url));
    }
    Ok(())
}

/// Waits for the invoice of an order.
async fn invoice(walk: &mut Walk<'_>, order: &str) -> Result<Value, Failure> {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        let found = walk.buyer.get(&format!("/api/invoices?order={order}")).await?;
        if let [invoice] = list(&found["data"]) {
            return Ok(invoice.clone());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err(missing(&format!("an invoice of {order}")))
}

/// Where the mails are.
pub(super) fn mails(walk: &mut Walk<'_>) {
    walk.teller.step("Mails to her");
    for mail in walk.mailbox.to(&walk.email) {
        walk.teller.plain(&mail.path.display().to_string(), format!("  {}", mail.subject()));
    }
}

/// Where the money went, and whether all that was written down is whole.
pub(super) async fn account_for(walk: &mut Walk<'_>, order: &Value) -> Result<(), Failure> {
    walk.teller.step("Account for it");
    let db = &walk.app.db;
    let order: OrderId = text(&order["id"])?.parse().map_err(Failure::failed)?;
    let entries = ledger::entries_of_order(db, order).await?;
    let mut cause = "";
    for entry in &entries {
        let amount = Money::new(entry.amount, entry.currency).to_string();
        let done = if entry.kind == cause { "" } else { &entry.kind };
        walk.teller.plain(done, format!("{amount:>12}  {}", entry.account));
        cause = &entry.kind;
    }
    let sum: i64 = entries.iter().map(|entry| entry.amount).sum();
    let unbalanced = ledger::verify(db).await?.len();
    if sum != 0 || entries.is_empty() || unbalanced > 0 {
        return Err(missing("a ledger in which every transaction balances"));
    }
    let all = ledger::count(db).await?;
    walk.teller.timed("the ledger", format!("{}, every one balances", counted(all, "transaction", "transactions")));
    let report = sealed(walk).await?;
    walk.teller.timed("the audit trail", format!("whole: {} verified", counted(report.verified, "entry", "entries")));
    Ok(())
}

/// The audit trail, verified once everything in it is sealed.
async fn sealed(walk: &Walk<'_>) -> Result<audit::Report, Failure> {
    let began = Instant::now();
    loop {
        let report = audit::verify(&walk.app.db, &walk.app.keys, None).await.map_err(Failure::failed)?;
        if let Some(problem) = &report.problem {
            return Err(missing(&format!("an audit trail that is whole: {problem}")));
        }
        if report.unsealed == 0 && report.verified > 0 {
            return Ok(report);
        }
        if began.elapsed() > PATIENCE {
            return Err(missing(&format!("an audit trail that is sealed; {} are not", report.unsealed)));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
