//! An order that is about to change, held against others that would change it, with what the ledger needs of its items.

use sqlx::FromRow;

use super::order::{DisputeState, FulfilmentState, PaymentState};
use crate::{
    accounts::Email,
    audit::Actor,
    catalog::{BillingCycle, LicenseType, Limits, tax::Percent},
    db::{DbError, Tx},
    execute, fetch_all,
    jobs::Failure,
    kernel::{Currency, DeveloperId, OrderId, OrderItemId, PlanId, ProductId, SubscriptionId, TenantId, Time, UserId},
    notifications::Notice,
    payments::{
        ProviderName,
        ledger::{Sale, SaleLine},
    },
};

/// Who changes orders, in the audit trail.
pub(super) const ACTOR: Actor = Actor::system("orders");

/// One row per item, each with its order's columns: one statement for both.
#[derive(FromRow)]
struct Row {
    tenant_id: TenantId,
    user_id: Option<UserId>,
    email: Email,
    currency: Currency,
    total: i64,
    refunded: i64,
    payment_state: PaymentState,
    fulfilment_state: FulfilmentState,
    dispute_state: DisputeState,
    paid_at: Option<Time>,
    #[sqlx(flatten)]
    item: LockedItem,
}

/// An item, as far as changes of its order are concerned.
#[derive(Debug, Clone, FromRow)]
pub(super) struct LockedItem {
    pub(super) item_id: OrderItemId,
    pub(super) product_id: ProductId,
    pub(super) plan_id: PlanId,
    pub(super) developer_id: DeveloperId,
    pub(super) billing_cycle: BillingCycle,
    pub(super) trial_days: Option<i64>,
    pub(super) license_type: LicenseType,
    pub(super) limits: String,
    pub(super) quantity: i64,
    pub(super) unit_amount: i64,
    pub(super) item_discount: i64,
    pub(super) item_tax: i64,
    pub(super) tax_included: i64,
    pub(super) tax_rate: i64,
    pub(super) commission_bps: i64,
}

impl LockedItem {
    /// What the catalogue promised when it was ordered.
    pub(super) fn limits(&self) -> Result<Limits, Failure> {
        serde_json::from_str(&self.limits).map_err(Failure::dead)
    }

    pub(super) fn sale_line(&self) -> SaleLine {
        SaleLine {
            developer: self.developer_id,
            gross: self.unit_amount * self.quantity,
            discount: self.item_discount,
            tax: self.item_tax,
            commission_bps: self.commission_bps,
        }
        .without(self.tax_included, Percent::from_millionths(self.tax_rate))
    }
}

/// An order under change.
#[derive(Debug)]
pub(super) struct Locked {
    pub(super) id: OrderId,
    pub(super) tenant: TenantId,
    pub(super) user: Option<UserId>,
    pub(super) email: Email,
    pub(super) currency: Currency,
    pub(super) total: i64,
    pub(super) refunded: i64,
    pub(super) payment_state: PaymentState,
    pub(super) fulfilment_state: FulfilmentState,
    pub(super) dispute_state: DisputeState,
    pub(super) paid_at: Option<Time>,
    pub(super) items: Vec<LockedItem>,
}

/// Any order, held until the transaction ends. Two that change the same order take turns.
pub(super) async fn lock(tx: &mut Tx, id: OrderId) -> Result<Option<Locked>, DbError> {
    macro_rules! select {
        ($suffix:literal) => {
            concat!(
                "SELECT o.tenant_id, o.user_id, o.email, o.currency, o.total, o.refunded, o.payment_state,
            o.fulfilment_state, o.dispute_state, o.paid_at,
            i.id AS item_id, i.product_id, i.plan_id, i.developer_id, i.billing_cycle, i.trial_days, i.license_type,
            i.limits, i.quantity, i.unit_amount, i.discount AS item_discount, i.tax AS item_tax,
            i.tax_included, i.tax_rate, i.commission_bps
         FROM orders o JOIN order_items i ON i.order_id = o.id WHERE o.id = $1 ORDER BY i.position",
                $suffix
            )
        };
    }
    let text = tx.dialect().pick(select!(""), select!(" FOR UPDATE OF o"));
    let rows: Vec<Row> = fetch_all!(tx, sqlx::query_as(text).bind(id))?;
    let mut rows = rows.into_iter();
    let Some(first) = rows.next() else { return Ok(None) };
    let mut items = vec![first.item];
    items.extend(rows.map(|row| row.item));
    Ok(Some(Locked {
        id,
        tenant: first.tenant_id,
        user: first.user_id,
        email: first.email,
        currency: first.currency,
        total: first.total,
        refunded: first.refunded,
        payment_state: first.payment_state,
        fulfilment_state: first.fulfilment_state,
        dispute_state: first.dispute_state,
        paid_at: first.paid_at,
        items,
    }))
}

impl Locked {
    /// What the ledger books when all of it is paid through `provider`.
    pub(super) fn sale(&self, provider: ProviderName) -> Sale {
        let lines = self.items.iter().map(LockedItem::sale_line).collect();
        Sale { order: self.id, provider, currency: self.currency, lines }
    }

    /// What the ledger books for a payment: of a subscription's later period only that item counts.
    pub(super) fn sale_of(&self, provider: ProviderName, subscription: Option<(SubscriptionId, OrderItemId)>) -> Sale {
        let mut sale = self.sale(provider);
        if let Some((_, item)) = subscription {
            sale.lines = self.items.iter().filter(|i| i.item_id == item).map(LockedItem::sale_line).collect();
        }
        sale
    }
}

/// Marks an order for a person to look at, and tells the operators.
pub(super) async fn flag(tx: &mut Tx, order: OrderId, why: &str) -> Result<(), DbError> {
    execute!(tx, sqlx::query("UPDATE orders SET attention = $2 WHERE id = $1").bind(order).bind(why))?;
    tx.enqueue(&Notice::OrderNeedsAttention { order }).await?;
    metrics::counter!("mintreu_orders_flagged_total").increment(1);
    Ok(())
}

/// What a mark means, in a sentence.
#[must_use]
pub fn explain_attention(mark: &str) -> &'static str {
    match mark {
        "wrong_amount" => {
            "A payment of another amount or currency arrived. Nothing was given for it; refund it or settle it by hand."
        }
        "paid_twice" => "It was paid twice. The second payment is being sent back.",
        "paid_too_late" => "It was paid after it had ended. The money is being sent back.",
        "refund_exceeds_payment" => "More was refunded at the provider than was paid.",
        "refund_refused" => "The provider refused to refund it. Refund it at the provider, or another way.",
        "refund_came_back" => {
            "A refund that had been made came back to the provider. The order counts as refunded: pay the buyer another way."
        }
        "disputed" => "The buyer's bank disputes the payment. Answer at the provider before its deadline.",
        "renewal_of_another_amount" => "A renewal of another amount was charged. Nothing was prolonged.",
        _ => "Something about it needs a person's eyes.",
    }
}
