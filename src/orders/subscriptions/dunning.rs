//! Dunning: a period that could not be charged is charged again after 2, 5, 7 and 7 days, each time with a letter; then the
//! subscription ends. What it gives stays usable meanwhile.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::FromRow;

use super::end;
use crate::{
    audit::{Actor, Entry},
    db::{Db, DbError, Tx},
    execute, fetch_all, fetch_optional,
    jobs::{Failure, Job},
    kernel::{Currency, OrderId, OrderItemId, SubscriptionId, Time},
    licenses,
    notifications::Notice,
    orders::{event::Handled, fulfil, locked::ACTOR, timeline},
    payments::ProviderName,
};

/// After how many days each further step is due.
const STEPS: [i64; 4] = [2, 5, 7, 7];

/// Charges an unpaid period again and reminds its holder, or ends the subscription.
#[derive(Debug, Serialize, Deserialize)]
pub struct RetryRenewal {
    /// Which subscription.
    pub subscription: SubscriptionId,
}

impl Job for RetryRenewal {
    const KIND: &'static str = "payments.retry_renewal";
    const QUEUE: &'static str = "payments";

    fn unique_key(&self) -> Option<Cow<'_, str>> {
        Some(format!("{}:{}", Self::KIND, self.subscription).into())
    }
}

/// A subscription that an event is about.
#[derive(Debug, FromRow)]
pub(super) struct Known {
    pub(super) id: SubscriptionId,
    pub(super) order_id: OrderId,
    pub(super) order_item_id: OrderItemId,
    pub(super) amount: i64,
    pub(super) currency: Currency,
}

/// The subscription that the provider calls `reference`.
pub(super) async fn known(tx: &mut Tx, provider: ProviderName, reference: &str) -> Result<Known, Failure> {
    let found: Option<Known> = fetch_optional!(
        tx,
        sqlx::query_as(
            "SELECT id, order_id, order_item_id, amount, currency FROM subscriptions
             WHERE provider = $1 AND provider_ref = $2"
        )
        .bind(provider)
        .bind(reference)
    )?;
    // Its first payment's event may be on its way.
    found.ok_or_else(|| Failure::retry("the subscription is not known yet"))
}

/// A provider could not charge a further period.
pub(in crate::orders) async fn renewal_failed(
    tx: &mut Tx,
    provider: ProviderName,
    reference: &str,
    invoice: &str,
) -> Result<Handled, Failure> {
    let subscription = known(tx, provider, reference).await?;
    let now = tx.now();
    let days: i64 = STEPS.iter().sum();
    // Each failed try of the same invoice tells again; the first one counts. One that was paid since is old news.
    let began = execute!(
        tx,
        sqlx::query(
            "UPDATE subscriptions SET status = 'past_due', dunning_step = 1, dunning_at = $2, unpaid_invoice = $3,
                    updated_at = $4
             WHERE id = $1 AND status IN ('active', 'trialing') AND NOT EXISTS (
                 SELECT 1 FROM payments p WHERE p.provider = $5 AND p.provider_ref = $3 AND p.state = 'succeeded')"
        )
        .bind(subscription.id)
        .bind(now.plus_days(STEPS[0]))
        .bind(invoice)
        .bind(now)
        .bind(provider)
    )?;
    if began == 0 {
        return Ok(Handled::NoChange);
    }
    licenses::renew_item(tx, subscription.order_item_id, fulfil::license_end(now.plus_days(days))).await?;
    tx.enqueue(&Notice::RenewalFailed { subscription: subscription.id, step: 1 }).await?;
    timeline::note(tx, subscription.order_id, "renewal_failed", json!({}));
    let id = subscription.id.to_string();
    tx.audit(Entry::new(Actor::provider(provider.as_str()), "subscription.past_due", "subscription", id));
    Ok(Handled::PastDue)
}

/// Subscriptions whose next step is due.
pub async fn dunning_due(tx: &mut Tx, limit: i64) -> Result<Vec<SubscriptionId>, DbError> {
    let now = tx.now();
    fetch_all!(
        tx,
        sqlx::query_scalar(
            "SELECT id FROM subscriptions WHERE dunning_at <= $1 AND status = 'past_due' ORDER BY dunning_at LIMIT $2"
        )
        .bind(now)
        .bind(limit)
    )
}

/// The invoice that is to be charged again: its provider, its name.
pub async fn unpaid(db: &Db, subscription: SubscriptionId) -> Result<Option<(ProviderName, String)>, DbError> {
    fetch_optional!(
        db,
        sqlx::query_as(
            "SELECT provider, unpaid_invoice FROM subscriptions
             WHERE id = $1 AND status = 'past_due' AND unpaid_invoice IS NOT NULL AND dunning_at <= $2"
        )
        .bind(subscription)
        .bind(db.now())
    )
}

/// The invoice was tried again. If it was paid, an event tells; until then the next step waits, or it was the last.
pub async fn retried(tx: &mut Tx, id: SubscriptionId) -> Result<(), DbError> {
    let now = tx.now();
    let row: Option<(OrderId, i64)> = fetch_optional!(
        tx,
        sqlx::query_as(
            "UPDATE subscriptions SET dunning_step = dunning_step + 1, updated_at = $2,
                    dunning_at = CASE dunning_step WHEN 1 THEN $3 WHEN 2 THEN $4 WHEN 3 THEN $5 END
             WHERE id = $1 AND status = 'past_due' AND dunning_at <= $2 RETURNING order_id, dunning_step"
        )
        .bind(id)
        .bind(now)
        .bind(now.plus_days(STEPS[1]))
        .bind(now.plus_days(STEPS[2]))
        .bind(now.plus_days(STEPS[3]))
    )?;
    let Some((order, step)) = row else { return Ok(()) };
    if usize::try_from(step).is_ok_and(|step| step <= STEPS.len()) {
        tx.enqueue(&Notice::RenewalFailed { subscription: id, step }).await?;
        timeline::note(tx, order, "renewal_retried", json!({ "step": step }));
        return Ok(());
    }
    tx.audit(Entry::new(ACTOR, "subscription.unpaid", "subscription", id.to_string()));
    end::end(tx, id, super::SubscriptionStatus::Expired, "unpaid").await?;
    end::tell_provider(tx, id).await
}

/// Ends what was to end with its period and whose provider has not said so.
pub async fn expire_overdue(tx: &mut Tx, limit: i64) -> Result<(), Failure> {
    let past: Time = tx.now().plus_days(-1);
    let ids: Vec<SubscriptionId> = fetch_all!(
        tx,
        sqlx::query_scalar(
            "SELECT id FROM subscriptions
             WHERE status IN ('active', 'trialing', 'past_due') AND cancel_at_period_end AND period_end <= $1
             ORDER BY period_end LIMIT $2"
        )
        .bind(past)
        .bind(limit)
    )?;
    for id in ids {
        end::end(tx, id, super::SubscriptionStatus::Cancelled, "cancelled").await?;
    }
    Ok(())
}
