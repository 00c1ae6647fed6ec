//! `POST /v2/licenses/verify`: the licence API of Gumroad, for programs that were written for it.
//!
//! As there, a refunded or disputed sale is answered with `success` and says so in `purchase`, and a subscription that
//! ended has `subscription_ended_at`; what is stopped otherwise is 404. Each call counts a use unless it says
//! `increment_uses_count=false`; a licence whose uses are spent is 404.

use std::sync::Arc;

use aide::{
    OperationOutput,
    generate::GenContext,
    openapi::{Operation, Response as Described},
};
use axum::{
    Extension,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    calls::Calls,
    fields::{Fields, said},
    public::count,
};
use crate::{
    app::App,
    catalog::BillingCycle,
    http::{
        Allowance, Context, Json, Limited, Problem,
        openapi::{given, gives},
    },
    kernel::{DeveloperId, OrderItemId, ProductId, SubscriptionId, TenantId, Time},
    licenses::{self, KeyHash, LicenseStatus, Sale, check_typing, number},
};

const UNKNOWN: &str = "That license does not exist for the provided product.";
const DISABLED: &str = "This license key has been disabled.";
const ENDED: &str = "Access to the purchase associated with this license has expired.";
const SPENT: &str = "This license key has reached its usage limit.";

/// Which licence, of which product.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "GumroadVerify")]
pub(super) struct Verify {
    /// The licence's key.
    #[schemars(with = "String")]
    license_key: Option<String>,
    /// The product: its id or its name in addresses.
    product_id: Option<String>,
    /// The same, where there is no `product_id`.
    product_permalink: Option<String>,
    /// Whether this counts as a use; it does if nothing is said.
    #[schemars(with = "Option<bool>")]
    increment_uses_count: Option<String>,
}

/// A licence that is good, or whose purchase says why it is not.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "GumroadLicense")]
pub(super) struct Found {
    /// Always true.
    success: bool,
    /// How often it was used, with this time.
    uses: i64,
    /// Where it was sold.
    purchase: Purchase,
}

/// A licence that is not to be used.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "GumroadRefusal")]
pub(super) struct Refused {
    /// Always false.
    success: bool,
    /// Why.
    message: &'static str,
}

/// An answer as it is given there.
#[derive(Debug)]
pub(super) struct Spoken(Response);

impl IntoResponse for Spoken {
    fn into_response(self) -> Response {
        self.0
    }
}

impl OperationOutput for Spoken {
    type Inner = Found;

    fn inferred_responses(ctx: &mut GenContext, operation: &mut Operation) -> Vec<(Option<u16>, Described)> {
        let mut responses = Limited::<Json<Found>>::inferred_responses(ctx, operation);
        let description = "There is no such licence of this product, or it is not to be used.";
        responses.push((Some(404), gives(description, "application/json", given::<Refused>())));
        responses
    }
}

fn refused(message: &'static str, allowance: Option<Allowance>) -> Spoken {
    let answer = Limited::perhaps(allowance, Json(Refused { success: false, message }));
    Spoken((StatusCode::NOT_FOUND, answer).into_response())
}

/// Why a licence is not to be used, as far as `success` tells it.
fn stopped(sale: &Sale, now: Time) -> Option<&'static str> {
    match sale.status_at(now) {
        LicenseStatus::Active => None,
        // The purchase tells.
        LicenseStatus::Revoked if sale.refunded || sale.dispute_state == "lost" => None,
        LicenseStatus::Expired | LicenseStatus::Cancelled if sale.subscription.is_some() => None,
        LicenseStatus::Expired | LicenseStatus::Cancelled => Some(ENDED),
        LicenseStatus::Pending | LicenseStatus::Suspended | LicenseStatus::Revoked => Some(DISABLED),
    }
}

/// `POST /v2/licenses/verify`
pub(super) async fn verify(
    State(app): State<App>,
    Extension(calls): Extension<Arc<Calls>>,
    context: Context,
    Fields(fields): Fields<Verify>,
) -> Result<Spoken, Problem> {
    let key = said(fields.license_key.as_ref()).unwrap_or_default();
    let hash = app.license_keys.recognise(key).ok();
    let allowance = calls.take(context.peer(), hash)?;
    let product = said(fields.product_id.as_ref()).or_else(|| said(fields.product_permalink.as_ref()));
    let (Some(hash), Some(product)) = (hash, product) else { return Ok(refused(UNKNOWN, allowance)) };
    let Some(sale) = licenses::find_sale(&app.db, hash).await?.filter(|sale| sale.is_of(product)) else {
        return Ok(refused(UNKNOWN, allowance));
    };
    let now = app.db.now();
    count(&app, &sale.license.to_string(), "POST /v2/licenses/verify", now).await;
    if let Some(message) = stopped(&sale, now) {
        return Ok(refused(message, allowance));
    }
    let counts = !matches!(said(fields.increment_uses_count.as_ref()), Some("false" | "False" | "0"));
    let sale = match (counts, sale.status_at(now)) {
        (true, LicenseStatus::Active) => match counted(&app, hash).await? {
            Some(sale) => sale,
            None => return Ok(refused(SPENT, allowance)),
        },
        _ => sale,
    };
    let uses = sale.usage_count;
    let found = Found { success: true, uses, purchase: Purchase::of(sale, key, app.db.now()) };
    Ok(Spoken(Limited::perhaps(allowance, Json(found)).into_response()))
}

