//! Orders as JSON.

use schemars::JsonSchema;
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
    orders::{
        self, DisputeState, FulfilmentState, Item, ListedOrder, Order, PaymentState, Status, TimelineEvent, WholeOrder,
    },
    payments::ProviderName,
};

/// What everything costs: `total = subtotal − discount + tax`. Where prices contain their tax it is in `tax_included`.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Totals {
    /// The items together.
    subtotal: Money,
    /// What a coupon takes off.
    discount: Money,
    /// The tax that comes on top.
    tax: Money,
    /// The tax that prices contain.
    tax_included: Money,
    /// How it is taxed.
    tax_treatment: TaxTreatment,
    /// What is to be paid.
    total: Money,
}

/// A cart with its prices.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Quote")]
pub(super) struct QuoteView {
    /// What is in the cart.
    items: Vec<ItemView>,
    #[serde(flatten)]
    totals: Totals,
}

/// A priced item.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PricedItem")]
pub(super) struct ItemView {
    /// Which item of the order; a quote has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<OrderItemId>,
    /// Of what.
    product: ProductId,
    /// In which plan.
    plan: PlanId,
    /// What the product is called.
    title: String,
    /// What the plan is called.
    plan_name: String,
    /// How it is paid.
    billing_cycle: BillingCycle,
    /// What its licences allow.
    license_type: LicenseType,
    /// How many.
    quantity: i64,
    /// What one costs.
    unit_price: Money,
    /// What a coupon takes off.
    discount: Money,
    /// The tax that comes on top.
    tax: Money,
    /// The tax that the price contains.
    tax_included: Money,
    /// What the tax is called.
    tax_name: String,
    /// Its rate.
    tax_percent: Percent,
    /// What all of them cost.
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
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct OrderHead {
    /// Which one.
    pub(super) id: OrderId,
    /// Where it stands, in a word.
    status: Status,
    /// Where the money is.
    payment_state: PaymentState,
    /// Where the goods are.
    fulfilment_state: FulfilmentState,
    /// Where a dispute stands.
    dispute_state: DisputeState,
    /// Where it is delivered to.
    email: String,
    /// Through whom it is paid.
    provider: ProviderName,
    #[serde(flatten)]
    totals: Totals,
    /// What went back.
    refunded: Money,
    /// Where it is paid.
    pay_url: String,
    /// When it was made.
    created_at: Time,
    /// Until when it can be paid.
    expires_at: Time,
    /// When it was paid.
    paid_at: Option<Time>,
    /// When its goods were given.
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

/// A payment of an order.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "OrderPayment")]
struct PaymentView {
    /// Which one.
    id: PaymentId,
    /// Through whom.
    provider: ProviderName,
    /// The provider's name of the session.
    reference: String,
    /// How it stands.
    state: String,
    /// How much.
    amount: Money,
    /// How much of it went back.
    refunded: Money,
    /// The subscription that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    subscription: Option<SubscriptionId>,
    /// When it was begun.
    created_at: Time,
    /// When the money came.
    settled_at: Option<Time>,
}

/// A refund of an order.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "OrderRefund")]
struct RefundView {
    /// Which one.
    id: RefundId,
    /// How much.
    amount: Money,
    /// How it stands.
    state: String,
    /// Why.
    reason: String,
    /// When it was asked for.
    created_at: Time,
    /// When the provider made it.
    applied_at: Option<Time>,
}

/// An order with everything about it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Order")]
pub(super) struct OrderView {
    #[serde(flatten)]
    head: OrderHead,
    /// What was ordered.
    items: Vec<ItemView>,
    /// What was paid, and what was tried.
    payments: Vec<PaymentView>,
    /// What went back.
    refunds: Vec<RefundView>,
    /// What happened, from the beginning.
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
    pub(super) async fn of(app: &App, whole: WholeOrder, keys: Keys) -> Result<Self, Problem> {
        let WholeOrder { order, items, payments, refunds, timeline } = whole;
        let money = |amount| Money::new(amount, order.currency);
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
            // There are none before, and that is when a buyer's page asks most often.
            Keys::Shown if order.fulfilment_state == FulfilmentState::Unfulfilled => Some(Vec::new()),
            Keys::Shown => {
                Some(licenses::of_order(&app.db, &app.license_keys, order.id).await.map_err(Problem::internal)?)
            }
            Keys::Hidden => None,
        };
        Ok(Self {
            head: OrderHead::of(app, &order),
            items: items.into_iter().map(item).collect(),
            payments: payments.into_iter().map(payment).collect(),
            refunds: refunds.into_iter().map(refund).collect(),
            timeline,
            licenses,
        })
    }
}

/// An order in a list.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ListedOrder")]
pub(super) struct ListedView {
    /// Which one.
    id: OrderId,
    /// Where it stands, in a word.
    status: Status,
    /// Where it is delivered to.
    email: String,
    /// Through whom it is paid.
    provider: ProviderName,
    /// What was to be paid.
    total: Money,
    /// What went back.
    refunded: Money,
    /// When it was made.
    created_at: Time,
    /// When it was paid.
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
