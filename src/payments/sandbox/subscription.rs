//! Subscriptions: charged again every period, when somebody says that the period is over.

use chrono::Months;
use sqlx::FromRow;

use super::{
    Delivering, Sandbox, SandboxError,
    events::{self, InvoiceOf, SubscriptionNow},
    sessions::{Charge, SandboxSession, charge, name, session_in},
};
use crate::{
    db::{DbError, Tx},
    execute, fetch_optional,
    kernel::{Money, Time},
    payments::{Period, SubscriptionEnd},
    text_enum,
};

text_enum! {
    /// How the charge of a further period ends.
    pub enum RenewalOutcome {
        /// The money is there.
        Paid = "paid",
        /// The card is declined.
        Failed = "failed",
    }
}

/// A subscription that has begun.
pub(super) struct Begun {
    pub(super) id: String,
    pub(super) invoice: String,
    total: Money,
    period: (Time, Time),
}

impl Begun {
    pub(super) fn first_invoice<'a>(&'a self, charge: &'a Charge) -> InvoiceOf<'a> {
        InvoiceOf {
            id: &self.invoice,
            subscription: &self.id,
            first: true,
            total: self.total,
            charge: Some(charge),
            period: self.period,
        }
    }
}

#[derive(Debug, FromRow)]
struct Row {
    id: String,
    session_id: String,
    state: String,
    period_end: Time,
    cancel_at_period_end: bool,
    unpaid_invoice: Option<String>,
}

impl Row {
    fn now(&self) -> SubscriptionNow<'_> {
        SubscriptionNow {
            id: &self.id,
            status: if self.state == "cancelled" { "canceled" } else { &self.state },
            cancel_at_period_end: self.cancel_at_period_end,
            period_end: self.period_end,
        }
    }
}

/// One period later; the last day of a shorter month where there is no such day.
fn after(time: Time, period: Period) -> Time {
    let months = match period {
        Period::Month => Months::new(1),
        Period::Year => Months::new(12),
    };
    time.to_datetime().checked_add_months(months).map_or(time, Time::from)
}

pub(super) async fn begin(tx: &mut Tx, session: &SandboxSession, period: Period) -> Result<Begun, DbError> {
    let now = tx.now();
    let begun = Begun {
        id: name(tx, "sub"),
        invoice: name(tx, "in"),
        total: session.total(),
        period: (now, after(now, period)),
    };
    execute!(
        tx,
        sqlx::query(
            "INSERT INTO sandbox_subscriptions (id, session_id, state, period_end, cancel_at_period_end)
             VALUES ($1, $2, 'active', $3, $4)"
        )
        .bind(&begun.id)
        .bind(&session.id)
        .bind(begun.period.1)
        .bind(false)
    )?;
    Ok(begun)
}

async fn find(tx: &mut Tx, id: &str) -> Result<Row, SandboxError> {
    fetch_optional!(
        tx,
        sqlx::query_as(
            "SELECT id, session_id, state, period_end, cancel_at_period_end, unpaid_invoice
             FROM sandbox_subscriptions WHERE id = $1"
        )
        .bind(id)
    )?
    .ok_or(SandboxError::Unknown)
}

/// Writes what is changed, unless somebody else was first.
async fn save(tx: &mut Tx, row: &Row, was: (&str, Time)) -> Result<(), SandboxError> {
    let saved = execute!(
        tx,
        sqlx::query(
            "UPDATE sandbox_subscriptions SET state = $2, period_end = $3, cancel_at_period_end = $4,
                unpaid_invoice = $5
             WHERE id = $1 AND state = $6 AND period_end = $7"
        )
        .bind(&row.id)
        .bind(&row.state)
        .bind(row.period_end)
        .bind(row.cancel_at_period_end)
        .bind(row.unpaid_invoice.as_deref())
        .bind(was.0)
        .bind(was.1)
    )?;
    if saved == 1 { Ok(()) } else { Err(SandboxError::State("the subscription was changed at the same time")) }
}

impl Sandbox {
    /// Ends the subscription's period: it is charged again, or it ends if it was to end.
    pub async fn renew(
        &self,
        subscription: &str,
        outcome: RenewalOutcome,
        delivering: Delivering,
    ) -> Result<(), SandboxError> {
        let delivering = delivering.check()?;
        self.db
            .write(async |tx| {
                let row = find(tx, subscription).await?;
                let told = match (row.state.as_str(), row.cancel_at_period_end, outcome) {
                    ("cancelled", ..) => return Err(SandboxError::State("the subscription has ended")),
                    (_, true, _) => end(tx, row).await?,
                    (_, false, RenewalOutcome::Paid) => charge_again(tx, row, None).await?,
                    (_, false, RenewalOutcome::Failed) => fail(tx, row).await?,
                };
                self.send(tx, told, delivering).await
            })
            .await
    }

