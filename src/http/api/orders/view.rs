//! Orders as JSON.

use serde::Serialize;

use crate::{
    app::App,
    catalog::{
        BillingCycle, LicenseType, Line, Quote,
        tax::{Percent, TaxTreatment},
    },
    http::Problem,
    kernel::{Money, OrderId, OrderItemId, PaymentId, PlanId, ProductId, RefundId, SubscriptionId, Time},
    licenses::{self, LicenseView},
    orders::{self, DisputeState, FulfilmentState, Item, ListedOrder, Order, PaymentState, Status, TimelineEvent},
    payments::ProviderName,
};

/// What everything costs: `total = subtotal − discount + tax`. Where prices contain their tax it is in `tax_included`.
#[derive(Debug, Serialize)]
pub(super) struct Totals {
    subtotal: Money,
    discount: Money,
    tax: Money,
    tax_included: Money,
    tax_treatment: TaxTreatment,
    total: Money,
}

/// A cart with its prices.
#[derive(Debug, Serialize)]
pub(super) struct QuoteView {
    items: Vec<ItemView>,
    #[serde(flatten)]
    totals: Totals,
}

/// A priced item.
#[derive(Debug, Serialize)]
pub(super) struct ItemView {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<OrderItemId>,
    product: ProductId,
    plan: PlanId,
    title: String,
    plan_name: String,
    billing_cycle: BillingCycle,
    license_type: LicenseType,
    quantity: i64,
    unit_price: Money,
    discount: Money,
    tax: Money,
    tax_included: Money,
    tax_name: String,
    tax_percent: Percent,
    total: Money,
}

impl QuoteView {
    pub(super) fn of(quote: &Quote) -> Self {
        let money = |amount| Money::new(amount, quote.currency);
        let item = |line: &Line| ItemView {
            id: None,
            product: line.product,
            plan: line.plan,
            title: line.title.clone(),
            plan_name: line.plan_name.clone(),
            billing_cycle: line.billing,
            license_type: line.license_type,
            quantity: line.quantity,
            unit_price: money(line.unit_amount),
            discount: money(line.discount),
            tax: money(line.tax),
            tax_included: money(line.tax_included),
            tax_name: line.tax_name.clone(),
            tax_percent: line.tax_rate,
            total: money(line.total),
        };
        let totals = Totals {
            subtotal: money(quote.subtotal),
            discount: money(quote.discount),
            tax: money(quote.tax),
            tax_included: money(quote.tax_included),
            tax_treatment: quote.tax_treatment,
            total: money(quote.total),
        };
        Self { items: quote.lines.iter().map(item).collect(), totals }
    }
}

/// An order without its parts.
#[derive(Debug, Serialize)]
pub(super) struct OrderHead {
    pub(super) id: OrderId,
    status: Status,
    payment_state: PaymentState,
    fulfilment_state: FulfilmentState,
    dispute_state: DisputeState,
    email: String,
    provider: ProviderName,
    #[serde(flatten)]
    totals: Totals,
    refunded: Money,
    /// Where it is paid.
    pay_url: String,
    created_at: Time,
    expires_at: Time,
    paid_at: Option<Time>,
    fulfilled_at: Option<Time>,
}

impl OrderHead {
    pub(super) fn of(app: &App, order: &Order) -> Self {
        let money = |amount| Money::new(amount, order.currency);
        Self {
            id: order.id,
            status: order.status(),
            payment_state: order.payment_state,
            fulfilment_state: order.fulfilment_state,
            dispute_state: order.dispute_state,
            email: order.email.clone(),
            provider: order.provider,
            totals: Totals {
                subtotal: money(order.subtotal),
                discount: money(order.discount),
                tax: money(order.tax),
                tax_included: money(order.tax_included),
                tax_treatment: order.tax_treatment,
                total: money(order.total),
            },
            refunded: money(order.refunded),
            pay_url: format!("{}/pay/{}", app.shop.public_url, order.id),
            created_at: order.created_at,
            expires_at: order.expires_at,
            paid_at: order.paid_at,
            fulfilled_at: order.fulfilled_at,
        }
    }
}

