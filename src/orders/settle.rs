//! Settling: money makes an order paid, once; then its licences are owed.

use serde::Serialize;
use serde_json::json;
use sqlx::FromRow;

use super::{
    LearnCharge, Policy,
    event::Handled,
    locked::{self, ACTOR, Locked, locked_columns},
    order::{Order, PaymentState},
    refund, subscriptions, timeline,
};
use crate::{
    audit::{Actor, Entry},
    catalog::Quote,
    db::{DbError, Tx},
    execute, fetch_optional,
    jobs::{DomainEvent, Failure},
    kernel::{Money, OrderId, PaymentId},
    licenses::IssueLicenses,
    payments::{
        Paid, ProviderName,
        ledger::{Sale, SaleLine, Unbalanced},
    },
};

/// An order was paid.
#[derive(Debug, Serialize)]
pub struct OrderPaid {
    /// Which one.
    pub order: OrderId,
    /// How much.
    pub total: Money,
}

impl DomainEvent for OrderPaid {
    const NAME: &'static str = "order.paid";
}

impl From<Unbalanced> for Failure {
    fn from(defect: Unbalanced) -> Self {
        // A repaired program finds the job still waiting.
        Self::retry(defect)
    }
}

/// Makes an order paid, if this is the money that it waits for and was not counted before. `$3` says whether money is
/// taken that comes after the order has ended.
macro_rules! pay {
    ($dialect:ident) => {
        concat!(
            "UPDATE orders SET payment_state = 'paid', paid_at = $2
             WHERE id = $1 AND total = $4 AND currency = $5
                   AND (payment_state IN ('pending', 'awaiting_payment')
                        OR $3 AND payment_state IN ('expired', 'cancelled'))
                   AND NOT EXISTS (SELECT 1 FROM payments p WHERE p.provider = $6 AND p.provider_ref = $7
                                   AND (p.state = 'succeeded' OR p.order_id <> orders.id))
             RETURNING ",
            locked_columns!($dialect)
        )
    };
}

/// Money arrived for an order, from an event or because the provider was asked.
pub(super) async fn settle(
    tx: &mut Tx,
    provider: ProviderName,
    paid: &Paid,
    policy: &Policy,
) -> Result<Handled, Failure> {
    let now = tx.now();
    let text = tx.dialect().pick(pay!(sqlite), pay!(postgres));
    let now_paid: Option<Locked> = fetch_optional!(
        tx,
        sqlx::query_as(text)
            .bind(paid.order)
            .bind(now)
            .bind(!policy.late_payment_refunds)
            .bind(paid.amount)
            .bind(paid.currency)
            .bind(provider)
            .bind(&paid.session)
    )?;
    match now_paid {
        Some(order) => settle_paid(tx, order, provider, paid, policy).await,
        None => settle_nothing(tx, provider, paid).await,
    }
}

/// The order was waiting for this money.
async fn settle_paid(
    tx: &mut Tx,
    order: Locked,
    provider: ProviderName,
    paid: &Paid,
    policy: &Policy,
) -> Result<Handled, Failure> {
    let Some(Recorded { payment, refunds_wait }) = record_payment(tx, provider, paid, false).await? else {
        // Only the order's own payments are asked for, and none of this name had succeeded.
        return Err(Failure::retry("the payment of an order that was just paid is known already"));
    };
    let (sale, now) = (order.sale(provider), tx.now());
    sale.settled(format!("payment:{payment}"), now + policy.payout_hold).book(tx)?;
    if let Some(fee) = paid.fee {
        sale.fee(format!("fee:{payment}"), fee, now).book(tx)?;
    }
    if let Some(subscription) = &paid.subscription {
        subscriptions::begin(tx, &order, provider, subscription).await?;
    }
    announce(tx, order.id, Money::new(order.total, order.currency), provider).await?;
    if refunds_wait {
        refund::apply_waiting(tx, order, policy).await?;
    }
    Ok(Handled::Settled)
}

/// Money for which nothing is given: it is kept, and if it is clear why, it goes back.
async fn settle_nothing(tx: &mut Tx, provider: ProviderName, paid: &Paid) -> Result<Handled, Failure> {
    let Some(order) = locked::lock(tx, paid.order).await? else { return Ok(Handled::UnknownOrder) };
    let Some(recorded) = record_payment(tx, provider, paid, true).await? else { return Ok(Handled::AlreadyPaid) };
    let as_ordered = paid.amount == order.total && paid.currency == order.currency;
    let why_back = match order.payment_state {
        _ if !as_ordered => None,
        PaymentState::Expired | PaymentState::Cancelled => Some("paid_too_late"),
        PaymentState::Paid | PaymentState::PartiallyRefunded | PaymentState::Refunded => Some("paid_twice"),
        PaymentState::Pending | PaymentState::AwaitingPayment => {
            return Err(Failure::retry("an order that waits for this money did not take it"));
        }
    };
    let money = Money::new(paid.amount, paid.currency);
    keep_aside(tx, &order.sale(provider), recorded.payment, money, why_back.unwrap_or("wrong_amount")).await?;
    let Some(why) = why_back else { return Ok(Handled::WrongAmount) };
    refund::give_back(tx, order.id, recorded.payment, money, why).await?;
    Ok(Handled::GivenBack)
}

