//! Cancelling: the buyer changes their mind before paying.

use super::{expire::end_unpaid, order::PaymentState};
use crate::{
    audit::{Actor, Entry},
    db::{DbError, Tx},
    kernel::OrderId,
};

/// Why an order is not cancelled.
#[derive(Debug, thiserror::Error)]
pub enum CancelError {
    /// It is paid, or ended already.
    #[error("only an order that is not paid yet can be cancelled; a paid one is refunded")]
    NotOpen,
    /// The database did not take it.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Cancels an unpaid order. Whether it is the actor's has been checked. A payment that arrives all the same is treated as
/// the shop's rule for late payments says.
pub async fn cancel(tx: &mut Tx, id: OrderId, actor: Actor) -> Result<(), CancelError> {
    ended(tx, id).await?;
    tx.audit(entry(actor, id));
    Ok(())
}

/// The same by an operator, who says why.
pub async fn cancel_because(
    tx: &mut Tx,
    id: OrderId,
    reason: &str,
    (actor, request): (Actor, Option<String>),
) -> Result<(), CancelError> {
    ended(tx, id).await?;
    tx.audit(entry(actor, id).reason(reason).request(request));
    Ok(())
}

async fn ended(tx: &mut Tx, id: OrderId) -> Result<(), CancelError> {
    if end_unpaid(tx, id, PaymentState::Cancelled, None).await? { Ok(()) } else { Err(CancelError::NotOpen) }
}

fn entry(actor: Actor, id: OrderId) -> Entry {
    Entry::new(actor, "order.cancelled", "order", id.to_string())
}
