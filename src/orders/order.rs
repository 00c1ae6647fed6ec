//! An order and its parts, and the status that people see.

use serde::Deserialize;
use sqlx::FromRow;

use super::whole::ItemParts;
use crate::{
    catalog::{BillingCycle, LicenseType, tax::TaxTreatment},
    db::{Db, DbError},
    fetch_all, fetch_optional,
    kernel::{Currency, DeveloperId, OrderId, OrderItemId, PlanId, ProductId, TenantId, Time, UserId},
    payments::ProviderName,
    text_enum,
};

text_enum! {
    /// Where the money is.
    pub enum PaymentState {
        /// Nobody has gone to pay yet.
        Pending = "pending",
        /// The provider's session is open.
        AwaitingPayment = "awaiting_payment",
        /// The money is there.
        Paid = "paid",
        /// Some went back.
        PartiallyRefunded = "partially_refunded",
        /// All went back.
        Refunded = "refunded",
        /// Nobody paid in time.
        Expired = "expired",
        /// The buyer or an operator called it off before it was paid.
        Cancelled = "cancelled",
    }
}

text_enum! {
    /// Where the goods are.
    pub enum FulfilmentState {
        /// Not given yet.
        Unfulfilled = "unfulfilled",
        /// Given.
        Fulfilled = "fulfilled",
        /// Taken back, or never given because the money went back first.
        Revoked = "revoked",
    }
}

text_enum! {
    /// Where a dispute stands.
    pub enum DisputeState {
        /// There is none.
        None = "none",
        /// The bank has not decided.
        Open = "open",
        /// The money stays.
        Won = "won",
        /// The money is gone.
        Lost = "lost",
    }
}

text_enum! {
    /// What people see.
    #[schemars(rename = "OrderStatus")]
    pub enum Status {
        /// Nobody has gone to pay yet.
        Pending = "pending",
        /// The provider's session is open.
        AwaitingPayment = "awaiting_payment",
        /// Paid; what was bought is on its way.
        Paid = "paid",
        /// What was bought is there.
        Fulfilled = "fulfilled",
        /// Nobody paid in time.
        Expired = "expired",
        /// Called off.
        Cancelled = "cancelled",
        /// Some of the money went back.
        PartiallyRefunded = "partially_refunded",
        /// All of the money went back.
        Refunded = "refunded",
        /// The bank took the money back, for now or for good.
        Disputed = "disputed",
    }
}

/// An order as stored; amounts in minor units.
#[derive(Debug, Clone, FromRow)]
#[expect(missing_docs, reason = "the fields are the columns of orders")]
pub struct Order {
    pub id: OrderId,
    pub tenant_id: TenantId,
    pub user_id: Option<UserId>,
    pub email: String,
    pub currency: Currency,
    pub subtotal: i64,
    pub discount: i64,
    pub tax: i64,
    pub tax_included: i64,
    pub tax_treatment: TaxTreatment,
    pub total: i64,
    pub refunded: i64,
    pub provider: ProviderName,
    pub payment_state: PaymentState,
    pub fulfilment_state: FulfilmentState,
    pub dispute_state: DisputeState,
    pub attention: Option<String>,
    pub created_at: Time,
    pub expires_at: Time,
    pub paid_at: Option<Time>,
    pub fulfilled_at: Option<Time>,
}

impl Order {
    /// The status that people see, derived from the states that are kept apart.
    #[must_use]
    pub const fn status(&self) -> Status {
        status(self.payment_state, self.fulfilment_state, self.dispute_state)
    }
}

/// What states that are kept apart come to.
#[must_use]
pub(super) const fn status(payment: PaymentState, fulfilment: FulfilmentState, dispute: DisputeState) -> Status {
    match (dispute, payment, fulfilment) {
        (DisputeState::Open | DisputeState::Lost, ..) => Status::Disputed,
        (_, PaymentState::Pending, _) => Status::Pending,
        (_, PaymentState::AwaitingPayment, _) => Status::AwaitingPayment,
        (_, PaymentState::Expired, _) => Status::Expired,
        (_, PaymentState::Cancelled, _) => Status::Cancelled,
        (_, PaymentState::PartiallyRefunded, _) => Status::PartiallyRefunded,
        (_, PaymentState::Refunded, _) => Status::Refunded,
        (_, PaymentState::Paid, FulfilmentState::Fulfilled | FulfilmentState::Revoked) => Status::Fulfilled,
        (_, PaymentState::Paid, FulfilmentState::Unfulfilled) => Status::Paid,
    }
}

/// An item as it was when it was ordered; amounts in minor units.
#[derive(Debug, Clone, FromRow, Deserialize)]
#[serde(from = "ItemParts")]
#[expect(missing_docs, reason = "the fields are the columns of order_items")]
pub struct Item {
    pub id: OrderItemId,
    pub product_id: ProductId,
    pub plan_id: PlanId,
    pub developer_id: DeveloperId,
    pub title: String,
    pub plan_name: String,
    pub billing_cycle: BillingCycle,
    pub license_type: LicenseType,
    pub quantity: i64,
    pub unit_amount: i64,
    pub discount: i64,
    pub tax: i64,
    pub tax_included: i64,
    /// In millionths.
    pub tax_rate: i64,
    pub tax_name: String,
    pub total: i64,
}

/// What a statement selects of `orders` to give an [`Order`].
macro_rules! order_columns {
    () => {
        "id, tenant_id, user_id, email, currency, subtotal, discount, tax, tax_included, tax_treatment, total, refunded,
         provider, payment_state, fulfilment_state, dispute_state, attention, created_at, expires_at, paid_at, fulfilled_at"
    };
}
pub(super) use order_columns;

/// A tenant's order.
pub async fn find(db: &Db, tenant: TenantId, id: OrderId) -> Result<Option<Order>, DbError> {
    let order = find_any(db, id).await?;
    Ok(order.filter(|order| order.tenant_id == tenant))
}

/// Anybody's order: for operators, and for guests who prove by its token that it is theirs.
pub async fn find_any(db: &Db, id: OrderId) -> Result<Option<Order>, DbError> {
    fetch_optional!(db, sqlx::query_as(concat!("SELECT ", order_columns!(), " FROM orders WHERE id = $1")).bind(id))
}

/// The items of an order.
pub(super) async fn items(db: &Db, order: OrderId) -> Result<Vec<Item>, DbError> {
    fetch_all!(
        db,
        sqlx::query_as(
            "SELECT id, product_id, plan_id, developer_id, title, plan_name, billing_cycle, license_type, quantity,
                    unit_amount, discount, tax, tax_included, tax_rate, tax_name, total
             FROM order_items WHERE order_id = $1 ORDER BY position"
        )
        .bind(order)
    )
}
