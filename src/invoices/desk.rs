//! The desk: looks for what is due, and issues it.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{Seller, credit, issue};
use crate::{
    db::{Db, DbError},
    fetch_one,
    kernel::Time,
};

/// How many papers are issued in one transaction.
pub(super) const BATCH: usize = 250;

/// What the operator decided about invoices.
#[derive(Debug, Clone)]
pub struct DeskOptions {
    /// What invoices' numbers begin with.
    pub prefix: String,
    /// What credit notes' numbers begin with.
    pub credit_note_prefix: String,
    /// Who sells.
    pub seller: Seller,
    /// Lines at the foot of each.
    pub notes: Vec<String>,
    /// How long it rests when there is nothing due.
    pub interval: Duration,
}

/// The service that issues. Any number of replicas may run one: a row that is due is deleted by whoever issues it.
#[derive(Debug, Clone)]
pub struct Desk {
    pub(super) db: Db,
    pub(super) options: Arc<DeskOptions>,
}

/// How many papers were issued.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Issued {
    /// Invoices.
    pub invoices: usize,
    /// Credit notes.
    pub credit_notes: usize,
}

impl Desk {
    /// A desk over `db`.
    #[must_use]
    pub fn new(db: Db, options: DeskOptions) -> Self {
        Self { db, options: Arc::new(options) }
    }

    /// Issues until `stop`, and once more then. Errors are logged and tried again.
    pub async fn run(self, stop: CancellationToken) {
        let mut failing = false;
        loop {
            // Asked before issuing: what was due before the call to stop is issued after it.
            let last = stop.is_cancelled();
            match self.issue().await {
                Ok(_) => {
                    if std::mem::take(&mut failing) {
                        tracing::info!("invoices are being issued again");
                    }
                }
                Err(error) => {
                    metrics::counter!("mintreu_invoices_failures_total").increment(1);
                    if failing {
                        tracing::debug!(%error, "issuing invoices");
                    } else {
                        failing = true;
                        tracing::error!(%error, "invoices cannot be issued; what is due waits");
                    }
                }
            }
            if last {
                return;
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(self.options.interval) => {}
            }
        }
    }

    /// Issues everything that is due. Credit notes come after the invoices that they correct.
    pub async fn issue(&self) -> Result<Issued, DbError> {
        let mut issued = Issued::default();
        if !self.look().await? {
            return Ok(issued);
        }
        loop {
            let batch = issue::batch(self).await?;
            issued.invoices += batch.issued;
            if batch.found < BATCH {
                break;
            }
        }
        loop {
            let batch = credit::batch(self).await?;
            issued.credit_notes += batch.issued;
            if batch.found < BATCH {
                break;
            }
        }
        Ok(issued)
    }

    /// Whether anything is due. Costs a reader one statement, which an idle shop repeats each interval.
    async fn look(&self) -> Result<bool, DbError> {
        let oldest: Option<Time> = fetch_one!(self.db, sqlx::query_scalar("SELECT MIN(created_at) FROM invoices_due"))?;
        let age = oldest.map_or(0.0, |oldest| self.db.now().since(oldest).as_secs_f64());
        metrics::gauge!("mintreu_invoices_due_age_seconds").set(age);
        Ok(oldest.is_some())
    }
}

/// What became of a batch.
pub(super) struct Batch {
    /// How many rows were due.
    pub(super) found: usize,
    /// How many of them this desk issued.
    pub(super) issued: usize,
}
