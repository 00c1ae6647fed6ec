//! Settling: money makes an order paid, once; then its licences are owed.

use serde::Serialize;
use serde_json::json;

use super::{
    LearnCharge, Policy,
    due::Due,
    event::Handled,
    locked::{self, ACTOR, Locked},
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

/// Money arrived for an order, from an event or because the provider was asked.
pub(super) async fn settle(
    tx: &mut Tx,
    provider: ProviderName,
    paid: &Paid,
    policy: &Policy,
) -> Result<Handled, Failure> {
    let Some(order) = locked::lock(tx, paid.order).await? else { return Ok(Handled::UnknownOrder) };
    let as_ordered = paid.amount == order.total && paid.currency == order.currency;
    let verdict = match order.payment_state {
        _ if !as_ordered => Verdict::Keep("wrong_amount"),
        PaymentState::Expired | PaymentState::Cancelled if policy.late_payment_refunds => {
            Verdict::GiveBack("paid_too_late")
        }
        PaymentState::Pending | PaymentState::AwaitingPayment | PaymentState::Expired | PaymentState::Cancelled => {
            Verdict::Settle
        }
        PaymentState::Paid | PaymentState::PartiallyRefunded | PaymentState::Refunded => {
            Verdict::GiveBack("paid_twice")
        }
    };
    let unmatched = !matches!(verdict, Verdict::Settle);
    let Some(payment) = record_payment(tx, provider, paid, unmatched).await? else {
        return Ok(Handled::AlreadyPaid);
    };
    if paid.charge.is_none() && paid.amount > 0 {
        tx.enqueue(&LearnCharge { payment }).await?;
    }
    let money = Money::new(paid.amount, paid.currency);
    match verdict {
        Verdict::Settle => settle_locked(tx, Settling { order, provider, paid, payment }, policy).await,
        Verdict::Keep(why) => {
            keep_aside(tx, &order.sale(provider), payment, money, why).await?;
            Ok(Handled::WrongAmount)
        }
        Verdict::GiveBack(why) => {
            keep_aside(tx, &order.sale(provider), payment, money, why).await?;
            refund::give_back(tx, order.id, payment, money, why).await?;
            Ok(Handled::GivenBack)
        }
    }
}

/// What is right to do with money that arrived.
#[derive(Clone, Copy)]
enum Verdict {
    Settle,
    /// For an operator to decide.
    Keep(&'static str),
    GiveBack(&'static str),
}

struct Settling<'a> {
    order: Locked,
    provider: ProviderName,
    paid: &'a Paid,
    payment: PaymentId,
}

/// The payment as it happened; none if it is known to have happened already.
async fn record_payment(
    tx: &mut Tx,
    provider: ProviderName,
    paid: &Paid,
    unmatched: bool,
) -> Result<Option<PaymentId>, DbError> {
    let (id, now): (PaymentId, _) = (tx.new_id(), tx.now());
    fetch_optional!(
        tx,
        sqlx::query_scalar(
            "INSERT INTO payments (id, order_id, provider, provider_ref, charge_ref, state, amount, currency, fee,
                                   unmatched, created_at, settled_at)
             VALUES ($1, $2, $3, $4, $5, 'succeeded', $6, $7, $8, $9, $10, $10)
             ON CONFLICT (provider, provider_ref) DO UPDATE SET
                 charge_ref = excluded.charge_ref, state = 'succeeded', amount = excluded.amount,
                 currency = excluded.currency, fee = excluded.fee, unmatched = excluded.unmatched,
                 settled_at = excluded.settled_at
             WHERE payments.state <> 'succeeded' AND payments.order_id = excluded.order_id
             RETURNING id"
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
    )
}

async fn settle_locked(tx: &mut Tx, settling: Settling<'_>, policy: &Policy) -> Result<Handled, Failure> {
    let Settling { order, provider, paid, payment } = settling;
    let now = tx.now();
    let refunds_wait: Option<bool> = fetch_optional!(
        tx,
        sqlx::query_scalar(
            "UPDATE orders SET payment_state = 'paid', paid_at = $2
             WHERE id = $1 AND payment_state IN ('pending', 'awaiting_payment', 'expired', 'cancelled')
             RETURNING EXISTS (SELECT 1 FROM refunds r
                               WHERE r.order_id = orders.id AND r.state = 'succeeded' AND r.applied_at IS NULL)"
        )
        .bind(order.id)
        .bind(now)
    )?;
    let Some(refunds_wait) = refunds_wait else { return Ok(Handled::AlreadyPaid) };
    let sale = order.sale(provider);
    let cause = format!("payment:{payment}");
    Due { order: order.id, payment, cause: &cause, amount: order.total }.invoice(tx);
    sale.settled(cause, now + policy.payout_hold).book(tx)?;
    if let Some(fee) = paid.fee {
        sale.fee(format!("fee:{payment}"), fee, now).book(tx)?;
    }
    if let Some(subscription) = &paid.subscription {
        subscriptions::begin(tx, &order, provider, subscription).await?;
    }
    announce(tx, order.id, Money::new(order.total, order.currency), provider).await?;
    if refunds_wait {
        // The status is the one just written.
        let order = Locked { payment_state: PaymentState::Paid, paid_at: Some(now), ..order };
        refund::apply_waiting(tx, order, policy).await?;
    }
    Ok(Handled::Settled)
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
    let line = |line: &crate::catalog::Line| {
        SaleLine {
            developer: line.developer,
            gross: line.unit_amount * line.quantity,
            discount: line.discount,
            tax: line.tax,
            commission_bps: line.commission_bps,
        }
        .without(line.tax_included, line.tax_rate)
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
