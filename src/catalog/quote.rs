//! Quotes: what a cart costs, by the catalogue's prices and nobody else's.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::FromRow;

use super::{
    BillingCycle, LicenseType, Limits,
    discount::{self, CouponRow},
    tax::{self, Percent, TaxTreatment, Taxation},
};
use crate::{
    db::{Db, DbError},
    fetch_all,
    kernel::{CouponId, Currency, DeveloperId, PlanId, ProductId, TenantId},
};

/// How many items a cart has at most.
const MAX_ITEMS: usize = 50;
/// How many of one item.
const MAX_QUANTITY: i64 = 100;
/// The longest text that can name a product or a plan.
const LONGEST_NAME: usize = 100;
/// Everything, in hundredths of a percent.
const ALL_BPS: i64 = 10_000;

/// An item of a cart.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "CartItem")]
pub struct Wanted {
    /// The product's slug or id.
    pub product: String,
    /// The plan's slug or id; may be left out where there is only one.
    #[serde(default)]
    pub plan: Option<String>,
    /// How many; one if nothing is said.
    #[serde(default = "one")]
    pub quantity: i64,
}

const fn one() -> i64 {
    1
}

/// What shall be priced, and for whom.
#[derive(Debug, Clone, Copy)]
pub struct QuoteRequest<'a> {
    /// The cart.
    pub items: &'a [Wanted],
    /// In which currency.
    pub currency: Currency,
    /// A coupon's code.
    pub coupon: Option<&'a str>,
    /// Who buys, if known: coupons may be limited per customer.
    pub tenant: Option<TenantId>,
    /// The platform's share where a vendor has no rate of its own, in hundredths of a percent.
    pub commission_bps: i64,
    /// What it is taxed by; none is not taxed.
    pub tax: Option<Taxation<'a>>,
}

/// A priced item. Amounts are minor units: `total = quantity × unit_amount − discount + tax`. The tax is either what comes on
/// top, `tax`, or what the price contains, `tax_included`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are the columns of order_items")]
pub struct Line {
    pub product: ProductId,
    pub plan: PlanId,
    pub developer: DeveloperId,
    pub title: String,
    pub plan_name: String,
    pub billing: BillingCycle,
    pub trial_days: Option<i64>,
    pub license_type: LicenseType,
    pub limits: Limits,
    pub quantity: i64,
    pub unit_amount: i64,
    pub discount: i64,
    pub tax: i64,
    pub tax_included: i64,
    pub tax_rate: Percent,
    pub tax_name: String,
    pub tax_category: String,
    pub total: i64,
    /// The platform's share; 10000 for the house's own products.
    pub commission_bps: i64,
}

/// A priced cart: `total = subtotal − discount + tax`, each the sum over the lines.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are the columns of orders")]
pub struct Quote {
    pub currency: Currency,
    pub lines: Vec<Line>,
    pub coupon: Option<CouponId>,
    pub subtotal: i64,
    pub discount: i64,
    pub tax: i64,
    pub tax_included: i64,
    pub tax_treatment: TaxTreatment,
    pub total: i64,
}

/// Why an item cannot be had.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
pub enum ItemProblem {
    /// No published product.
    #[error("there is no such product for sale")]
    NoProduct,
    /// No active plan of the product.
    #[error("the product has no such plan for sale")]
    NoPlan,
    /// Several plans, and none named.
    #[error("the product has several plans; name one")]
    PlanNeeded,
    /// Not sold in this currency.
    #[error("the plan has no price in this currency")]
    NoPrice,
    /// Fewer than one, or too many.
    #[error("the quantity must be 1 to 100")]
    Quantity,
    /// The sum does not fit.
    #[error("the amount is too large")]
    TooMuch,
}

/// Why a coupon does not count.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
pub enum CouponProblem {
    /// No such code, or not active.
    #[error("there is no such coupon")]
    Unknown,
    /// Before its first or after its last day.
    #[error("the coupon is not valid at this time")]
    NotNow,
    /// All its uses are taken.
    #[error("the coupon is used up")]
    UsedUp,
    /// This customer's uses are taken.
    #[error("you have used this coupon as often as you may")]
    UsedUpByYou,
    /// Nothing in the cart is in its scope, or it is of another currency.
    #[error("the coupon is not for anything in this cart")]
    NotForThese,
}