    pub(super) async fn end_subscription(&self, id: &str, how: SubscriptionEnd) -> Result<(), SandboxError> {
        self.db
            .write(async |tx| {
                let mut row = find(tx, id).await?;
                if row.state == "cancelled" {
                    // As it shall be: who asks again is not refused.
                    return Ok(());
                }
                let told = match how {
                    SubscriptionEnd::Now => end(tx, row).await?,
                    SubscriptionEnd::PeriodEnd => {
                        row.cancel_at_period_end = true;
                        let was = (row.state.clone(), row.period_end);
                        save(tx, &row, (&was.0, was.1)).await?;
                        vec![events::subscription(tx, "customer.subscription.updated", row.now())]
                    }
                };
                self.send(tx, told, Delivering::default()).await
            })
            .await
    }

    /// Charges an unpaid invoice. One that is paid is left alone.
    pub(super) async fn pay_invoice(&self, invoice: &str) -> Result<(), SandboxError> {
        self.db
            .write(async |tx| {
                let owed: Option<String> = fetch_optional!(
                    tx,
                    sqlx::query_scalar("SELECT id FROM sandbox_subscriptions WHERE unpaid_invoice = $1").bind(invoice)
                )?;
                let Some(owed) = owed else {
                    let paid: Option<String> = fetch_optional!(
                        tx,
                        sqlx::query_scalar("SELECT id FROM sandbox_charges WHERE invoice = $1").bind(invoice)
                    )?;
                    return paid.map(|_| ()).ok_or(SandboxError::Unknown);
                };
                let row = find(tx, &owed).await?;
                let told = charge_again(tx, row, Some(invoice.to_owned())).await?;
                self.send(tx, told, Delivering::default()).await
            })
            .await
    }
}

async fn end(tx: &mut Tx, mut row: Row) -> Result<Vec<serde_json::Value>, SandboxError> {
    let was = (std::mem::replace(&mut row.state, "cancelled".to_owned()), row.period_end);
    row.unpaid_invoice = None;
    save(tx, &row, (&was.0, was.1)).await?;
    Ok(vec![events::subscription(tx, "customer.subscription.deleted", row.now())])
}

async fn charge_again(
    tx: &mut Tx,
    mut row: Row,
    invoice: Option<String>,
) -> Result<Vec<serde_json::Value>, SandboxError> {
    let session = session_in(tx, &row.session_id).await?;
    let was = (std::mem::replace(&mut row.state, "active".to_owned()), row.period_end);
    let invoice = invoice.or_else(|| row.unpaid_invoice.take()).unwrap_or_else(|| name(tx, "in"));
    row.unpaid_invoice = None;
    row.period_end = after(was.1, session.period().unwrap_or(Period::Month));
    save(tx, &row, (&was.0, was.1)).await?;
    let charge = charge(tx, &session, session.total(), Some(invoice.clone())).await?;
    let paid = InvoiceOf {
        id: &invoice,
        subscription: &row.id,
        first: false,
        total: session.total(),
        charge: Some(&charge),
        period: (was.1, row.period_end),
    };
    Ok(vec![
        events::invoice(tx, paid)?,
        events::subscription(tx, "customer.subscription.updated", row.now()),
        events::charge_updated(tx, session.order, &charge)?,
    ])
}

async fn fail(tx: &mut Tx, mut row: Row) -> Result<Vec<serde_json::Value>, SandboxError> {
    let session = session_in(tx, &row.session_id).await?;
    let was = (std::mem::replace(&mut row.state, "past_due".to_owned()), row.period_end);
    // Tried again, it is the same invoice.
    let invoice = row.unpaid_invoice.clone().unwrap_or_else(|| name(tx, "in"));
    row.unpaid_invoice = Some(invoice.clone());
    save(tx, &row, (&was.0, was.1)).await?;
    let unpaid = InvoiceOf {
        id: &invoice,
        subscription: &row.id,
        first: false,
        total: session.total(),
        charge: None,
        period: (was.1, after(was.1, session.period().unwrap_or(Period::Month))),
    };
    Ok(vec![events::invoice(tx, unpaid)?, events::subscription(tx, "customer.subscription.updated", row.now())])
}
