//! Payments, refunds and disputes of all orders, for operators.

use schemars::JsonSchema;
use serde::Deserialize;
use sqlx::{AssertSqlSafe, FromRow};

use crate::{
    db::{Db, DbError, conditions, page_by_time, place_of},
    fetch_all, fetch_optional,
    kernel::{
        ByTime, Currency, DisputeId, OrderId, Page, PageRequest, PaymentId, RefundId, Sort, SubscriptionId, Time,
        ids_between,
    },
    payments::ProviderName,
    text_enum,
};

text_enum! {
    /// Where a payment stands.
    #[schemars(rename = "PaymentStanding")]
    pub enum MoneyState {
        /// Its session is open.
        Open = "open",
        /// The money came.
        Succeeded = "succeeded",
        /// It did not.
        Failed = "failed",
        /// Its session ended without.
        Cancelled = "cancelled",
    }
}

text_enum! {
    /// Where a refund stands.
    pub enum RefundState {
        /// The provider is being asked.
        Requested = "requested",
        /// The provider is at it.
        Pending = "pending",
        /// The money went back.
        Succeeded = "succeeded",
        /// It did not: the provider refused.
        Failed = "failed",
    }
}

text_enum! {
    /// Where a dispute stands.
    #[schemars(rename = "DisputeStanding")]
    pub enum CaseState {
        /// It is not decided.
        Open = "open",
        /// The money stays.
        Won = "won",
        /// The money is gone.
        Lost = "lost",
    }
}

/// Which payments.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
pub struct AnyPayments {
    /// Of this order.
    pub order: Option<OrderId>,
    /// In this state.
    pub state: Option<MoneyState>,
    /// Through this provider.
    pub provider: Option<ProviderName>,
    /// With this reference at the provider: its session, or the money itself.
    pub reference: Option<String>,
    /// Those that settle nothing and wait in suspense, or the others.
    pub unmatched: Option<bool>,
    /// Begun at this time or later.
    pub from: Option<Time>,
    /// Begun before this time.
    pub until: Option<Time>,
    /// In which order.
    pub sort: Option<Sort<ByTime>>,
}

/// A payment of any order.
#[derive(Debug, Clone, FromRow)]
#[expect(missing_docs, reason = "the fields are the columns of payments")]
pub struct AnyPayment {
    pub id: PaymentId,
    pub order_id: OrderId,
    pub subscription_id: Option<SubscriptionId>,
    pub provider: ProviderName,
    pub provider_ref: String,
    pub charge_ref: Option<String>,
    pub state: MoneyState,
    pub amount: i64,
    pub currency: Currency,
    pub refunded: i64,
    pub fee: Option<i64>,
    pub unmatched: bool,
    pub created_at: Time,
    pub expires_at: Option<Time>,
    pub settled_at: Option<Time>,
}

const PAYMENTS: &str =
    "SELECT id, order_id, subscription_id, provider, provider_ref, charge_ref, state, amount, currency,
    refunded, fee, unmatched, created_at, expires_at, settled_at FROM payments WHERE TRUE";

/// All payments that fit.
pub async fn any_payments(
    db: &Db,
    filter: &AnyPayments,
    request: PageRequest<PaymentId>,
) -> Result<Page<AnyPayment>, DbError> {
    let (first, last) = ids_between(filter.from, filter.until);
    let conditions = conditions(&[
        (filter.order.is_some(), "order_id = $1"),
        // The condition of their index is written out, or SQLite does not see that it fits.
        (filter.state == Some(MoneyState::Open), "state = 'open'"),
        (filter.state.is_some(), "state = $2"),
        (filter.provider.is_some(), "provider = $3"),
        (filter.reference.is_some(), "(provider_ref = $4 OR charge_ref = $4)"),
        (filter.unmatched == Some(true), "unmatched"),
        (filter.unmatched == Some(false), "NOT unmatched"),
        (filter.from.is_some(), "created_at >= $5 AND id >= $7"),
        (filter.until.is_some(), "created_at < $6 AND id < $8"),
    ]);
    let text = format!("{PAYMENTS}{conditions}{}", page_by_time(&request, filter.sort, "id", 9));
    let rows = fetch_all!(
        db,
        sqlx::query_as(AssertSqlSafe(text.as_str()))
            .bind(filter.order)
            .bind(filter.state)
            .bind(filter.provider)
            .bind(filter.reference.as_deref())
            .bind(filter.from)
            .bind(filter.until)
            .bind(first)
            .bind(last)
            .bind(place_of(&request))
            .bind(request.fetch())
    )?;
    Ok(Page::of(rows, &request, |row: &AnyPayment| row.id))
}

/// A payment.
pub async fn any_payment(db: &Db, id: PaymentId) -> Result<Option<AnyPayment>, DbError> {
    let text = format!("{PAYMENTS} AND id = $1");
    fetch_optional!(db, sqlx::query_as(AssertSqlSafe(text.as_str())).bind(id))
}

