//! Disputes: the buyer's bank takes money back for now; when it is lost, it is a refund that nobody asked for.

use serde::Serialize;
use serde_json::json;
use sqlx::FromRow;

use super::{
    due::Due,
    event::Handled,
    locked::{self, Locked},
    order::DisputeState,
    refund::{self, Entitlements},
    timeline,
};
use crate::{
    audit::{Actor, Entry},
    db::{DbError, Tx},
    execute, fetch_optional,
    jobs::{DomainEvent, Failure},
    kernel::{DisputeId, Money, OrderId, PaymentId},
    notifications::Notice,
    payments::{DisputeNews, ProviderName, ledger::Account},
};

/// A dispute began or ended.
#[derive(Debug, Serialize)]
pub struct OrderDisputed {
    /// Of which order.
    pub order: OrderId,
    /// Where it stands.
    pub state: DisputeState,
}

impl DomainEvent for OrderDisputed {
    const NAME: &'static str = "order.disputed";
}

/// The payment that a dispute is about.
#[derive(FromRow)]
struct Disputed {
    id: PaymentId,
    order_id: OrderId,
    amount: i64,
    refunded: i64,
    unmatched: bool,
}

async fn disputed_payment(tx: &mut Tx, provider: ProviderName, charge: &str) -> Result<Disputed, Failure> {
    let found: Option<Disputed> = fetch_optional!(
        tx,
        sqlx::query_as(
            "SELECT id, order_id, amount, refunded, unmatched FROM payments
             WHERE provider = $1 AND charge_ref = $2 AND state = 'succeeded' LIMIT 1"
        )
        .bind(provider)
        .bind(charge)
    )?;
    // The payment's own event may be on its way.
    found.ok_or_else(|| Failure::retry("the disputed payment is not known yet"))
}

/// A dispute began.
pub(super) async fn opened(tx: &mut Tx, provider: ProviderName, news: &DisputeNews) -> Result<Handled, Failure> {
    let payment = disputed_payment(tx, provider, &news.charge).await?;
    let Some(order) = locked::lock(tx, payment.order_id).await? else { return Ok(Handled::UnknownOrder) };
    let opened = open(tx, &order, &payment, provider, news).await?;
    Ok(if opened { Handled::Disputed } else { Handled::NoChange })
}

/// Records a dispute unless it is known; whether it was new.
async fn open(
    tx: &mut Tx,
    order: &Locked,
    payment: &Disputed,
    provider: ProviderName,
    news: &DisputeNews,
) -> Result<bool, Failure> {
    let (id, now): (DisputeId, _) = (tx.new_id(), tx.now());
    let new = execute!(
        tx,
        sqlx::query(
            "INSERT INTO disputes (id, order_id, payment_id, provider, provider_ref, amount, currency, state, reason,
                                   opened_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, 'open', $8, $9) ON CONFLICT (provider, provider_ref) DO NOTHING"
        )
        .bind(id)
        .bind(order.id)
        .bind(payment.id)
        .bind(provider)
        .bind(&news.reference)
        .bind(news.amount)
        .bind(news.currency)
        .bind(&news.reason)
        .bind(now)
    )?;
    if new == 0 {
        return Ok(false);
    }
    book(tx, order, provider, news, &format!("dispute:{id}"), news.amount)?;
    change(tx, order, DisputeState::Open, provider, news).await?;
    locked::flag(tx, order.id, "disputed").await?;
    Ok(true)
}

/// The money stays.
pub(super) async fn won(tx: &mut Tx, provider: ProviderName, news: &DisputeNews) -> Result<Handled, Failure> {
    let payment = disputed_payment(tx, provider, &news.charge).await?;
    let Some(order) = locked::lock(tx, payment.order_id).await? else { return Ok(Handled::UnknownOrder) };
    open(tx, &order, &payment, provider, news).await?;
    let Some(id) = close(tx, provider, news, DisputeState::Won).await? else { return Ok(Handled::NoChange) };
    book(tx, &order, provider, news, &format!("dispute_won:{id}"), -news.amount)?;
    change(tx, &order, DisputeState::Won, provider, news).await?;
    Ok(Handled::DisputeWon)
}

/// The money is gone, and with it what it bought.
pub(super) async fn lost(tx: &mut Tx, provider: ProviderName, news: &DisputeNews) -> Result<Handled, Failure> {
    let payment = disputed_payment(tx, provider, &news.charge).await?;
    let Some(mut order) = locked::lock(tx, payment.order_id).await? else { return Ok(Handled::UnknownOrder) };
    open(tx, &order, &payment, provider, news).await?;
    let Some(id) = close(tx, provider, news, DisputeState::Lost).await? else { return Ok(Handled::NoChange) };
    let gone = news.amount.min(payment.amount - payment.refunded);
    let from = Account::Disputed(provider);
    if gone > 0 && !payment.unmatched {
        execute!(
            tx,
            sqlx::query("UPDATE payments SET refunded = refunded + $2 WHERE id = $1").bind(payment.id).bind(gone)
        )?;
        let sale = order.sale(provider);
        let cause = format!("dispute_lost:{id}");
        let due = Due { order: order.id, payment: payment.id, cause: &cause, amount: gone };
        due.credit_note(tx, payment.refunded, "the payment was disputed");
        sale.reversed(cause, from, payment.refunded, gone, tx.now()).book(tx)?;
        // Whatever the rule for partial refunds is.
        refund::take_from_order(tx, &mut order, gone, Entitlements::Revoked).await?;
    }
    change(tx, &order, DisputeState::Lost, provider, news).await?;
    Ok(Handled::DisputeLost)
}

async fn close(
    tx: &mut Tx,
    provider: ProviderName,
    news: &DisputeNews,
    state: DisputeState,
) -> Result<Option<DisputeId>, DbError> {
    let now = tx.now();
    fetch_optional!(
        tx,
        sqlx::query_scalar(
            "UPDATE disputes SET state = $3, closed_at = $4
             WHERE provider = $1 AND provider_ref = $2 AND state = 'open' RETURNING id"
        )
        .bind(provider)
        .bind(&news.reference)
        .bind(state)
        .bind(now)
    )
}

fn book(
    tx: &mut Tx,
    order: &Locked,
    provider: ProviderName,
    news: &DisputeNews,
    cause: &str,
    amount: i64,
) -> Result<(), Failure> {
    let mut posting = order.sale(provider).disputed(cause.to_owned(), amount);
    posting.currency = news.currency;
    posting.book(tx)?;
    Ok(())
}

async fn change(
    tx: &mut Tx,
    order: &Locked,
    state: DisputeState,
    provider: ProviderName,
    news: &DisputeNews,
) -> Result<(), DbError> {
    execute!(tx, sqlx::query("UPDATE orders SET dispute_state = $2 WHERE id = $1").bind(order.id).bind(state))?;
    let money = Money::new(news.amount, news.currency);
    timeline::note(tx, order.id, "dispute", json!({ "state": state, "amount": money }));
    let actor = Actor::provider(provider.as_str());
    let entry = Entry::new(actor, "order.dispute", "order", order.id.to_string());
    tx.audit(entry.change(json!(order.dispute_state), json!(state)));
    tx.emit(&OrderDisputed { order: order.id, state })?;
    tx.enqueue(&Notice::OrderDisputed { order: order.id }).await?;
    Ok(())
}
