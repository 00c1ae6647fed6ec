//! `/api/admin/payments`, `/api/admin/refunds` and `/api/admin/disputes`: money of all orders.

use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    app::App,
    http::{Admin, Context, ExportQuery, Exported, Json, Kind, ListFile, PageQuery, Path, Problem, Query, sought},
    kernel::{DisputeId, Money, OrderId, Page, PageRequest, PaymentId, RefundId, SubscriptionId, Time},
    orders::{
        self, AnyDispute, AnyDisputes, AnyPayment, AnyPayments, AnyRefund, AnyRefunds, CaseState, MoneyState,
        RefundState,
    },
    payments::ProviderName,
};

/// A payment of any order.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "AnyPayment")]
pub(super) struct PaymentView {
    /// Which one.
    id: PaymentId,
    /// Of which order.
    order: OrderId,
    /// Of which subscription, if it renews one.
    subscription: Option<SubscriptionId>,
    /// Through whom.
    provider: ProviderName,
    /// The provider's session, or invoice of a renewal.
    reference: String,
    /// The provider's name of the money itself.
    charge: Option<String>,
    /// Where it stands.
    state: MoneyState,
    /// How much.
    amount: Money,
    /// How much of it went back.
    refunded: Money,
    /// What the provider kept, once it told.
    fee: Option<Money>,
    /// Whether it settles nothing and waits in suspense.
    unmatched: bool,
    /// When it was begun.
    created_at: Time,
    /// When its session ends.
    expires_at: Option<Time>,
    /// When it was settled.
    settled_at: Option<Time>,
}

impl From<AnyPayment> for PaymentView {
    fn from(row: AnyPayment) -> Self {
        let money = |amount| Money::new(amount, row.currency);
        Self {
            id: row.id,
            order: row.order_id,
            subscription: row.subscription_id,
            provider: row.provider,
            amount: money(row.amount),
            refunded: money(row.refunded),
            fee: row.fee.map(money),
            reference: row.provider_ref,
            charge: row.charge_ref,
            state: row.state,
            unmatched: row.unmatched,
            created_at: row.created_at,
            expires_at: row.expires_at,
            settled_at: row.settled_at,
        }
    }
}

/// A refund of any order.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "AnyRefund")]
pub(super) struct RefundView {
    /// Which one.
    id: RefundId,
    /// Of which order.
    order: OrderId,
    /// Of which payment.
    payment: Option<PaymentId>,
    /// Through whom.
    provider: ProviderName,
    /// The provider's name of it.
    reference: Option<String>,
    /// How much.
    amount: Money,
    /// Where it stands.
    state: RefundState,
    /// Why.
    reason: String,
    /// When it was wanted.
    created_at: Time,
    /// When it was booked.
    applied_at: Option<Time>,
}

impl From<AnyRefund> for RefundView {
    fn from(row: AnyRefund) -> Self {
        Self {
            id: row.id,
            order: row.order_id,
            payment: row.payment_id,
            provider: row.provider,
            reference: row.provider_ref,
            amount: Money::new(row.amount, row.currency),
            state: row.state,
            reason: row.reason,
            created_at: row.created_at,
            applied_at: row.applied_at,
        }
    }
}

/// A dispute of any order.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "AnyDispute")]
pub(super) struct DisputeView {
    /// Which one.
    id: DisputeId,
    /// Of which order.
    order: OrderId,
    /// Of which payment.
    payment: PaymentId,
    /// Through whom.
    provider: ProviderName,
    /// The provider's name of it.
    reference: String,
    /// How much.
    amount: Money,
    /// Where it stands.
    state: CaseState,
    /// What the buyer says, as the provider tells it.
    reason: String,
    /// When it was opened.
    opened_at: Time,
    /// When it was decided.
    closed_at: Option<Time>,
}

impl From<AnyDispute> for DisputeView {
    fn from(row: AnyDispute) -> Self {
        Self {
            id: row.id,
            order: row.order_id,
            payment: row.payment_id,
            provider: row.provider,
            reference: row.provider_ref,
            amount: Money::new(row.amount, row.currency),
            state: row.state,
            reason: row.reason,
            opened_at: row.opened_at,
            closed_at: row.closed_at,
        }
    }
}

fn missing(what: &'static str) -> impl Fn() -> Problem {
    move || Problem::new(Kind::NotFound).detail(format!("there is no such {what}"))
}

