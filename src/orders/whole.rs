//! An order with all its parts, read with one statement: this is what a buyer's page asks for again and again.

use serde::Deserialize;
use sqlx::FromRow;
use uuid::Uuid;

use super::{Item, Order, TimelineEvent, order::order_columns};
use crate::{
    catalog::{BillingCycle, LicenseType},
    db::{Db, DbError},
    fetch_optional,
    kernel::{
        Currency, DeveloperId, OrderId, OrderItemId, PaymentId, PlanId, ProductId, RefundId, SubscriptionId, TenantId,
        Time,
    },
    payments::ProviderName,
};

/// A session with a provider, and the money that came of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "PaymentParts")]
#[expect(missing_docs, reason = "the fields are the columns of payments")]
pub struct PaymentRow {
    pub id: PaymentId,
    pub subscription_id: Option<SubscriptionId>,
    pub provider: ProviderName,
    pub provider_ref: String,
    pub state: String,
    pub amount: i64,
    pub currency: Currency,
    pub refunded: i64,
    pub created_at: Time,
    pub settled_at: Option<Time>,
}

/// Money that went back, or shall.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "RefundParts")]
#[expect(missing_docs, reason = "the fields are the columns of refunds")]
pub struct RefundRow {
    pub id: RefundId,
    pub amount: i64,
    pub currency: Currency,
    pub state: String,
    pub reason: String,
    pub created_at: Time,
    pub applied_at: Option<Time>,
}

/// An order, what was ordered, the money that came and went, and what happened; each the first first.
#[derive(Debug, FromRow)]
#[expect(missing_docs, reason = "the fields say what they are")]
pub struct WholeOrder {
    #[sqlx(flatten)]
    pub order: Order,
    #[sqlx(json)]
    pub items: Vec<Item>,
    #[sqlx(json)]
    pub payments: Vec<PaymentRow>,
    #[sqlx(json)]
    pub refunds: Vec<RefundRow>,
    #[sqlx(json)]
    pub timeline: Vec<TimelineEvent>,
}

/// Parts as arrays, in which a `(uuid)` and a `(time)` stand for what each database makes of them.
macro_rules! whole {
    (sqlite) => {
        whole!("json_array(", "json_group_array(", ")", ("hex(", ")"), ("", ""))
    };
    (postgres) => {
        whole!(
            "json_build_array(",
            "COALESCE(json_agg(",
            "), '[]')",
            ("(", ")"),
            ("(EXTRACT(EPOCH FROM ", ") * 1000000)::bigint")
        )
    };
    ($array:literal, $all:literal, $end:literal, ($uuid:literal, $uuid_end:literal), ($time:literal, $time_end:literal)) => {
        concat!(
            "SELECT ",
            order_columns!(),
            ", (SELECT ",
            $all,
            $array,
            $array,
            $uuid,
            "i.id",
            $uuid_end,
            ", ",
            $uuid,
            "i.product_id",
            $uuid_end,
            ", ",
            $uuid,
            "i.plan_id",
            $uuid_end,
            ", ",
            $uuid,
            "i.developer_id",
            $uuid_end,
            "), ",
            $array,
            "i.title, i.plan_name, i.tax_name), ",
            $array,
            "i.billing_cycle, i.license_type), ",
            $array,
            "i.quantity, i.unit_amount, i.discount, i.tax, i.tax_included, i.tax_rate, i.total)
             ) ORDER BY i.position",
            $end,
            " FROM order_items i WHERE i.order_id = orders.id) AS items, (SELECT ",
            $all,
            $array,
            $uuid,
            "p.id",
            $uuid_end,
            ", CASE WHEN p.subscription_id IS NOT NULL THEN ",
            $uuid,
            "p.subscription_id",
            $uuid_end,
            " END, p.provider, p.provider_ref, p.state, p.amount, p.currency,
                p.refunded, ",
            $time,
            "p.created_at",
            $time_end,
            ", ",
            $time,
            "p.settled_at",
            $time_end,
            "
             ) ORDER BY p.id",
            $end,
            " FROM payments p WHERE p.order_id = orders.id) AS payments, (SELECT ",
            $all,
            $array,
            $uuid,
            "r.id",
            $uuid_end,
            ", r.amount, r.currency, r.state, r.reason, ",
            $time,
            "r.created_at",
            $time_end,
            ", ",
            $time,
            "r.applied_at",
            $time_end,
            "
             ) ORDER BY r.id",
            $end,
            " FROM refunds r WHERE r.order_id = orders.id) AS refunds, (SELECT ",
            $all,
            $array,
            "e.event, e.detail, ",
            $time,
            "e.created_at",
            $time_end,
            "
             ) ORDER BY e.id",
            $end,
            " FROM order_events e WHERE e.order_id = orders.id) AS timeline
             FROM orders WHERE id = $1"
        )
    };
}