/// Counts a use and reads the licence again; none if no use was left.
async fn counted(app: &App, hash: KeyHash) -> Result<Option<Sale>, Problem> {
    let counted = app.db.write(async |tx| licenses::count_use(tx, hash).await).await?;
    app.license_cache.forget(hash);
    Ok(if counted { licenses::find_sale(&app.db, hash).await? } else { None })
}

/// The sale that a licence came from, as it is told there.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "GumroadPurchase")]
#[expect(clippy::struct_excessive_bools, reason = "programs look for all of them")]
pub(super) struct Purchase {
    /// The order's item.
    id: OrderItemId,
    /// The same.
    sale_id: OrderItemId,
    /// A number that stands for the order.
    order_number: u64,
    /// The developer who sold it.
    seller_id: DeveloperId,
    /// The product.
    product_id: ProductId,
    /// What the product is called.
    product_name: String,
    /// The product's name in addresses.
    permalink: String,
    /// The same.
    product_permalink: String,
    /// The same.
    short_product_id: String,
    /// The plan.
    variants: String,
    /// Where the buyer gets mail.
    email: String,
    /// What the buyer is called.
    full_name: String,
    /// The buyer.
    purchaser_id: TenantId,
    /// What it cost, in the currency's minor unit.
    price: i64,
    /// The currency, in small letters.
    currency: String,
    /// How many were bought.
    quantity: i64,
    /// When it was ordered.
    created_at: Time,
    /// The same.
    sale_timestamp: Time,
    /// The licence's key.
    license_key: String,
    /// Always false.
    is_multiseat_license: bool,
    /// `monthly` or `yearly`; nothing for what is paid once.
    recurrence: Option<&'static str>,
    /// The subscription, if there is one.
    subscription_id: Option<SubscriptionId>,
    /// Always empty.
    custom_fields: [String; 0],
    /// Always false.
    can_contact: bool,
    /// Always false.
    test: bool,
    /// Whether all of its money went back.
    refunded: bool,
    /// Whether the buyer's bank asked for it back.
    disputed: bool,
    /// Whether it asked in vain.
    dispute_won: bool,
    /// Whether it got it.
    chargebacked: bool,
    /// When the subscription ended, if it did.
    subscription_ended_at: Option<Time>,
    /// When the subscription was cancelled, if it was.
    subscription_cancelled_at: Option<Time>,
    /// Always null.
    subscription_failed_at: Option<Time>,
}

impl Purchase {
    fn of(sale: Sale, key: &str, now: Time) -> Self {
        let ended = match sale.status_at(now) {
            LicenseStatus::Expired => sale.expires_at,
            LicenseStatus::Cancelled => sale.cancelled_at.or(Some(sale.updated_at)),
            LicenseStatus::Pending | LicenseStatus::Active | LicenseStatus::Suspended | LicenseStatus::Revoked => None,
        };
        let recurrence = match sale.billing_cycle {
            BillingCycle::Monthly => Some("monthly"),
            BillingCycle::Yearly => Some("yearly"),
            BillingCycle::OneTime | BillingCycle::Trial => None,
        };
        Self {
            id: sale.item,
            sale_id: sale.item,
            order_number: number(sale.order),
            seller_id: sale.developer,
            product_id: sale.product,
            product_name: sale.product_title,
            permalink: sale.product_slug.clone(),
            product_permalink: sale.product_slug.clone(),
            short_product_id: sale.product_slug,
            variants: sale.plan_name,
            email: sale.customer_email,
            full_name: sale.customer_name,
            purchaser_id: sale.tenant,
            price: sale.price,
            currency: sale.currency.to_ascii_lowercase(),
            quantity: sale.quantity,
            created_at: sale.ordered_at,
            sale_timestamp: sale.ordered_at,
            license_key: check_typing(key).map_or_else(|_| key.to_owned(), |typed| typed.to_string()),
            is_multiseat_license: false,
            recurrence,
            subscription_id: sale.subscription,
            custom_fields: [],
            can_contact: false,
            test: false,
            refunded: sale.refunded,
            disputed: sale.dispute_state != "none",
            dispute_won: sale.dispute_state == "won",
            chargebacked: sale.dispute_state == "lost",
            subscription_ended_at: ended.filter(|_| sale.subscription.is_some()),
            subscription_cancelled_at: sale.cancelled_at,
            subscription_failed_at: None,
        }
    }
}