const PAYMENTS: Exported = Exported {
    name: "payments",
    columns: &[
        "id",
        "order",
        "subscription",
        "provider",
        "reference",
        "charge",
        "state",
        "amount.amount",
        "amount.currency",
        "refunded.amount",
        "fee.amount",
        "unmatched",
        "created_at",
        "settled_at",
    ],
};
const REFUNDS: Exported = Exported {
    name: "refunds",
    columns: &[
        "id",
        "order",
        "payment",
        "provider",
        "reference",
        "amount.amount",
        "amount.currency",
        "state",
        "reason",
        "created_at",
        "applied_at",
    ],
};
const DISPUTES: Exported = Exported {
    name: "disputes",
    columns: &[
        "id",
        "order",
        "payment",
        "provider",
        "reference",
        "amount.amount",
        "amount.currency",
        "state",
        "reason",
        "opened_at",
        "closed_at",
    ],
};

/// `GET /api/admin/payments`
pub(super) async fn payments(
    State(app): State<App>,
    _: Admin,
    Query(filter): Query<AnyPayments>,
    Query(page): Query<PageQuery<PaymentId>>,
) -> Result<Json<Page<PaymentView>>, Problem> {
    sought("#/reference", filter.reference.as_deref())?;
    let page = orders::any_payments(&app.db, &filter, page.request()?).await?;
    Ok(Json(page.map(PaymentView::from)))
}

/// `GET /api/admin/payments/{payment}`
pub(super) async fn payment(
    State(app): State<App>,
    _: Admin,
    Path(id): Path<PaymentId>,
) -> Result<Json<PaymentView>, Problem> {
    let found = orders::any_payment(&app.db, id).await?.ok_or_else(missing("payment"))?;
    Ok(Json(found.into()))
}

/// `GET /api/admin/payments/export`
pub(super) async fn export_payments(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Query(filter): Query<AnyPayments>,
    Query(query): Query<ExportQuery>,
) -> Result<ListFile, Problem> {
    sought("#/reference", filter.reference.as_deref())?;
    let shop = app.clone();
    let read = move |page: PageRequest<PaymentId>| {
        let (app, filter) = (shop.clone(), filter.clone());
        async move { Ok(orders::any_payments(&app.db, &filter, page).await?.map(PaymentView::from)) }
    };
    PAYMENTS.answer(&app, (&admin, &context), query, read).await
}

/// `GET /api/admin/refunds`
pub(super) async fn refunds(
    State(app): State<App>,
    _: Admin,
    Query(filter): Query<AnyRefunds>,
    Query(page): Query<PageQuery<RefundId>>,
) -> Result<Json<Page<RefundView>>, Problem> {
    let page = orders::any_refunds(&app.db, &filter, page.request()?).await?;
    Ok(Json(page.map(RefundView::from)))
}

/// `GET /api/admin/refunds/{refund}`
pub(super) async fn refund(
    State(app): State<App>,
    _: Admin,
    Path(id): Path<RefundId>,
) -> Result<Json<RefundView>, Problem> {
    let found = orders::any_refund(&app.db, id).await?.ok_or_else(missing("refund"))?;
    Ok(Json(found.into()))
}

/// `GET /api/admin/refunds/export`
pub(super) async fn export_refunds(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Query(filter): Query<AnyRefunds>,
    Query(query): Query<ExportQuery>,
) -> Result<ListFile, Problem> {
    let shop = app.clone();
    let read = move |page: PageRequest<RefundId>| {
        let (app, filter) = (shop.clone(), filter.clone());
        async move { Ok(orders::any_refunds(&app.db, &filter, page).await?.map(RefundView::from)) }
    };
    REFUNDS.answer(&app, (&admin, &context), query, read).await
}

/// `GET /api/admin/disputes`
pub(super) async fn disputes(
    State(app): State<App>,
    _: Admin,
    Query(filter): Query<AnyDisputes>,
    Query(page): Query<PageQuery<DisputeId>>,
) -> Result<Json<Page<DisputeView>>, Problem> {
    let page = orders::any_disputes(&app.db, &filter, page.request()?).await?;
    Ok(Json(page.map(DisputeView::from)))
}

/// `GET /api/admin/disputes/{dispute}`
pub(super) async fn dispute(
    State(app): State<App>,
    _: Admin,
    Path(id): Path<DisputeId>,
) -> Result<Json<DisputeView>, Problem> {
    let found = orders::any_dispute(&app.db, id).await?.ok_or_else(missing("dispute"))?;
    Ok(Json(found.into()))
}

/// `GET /api/admin/disputes/export`
pub(super) async fn export_disputes(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Query(filter): Query<AnyDisputes>,
    Query(query): Query<ExportQuery>,
) -> Result<ListFile, Problem> {
    let shop = app.clone();
    let read = move |page: PageRequest<DisputeId>| {
        let (app, filter) = (shop.clone(), filter.clone());
        async move { Ok(orders::any_disputes(&app.db, &filter, page).await?.map(DisputeView::from)) }
    };
    DISPUTES.answer(&app, (&admin, &context), query, read).await
}