/// A payment that was not known before.
#[derive(FromRow)]
struct Recorded {
    payment: PaymentId,
    /// Whether refunds of the order were told before. Asked while the order is held, so none is overlooked.
    refunds_wait: bool,
}

/// The payment as it happened, of an order that is held; none if it is known to have happened already.
async fn record_payment(
    tx: &mut Tx,
    provider: ProviderName,
    paid: &Paid,
    unmatched: bool,
) -> Result<Option<Recorded>, DbError> {
    let (id, now): (PaymentId, _) = (tx.new_id(), tx.now());
    let recorded: Option<Recorded> = fetch_optional!(
        tx,
        sqlx::query_as(
            "INSERT INTO payments (id, order_id, provider, provider_ref, charge_ref, state, amount, currency, fee,
                                   unmatched, created_at, settled_at)
             VALUES ($1, $2, $3, $4, $5, 'succeeded', $6, $7, $8, $9, $10, $10)
             ON CONFLICT (provider, provider_ref) DO UPDATE SET
                 charge_ref = excluded.charge_ref, state = 'succeeded', amount = excluded.amount,
                 currency = excluded.currency, fee = excluded.fee, unmatched = excluded.unmatched,
                 settled_at = excluded.settled_at
             WHERE payments.state <> 'succeeded' AND payments.order_id = excluded.order_id
             RETURNING id AS payment,
                 EXISTS (SELECT 1 FROM refunds r WHERE r.order_id = payments.order_id AND r.state = 'succeeded'
                         AND r.applied_at IS NULL) AS refunds_wait"
        )
        .bind(id)
        .bind(paid.order)
        .bind(provider)
        .bind(&paid.session)
        .bind(&paid.charge)
        .bind(paid.amount)
        .bind(paid.currency)
        .bind(paid.fee)
        .bind(unmatched)
        .bind(now)
    )?;
    if let Some(Recorded { payment, .. }) = recorded
        && paid.charge.is_none()
        && paid.amount > 0
    {
        tx.enqueue(&LearnCharge { payment }).await?;
    }
    Ok(recorded)
}

/// What a paid order sets in motion.
async fn announce(tx: &mut Tx, order: OrderId, total: Money, provider: ProviderName) -> Result<(), DbError> {
    timeline::note(tx, order, "paid", json!({ "total": total, "provider": provider }));
    let actor = if total.amount == 0 { ACTOR } else { Actor::provider(provider.as_str()) };
    tx.audit(Entry::new(actor, "order.paid", "order", order.to_string()).change(None, json!(total)));
    tx.emit(&OrderPaid { order, total })?;
    tx.enqueue(&IssueLicenses { order }).await?;
    metrics::counter!("mintreu_orders_paid_total", "provider" => provider.as_str()).increment(1);
    Ok(())
}

/// An order that costs nothing is paid when it is opened. What its coupon gave away is in the ledger all the same.
pub(super) async fn settle_free(
    tx: &mut Tx,
    order: &Order,
    quote: &Quote,
    policy: &Policy,
) -> Result<(), super::OpenError> {
    let line = |line: &crate::catalog::Line| SaleLine {
        developer: line.developer,
        gross: line.unit_amount * line.quantity,
        discount: line.discount,
        tax: line.tax,
        commission_bps: line.commission_bps,
    };
    let lines = quote.lines.iter().map(line).collect();
    let sale = Sale { order: order.id, provider: order.provider, currency: order.currency, lines };
    sale.settled(format!("free:{}", order.id), order.created_at + policy.payout_hold).book(tx)?;
    announce(tx, order.id, Money::new(0, order.currency), order.provider).await?;
    Ok(())
}

/// Money that settles nothing waits in suspense, and a person is told.
async fn keep_aside(tx: &mut Tx, sale: &Sale, payment: PaymentId, money: Money, why: &str) -> Result<(), Failure> {
    sale.unmatched(format!("payment:{payment}"), money.amount, money.currency).book(tx)?;
    timeline::note(tx, sale.order, "payment_not_applied", json!({ "amount": money, "reason": why }));
    let entry = Entry::new(ACTOR, "payment.not_applied", "order", sale.order.to_string());
    tx.audit(entry.change(None, json!(money)).reason(why));
    locked::flag(tx, sale.order, why).await?;
    Ok(())
}

/// A session ended, or its payment failed; the order stays open for another try.
pub(super) async fn session_ended(
    tx: &mut Tx,
    provider: ProviderName,
    session: &str,
    state: &'static str,
) -> Result<bool, DbError> {
    let ended = execute!(
        tx,
        sqlx::query("UPDATE payments SET state = $3 WHERE provider = $1 AND provider_ref = $2 AND state = 'open'")
            .bind(provider)
            .bind(session)
            .bind(state)
    )?;
    Ok(ended == 1)
}