/// A tenant's order, whole.
pub async fn find_whole(db: &Db, tenant: TenantId, id: OrderId) -> Result<Option<WholeOrder>, DbError> {
    let whole = find_any_whole(db, id).await?;
    Ok(whole.filter(|whole| whole.order.tenant_id == tenant))
}

/// Anybody's order, whole: for operators, and for guests who prove by its token that it is theirs.
pub async fn find_any_whole(db: &Db, id: OrderId) -> Result<Option<WholeOrder>, DbError> {
    fetch_optional!(db, sqlx::query_as(db.dialect().pick(whole!(sqlite), whole!(postgres))).bind(id))
}

/// An item as its statement writes it.
#[derive(Deserialize)]
pub(super) struct ItemParts(
    [Uuid; 4],
    [String; 3],
    (BillingCycle, LicenseType),
    /// Quantity, unit amount, discount, tax, what of it is in the price, its rate, and the total.
    [i64; 7],
);

impl From<ItemParts> for Item {
    fn from(parts: ItemParts) -> Self {
        let ItemParts([id, product, plan, developer], [title, plan_name, tax_name], cycle_and_type, numbers) = parts;
        let (billing_cycle, license_type) = cycle_and_type;
        let [quantity, unit_amount, discount, tax, tax_included, tax_rate, total] = numbers;
        Self {
            id: OrderItemId::from_uuid(id),
            product_id: ProductId::from_uuid(product),
            plan_id: PlanId::from_uuid(plan),
            developer_id: DeveloperId::from_uuid(developer),
            title,
            plan_name,
            billing_cycle,
            license_type,
            quantity,
            unit_amount,
            discount,
            tax,
            tax_included,
            tax_rate,
            tax_name,
            total,
        }
    }
}

#[derive(Deserialize)]
struct PaymentParts(Uuid, Option<Uuid>, ProviderName, String, String, i64, Currency, i64, i64, Option<i64>);

impl From<PaymentParts> for PaymentRow {
    fn from(parts: PaymentParts) -> Self {
        let PaymentParts(id, subscription, provider, provider_ref, state, amount, currency, refunded, created, settled) =
            parts;
        Self {
            id: PaymentId::from_uuid(id),
            subscription_id: subscription.map(SubscriptionId::from_uuid),
            provider,
            provider_ref,
            state,
            amount,
            currency,
            refunded,
            created_at: Time::from_micros(created),
            settled_at: settled.map(Time::from_micros),
        }
    }
}

#[derive(Deserialize)]
struct RefundParts(Uuid, i64, Currency, String, String, i64, Option<i64>);

impl From<RefundParts> for RefundRow {
    fn from(RefundParts(id, amount, currency, state, reason, created, applied): RefundParts) -> Self {
        Self {
            id: RefundId::from_uuid(id),
            amount,
            currency,
            state,
            reason,
            created_at: Time::from_micros(created),
            applied_at: applied.map(Time::from_micros),
        }
    }
}
