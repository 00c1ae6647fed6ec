//! Opening an order: the prices are the catalogue's, never the client's.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Billed, Billing, Policy,
    order::{DisputeState, FulfilmentState, Order, PaymentState},
    settle, timeline,
};
use crate::{
    accounts::{self, Email},
    audit::{Actor, Entry},
    catalog::{self, BillingCycle, CouponProblem, Line, Quote, QuoteError, Wanted},
    db::{AppendTable, Column, DbError, Tx},
    fetch_one,
    kernel::{Currency, Id, Money, OrderId, OrderItemId, TenantId, Time, UserId},
    payments::{Provider, ProviderName, ledger::Unbalanced},
};

static ORDERS: AppendTable = AppendTable::new(
    "orders",
    &[
        ("id", Column::Uuid),
        ("tenant_id", Column::Uuid),
        ("user_id", Column::Uuid),
        ("email", Column::Text),
        ("currency", Column::Text),
        ("subtotal", Column::Int),
        ("discount", Column::Int),
        ("tax", Column::Int),
        ("tax_included", Column::Int),
        ("tax_treatment", Column::Text),
        ("total", Column::Int),
        ("coupon_id", Column::Uuid),
        ("provider", Column::Text),
        ("payment_state", Column::Text),
        ("fulfilment_state", Column::Text),
        ("dispute_state", Column::Text),
        ("created_at", Column::Time),
        ("expires_at", Column::Time),
        ("paid_at", Column::Time),
    ],
);

static ITEMS: AppendTable = AppendTable::new(
    "order_items",
    &[
        ("id", Column::Uuid),
        ("order_id", Column::Uuid),
        ("position", Column::Int),
        ("product_id", Column::Uuid),
        ("plan_id", Column::Uuid),
        ("developer_id", Column::Uuid),
        ("title", Column::Text),
        ("plan_name", Column::Text),
        ("billing_cycle", Column::Text),
        ("trial_days", Column::Int),
        ("license_type", Column::Text),
        ("limits", Column::Text),
        ("quantity", Column::Int),
        ("unit_amount", Column::Int),
        ("discount", Column::Int),
        ("tax", Column::Int),
        ("tax_included", Column::Int),
        ("tax_rate", Column::Int),
        ("tax_name", Column::Text),
        ("total", Column::Int),
        ("commission_bps", Column::Int),
    ],
)
.referring(1);

/// An order as a buyer asks for it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOrder {
    /// What to buy.
    pub items: Vec<Wanted>,
    /// A coupon's code.
    #[serde(default)]
    pub coupon: Option<String>,
    /// In which currency; the shop's if nothing is said.
    #[serde(default)]
    pub currency: Option<Currency>,
    /// Through which provider; the shop's first if nothing is said.
    #[serde(default)]
    pub provider: Option<ProviderName>,
    /// Whom to deliver to, for those without an account.
    #[serde(default)]
    pub email: Option<String>,
    /// Whom to bill, and where they are: what the tax depends on.
    #[serde(default)]
    pub billing: Option<Billing>,
}

/// Who buys.
#[derive(Debug, Clone)]
pub enum Buyer {
    /// Somebody signed in.
    Account {
        /// Who.
        user: UserId,
        /// For whom.
        tenant: TenantId,
        /// Their address.
        email: String,
    },
    /// Somebody without an account: a tenant is made that waits for the address to be proven.
    Guest(Email),
}

impl Buyer {
    /// Whose purchases earlier orders are counted among, if known.
    #[must_use]
    pub const fn tenant(&self) -> Option<TenantId> {
        match self {
            Self::Account { tenant, .. } => Some(*tenant),
            Self::Guest(_) => None,
        }
    }

    const fn user(&self) -> Option<UserId> {
        match self {
            Self::Account { user, .. } => Some(*user),
            Self::Guest(_) => None,
        }
    }

    fn email(&self) -> &str {
        match self {
            Self::Account { email, .. } => email,
            Self::Guest(email) => email.as_str(),
        }
    }

