//! Reconciling: what providers should have told us and did not is asked for, so that a lost event heals by itself.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use sqlx::FromRow;

use super::{
    Policy, capture,
    event::Handled,
    expire, settle,
    subscriptions::{self, RetryRenewal},
};
use crate::{
    db::{Db, DbError, Tx},
    execute, fetch_all, fetch_optional,
    jobs::{Failure, Job},
    kernel::OrderId,
    licenses::IssueLicenses,
    payments::{Paid, ProviderName, SessionState},
};

/// Looks for orders that wait longer than they should. Runs every [`Policy::reconcile_interval`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Reconcile {}

impl Job for Reconcile {
    const KIND: &'static str = "payments.reconcile";
    const QUEUE: &'static str = "payments";
    const PRIORITY: i32 = 3;

    fn unique_key(&self) -> Option<Cow<'_, str>> {
        Some(Self::KIND.into())
    }
}

/// Asks the provider about an order's sessions.
#[derive(Debug, Serialize, Deserialize)]
pub struct ReconcileOrder {
    /// Which one.
    pub order: OrderId,
}

impl Job for ReconcileOrder {
    const KIND: &'static str = "payments.reconcile_order";
    const QUEUE: &'static str = "payments";

    fn unique_key(&self) -> Option<Cow<'_, str>> {
        Some(format!("{}:{}", Self::KIND, self.order).into())
    }
}

/// How many orders one run takes on.
const BATCH: i64 = 200;
/// An order is asked about when it has waited for one run, and from then on every so many.
const LOOKS_BETWEEN: u32 = 10;
/// How long sessions of orders that ended are asked about, in days: no provider keeps one open longer.
const LAST_DAYS: i64 = 3;

/// One run: expires what nobody came to pay, asks about what was begun, gives what is owed, reminds of renewals.
pub async fn sweep(tx: &mut Tx, policy: &Policy) -> Result<(), Failure> {
    let now = tx.now();
    // The condition of the index of unpaid orders is written out, or SQLite does not see that it fits.
    let unpaid: Vec<OrderId> = fetch_all!(
        tx,
        sqlx::query_scalar(
            "SELECT id FROM orders
             WHERE payment_state IN ('pending', 'awaiting_payment') AND payment_state = 'pending' AND expires_at <= $1
             ORDER BY expires_at LIMIT $2"
        )
        .bind(now)
        .bind(BATCH)
    )?;
    for order in unpaid {
        expire::expire_unpaid(tx, order).await?;
    }
    let waiting: Vec<OrderId> = fetch_all!(
        tx,
        sqlx::query_scalar(
            "UPDATE orders SET reconciled_at = $1 WHERE id IN (
                 SELECT id FROM orders
                 WHERE payment_state IN ('pending', 'awaiting_payment') AND payment_state = 'awaiting_payment'
                       AND (expires_at <= $1
                            OR (created_at <= $2 AND (reconciled_at IS NULL OR reconciled_at <= $3)))
                 ORDER BY reconciled_at LIMIT $4)
             RETURNING id"
        )
        .bind(now)
        .bind(now - policy.reconcile_interval)
        .bind(now - policy.reconcile_interval * LOOKS_BETWEEN)
        .bind(BATCH)
    )?;
    // What ended here may still be paid at the provider; whoever pays it must not be forgotten if the event is lost.
    let ended: Vec<OrderId> = fetch_all!(
        tx,
        sqlx::query_scalar(
            "UPDATE orders SET reconciled_at = $1 WHERE id IN (
                 SELECT o.id FROM payments p JOIN orders o ON o.id = p.order_id
                 WHERE p.state = 'open' AND p.created_at > $2 AND o.payment_state IN ('expired', 'cancelled')
                       AND (o.reconciled_at IS NULL OR o.reconciled_at <= $3)
                 ORDER BY p.created_at LIMIT $4)
             RETURNING id"
        )
        .bind(now)
        .bind(now.plus_days(-LAST_DAYS))
        .bind(now - policy.reconcile_interval * LOOKS_BETWEEN)
        .bind(BATCH)
    )?;
    for order in waiting.into_iter().chain(ended) {
        tx.enqueue(&ReconcileOrder { order }).await?;
    }
    // Its job is durable; this is for one that died and was mended since. Done twice it changes nothing.
    let owed: Vec<OrderId> = fetch_all!(
        tx,
        sqlx::query_scalar(
            "SELECT id FROM orders WHERE payment_state = 'paid' AND fulfilment_state = 'unfulfilled' AND paid_at <= $1
             ORDER BY paid_at LIMIT $2"
        )
        .bind(now - std::time::Duration::from_mins(10))
        .bind(BATCH)
    )?;
    for order in owed {
        tx.enqueue(&IssueLicenses { order }).await?;
    }
    for subscription in subscriptions::dunning_due(tx, BATCH).await? {
        tx.enqueue(&RetryRenewal { subscription }).await?;
    }
    subscriptions::expire_overdue(tx, BATCH).await
}

