//! What the payments actor does beside handling events: the inbox's retention, and what the sandbox does later.

use std::time::Duration;

use super::payments::Payments;
use crate::{
    db::{Db, Tx},
    jobs::{Attempt, External, Failure, Handlers, Transactional},
    payments::{
        self, IntakeError, PurgeInbox,
        sandbox::{DeliverSandboxEvent, Sandbox, SandboxError, SettleSandboxTransfer},
    },
};

/// Adds the kinds of jobs that are done here.
pub(super) fn handlers(handlers: Handlers<Payments>) -> Handlers<Payments> {
    handlers.external::<PurgeInbox>().transactional::<DeliverSandboxEvent>().transactional::<SettleSandboxTransfer>()
}

impl External<Payments> for PurgeInbox {
    async fn run(self, _: &mut Payments, db: &Db, _: Attempt) -> Result<(), Failure> {
        let deleted = payments::purge(db, Duration::from_secs(self.keep_seconds)).await?;
        tracing::debug!(deleted, "old events purged");
        Ok(())
    }
}

fn sandbox(payments: &Payments) -> Result<&Sandbox, Failure> {
    payments.sandbox.as_ref().ok_or_else(|| Failure::dead("the sandbox was switched off"))
}

impl Transactional<Payments> for DeliverSandboxEvent {
    async fn run(self, payments: &mut Payments, tx: &mut Tx, _: Attempt) -> Result<(), Failure> {
        sandbox(payments)?.deliver(tx, &self).await.map_err(refused)
    }
}

impl Transactional<Payments> for SettleSandboxTransfer {
    async fn run(self, payments: &mut Payments, tx: &mut Tx, _: Attempt) -> Result<(), Failure> {
        sandbox(payments)?.settle_transfer(tx, &self).await.map_err(|error| match error {
            SandboxError::Db(error) => error.into(),
            SandboxError::Intake(error) => refused(error),
            other => Failure::dead(other),
        })
    }
}

fn refused(error: IntakeError) -> Failure {
    match error {
        IntakeError::Db(error) => error.into(),
        other => Failure::dead(other),
    }
}
