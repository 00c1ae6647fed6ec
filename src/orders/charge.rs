//! Charges: what the provider calls the money of a payment. The event that tells of a subscription's payment does not
//! say; without it a refund can neither be asked for nor be recognised.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{Policy, locked, refund};
use crate::{
    db::{Db, DbError, Tx},
    execute, fetch_optional,
    jobs::{Failure, Job},
    kernel::{OrderId, PaymentId},
    payments::ProviderName,
};

/// Asks the provider what it calls the money of a payment.
#[derive(Debug, Serialize, Deserialize)]
pub struct LearnCharge {
    /// Which one.
    pub payment: PaymentId,
}

impl Job for LearnCharge {
    const KIND: &'static str = "payments.learn_charge";
    const QUEUE: &'static str = "payments";

    fn unique_key(&self) -> Option<Cow<'_, str>> {
        Some(format!("{}:{}", Self::KIND, self.payment).into())
    }
}

/// A payment whose charge is not known: its provider, and the session or invoice that the provider knows it by.
pub async fn uncharged(db: &Db, payment: PaymentId) -> Result<Option<(ProviderName, String)>, DbError> {
    fetch_optional!(
        db,
        sqlx::query_as(
            "SELECT provider, provider_ref FROM payments
             WHERE id = $1 AND charge_ref IS NULL AND state = 'succeeded' AND amount > 0"
        )
        .bind(payment)
    )
}

/// The provider told a payment's charge: what waited for it goes on.
pub async fn learned(tx: &mut Tx, payment: PaymentId, charge: &str, policy: &Policy) -> Result<(), Failure> {
    let order: Option<OrderId> =
        fetch_optional!(tx, sqlx::query_scalar("SELECT order_id FROM payments WHERE id = $1").bind(payment))?;
    let Some(order) = order else { return Ok(()) };
    let Some(order) = locked::lock(tx, order).await? else { return Ok(()) };
    let learned = execute!(
        tx,
        sqlx::query("UPDATE payments SET charge_ref = $2 WHERE id = $1 AND charge_ref IS NULL")
            .bind(payment)
            .bind(charge)
    )?;
    if learned == 1 {
        execute!(
            tx,
            sqlx::query("UPDATE refunds SET charge_ref = $2 WHERE payment_id = $1 AND charge_ref IS NULL")
                .bind(payment)
                .bind(charge)
        )?;
        refund::apply_waiting(tx, order, policy).await?;
    }
    Ok(())
}