/// The browser came back, or somebody asks: the provider is asked at once.
pub async fn nominate(tx: &mut Tx, order: OrderId) -> Result<(), DbError> {
    tx.enqueue(&ReconcileOrder { order }).await?;
    Ok(())
}

/// Has what a paid order owes given once more, where its job died: what there is already stays as it is. False if the
/// order is not paid, or has given all.
pub async fn give_owed(tx: &mut Tx, order: OrderId) -> Result<bool, DbError> {
    let owed: Option<OrderId> = fetch_optional!(
        tx,
        sqlx::query_scalar(
            "SELECT id FROM orders
             WHERE id = $1 AND payment_state IN ('paid', 'partially_refunded') AND fulfilment_state = 'unfulfilled'"
        )
        .bind(order)
    )?;
    if let Some(order) = owed {
        tx.enqueue(&IssueLicenses { order }).await?;
    }
    Ok(owed.is_some())
}

/// A session that may have been paid.
#[derive(Debug, Clone, FromRow)]
pub struct OpenSession {
    /// With whom.
    pub provider: ProviderName,
    /// The provider's name of it.
    pub provider_ref: String,
}

/// The sessions of an order that nobody has told the end of.
pub async fn sessions_of(db: &Db, order: OrderId) -> Result<Vec<OpenSession>, DbError> {
    fetch_all!(
        db,
        sqlx::query_as(
            "SELECT provider, provider_ref FROM payments WHERE order_id = $1 AND state IN ('open', 'failed') ORDER BY id"
        )
        .bind(order)
    )
}

/// What the provider answered about a session.
pub async fn reconciled(
    tx: &mut Tx,
    order: OrderId,
    session: &OpenSession,
    answer: &SessionState,
    policy: &Policy,
) -> Result<Handled, Failure> {
    match answer {
        // What an event for another order says is not this order's business.
        SessionState::Paid(Paid { order: named, .. }) if *named != order => Ok(Handled::UnknownOrder),
        SessionState::Paid(paid) => {
            let handled = settle::settle(tx, session.provider, paid, policy).await?;
            if handled == Handled::Settled {
                metrics::counter!("mintreu_orders_reconciled_total", "provider" => session.provider.as_str())
                    .increment(1);
            }
            Ok(handled)
        }
        SessionState::Approved => {
            capture::approved(tx, order, session.provider, session.provider_ref.clone(), policy).await
        }
        SessionState::Ended => {
            settle::session_ended(tx, session.provider, &session.provider_ref, "cancelled").await?;
            expire_if_past(tx, order).await?;
            Ok(Handled::SessionEnded)
        }
        SessionState::Open => {
            expire_if_past(tx, order).await?;
            Ok(Handled::NoChange)
        }
    }
}

/// An order past its time ends. A session that is paid all the same is a late payment.
async fn expire_if_past(tx: &mut Tx, order: OrderId) -> Result<(), DbError> {
    expire::expire_unpaid(tx, order).await?;
    Ok(())
}

/// Clears an operator's mark once a person has looked.
pub async fn attended(tx: &mut Tx, order: OrderId) -> Result<bool, DbError> {
    let cleared = execute!(
        tx,
        sqlx::query("UPDATE orders SET attention = NULL WHERE id = $1 AND attention IS NOT NULL").bind(order)
    )?;
    Ok(cleared == 1)
}