#[derive(Debug, Serialize)]
struct PaymentView {
    id: PaymentId,
    provider: ProviderName,
    /// The provider's name of the session.
    reference: String,
    state: String,
    amount: Money,
    refunded: Money,
    #[serde(skip_serializing_if = "Option::is_none")]
    subscription: Option<SubscriptionId>,
    created_at: Time,
    settled_at: Option<Time>,
}

#[derive(Debug, Serialize)]
struct RefundView {
    id: RefundId,
    amount: Money,
    state: String,
    reason: String,
    created_at: Time,
    applied_at: Option<Time>,
}

/// An order with everything about it.
#[derive(Debug, Serialize)]
pub(super) struct OrderView {
    #[serde(flatten)]
    head: OrderHead,
    items: Vec<ItemView>,
    payments: Vec<PaymentView>,
    refunds: Vec<RefundView>,
    timeline: Vec<TimelineEvent>,
    /// What it gave; absent for those who may not see keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    licenses: Option<Vec<LicenseView>>,
}

/// Whether the licence keys are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keys {
    Shown,
    Hidden,
}

impl OrderView {
    pub(super) async fn of(app: &App, order: &Order, keys: Keys) -> Result<Self, Problem> {
        let money = |amount| Money::new(amount, order.currency);
        let (db, id) = (&app.db, order.id);
        let item = |item: Item| ItemView {
            id: Some(item.id),
            product: item.product_id,
            plan: item.plan_id,
            title: item.title,
            plan_name: item.plan_name,
            billing_cycle: item.billing_cycle,
            license_type: item.license_type,
            quantity: item.quantity,
            unit_price: money(item.unit_amount),
            discount: money(item.discount),
            tax: money(item.tax),
            tax_included: money(item.tax_included),
            tax_name: item.tax_name,
            tax_percent: Percent::from_millionths(item.tax_rate),
            total: money(item.total),
        };
        let payment = |payment: orders::PaymentRow| PaymentView {
            id: payment.id,
            provider: payment.provider,
            reference: payment.provider_ref,
            state: payment.state,
            amount: Money::new(payment.amount, payment.currency),
            refunded: Money::new(payment.refunded, payment.currency),
            subscription: payment.subscription_id,
            created_at: payment.created_at,
            settled_at: payment.settled_at,
        };
        let refund = |refund: orders::RefundRow| RefundView {
            id: refund.id,
            amount: Money::new(refund.amount, refund.currency),
            state: refund.state,
            reason: refund.reason,
            created_at: refund.created_at,
            applied_at: refund.applied_at,
        };
        let licenses = match keys {
            Keys::Shown => Some(licenses::of_order(db, &app.license_keys, id).await.map_err(Problem::internal)?),
            Keys::Hidden => None,
        };
        Ok(Self {
            head: OrderHead::of(app, order),
            items: orders::items(db, id).await?.into_iter().map(item).collect(),
            payments: orders::payments(db, id).await?.into_iter().map(payment).collect(),
            refunds: orders::refunds(db, id).await?.into_iter().map(refund).collect(),
            timeline: orders::timeline(db, id).await?,
            licenses,
        })
    }
}

/// An order in a list.
#[derive(Debug, Serialize)]
pub(super) struct ListedView {
    id: OrderId,
    status: Status,
    email: String,
    provider: ProviderName,
    total: Money,
    refunded: Money,
    created_at: Time,
    paid_at: Option<Time>,
    /// Why an operator should look; only operators see it.
    #[serde(skip_serializing_if = "Option::is_none")]
    attention: Option<String>,
}

impl ListedView {
    /// As its buyer sees it.
    pub(super) fn for_buyer(order: ListedOrder) -> Self {
        Self { attention: None, ..Self::for_operator(order) }
    }

    /// As an operator sees it.
    pub(super) fn for_operator(order: ListedOrder) -> Self {
        Self {
            id: order.id,
            status: order.status(),
            total: Money::new(order.total, order.currency),
            refunded: Money::new(order.refunded, order.currency),
            email: order.email,
            provider: order.provider,
            created_at: order.created_at,
            paid_at: order.paid_at,
            attention: order.attention,
        }
    }
}