/// Why a cart has no price.
#[derive(Debug, thiserror::Error)]
pub enum QuoteError {
    /// No item, or more than 50.
    #[error("an order has 1 to 50 items")]
    ItemCount,
    /// Some items, by position.
    #[error("some items cannot be had")]
    Items(Vec<(usize, ItemProblem)>),
    /// The coupon.
    #[error("{0}")]
    Coupon(CouponProblem),
    /// The database did not answer.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// A plan that fits an item of the cart, or the product alone when none does.
#[derive(FromRow)]
struct Candidate {
    position: i64,
    product_id: ProductId,
    developer_id: DeveloperId,
    title: String,
    is_house: bool,
    commission_bps: Option<i64>,
    tax_category: String,
    plan_id: Option<PlanId>,
    plan_name: Option<String>,
    billing_cycle: Option<BillingCycle>,
    trial_days: Option<i64>,
    license_type: Option<LicenseType>,
    limits: Option<String>,
    unit_amount: Option<i64>,
}

/// Prices a cart: one statement, and one more each for a coupon and for the rates of tax.
pub async fn quote(db: &Db, request: QuoteRequest<'_>) -> Result<Quote, QuoteError> {
    if request.items.is_empty() || request.items.len() > MAX_ITEMS {
        return Err(QuoteError::ItemCount);
    }
    let candidates = candidates(db, request).await?;
    let mut by_position: Vec<Vec<Candidate>> = request.items.iter().map(|_| Vec::new()).collect();
    for candidate in candidates {
        let position = usize::try_from(candidate.position).unwrap_or(usize::MAX);
        if let Some(fitting) = by_position.get_mut(position) {
            fitting.push(candidate);
        }
    }
    let (mut lines, mut problems) = (Vec::with_capacity(request.items.len()), Vec::new());
    for (position, (wanted, fitting)) in request.items.iter().zip(by_position).enumerate() {
        match line(wanted, fitting, request.commission_bps) {
            Ok(line) => lines.push(line),
            Err(problem) => problems.push((position, problem)),
        }
    }
    if !problems.is_empty() {
        return Err(QuoteError::Items(problems));
    }
    let Some(subtotal) = sum(&lines, |line| line.total) else {
        return Err(QuoteError::Items(vec![(lines.len() - 1, ItemProblem::TooMuch)]));
    };
    let coupon = match request.coupon {
        None => None,
        Some(code) => Some(apply_coupon(db, code, request, &mut lines).await?),
    };
    // No line's discount exceeds its amount, so that nothing below is larger than the subtotal.
    let discount = sum(&lines, |line| line.discount).unwrap_or(subtotal);
    let tax_treatment = tax::apply(db, request.tax, &mut lines).await?;
    let tax_included = sum(&lines, |line| line.tax_included).unwrap_or(0);
    let (Some(tax), Some(total)) = (sum(&lines, |line| line.tax), sum(&lines, |line| line.total)) else {
        return Err(QuoteError::Items(vec![(lines.len() - 1, ItemProblem::TooMuch)]));
    };
    let currency = request.currency;
    Ok(Quote { currency, lines, coupon, subtotal, discount, tax, tax_included, tax_treatment, total })
}

/// What the database knows of the items, each with every plan that could be meant.
async fn candidates(db: &Db, request: QuoteRequest<'_>) -> Result<Vec<Candidate>, DbError> {
    let wanted: Vec<_> = request
        .items
        .iter()
        .map(|item| {
            let product = item.product.parse::<ProductId>().ok().map(|id| id.uuid().simple().to_string());
            let plan = item.plan.as_deref().and_then(|plan| plan.parse::<PlanId>().ok());
            let plan_id = plan.map(|id| id.uuid().simple().to_string());
            json!([product, name(&item.product), plan_id, item.plan.as_deref().map(name)])
        })
        .collect();
    let text = db.dialect().pick(SQLITE_CANDIDATES, POSTGRES_CANDIDATES);
    fetch_all!(db, sqlx::query_as(text).bind(json!(wanted).to_string()).bind(request.currency))
}

/// What may be looked up: no name is this long, and PostgreSQL knows no NUL.
fn name(text: &str) -> &str {
    if text.len() > LONGEST_NAME || text.contains('\0') { "" } else { text }
}

macro_rules! candidates {
    ($items:literal) => {
        concat!(
            "WITH wanted (position, product_id, product_slug, plan_id, plan_slug) AS (",
            $items,
            ")
            SELECT w.position, p.id AS product_id, p.title, p.tax_category, d.id AS developer_id, d.is_house, d.commission_bps,
                   l.id AS plan_id, l.name AS plan_name, l.billing_cycle, l.trial_days, l.license_type, l.limits,
                   pr.amount AS unit_amount
            FROM wanted w
                 JOIN products p ON p.id = COALESCE(w.product_id, (SELECT id FROM products WHERE slug = w.product_slug))
                      AND p.status = 'published'
                 JOIN developers d ON d.id = p.developer_id
                 LEFT JOIN plans l ON l.product_id = p.id AND l.active
                      AND (w.plan_slug IS NULL OR l.id = w.plan_id OR l.slug = w.plan_slug)
                 LEFT JOIN plan_prices pr ON pr.plan_id = l.id AND pr.currency = $2"
        )
    };
}

const SQLITE_CANDIDATES: &str =
    candidates!("SELECT key, unhex(value->>0), value->>1, unhex(value->>2), value->>3 FROM json_each($1)");
const POSTGRES_CANDIDATES: &str = candidates!(
    "SELECT r.number - 1, (r.item->>0)::uuid, r.item->>1, (r.item->>2)::uuid, r.item->>3
     FROM jsonb_array_elements($1::jsonb) WITH ORDINALITY AS r (item, number)"
);

/// The line of an item, before any discount.
fn line(wanted: &Wanted, mut fitting: Vec<Candidate>, default_bps: i64) -> Result<Line, ItemProblem> {
    if !(1..=MAX_QUANTITY).contains(&wanted.quantity) {
        return Err(ItemProblem::Quantity);
    }
    if fitting.len() > 1 {
        return Err(ItemProblem::PlanNeeded);
    }
    let Some(found) = fitting.pop() else { return Err(ItemProblem::NoProduct) };
    let (Some(plan), Some(plan_name), Some(billing), Some(license_type)) =
        (found.plan_id, found.plan_name, found.billing_cycle, found.license_type)
    else {
        return Err(ItemProblem::NoPlan);
    };
    let Some(unit_amount) = found.unit_amount else { return Err(ItemProblem::NoPrice) };
    let Some(total) = unit_amount.checked_mul(wanted.quantity) else { return Err(ItemProblem::TooMuch) };
    Ok(Line {
        product: found.product_id,
        plan,
        developer: found.developer_id,
        title: found.title,
        plan_name,
        billing,
        trial_days: found.trial_days,
        license_type,
        // Written by this slice, which writes nothing else.
        limits: found.limits.and_then(|limits| serde_json::from_str(&limits).ok()).unwrap_or_default(),
        quantity: wanted.quantity,
        unit_amount,
        discount: 0,
        tax: 0,
        tax_included: 0,
        tax_rate: Percent::default(),
        tax_name: String::new(),
        tax_category: found.tax_category,
        total,
        commission_bps: if found.is_house { ALL_BPS } else { found.commission_bps.unwrap_or(default_bps) },
    })
}

fn sum(lines: &[Line], amount: impl Fn(&Line) -> i64) -> Option<i64> {
    lines.iter().try_fold(0_i64, |sum, line| sum.checked_add(amount(line)))
}

/// Takes the coupon's discount off the lines in its scope.
async fn apply_coupon(
    db: &Db,
    code: &str,
    request: QuoteRequest<'_>,
    lines: &mut [Line],
) -> Result<CouponId, QuoteError> {
    let products: Vec<ProductId> = lines.iter().map(|line| line.product).collect();
    let code = name(code.trim()).to_ascii_uppercase();
    let rows = CouponRow::find(db, &code, request.tenant, &products).await?;
    let Some(coupon) = rows.first() else { return Err(QuoteError::Coupon(CouponProblem::Unknown)) };
    coupon.check(db.now(), request.currency).map_err(QuoteError::Coupon)?;
    let in_scope = |product: ProductId| rows.iter().any(|row| row.in_scope && row.product_id == product);
    let amounts: Vec<i64> = lines.iter().map(|line| if in_scope(line.product) { line.total } else { 0 }).collect();
    if !lines.iter().any(|line| in_scope(line.product)) {
        return Err(QuoteError::Coupon(CouponProblem::NotForThese));
    }
    for (line, off) in lines.iter_mut().zip(discount::spread(coupon.worth(), &amounts)) {
        line.discount = off;
        line.total -= off;
    }
    Ok(coupon.id)
}
