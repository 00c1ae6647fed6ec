//! A subscription as people see it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, FromRow};

use crate::{
    bind_place,
    db::{Compared, Db, DbError, conditions, page_of},
    fetch_all, fetch_optional,
    kernel::{
        Currency, OrderId, OrderItemId, Page, PageFrom, PageRequest, PlanId, Sort, SortField, SortKey, Sorted,
        SubscriptionId, TenantId, Time, UserId,
    },
    payments::ProviderName,
    text_enum,
};

text_enum! {
    /// Where a subscription stands.
    pub enum SubscriptionStatus {
        /// Paid.
        Active = "active",
        /// In its trial.
        Trialing = "trialing",
        /// A renewal could not be charged; it is tried again.
        PastDue = "past_due",
        /// Ended by its holder or an operator.
        Cancelled = "cancelled",
        /// Ended because nobody paid.
        Expired = "expired",
    }
}

/// A subscription.
#[derive(Debug, Clone, Serialize, FromRow, JsonSchema)]
pub struct Subscription {
    /// Which one.
    pub id: SubscriptionId,
    /// The order that began it.
    pub order_id: OrderId,
    /// Which of its items.
    pub order_item_id: OrderItemId,
    /// The plan.
    pub plan_id: PlanId,
    /// What the product is called.
    pub title: String,
    /// What the plan is called.
    pub plan_name: String,
    /// Who charges for it.
    pub provider: ProviderName,
    /// Where it stands.
    pub status: SubscriptionStatus,
    /// What a period costs, in minor units.
    pub amount: i64,
    /// Of what.
    pub currency: Currency,
    /// When the period that is paid began.
    pub period_start: Time,
    /// When it ends.
    pub period_end: Time,
    /// Whether it ends then.
    pub cancel_at_period_end: bool,
    /// When it was cancelled, if it was.
    pub cancelled_at: Option<Time>,
    /// When it began.
    pub created_at: Time,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT s.id, s.order_id, s.order_item_id, s.plan_id, i.title, i.plan_name, s.provider, s.status, s.amount,
                    s.currency, s.period_start, s.period_end, s.cancel_at_period_end, s.cancelled_at, s.created_at
             FROM subscriptions s JOIN order_items i ON i.id = s.order_item_id WHERE s.tenant_id = $1 AND ",
            $rest
        )
    };
}

/// A tenant's subscription.
pub async fn find(db: &Db, tenant: TenantId, id: SubscriptionId) -> Result<Option<Subscription>, DbError> {
    fetch_optional!(db, sqlx::query_as(select!("s.id = $2")).bind(tenant).bind(id))
}

text_enum! {
    /// What operators sort subscriptions by.
    pub enum SubscriptionSort {
        /// When they began.
        Created = "created",
        /// When their period ends.
        PeriodEnd = "period_end",
        /// What a period costs.
        Amount = "amount",
    }
}

impl SortField for SubscriptionSort {
    const CREATED: Self = Self::Created;
}

/// Which subscriptions an operator looks for.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
pub struct AnySubscriptions {
    /// That stand there.
    pub status: Option<SubscriptionStatus>,
    /// Through this provider.
    pub provider: Option<ProviderName>,
    /// Of this tenant.
    pub tenant: Option<TenantId>,
    /// Of this order.
    pub order: Option<OrderId>,
    /// Of this plan.
    pub plan: Option<PlanId>,
    /// Those that end with their period, or the others.
    pub ending: Option<bool>,
    /// In which order.
    pub sort: Option<Sort<SubscriptionSort>>,
}

/// Anybody's subscription, as operators see it.
#[derive(Debug, Clone, Serialize, FromRow, JsonSchema)]
pub struct AnySubscription {
    /// What its holder sees.
    #[sqlx(flatten)]
    #[serde(flatten)]
    pub subscription: Subscription,
    /// Whose.
    pub tenant_id: TenantId,
    /// What the provider calls it.
    pub provider_ref: String,
    /// The next step of its dunning, if a renewal was not paid.
    pub dunning_at: Option<Time>,
    #[serde(skip)]
    sort_number: i64,
}

macro_rules! any {
    () => {
        "SELECT s.id, s.order_id, s.order_item_id, s.plan_id, i.title, i.plan_name, s.provider, s.status, s.amount,
                s.currency, s.period_start, s.period_end, s.cancel_at_period_end, s.cancelled_at, s.created_at,
                s.tenant_id, s.provider_ref, s.dunning_at, CAST({} AS BIGINT) AS sort_number
         FROM subscriptions s JOIN order_items i ON i.id = s.order_item_id WHERE TRUE"
    };
}

