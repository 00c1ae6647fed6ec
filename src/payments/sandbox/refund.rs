//! Giving money back: when the shop asks, or as somebody does it at the provider.

use serde_json::Value;

use super::{
    Delivering, Sandbox, SandboxError, events,
    sessions::{Charge, charge_in, first_charge, name, session_in},
};
use crate::{
    db::Tx,
    execute, fetch_optional,
    kernel::OrderId,
    payments::{ProviderError, RefundAccepted, RefundRequest},
};

impl Sandbox {
    /// What the shop asks for.
    pub(super) async fn give_back(&self, request: &RefundRequest) -> Result<RefundAccepted, ProviderError> {
        let given = self
            .db
            .write(async |tx| {
                let mut charge = charge_in(tx, &request.charge).await?;
                if charge.currency != request.amount.currency {
                    return Err(SandboxError::Amount);
                }
                let key = &request.idempotency_key;
                let (reference, events) = give_back(tx, request.order, &mut charge, request.amount.amount, key).await?;
                self.send(tx, events, Delivering::default()).await?;
                Ok(reference)
            })
            .await;
        Ok(RefundAccepted { reference: given?, succeeded: true })
    }

    /// A refund that nobody asked the shop about: of all that is left, unless it is said how much.
    pub async fn refund_session(
        &self,
        session: &str,
        amount: Option<i64>,
        delivering: Delivering,
    ) -> Result<String, SandboxError> {
        let delivering = delivering.check()?;
        self.db
            .write(async |tx| {
                let session = session_in(tx, session).await?;
                let mut charge = first_charge(tx, &session.id).await?;
                let (amount, key) = (amount.unwrap_or(charge.amount - charge.refunded), name(tx, "key"));
                let (reference, events) = give_back(tx, session.order, &mut charge, amount, &key).await?;
                self.send(tx, events, delivering).await?;
                Ok(reference)
            })
            .await
    }
}

/// Gives back `amount` of a charge, once for each key; the refund's name, and the events that tell of a new one.
pub(super) async fn give_back(
    tx: &mut Tx,
    order: OrderId,
    charge: &mut Charge,
    amount: i64,
    key: &str,
) -> Result<(String, Vec<Value>), SandboxError> {
    if amount <= 0 {
        return Err(SandboxError::Amount);
    }
    let id = name(tx, "re");
    let new = execute!(
        tx,
        sqlx::query(
            "INSERT INTO sandbox_refunds (id, charge_id, amount, idempotency_key) VALUES ($1, $2, $3, $4)
             ON CONFLICT (idempotency_key) DO NOTHING"
        )
        .bind(&id)
        .bind(&charge.id)
        .bind(amount)
        .bind(key)
    )?;
    if new == 0 {
        let made: Option<String> = fetch_optional!(
            tx,
            sqlx::query_scalar(
                "SELECT id FROM sandbox_refunds WHERE idempotency_key = $1 AND charge_id = $2 AND amount = $3"
            )
            .bind(key)
            .bind(&charge.id)
            .bind(amount)
        )?;
        return made.map(|id| (id, Vec::new())).ok_or(SandboxError::State("the key was used for another refund"));
    }
    let refunded: Option<i64> = fetch_optional!(
        tx,
        sqlx::query_scalar(
            "UPDATE sandbox_charges SET refunded = refunded + $2 WHERE id = $1 AND refunded + $2 <= amount
             RETURNING refunded"
        )
        .bind(&charge.id)
        .bind(amount)
    )?;
    charge.refunded = refunded.ok_or(SandboxError::Amount)?;
    let told =
        vec![events::refund_updated(tx, order, charge, (&id, amount))?, events::charge_refunded(tx, order, charge)?];
    Ok((id, told))
}
