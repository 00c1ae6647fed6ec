//! Sending events: at once within the transaction that causes them, or later by a job.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Delivering, Sandbox, SandboxError};
use crate::{db::Tx, jobs::Job, payments::IntakeError};

/// Delivers an event that shall come late.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeliverSandboxEvent {
    /// The body.
    pub payload: String,
}

impl Job for DeliverSandboxEvent {
    const KIND: &'static str = "payments.sandbox_deliver";
    const QUEUE: &'static str = "payments";
}

/// Lets a bank transfer arrive, or not.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SettleSandboxTransfer {
    /// Of which session.
    pub session: String,
    /// Whether it arrives.
    pub arrives: bool,
    /// How that is told.
    pub delivering: Delivering,
}

impl Job for SettleSandboxTransfer {
    const KIND: &'static str = "payments.sandbox_transfer";
    const QUEUE: &'static str = "payments";
}

impl Sandbox {
    /// Sends events, in their order or in the other, each as often as it is said.
    pub(super) async fn send(
        &self,
        tx: &mut Tx,
        mut events: Vec<Value>,
        delivering: Delivering,
    ) -> Result<(), SandboxError> {
        if delivering.reversed {
            events.reverse();
        }
        let later = tx.now() + delivering.delay();
        for event in events {
            let payload = event.to_string();
            for _ in 0..delivering.copies {
                if delivering.delay_seconds == 0 {
                    self.intake.accept_own(tx, &payload).await?;
                } else {
                    tx.enqueue_at(&DeliverSandboxEvent { payload: payload.clone() }, later).await?;
                }
            }
        }
        Ok(())
    }

    /// Does the job.
    pub async fn deliver(&self, tx: &mut Tx, job: &DeliverSandboxEvent) -> Result<(), IntakeError> {
        self.intake.accept_own(tx, &job.payload).await
    }
}