/// Anybody's subscriptions.
pub async fn list_any(
    db: &Db,
    filter: &AnySubscriptions,
    page: &Sorted<SubscriptionSort, SubscriptionId>,
) -> Result<Page<AnySubscription>, DbError> {
    let by = match page.field() {
        SubscriptionSort::Created => Compared::BY_ID,
        SubscriptionSort::PeriodEnd => {
            Compared::number(db.dialect().pick("s.period_end", "(EXTRACT(EPOCH FROM s.period_end) * 1000000)::bigint"))
        }
        SubscriptionSort::Amount => Compared::number("s.amount"),
    };
    let conditions = conditions(&[
        (filter.status.is_some(), "s.status = $1"),
        (filter.provider.is_some(), "s.provider = $2"),
        (filter.tenant.is_some(), "s.tenant_id = $3"),
        (filter.order.is_some(), "s.order_id = $4"),
        (filter.plan.is_some(), "s.plan_id = $5"),
        (filter.ending == Some(true), "s.cancel_at_period_end"),
        (filter.ending == Some(false), "NOT s.cancel_at_period_end"),
    ]);
    let tail = page_of(page, by, "s.id", 6, db.dialect());
    let text = format!(concat!(any!(), "{}{}"), by.number, conditions, tail);
    let rows: Vec<AnySubscription> = fetch_all!(
        db,
        bind_place!(
            sqlx::query_as(AssertSqlSafe(text.as_str()))
                .bind(filter.status)
                .bind(filter.provider)
                .bind(filter.tenant)
                .bind(filter.order)
                .bind(filter.plan),
            page
        )
    )?;
    Ok(page.page(rows, |row| (row.subscription.id, SortKey { number: row.sort_number, ..SortKey::default() })))
}

/// Anybody's subscription.
pub async fn find_any(db: &Db, id: SubscriptionId) -> Result<Option<AnySubscription>, DbError> {
    let text = format!(concat!(any!(), " AND s.id = $1"), "0");
    fetch_optional!(db, sqlx::query_as(AssertSqlSafe(text.as_str())).bind(id))
}

/// What a letter to a subscription's holder tells.
#[derive(Debug, FromRow)]
#[expect(missing_docs, reason = "the fields are the columns of subscriptions, orders and order_items")]
pub struct Holder {
    pub user_id: Option<UserId>,
    pub email: String,
    pub title: String,
    pub status: SubscriptionStatus,
    pub amount: i64,
    pub currency: Currency,
    pub dunning_at: Option<Time>,
    pub cancelled_at: Option<Time>,
    pub period_end: Time,
    pub name: Option<String>,
}

/// Whom anybody's subscription is told about, and what.
pub async fn holder(db: &Db, id: SubscriptionId) -> Result<Option<Holder>, DbError> {
    fetch_optional!(
        db,
        sqlx::query_as(
            "SELECT o.user_id, o.email, i.title, s.status, s.amount, s.currency, s.dunning_at, s.cancelled_at,
                    s.period_end, u.name
             FROM subscriptions s JOIN orders o ON o.id = s.order_id JOIN order_items i ON i.id = s.order_item_id
                  LEFT JOIN users u ON u.id = o.user_id
             WHERE s.id = $1"
        )
        .bind(id)
    )
}

/// Whether a subscription will prolong what an item gave.
pub async fn prolongs(db: &Db, item: OrderItemId) -> Result<bool, DbError> {
    let found: Option<i32> = fetch_optional!(
        db,
        sqlx::query_scalar(
            "SELECT 1 FROM subscriptions WHERE order_item_id = $1 AND status IN ('active', 'trialing', 'past_due')
                    AND NOT cancel_at_period_end"
        )
        .bind(item)
    )?;
    Ok(found.is_some())
}

/// A tenant's subscriptions, the newest first.
pub async fn list(
    db: &Db,
    tenant: TenantId,
    request: PageRequest<SubscriptionId>,
) -> Result<Page<Subscription>, DbError> {
    let (text, cursor) = match request.from {
        PageFrom::Start => (select!("($2 IS NULL OR s.id < $2) ORDER BY s.id DESC LIMIT $3"), None),
        PageFrom::After(id) => (select!("($2 IS NULL OR s.id < $2) ORDER BY s.id DESC LIMIT $3"), Some(id)),
        PageFrom::Before(id) => (select!("s.id > $2 ORDER BY s.id LIMIT $3"), Some(id)),
    };
    let rows = fetch_all!(db, sqlx::query_as(text).bind(tenant).bind(cursor).bind(request.fetch()))?;
    Ok(Page::of(rows, &request, |subscription: &Subscription| subscription.id))
}
