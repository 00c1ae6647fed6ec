//! Settling: money makes an order paid, once; then what was bought is owed, and mostly given with it.

use std::collections::{HashMap, HashSet};

use serde::Serialize;
use serde_json::{Value, json};
use sqlx::FromRow;
use uuid::Uuid;

use super::{
    LearnCharge, Policy,
    due::Due,
    event::Handled,
    fulfil,
    locked::{self, ACTOR, Locked, locked_columns},
    order::{Order, PaymentState},
    refund, subscriptions, timeline,
};
use crate::{
    audit::{Actor, Entry},
    catalog::Quote,
    db::{DbError, Tx},
    execute, fetch_all,
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

/// Money that a provider says it has received.
#[derive(Debug, Clone, Copy)]
pub(super) struct Received<'a> {
    pub(super) provider: ProviderName,
    pub(super) paid: &'a Paid,
}

/// Makes orders paid, each if this is the money that it waits for and was not counted before. `$3` says whether money is
/// taken that comes after the order has ended.
macro_rules! pay {
    ($dialect:ident, $rows:literal, $hint:literal) => {
        concat!(
            "UPDATE orders SET payment_state = 'paid', paid_at = $2 FROM (SELECT ",
            $rows,
            ") received
             WHERE orders.id = received.for_order AND orders.total = received.sum AND orders.currency = received.money
                   AND (orders.payment_state IN ('pending', 'awaiting_payment')
                        OR $3 AND orders.payment_state IN ('expired', 'cancelled'))
                   AND NOT EXISTS (SELECT 1 FROM payments p
                                   WHERE p.provider = received.by AND p.provider_ref = received.session
                                         AND (p.state = 'succeeded' OR p.order_id <> orders.id))",
            $hint,
            " RETURNING ",
            locked_columns!($dialect)
        )
    };
}

const PAY_SQLITE: &str = pay!(
    sqlite,
    "unhex(value->>0) AS for_order, value->>1 AS sum, value->>2 AS money, value->>3 AS by, value->>4 AS session
     FROM json_each($1)",
    ""
);
// The list of keys says once more what the join says: a plan that was made while the table was small would begin with
// all of it.
const PAY_POSTGRES: &str = pay!(
    postgres,
    "(r->>0)::uuid AS for_order, (r->>1)::bigint AS sum, r->>2 AS money, r->>3 AS by, r->>4 AS session
     FROM jsonb_array_elements($1::jsonb) r",
    " AND orders.id = ANY (ARRAY(SELECT (r->>0)::uuid FROM jsonb_array_elements($1::jsonb) r))"
);

/// Money arrived for an order, from an event or because the provider was asked.
pub(super) async fn settle(
    tx: &mut Tx,
    provider: ProviderName,
    paid: &Paid,
    policy: &Policy,
) -> Result<Handled, Failure> {
    let received = Received { provider, paid };
    let settled = settle_waiting(tx, &[received], policy).await?;
    if settled.orders.is_empty() {
        return settle_nothing(tx, received).await;
    }
    fulfil::owe(tx, settled, None).await?;
    Ok(Handled::Settled)
}

/// Orders that were settled just now: what was bought is owed.
pub(super) struct Settled {
    pub(super) orders: HashSet<OrderId>,
    /// Those of which it can be told what they give.
    pub(super) sound: Vec<Locked>,
}

/// Settles those orders that were waiting for just this money. At most one payment is for each order.
pub(super) async fn settle_waiting(
    tx: &mut Tx,
    received: &[Received<'_>],
    policy: &Policy,
) -> Result<Settled, Failure> {
    let row = |Received { provider, paid }: &Received<'_>| {
        json!([paid.order.uuid().simple().to_string(), paid.amount, paid.currency, provider, paid.session])
    };
    let rows = Value::Array(received.iter().map(row).collect()).to_string();
    let (text, now) = (tx.dialect().pick(PAY_SQLITE, PAY_POSTGRES), tx.now());
    let orders: Vec<Locked> =
        fetch_all!(tx, sqlx::query_as(text).bind(rows).bind(now).bind(!policy.late_payment_refunds))?;
    let mut settled = Settled { orders: orders.iter().map(|order| order.id).collect(), sound: Vec::new() };
    let due: Vec<_> =
        received.iter().copied().filter(|received| settled.orders.contains(&received.paid.order)).collect();
    let mut recorded = record_payments(tx, &due, false).await?;
    for order in orders {
        let received = due.iter().find(|received| received.paid.order == order.id);
        let (Some(received), Some(recorded)) = (received, recorded.remove(&order.id)) else {
            // Only the order's own payments are asked for, and none of this name had succeeded.
            return Err(Failure::retry("the payment of an order that was just paid is known already"));
        };
        book(tx, &order, *received, recorded, policy).await?;
        if fulfil::is_sound(&order) {
            settled.sound.push(order);
        }
    }
    Ok(settled)
}

/// What follows when an order was waiting for this money.
async fn book(
    tx: &mut Tx,
    order: &Locked,
    Received { provider, paid }: Received<'_>,
    Recorded { payment, refunds_wait }: Recorded,
    policy: &Policy,
) -> Result<(), Failure> {
    let (sale, now) = (order.sale(provider), tx.now());
    let cause = format!("payment:{payment}");
    Due { order: order.id, payment, cause: &cause, amount: order.total }.invoice(tx);
    sale.settled(cause, now + policy.payout_hold).book(tx)?;
    if let Some(fee) = paid.fee {
        sale.fee(format!("fee:{payment}"), fee, now).book(tx)?;
    }
    if let Some(subscription) = &paid.subscription {
        subscriptions::begin(tx, order, provider, subscription).await?;
    }
    announce(tx, order.id, Money::new(order.total, order.currency), provider)?;
    if refunds_wait {
        refund::apply_waiting(tx, order.clone(), policy).await?;
    }
    Ok(())
}