    fn actor(&self) -> Actor {
        match self {
            Self::Account { user, .. } => Actor::user(user.to_string()),
            Self::Guest(_) => Actor::user("guest"),
        }
    }
}

/// Everything that an order is opened from.
#[derive(Debug)]
pub struct Opening<'a> {
    /// Who buys.
    pub buyer: &'a Buyer,
    /// What, for how much.
    pub quote: &'a Quote,
    /// Through which provider.
    pub provider: ProviderName,
    /// The shop's rules.
    pub policy: &'a Policy,
    /// Whom to bill, if it was said.
    pub billing: Option<&'a Billed>,
}

/// Why an order is not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The cart has no price.
    #[error(transparent)]
    Quote(#[from] QuoteError),
    /// A plan that is charged every period is bought together with others.
    #[error("a subscription is ordered by itself")]
    SubscriptionAmongOthers,
    /// The provider cannot charge every period.
    #[error("{0} cannot charge for subscriptions here")]
    NoSubscriptions(ProviderName),
    /// The provider cannot charge in this currency.
    #[error("{0} does not take this currency")]
    Currency(ProviderName),
    /// The provider counts more coarsely than the currency.
    #[error("{0} cannot charge exactly {1}")]
    Amount(ProviderName, Money),
    /// Without a country no tax can be reckoned.
    #[error("say where you are: the tax depends on it")]
    CountryNeeded,
    /// A trial that was had before.
    #[error("the trial of this product was used already")]
    TrialUsed,
    /// The ledger would not balance: a defect.
    #[error(transparent)]
    Unbalanced(#[from] Unbalanced),
    /// The database did not take it.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Whether the provider can take this cart.
pub fn check(quote: &Quote, provider: &dyn Provider) -> Result<(), OpenError> {
    let recurs = quote.lines.iter().any(|line| line.billing.recurs());
    if recurs && quote.lines.len() > 1 {
        return Err(OpenError::SubscriptionAmongOthers);
    }
    if quote.total == 0 {
        return Ok(());
    }
    if recurs && !provider.subscribes() {
        return Err(OpenError::NoSubscriptions(provider.name()));
    }
    if !provider.accepts(quote.currency) {
        return Err(OpenError::Currency(provider.name()));
    }
    let total = Money::new(quote.total, quote.currency);
    if provider.charges(total) { Ok(()) } else { Err(OpenError::Amount(provider.name(), total)) }
}

/// Opens an order. One that costs nothing is paid at once.
pub async fn open(tx: &mut Tx, opening: &Opening<'_>) -> Result<Order, OpenError> {
    let (buyer, quote) = (opening.buyer, opening.quote);
    if opening.policy.tax.country_required && opening.billing.is_none() && quote.total > 0 {
        return Err(OpenError::CountryNeeded);
    }
    let tenant = match buyer {
        Buyer::Account { tenant, .. } => *tenant,
        Buyer::Guest(email) => accounts::guest_tenant(tx, email).await?,
    };
    for line in quote.lines.iter().filter(|line| line.billing == BillingCycle::Trial) {
        refuse_second_trial(tx, tenant, buyer.email(), line).await?;
    }
    let order = new_order(tx, tenant, opening);
    append(tx, &order, quote);
    if let Some(billed) = opening.billing {
        billed.keep(tx, order.id);
    }
    if let Some(coupon) = quote.coupon
        && !catalog::redeem_coupon(tx, coupon, order.id, tenant).await?
    {
        return Err(QuoteError::Coupon(CouponProblem::UsedUp).into());
    }
    let total = json!({ "amount": order.total, "currency": order.currency });
    timeline::note(tx, order.id, "opened", json!({ "total": total }));
    tx.audit(Entry::new(buyer.actor(), "order.opened", "order", order.id.to_string()).change(None, total));
    if order.total == 0 {
        settle::settle_free(tx, &order, quote, opening.policy).await?;
    }
    metrics::counter!("mintreu_orders_opened_total", "provider" => order.provider.as_str()).increment(1);
    Ok(order)
}

fn new_order(tx: &Tx, tenant: TenantId, opening: &Opening<'_>) -> Order {
    let (now, quote) = (tx.now(), opening.quote);
    let free = quote.total == 0;
    Order {
        id: tx.new_id(),
        tenant_id: tenant,
        user_id: opening.buyer.user(),
        email: opening.buyer.email().to_owned(),
        currency: quote.currency,
        subtotal: quote.subtotal,
        discount: quote.discount,
        tax: quote.tax,
        tax_included: quote.tax_included,
        tax_treatment: quote.tax_treatment,
        total: quote.total,
        refunded: 0,
        provider: opening.provider,
        payment_state: if free { PaymentState::Paid } else { PaymentState::Pending },
        fulfilment_state: FulfilmentState::Unfulfilled,
        dispute_state: DisputeState::None,
        attention: None,
        created_at: now,
        expires_at: now + opening.policy.order_expiry,
        paid_at: free.then_some(now),
        fulfilled_at: None,
    }
}

fn append(tx: &mut Tx, order: &Order, quote: &Quote) {
    tx.append(&ORDERS, |row| {
        row.uuid(order.id.uuid())
            .uuid(order.tenant_id.uuid())
            .uuid(order.user_id.map(Id::uuid))
            .text(order.email.as_str())
            .text(order.currency.code())
            .int(order.subtotal)
            .int(order.discount)
            .int(order.tax)
            .int(order.tax_included)
            .text(order.tax_treatment.as_str())
            .int(order.total)
            .uuid(quote.coupon.map(Id::uuid))
            .text(order.provider.as_str())
            .text(order.payment_state.as_str())
            .text(order.fulfilment_state.as_str())
            .text(order.dispute_state.as_str())
            .time(order.created_at)
            .time(order.expires_at)
            .time(order.paid_at);
    });
    for (position, line) in quote.lines.iter().enumerate() {
        append_item(tx, order.id, position, line);
    }
}

fn append_item(tx: &mut Tx, order: OrderId, position: usize, line: &Line) {
    let id: OrderItemId = tx.new_id();
    // Numbers always serialise.
    let limits = serde_json::to_string(&line.limits).unwrap_or_default();
    tx.append(&ITEMS, |row| {
        row.uuid(id.uuid())
            .uuid(order.uuid())
            .int(i64::try_from(position).unwrap_or(i64::MAX))
            .uuid(line.product.uuid())
            .uuid(line.plan.uuid())
            .uuid(line.developer.uuid())
            .text(line.title.as_str())
            .text(line.plan_name.as_str())
            .text(line.billing.as_str())
            .int(line.trial_days)
            .text(line.license_type.as_str())
            .text(limits.as_str())
            .int(line.quantity)
            .int(line.unit_amount)
            .int(line.discount)
            .int(line.tax)
            .int(line.tax_included)
            .int(line.tax_rate.millionths())
            .text(line.tax_name.as_str())
            .int(line.total)
            .int(line.commission_bps);
    });
}

/// A trial is had once by a tenant, and once by an address.
async fn refuse_second_trial(tx: &mut Tx, tenant: TenantId, email: &str, line: &Line) -> Result<(), OpenError> {
    let used: i64 = fetch_one!(
        tx,
        sqlx::query_scalar(
            "SELECT COUNT(*) FROM orders o JOIN order_items i ON i.order_id = o.id
             WHERE (o.tenant_id = $1 OR o.email = $2) AND i.product_id = $3 AND i.billing_cycle = 'trial'
                   AND o.payment_state NOT IN ('expired', 'cancelled')"
        )
        .bind(tenant)
        .bind(email)
        .bind(line.product)
    )?;
    if used == 0 { Ok(()) } else { Err(OpenError::TrialUsed) }
}

/// When access that was bought for a period ends, counted from `from`.
#[must_use]
pub(super) fn period_end(billing: BillingCycle, trial_days: Option<i64>, from: Time) -> Option<Time> {
    match billing {
        BillingCycle::OneTime => None,
        BillingCycle::Monthly => Some(from.plus_months(1)),
        BillingCycle::Yearly => Some(from.plus_months(12)),
        BillingCycle::Trial => Some(from.plus_days(trial_days.unwrap_or(0))),
    }
}
