//! Ending: by its holder, by an operator, by the provider, or because nobody paid.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{SubscriptionStatus, dunning};
use crate::{
    audit::{Actor, Entry},
    db::{Db, DbError, Tx},
    execute, fetch_all, fetch_optional,
    jobs::{Failure, Job},
    kernel::{OrderId, OrderItemId, SubscriptionId, TenantId},
    licenses,
    notifications::Notice,
    orders::{event::Handled, timeline},
    payments::{ProviderName, SubscriptionEnd},
    text_enum,
};

text_enum! {
    /// When a subscription shall end.
    pub enum CancelSubscription {
        /// With the period that is paid.
        PeriodEnd = "period_end",
        /// At once.
        Now = "now",
    }
}

/// Tells the provider that a subscription ends.
#[derive(Debug, Serialize, Deserialize)]
pub struct EndSubscription {
    /// Which one.
    pub subscription: SubscriptionId,
    /// When.
    pub end: CancelSubscription,
}

impl Job for EndSubscription {
    const KIND: &'static str = "payments.end_subscription";
    const QUEUE: &'static str = "payments";
}

/// Why a subscription cannot be ended.
#[derive(Debug, thiserror::Error)]
pub enum EndError {
    /// None of the tenant's.
    #[error("there is no such subscription")]
    NotFound,
    /// It has ended.
    #[error("the subscription has ended already")]
    Ended,
    /// The database did not take it.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// An operator ends anybody's subscription, and says why.
pub async fn end_any(
    tx: &mut Tx,
    id: SubscriptionId,
    when: CancelSubscription,
    reason: &str,
    (actor, request): (Actor, Option<String>),
) -> Result<(), EndError> {
    let order: Option<OrderId> =
        fetch_optional!(tx, sqlx::query_scalar("SELECT order_id FROM subscriptions WHERE id = $1").bind(id))?;
    let order = order.ok_or(EndError::NotFound)?;
    let entry = Entry::new(actor, "subscription.cancelled", "subscription", id.to_string());
    mark_and_end(tx, (id, order), when, entry.reason(reason).request(request)).await
}

/// A tenant ends its subscription. The provider is told by a job.
pub async fn request_end(
    tx: &mut Tx,
    tenant: TenantId,
    id: SubscriptionId,
    when: CancelSubscription,
    actor: Actor,
) -> Result<(), EndError> {
    let order: Option<OrderId> = fetch_optional!(
        tx,
        sqlx::query_scalar("SELECT order_id FROM subscriptions WHERE id = $1 AND tenant_id = $2").bind(id).bind(tenant)
    )?;
    let order = order.ok_or(EndError::NotFound)?;
    mark_and_end(tx, (id, order), when, Entry::new(actor, "subscription.cancelled", "subscription", id.to_string()))
        .await
}

async fn mark_and_end(
    tx: &mut Tx,
    (id, order): (SubscriptionId, OrderId),
    when: CancelSubscription,
    entry: Entry,
) -> Result<(), EndError> {
    let now = tx.now();
    let marked = execute!(
        tx,
        sqlx::query(
            "UPDATE subscriptions SET cancel_at_period_end = $2, updated_at = $3
             WHERE id = $1 AND status IN ('active', 'trialing', 'past_due')"
        )
        .bind(id)
        .bind(true)
        .bind(now)
    )?;
    if marked == 0 {
        return Err(EndError::Ended);
    }
    timeline::note(tx, order, "subscription_cancelled", json!({ "at": when }));
    tx.audit(entry.change(None, json!(when)));
    tx.enqueue(&EndSubscription { subscription: id, end: when }).await?;
    if when == CancelSubscription::Now {
        end(tx, id, SubscriptionStatus::Cancelled, "cancelled").await?;
    }
    Ok(())
}

/// What the provider is told: with whom, and what it calls the subscription.
pub async fn ending(db: &Db, id: SubscriptionId) -> Result<Option<(ProviderName, String)>, DbError> {
    fetch_optional!(db, sqlx::query_as("SELECT provider, provider_ref FROM subscriptions WHERE id = $1").bind(id))
}

impl From<CancelSubscription> for SubscriptionEnd {
    fn from(when: CancelSubscription) -> Self {
        match when {
            CancelSubscription::PeriodEnd => Self::PeriodEnd,
            CancelSubscription::Now => Self::Now,
        }
    }
}

/// Ends a subscription here and takes what it gave. Whether it was alive.
pub(super) async fn end(
    tx: &mut Tx,
    id: SubscriptionId,
    status: SubscriptionStatus,
    why: &str,
) -> Result<bool, DbError> {
    let now = tx.now();
    let row: Option<(OrderId, OrderItemId)> = fetch_optional!(
        tx,
        sqlx::query_as(
            "UPDATE subscriptions SET status = $2, cancelled_at = $3, dunning_at = NULL, updated_at = $3
             WHERE id = $1 AND status IN ('active', 'trialing', 'past_due') RETURNING order_id, order_item_id"
        )
        .bind(id)
        .bind(status)
        .bind(now)
    )?;
    let Some((order, item)) = row else { return Ok(false) };
    licenses::end_item(tx, item, why).await?;
    timeline::note(tx, order, "subscription_ended", json!({ "reason": why }));
    tx.enqueue(&Notice::SubscriptionEnded { subscription: id }).await?;
    Ok(true)
}

/// Has the provider end a subscription that ended here.
pub(super) async fn tell_provider(tx: &mut Tx, id: SubscriptionId) -> Result<(), DbError> {
    tx.enqueue(&EndSubscription { subscription: id, end: CancelSubscription::Now }).await?;
    Ok(())
}

/// The money of an order is gone: its subscription ends, at the provider too.
pub(in crate::orders) async fn end_of_order(tx: &mut Tx, order: OrderId) -> Result<(), DbError> {
    let ids: Vec<SubscriptionId> = fetch_all!(
        tx,
        sqlx::query_scalar(
            "SELECT id FROM subscriptions WHERE order_id = $1 AND status IN ('active', 'trialing', 'past_due')"
        )
        .bind(order)
    )?;
    for id in ids {
        if end(tx, id, SubscriptionStatus::Cancelled, "refunded").await? {
            tell_provider(tx, id).await?;
        }
    }
    Ok(())
}

/// The subscription was changed at the provider.
pub(in crate::orders) async fn changed(
    tx: &mut Tx,
    provider: ProviderName,
    reference: &str,
    cancel_at_period_end: bool,
) -> Result<Handled, Failure> {
    let subscription = dunning::known(tx, provider, reference).await?;
    let now = tx.now();
    let changed = execute!(
        tx,
        sqlx::query(
            "UPDATE subscriptions SET cancel_at_period_end = $2, updated_at = $3
             WHERE id = $1 AND cancel_at_period_end <> $2"
        )
        .bind(subscription.id)
        .bind(cancel_at_period_end)
        .bind(now)
    )?;
    Ok(if changed == 1 { Handled::SubscriptionChanged } else { Handled::NoChange })
}

/// The provider ended the subscription.
pub(in crate::orders) async fn ended_by_provider(
    tx: &mut Tx,
    provider: ProviderName,
    reference: &str,
) -> Result<Handled, Failure> {
    let subscription = dunning::known(tx, provider, reference).await?;
    let ended = end(tx, subscription.id, SubscriptionStatus::Cancelled, "cancelled").await?;
    Ok(if ended { Handled::SubscriptionEnded } else { Handled::NoChange })
}
