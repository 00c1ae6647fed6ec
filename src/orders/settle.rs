//! Settling: a payment event makes an order paid, once; then its licence is owed.

use serde::{Deserialize, Serialize};
use sqlx::FromRow;

use crate::{
    audit::{Actor, Entry},
    catalog::LicenseType,
    db::{DbError, Tx},
    execute, fetch_all, fetch_optional,
    jobs::DomainEvent,
    kernel::{DeveloperId, OrderId, OrderItemId, PlanId, ProductId, TenantId, UserId},
    licenses::{self, Entitlement, IssueError, IssueLicenses, KeyMaker},
    payments::{self, WebhookId},
};

/// Who settles orders, in the audit trail.
const ACTOR: Actor = Actor::system("orders");

/// An order was paid.
#[derive(Debug, Serialize)]
pub struct OrderPaid {
    /// Which one.
    pub order: OrderId,
}

impl DomainEvent for OrderPaid {
    const NAME: &'static str = "order.paid";
}

/// What an event did to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// It is paid now.
    Settled,
    /// It was paid before.
    AlreadyPaid,
    /// The amount or the currency is another than the order's: kept for an operator, nothing settled.
    WrongAmount,
    /// The session is complete but nothing was paid yet: a later event says so when it is.
    Unpaid,
    /// The event names no order of ours.
    UnknownOrder,
    /// The event is of a type that settles nothing.
    Ignored,
    /// Handled by an earlier attempt.
    Handled,
}

impl Settlement {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Settled => "settled",
            Self::AlreadyPaid => "already_paid",
            Self::WrongAmount => "wrong_amount",
            Self::Unpaid => "unpaid",
            Self::UnknownOrder => "unknown_order",
            Self::Ignored => "ignored",
            Self::Handled => "handled",
        }
    }
}

/// The part of a checkout session that settles.
#[derive(Deserialize)]
struct Event {
    data: Data,
}
#[derive(Deserialize)]
struct Data {
    object: Session,
}
#[derive(Deserialize)]
struct Session {
    client_reference_id: Option<String>,
    amount_total: Option<i64>,
    currency: Option<String>,
    payment_status: Option<String>,
}

/// Handles a stored event: whatever it says, it is marked with what it did.
pub async fn settle(tx: &mut Tx, event: WebhookId) -> Result<Settlement, DbError> {
    let Some(row) = payments::take(tx, event).await? else { return Ok(Settlement::Handled) };
    let settlement = match row.event_type.as_str() {
        "checkout.session.completed" | "checkout.session.async_payment_succeeded" => {
            settle_session(tx, &row.payload).await?
        }
        _ => Settlement::Ignored,
    };
    payments::record(tx, event, settlement.as_str()).await?;
    Ok(settlement)
}

async fn settle_session(tx: &mut Tx, payload: &str) -> Result<Settlement, DbError> {
    let Ok(Event { data: Data { object: session } }) = serde_json::from_str(payload) else {
        return Ok(Settlement::Ignored);
    };
    let Some(order) = session.client_reference_id.as_deref().and_then(|id| id.parse::<OrderId>().ok()) else {
        return Ok(Settlement::UnknownOrder);
    };
    let found: Option<(i64, String, String)> =
        fetch_optional!(tx, sqlx::query_as("SELECT amount, currency, product FROM orders WHERE id = $1").bind(order))?;
    let Some((amount, currency, _)) = found else { return Ok(Settlement::UnknownOrder) };
    let same_currency = session.currency.is_some_and(|paid| paid.eq_ignore_ascii_case(&currency));
    if session.amount_total != Some(amount) || !same_currency {
        tx.audit(Entry::new(ACTOR, "payment.wrong_amount", "order", order.to_string()));
        return Ok(Settlement::WrongAmount);
    }
    // A session is completed before a bank transfer arrives.
    if session.payment_status.as_deref() != Some("paid") {
        return Ok(Settlement::Unpaid);
    }
    let now = tx.now();
    let paid = execute!(
        tx,
        sqlx::query(
            "UPDATE orders SET payment_state = 'paid', paid_at = $2 WHERE id = $1 AND payment_state = 'awaiting_payment'"
        )
        .bind(order)
        .bind(now)
    )?;
    if paid == 0 {
        return Ok(Settlement::AlreadyPaid);
    }
    tx.audit(Entry::new(ACTOR, "order.paid", "order", order.to_string()));
    tx.emit(&OrderPaid { order })?;
    tx.enqueue(&IssueLicenses { order }).await?;
    Ok(Settlement::Settled)
}

/// An item of an order, as its licences are made from.
#[derive(FromRow)]
struct Item {
    id: OrderItemId,
    tenant_id: TenantId,
    user_id: Option<UserId>,
    product_id: ProductId,
    plan_id: PlanId,
    developer_id: DeveloperId,
    license_type: LicenseType,
    limits: String,
    quantity: i64,
}

/// Gives what a paid order owes.
pub async fn fulfil(tx: &mut Tx, keys: &KeyMaker, order: OrderId) -> Result<(), IssueError> {
    let items: Vec<Item> = fetch_all!(
        tx,
        sqlx::query_as(
            "SELECT i.id, o.tenant_id, o.user_id, i.product_id, i.plan_id, i.developer_id, i.license_type, i.limits,
                    i.quantity
             FROM orders o JOIN order_items i ON i.order_id = o.id WHERE o.id = $1 AND o.payment_state = 'paid'"
        )
        .bind(order)
    )?;
    let entitlements: Vec<_> = items
        .into_iter()
        .map(|item| Entitlement {
            order,
            item: item.id,
            tenant: item.tenant_id,
            user: item.user_id,
            product: item.product_id,
            plan: item.plan_id,
            developer: item.developer_id,
            license_type: item.license_type,
            limits: serde_json::from_str(&item.limits).unwrap_or_default(),
            quantity: item.quantity,
            expires_at: None,
        })
        .collect();
    licenses::issue(tx, keys, &entitlements).await?;
    Ok(())
}
