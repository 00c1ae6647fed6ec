//! Fulfilling: a paid order gives what was bought, exactly once.

use std::collections::HashSet;

use serde::Serialize;
use serde_json::json;

use super::{
    locked::{self, ACTOR, Locked, locked_columns},
    open::period_end,
    settle::Settled,
    subscriptions, timeline,
};
use crate::{
    accounts::{self, ProofOf, Purpose},
    audit::Entry,
    db::Tx,
    fetch_all,
    jobs::{DomainEvent, Failure, Job, not_paused},
    kernel::OrderId,
    licenses::{self, Entitlement, IssueLicenses, KeyMaker},
    notifications::Notice,
};

/// What was bought is there.
#[derive(Debug, Serialize)]
pub struct OrderFulfilled {
    /// Of which order.
    pub order: OrderId,
    /// How many licences it gave.
    pub licenses: i64,
}

impl DomainEvent for OrderFulfilled {
    const NAME: &'static str = "product.purchased";
}

/// How much longer than its period a subscription's licence lasts: renewals are charged within hours of its end.
const RENEWAL_GRACE_DAYS: i64 = 1;

/// Marks paid orders as fulfilled, each once. Whoever does owes what was bought.
macro_rules! take {
    (sqlite, $($end:tt)*) => {
        take!("IN (SELECT unhex(value) FROM json_each($1))", $($end)*)
    };
    (postgres, $($end:tt)*) => {
        take!("= ANY (ARRAY(SELECT r::uuid FROM jsonb_array_elements_text($1::jsonb) r))", $($end)*)
    };
    ($ids:literal, $($end:tt)*) => {
        concat!(
            "UPDATE orders SET fulfilment_state = 'fulfilled', fulfilled_at = $2
             WHERE id ",
            $ids,
            " AND fulfilment_state = 'unfulfilled' AND payment_state IN ('paid', 'partially_refunded')",
            $($end)*
        )
    };
}

const TAKE_SQLITE: &str = take!(sqlite, " RETURNING ", locked_columns!(sqlite));
const TAKE_POSTGRES: &str = take!(postgres, " RETURNING ", locked_columns!(postgres));
const MARK_SQLITE: &str = take!(sqlite, " AND ", not_paused!("$3"), " RETURNING id");
const MARK_POSTGRES: &str = take!(postgres, " AND ", not_paused!("$3"), " RETURNING id");

/// Gives what paid orders owe. An order whose money is gone again, or that was given already, owes nothing.
pub async fn fulfil(tx: &mut Tx, keys: &KeyMaker, orders: &[OrderId]) -> Result<(), Failure> {
    let (text, now) = (tx.dialect().pick(TAKE_SQLITE, TAKE_POSTGRES), tx.now());
    let taken: Vec<Locked> = fetch_all!(tx, sqlx::query_as(text).bind(list(orders.iter().copied())).bind(now))?;
    give(tx, keys, &taken).await
}

/// Gives with `keys` what orders owe that were settled in this transaction. What cannot be given now is owed as jobs, which
/// also find what a person has to mend: money counts whatever becomes of the goods.
pub(super) async fn owe(tx: &mut Tx, settled: Settled, keys: Option<&KeyMaker>) -> Result<(), Failure> {
    let given = match keys {
        Some(keys) if !settled.sound.is_empty() => give_now(tx, keys, settled.sound).await?,
        _ => HashSet::new(),
    };
    for order in settled.orders.difference(&given) {
        tx.enqueue(&IssueLicenses { order: *order }).await?;
    }
    Ok(())
}

/// Gives without a job in between, unless such jobs are paused: an operator has reasons. Which orders had it.
async fn give_now(tx: &mut Tx, keys: &KeyMaker, mut orders: Vec<Locked>) -> Result<HashSet<OrderId>, Failure> {
    let (text, now) = (tx.dialect().pick(MARK_SQLITE, MARK_POSTGRES), tx.now());
    let ids = list(orders.iter().map(|order| order.id));
    let marked: Vec<OrderId> = fetch_all!(tx, sqlx::query_scalar(text).bind(ids).bind(now).bind(IssueLicenses::QUEUE))?;
    let marked: HashSet<_> = marked.into_iter().collect();
    // What is given for them stands in what was read when they were settled: whom they belong to, and what was bought.
    orders.retain(|order| marked.contains(&order.id));
    give(tx, keys, &orders).await?;
    Ok(marked)
}

fn list(orders: impl Iterator<Item = OrderId>) -> String {
    let ids: Vec<_> = orders.map(|order| order.uuid().simple().to_string()).collect();
    json!(ids).to_string()
}

/// Whether it can be told what an order gives. One of which it cannot is for a person to mend.
pub(super) fn is_sound(order: &Locked) -> bool {
    order.items.iter().all(|item| item.limits().is_ok())
}

async fn give(tx: &mut Tx, keys: &KeyMaker, orders: &[Locked]) -> Result<(), Failure> {
    let entitlements: Result<Vec<_>, Failure> = orders.iter().map(|order| entitlements(order, tx)).collect();
    licenses::issue(tx, keys, &entitlements?.concat()).await?;
    for order in orders {
        if order.items.iter().any(|item| item.billing_cycle.recurs()) {
            subscriptions::catch_up(tx, order.id).await?;
        }
        tell(tx, order).await?;
    }
    Ok(())
}

async fn tell(tx: &mut Tx, order: &Locked) -> Result<(), Failure> {
    let (now, issued) = (tx.now(), order.items.iter().map(|item| item.quantity).sum::<i64>());
    timeline::note(tx, order.id, "fulfilled", json!({ "licenses": issued }));
    tx.audit(Entry::new(ACTOR, "order.fulfilled", "order", order.id.to_string()).change(None, json!(issued)));
    tx.emit(&OrderFulfilled { order: order.id, licenses: issued })?;
    if order.user.is_none() {
        // The letter carries the link with which a guest takes what was bought into an account.
        accounts::issue_proof(tx, Purpose::ClaimPurchases, ProofOf::Guest(order.tenant), &order.email).await?;
    }
    tx.enqueue(&Notice::OrderFulfilled { order: order.id }).await?;
    if let Some(paid_at) = order.paid_at {
        metrics::histogram!("mintreu_orders_fulfilment_seconds").record(now.since(paid_at));
    }
    Ok(())
}

fn entitlements(order: &Locked, tx: &Tx) -> Result<Vec<Entitlement>, Failure> {
    let paid_at = order.paid_at.unwrap_or_else(|| tx.now());
    let entitlement = |item: &locked::LockedItem| {
        let grace = if item.billing_cycle.recurs() { RENEWAL_GRACE_DAYS } else { 0 };
        let end = period_end(item.billing_cycle, item.trial_days, paid_at);
        Ok(Entitlement {
            order: order.id,
            item: item.item_id,
            tenant: order.tenant,
            user: order.user,
            product: item.product_id,
            plan: item.plan_id,
            developer: item.developer_id,
            license_type: item.license_type,
            limits: item.limits()?,
            quantity: item.quantity,
            expires_at: end.map(|end| end.plus_days(grace)),
            followed: item.followed,
        })
    };
    order.items.iter().map(entitlement).collect()
}

/// When a licence ends whose period ends at `period_end`.
pub(super) const fn license_end(period_end: crate::kernel::Time) -> crate::kernel::Time {
    period_end.plus_days(RENEWAL_GRACE_DAYS)
}
