//! Lists of orders, the newest first.

use schemars::JsonSchema;
use serde::Deserialize;
use sqlx::FromRow;

use super::order::{DisputeState, FulfilmentState, PaymentState, Status, status};
use crate::{
    db::{Db, DbError},
    fetch_all, fetch_one,
    kernel::{Currency, OrderId, Page, PageFrom, PageRequest, TenantId, Time},
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
    /// Of this buyer's address.
    pub email: Option<String>,
    /// Those that a person should look at.
    #[serde(default)]
    pub attention: bool,
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
    let (text, cursor) = listed!(
        "($3 IS NULL OR payment_state = $3) AND ($4 IS NULL OR email = $4) AND ($5 = 0 OR attention IS NOT NULL)",
        request.from
    );
    let email = filter.email.as_ref().map(|email| email.trim().to_lowercase());
    let rows = fetch_all!(
        db,
        sqlx::query_as(text)
            .bind(cursor)
            .bind(request.fetch())
            .bind(filter.payment_state)
            .bind(&email)
            .bind(i64::from(filter.attention))
    )?;
    Ok(Page::of(rows, &request, |order: &ListedOrder| order.id))
}

/// How many orders wait for a person to look.
pub async fn awaiting_attention(db: &Db) -> Result<i64, DbError> {
    fetch_one!(db, sqlx::query_scalar("SELECT COUNT(*) FROM orders WHERE attention IS NOT NULL"))
}