/// Which refunds.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
pub struct AnyRefunds {
    /// Of this order.
    pub order: Option<OrderId>,
    /// Of this payment.
    pub payment: Option<PaymentId>,
    /// In this state.
    pub state: Option<RefundState>,
    /// Through this provider.
    pub provider: Option<ProviderName>,
    /// Wanted at this time or later.
    pub from: Option<Time>,
    /// Wanted before this time.
    pub until: Option<Time>,
    /// In which order.
    pub sort: Option<Sort<ByTime>>,
}

/// A refund of any order.
#[derive(Debug, Clone, FromRow)]
#[expect(missing_docs, reason = "the fields are the columns of refunds")]
pub struct AnyRefund {
    pub id: RefundId,
    pub order_id: OrderId,
    pub payment_id: Option<PaymentId>,
    pub provider: ProviderName,
    pub provider_ref: Option<String>,
    pub amount: i64,
    pub currency: Currency,
    pub state: RefundState,
    pub reason: String,
    pub created_at: Time,
    pub applied_at: Option<Time>,
}

const REFUNDS: &str = "SELECT id, order_id, payment_id, provider, provider_ref, amount, currency, state, reason,
    created_at, applied_at FROM refunds WHERE TRUE";

/// All refunds that fit.
pub async fn any_refunds(
    db: &Db,
    filter: &AnyRefunds,
    request: PageRequest<RefundId>,
) -> Result<Page<AnyRefund>, DbError> {
    let (first, last) = ids_between(filter.from, filter.until);
    let conditions = conditions(&[
        (filter.order.is_some(), "order_id = $1"),
        (filter.payment.is_some(), "payment_id = $2"),
        (filter.state.is_some(), "state = $3"),
        (filter.provider.is_some(), "provider = $4"),
        (filter.from.is_some(), "created_at >= $5 AND id >= $7"),
        (filter.until.is_some(), "created_at < $6 AND id < $8"),
    ]);
    let text = format!("{REFUNDS}{conditions}{}", page_by_time(&request, filter.sort, "id", 9));
    let rows = fetch_all!(
        db,
        sqlx::query_as(AssertSqlSafe(text.as_str()))
            .bind(filter.order)
            .bind(filter.payment)
            .bind(filter.state)
            .bind(filter.provider)
            .bind(filter.from)
            .bind(filter.until)
            .bind(first)
            .bind(last)
            .bind(place_of(&request))
            .bind(request.fetch())
    )?;
    Ok(Page::of(rows, &request, |row: &AnyRefund| row.id))
}

/// A refund.
pub async fn any_refund(db: &Db, id: RefundId) -> Result<Option<AnyRefund>, DbError> {
    let text = format!("{REFUNDS} AND id = $1");
    fetch_optional!(db, sqlx::query_as(AssertSqlSafe(text.as_str())).bind(id))
}

/// Which disputes.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
pub struct AnyDisputes {
    /// Of this order.
    pub order: Option<OrderId>,
    /// In this state.
    pub state: Option<CaseState>,
    /// Through this provider.
    pub provider: Option<ProviderName>,
    /// Opened at this time or later.
    pub from: Option<Time>,
    /// Opened before this time.
    pub until: Option<Time>,
    /// In which order.
    pub sort: Option<Sort<ByTime>>,
}

/// A dispute of any order.
#[derive(Debug, Clone, FromRow)]
#[expect(missing_docs, reason = "the fields are the columns of disputes")]
pub struct AnyDispute {
    pub id: DisputeId,
    pub order_id: OrderId,
    pub payment_id: PaymentId,
    pub provider: ProviderName,
    pub provider_ref: String,
    pub amount: i64,
    pub currency: Currency,
    pub state: CaseState,
    pub reason: String,
    pub opened_at: Time,
    pub closed_at: Option<Time>,
}

const DISPUTES: &str = "SELECT id, order_id, payment_id, provider, provider_ref, amount, currency, state, reason,
    opened_at, closed_at FROM disputes WHERE TRUE";

/// All disputes that fit, in the order in which they were heard of.
pub async fn any_disputes(
    db: &Db,
    filter: &AnyDisputes,
    request: PageRequest<DisputeId>,
) -> Result<Page<AnyDispute>, DbError> {
    let conditions = conditions(&[
        (filter.order.is_some(), "order_id = $1"),
        (filter.state.is_some(), "state = $2"),
        (filter.provider.is_some(), "provider = $3"),
        (filter.from.is_some(), "opened_at >= $4"),
        (filter.until.is_some(), "opened_at < $5"),
    ]);
    let text = format!("{DISPUTES}{conditions}{}", page_by_time(&request, filter.sort, "id", 6));
    let rows = fetch_all!(
        db,
        sqlx::query_as(AssertSqlSafe(text.as_str()))
            .bind(filter.order)
            .bind(filter.state)
            .bind(filter.provider)
            .bind(filter.from)
            .bind(filter.until)
            .bind(place_of(&request))
            .bind(request.fetch())
    )?;
    Ok(Page::of(rows, &request, |row: &AnyDispute| row.id))
}

/// A dispute.
pub async fn any_dispute(db: &Db, id: DisputeId) -> Result<Option<AnyDispute>, DbError> {
    let text = format!("{DISPUTES} AND id = $1");
    fetch_optional!(db, sqlx::query_as(AssertSqlSafe(text.as_str())).bind(id))
}