/// Money for which nothing is given: it is kept, and if it is clear why, it goes back.
async fn settle_nothing(tx: &mut Tx, received: Received<'_>) -> Result<Handled, Failure> {
    let Received { provider, paid } = received;
    let Some(order) = locked::lock(tx, paid.order).await? else { return Ok(Handled::UnknownOrder) };
    let recorded = record_payments(tx, &[received], true).await?.remove(&order.id);
    let Some(Recorded { payment, .. }) = recorded else { return Ok(Handled::AlreadyPaid) };
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
    keep_aside(tx, &order.sale(provider), payment, money, why_back.unwrap_or("wrong_amount")).await?;
    let Some(why) = why_back else { return Ok(Handled::WrongAmount) };
    refund::give_back(tx, order.id, payment, money, why).await?;
    Ok(Handled::GivenBack)
}

/// A payment that was not known before.
#[derive(FromRow)]
struct Recorded {
    payment: PaymentId,
    /// Whether refunds of the order were told before. Asked while the order is held, so none is overlooked.
    refunds_wait: bool,
}

#[derive(FromRow)]
struct RecordedRow {
    order_id: OrderId,
    #[sqlx(flatten)]
    recorded: Recorded,
}

macro_rules! record {
    ($rows:literal) => {
        concat!(
            "INSERT INTO payments (id, order_id, provider, provider_ref, charge_ref, amount, currency, fee, unmatched,
                                   state, created_at, settled_at)
             SELECT ",
            $rows,
            " WHERE true
             ON CONFLICT (provider, provider_ref) DO UPDATE SET
                 charge_ref = excluded.charge_ref, state = 'succeeded', amount = excluded.amount,
                 currency = excluded.currency, fee = excluded.fee, unmatched = excluded.unmatched,
                 settled_at = excluded.settled_at
             WHERE payments.state <> 'succeeded' AND payments.order_id = excluded.order_id
             RETURNING order_id, id AS payment,
                 EXISTS (SELECT 1 FROM refunds r WHERE r.order_id = payments.order_id AND r.state = 'succeeded'
                         AND r.applied_at IS NULL) AS refunds_wait"
        )
    };
}

const RECORD_SQLITE: &str = record!(
    "unhex(value->>0), unhex(value->>1), value->>2, value->>3, value->>4, value->>5, value->>6, value->>7, $3,
     'succeeded', $2, $2 FROM json_each($1)"
);
const RECORD_POSTGRES: &str = record!(
    "(r->>0)::uuid, (r->>1)::uuid, r->>2, r->>3, r->>4, (r->>5)::bigint, r->>6, (r->>7)::bigint, $3,
     'succeeded', $2, $2 FROM jsonb_array_elements($1::jsonb) r"
);

/// Payments as they happened, of orders that are held; those are left out that are known to have happened already.
async fn record_payments(
    tx: &mut Tx,
    received: &[Received<'_>],
    unmatched: bool,
) -> Result<HashMap<OrderId, Recorded>, DbError> {
    if received.is_empty() {
        return Ok(HashMap::new());
    }
    let hex = |uuid: Uuid| uuid.simple().to_string();
    let row = |Received { provider, paid }: &Received<'_>| {
        let id: PaymentId = tx.new_id();
        json!([
            hex(id.uuid()),
            hex(paid.order.uuid()),
            provider,
            paid.session,
            paid.charge,
            paid.amount,
            paid.currency,
            paid.fee
        ])
    };
    let rows = Value::Array(received.iter().map(row).collect()).to_string();
    let (text, now) = (tx.dialect().pick(RECORD_SQLITE, RECORD_POSTGRES), tx.now());
    let recorded: Vec<RecordedRow> = fetch_all!(tx, sqlx::query_as(text).bind(rows).bind(now).bind(unmatched))?;
    let recorded: HashMap<OrderId, Recorded> = recorded.into_iter().map(|row| (row.order_id, row.recorded)).collect();
    for Received { paid, .. } in
        received.iter().filter(|received| received.paid.charge.is_none() && received.paid.amount > 0)
    {
        if let Some(Recorded { payment, .. }) = recorded.get(&paid.order) {
            tx.enqueue(&LearnCharge { payment: *payment }).await?;
        }
    }
    Ok(recorded)
}

/// Tells that an order is paid.
fn announce(tx: &mut Tx, order: OrderId, total: Money, provider: ProviderName) -> Result<(), DbError> {
    timeline::note(tx, order, "paid", json!({ "total": total, "provider": provider }));
    let actor = if total.amount == 0 { ACTOR } else { Actor::provider(provider.as_str()) };
    tx.audit(Entry::new(actor, "order.paid", "order", order.to_string()).change(None, json!(total)));
    tx.emit(&OrderPaid { order, total })?;
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
    announce(tx, order.id, Money::new(0, order.currency), order.provider)?;
    tx.enqueue(&IssueLicenses { order: order.id }).await?;
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
