//! Lists of orders, the newest first.

use schemars::JsonSchema;
use serde::Deserialize;
use sqlx::{AssertSqlSafe, FromRow};

use super::order::{DisputeState, FulfilmentState, PaymentState, Status, status};
use crate::{
    db::{Db, DbError, conditions, page_by_time, place_of},
    fetch_all, fetch_one,
    kernel::{ByTime, Currency, OrderId, Page, PageFrom, PageRequest, Sort, TenantId, Time, UserId, ids_between},
    payments::ProviderName,
};

/// An order in a list.
#[derive(Debug, FromRow)]
#[expect(missing_docs, reason = "the fields are the columns of orders")]
pub struct ListedOrder {
    pub id: OrderId,
    pub email: String,
    pub currency: Currency,
    pub total: i64,
    pub refunded: i64,
    pub provider: ProviderName,
    pub payment_state: PaymentState,
    pub fulfilment_state: FulfilmentState,
    pub dispute_state: DisputeState,
    pub attention: Option<String>,
    pub created_at: Time,
    pub paid_at: Option<Time>,
}

impl ListedOrder {
    /// The status that people see.
    #[must_use]
    pub const fn status(&self) -> Status {
        status(self.payment_state, self.fulfilment_state, self.dispute_state)
    }
}

/// Which orders an operator looks for.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
pub struct AnyOrders {
    /// In this payment state.
    pub payment_state: Option<PaymentState>,
    /// In this state of fulfilment; with `payment_state=paid`, `unfulfilled` is what was paid and gave nothing yet.
    pub fulfilment_state: Option<FulfilmentState>,
    /// In this state of dispute.
    pub dispute_state: Option<DisputeState>,
    /// Paid through this provider.
    pub provider: Option<ProviderName>,
    /// In this currency.
    pub currency: Option<Currency>,
    /// Of this tenant.
    pub tenant: Option<TenantId>,
    /// Of this person.
    pub user: Option<UserId>,
    /// Of this buyer's address.
    pub email: Option<String>,
    /// Those that a person should look at.
    #[serde(default)]
    pub attention: bool,
    /// Ordered at this time or later.
    pub from: Option<Time>,
    /// Ordered before this time.
    pub until: Option<Time>,
    /// In which order.
    pub sort: Option<Sort<ByTime>>,
}

macro_rules! listed {
    ($which:literal, $cursor:literal, $order:literal) => {
        concat!(
            "SELECT id, email, currency, total, refunded, provider, payment_state, fulfilment_state, dispute_state,
                    attention, created_at, paid_at
             FROM orders WHERE ",
            $which,
            " AND ($1 IS NULL OR id ",
            $cursor,
            " $1) ORDER BY id ",
            $order,
            " LIMIT $2"
        )
    };
    ($which:literal, $from:expr) => {
        match $from {
            PageFrom::Start => (listed!($which, "<", "DESC"), None),
            PageFrom::After(cursor) => (listed!($which, "<", "DESC"), Some(cursor)),
            PageFrom::Before(cursor) => (listed!($which, ">", "ASC"), Some(cursor)),
        }
    };
}

/// A tenant's orders.
pub async fn list(db: &Db, tenant: TenantId, request: PageRequest<OrderId>) -> Result<Page<ListedOrder>, DbError> {
    let (text, cursor) = listed!("tenant_id = $3", request.from);
    let rows = fetch_all!(db, sqlx::query_as(text).bind(cursor).bind(request.fetch()).bind(tenant))?;
    Ok(Page::of(rows, &request, |order: &ListedOrder| order.id))
}

/// Everybody's orders, for operators.
pub async fn list_any(
    db: &Db,
    filter: &AnyOrders,
    request: PageRequest<OrderId>,
) -> Result<Page<ListedOrder>, DbError> {
    let email = filter.email.as_ref().map(|email| email.trim().to_lowercase());
    let (first, last) = ids_between(filter.from, filter.until);
    let conditions = conditions(&[
        (filter.payment_state.is_some(), "payment_state = $1"),
        (filter.fulfilment_state.is_some(), "fulfilment_state = $2"),
        (filter.dispute_state.is_some(), "dispute_state = $3"),
        (filter.provider.is_some(), "provider = $4"),
        (filter.currency.is_some(), "currency = $5"),
        (filter.tenant.is_some(), "tenant_id = $6"),
        (filter.user.is_some(), "user_id = $7"),
        (email.is_some(), "email = $8"),
        (filter.attention, "attention IS NOT NULL"),
        (filter.from.is_some(), "created_at >= $9 AND id >= $11"),
        (filter.until.is_some(), "created_at < $10 AND id < $12"),
    ]);
    let tail = page_by_time(&request, filter.sort, "id", 13);
    let text = format!("SELECT {LISTED} FROM orders WHERE TRUE{conditions}{tail}");
    let rows = fetch_all!(
        db,
        sqlx::query_as(AssertSqlSafe(text.as_str()))
            .bind(filter.payment_state)
            .bind(filter.fulfilment_state)
            .bind(filter.dispute_state)
            .bind(filter.provider)
            .bind(filter.currency)
            .bind(filter.tenant)
            .bind(filter.user)
            .bind(email.as_deref())
            .bind(filter.from)
            .bind(filter.until)
            .bind(first)
            .bind(last)
            .bind(place_of(&request))
            .bind(request.fetch())
    )?;
    Ok(Page::of(rows, &request, |order: &ListedOrder| order.id))
}

const LISTED: &str = "id, email, currency, total, refunded, provider, payment_state, fulfilment_state, dispute_state,
    attention, created_at, paid_at";

/// How many orders wait for a person to look.
pub async fn awaiting_attention(db: &Db) -> Result<i64, DbError> {
    fetch_one!(db, sqlx::query_scalar("SELECT COUNT(*) FROM orders WHERE attention IS NOT NULL"))
}

/// How many orders a tenant has, paid or not.
pub async fn count_of(db: &Db, tenant: TenantId) -> Result<i64, DbError> {
    fetch_one!(db, sqlx::query_scalar("SELECT COUNT(*) FROM orders WHERE tenant_id = $1").bind(tenant))
}
