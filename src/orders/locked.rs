//! An order that is about to change, held against others that would change it, with what the ledger needs of its items.

use serde::Deserialize;
use sqlx::FromRow;
use uuid::Uuid;

use super::order::{DisputeState, PaymentState};
use crate::{
    accounts::Email,
    audit::Actor,
    catalog::{BillingCycle, LicenseType, Limits, tax::Percent},
    db::{DbError, Tx},
    execute, fetch_optional,
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

/// An item, as far as changes of its order are concerned.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "ItemRow")]
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
    /// Whether the vendor keeps something elsewhere for its licences.
    pub(super) followed: bool,
}

/// An item as [`locked_columns!`] writes it: the order's row carries its items, so that one statement gives both, also
/// one that changes the order.
#[derive(Deserialize)]
struct ItemRow(
    [Uuid; 4],
    (BillingCycle, Option<i64>, LicenseType, String),
    /// Quantity, unit amount, discount, tax, what of it is in the price, its rate, commission, and whether the vendor keeps
    /// something for its licences.
    [i64; 8],
);

impl From<ItemRow> for LockedItem {
    fn from(row: ItemRow) -> Self {
        let ItemRow([item, product, plan, developer], (billing_cycle, trial_days, license_type, limits), numbers) = row;
        let [quantity, unit_amount, item_discount, item_tax, tax_included, tax_rate, commission_bps, followed] =
            numbers;
        Self {
            item_id: OrderItemId::from_uuid(item),
            product_id: ProductId::from_uuid(product),
            plan_id: PlanId::from_uuid(plan),
            developer_id: DeveloperId::from_uuid(developer),
            billing_cycle,
            trial_days,
            license_type,
            limits,
            quantity,
            unit_amount,
            item_discount,
            item_tax,
            tax_included,
            tax_rate,
            commission_bps,
            followed: followed != 0,
        }
    }
}

/// What a statement selects of `orders`, or returns of one that it changes, to give a [`Locked`].
macro_rules! locked_columns {
    (sqlite) => {
        "id, tenant_id, user_id, email, currency, total, refunded, payment_state, dispute_state,
         paid_at,
         (SELECT json_group_array(json_array(
                     json_array(hex(i.id), hex(i.product_id), hex(i.plan_id), hex(i.developer_id)),
                     json_array(i.billing_cycle, i.trial_days, i.license_type, i.limits),
                     json_array(i.quantity, i.unit_amount, i.discount, i.tax, i.tax_included, i.tax_rate, i.commission_bps,
                         EXISTS (SELECT 1 FROM credential_hooks h WHERE h.product_id = i.product_id))) ORDER BY i.position)
          FROM order_items i WHERE i.order_id = orders.id) AS items"
    };
    (postgres) => {
        "id, tenant_id, user_id, email, currency, total, refunded, payment_state, dispute_state,
         paid_at,
         (SELECT json_agg(json_build_array(
                     json_build_array(i.id, i.product_id, i.plan_id, i.developer_id),
                     json_build_array(i.billing_cycle, i.trial_days, i.license_type, i.limits),
                     json_build_array(i.quantity, i.unit_amount, i.discount, i.tax, i.tax_included, i.tax_rate, i.commission_bps,
                         EXISTS (SELECT 1 FROM credential_hooks h WHERE h.product_id = i.product_id)::int))
                     ORDER BY i.position)
          FROM order_items i WHERE i.order_id = orders.id) AS items"
    };
}
pub(super) use locked_columns;

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
#[derive(Debug, Clone, FromRow)]
pub(super) struct Locked {
    pub(super) id: OrderId,
    #[sqlx(rename = "tenant_id")]
    pub(super) tenant: TenantId,
    #[sqlx(rename = "user_id")]
    pub(super) user: Option<UserId>,
    pub(super) email: Email,
    pub(super) currency: Currency,
    pub(super) total: i64,
    pub(super) refunded: i64,
    pub(super) payment_state: PaymentState,
    pub(super) dispute_state: DisputeState,
    pub(super) paid_at: Option<Time>,
    #[sqlx(json)]
    pub(super) items: Vec<LockedItem>,
}

/// Any order, held until the transaction ends. Two that change the same order take turns.
pub(super) async fn lock(tx: &mut Tx, id: OrderId) -> Result<Option<Locked>, DbError> {
    let text = tx.dialect().pick(
        concat!("SELECT ", locked_columns!(sqlite), " FROM orders WHERE id = $1"),
        concat!("SELECT ", locked_columns!(postgres), " FROM orders WHERE id = $1 FOR UPDATE"),
    );
    fetch_optional!(tx, sqlx::query_as(text).bind(id))
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
