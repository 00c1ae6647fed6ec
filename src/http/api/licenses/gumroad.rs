//! `POST /v2/licenses/verify`: the licence API of Gumroad, for programs that were written for it.
//!
//! As there, a refunded or disputed sale is answered with `success` and says so in `purchase`, and a subscription that
//! ended has `subscription_ended_at`; what is stopped otherwise is 404. Each call counts a use unless it says
//! `increment_uses_count=false`; a licence whose uses are spent is 404.

use std::sync::Arc;

use axum::{
    Extension,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{calls::Calls, fields::Fields, public::count};
use crate::{
    app::App,
    catalog::BillingCycle,
    http::{Allowance, Context, Json, Problem},
    kernel::Time,
    licenses::{self, KeyHash, LicenseStatus, Sale, check_typing, number},
};

const UNKNOWN: &str = "That license does not exist for the provided product.";
const DISABLED: &str = "This license key has been disabled.";
const ENDED: &str = "Access to the purchase associated with this license has expired.";
const SPENT: &str = "This license key has reached its usage limit.";

fn refused(message: &str, allowance: Option<Allowance>) -> Response {
    (StatusCode::NOT_FOUND, allowance, Json(json!({ "success": false, "message": message }))).into_response()
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
    fields: Fields,
) -> Result<Response, Problem> {
    let key = fields.get("license_key").unwrap_or_default();
    let hash = app.license_keys.recognise(key).ok();
    let allowance = calls.take(context.peer(), hash)?;
    let product = fields.get("product_id").or_else(|| fields.get("product_permalink"));
    let (Some(hash), Some(product)) = (hash, product) else { return Ok(refused(UNKNOWN, allowance)) };
    let Some(sale) = licenses::find_sale(&app.db, hash).await?.filter(|sale| sale.is_of(product)) else {
        return Ok(refused(UNKNOWN, allowance));
    };
    let now = app.db.now();
    count(&app, &sale.license.to_string(), "POST /v2/licenses/verify", now);
    if let Some(message) = stopped(&sale, now) {
        return Ok(refused(message, allowance));
    }
    let counts = !matches!(fields.get("increment_uses_count"), Some("false" | "False" | "0"));
    let sale = match (counts, sale.status_at(now)) {
        (true, LicenseStatus::Active) => match counted(&app, hash).await? {
            Some(sale) => sale,
            None => return Ok(refused(SPENT, allowance)),
        },
        _ => sale,
    };
    let body = json!({ "success": true, "uses": sale.usage_count, "purchase": purchase(&app, &sale, key) });
    Ok((allowance, Json(body)).into_response())
}

/// Counts a use and reads the licence again; none if no use was left.
async fn counted(app: &App, hash: KeyHash) -> Result<Option<Sale>, Problem> {
    let counted = app.db.write(async |tx| licenses::count_use(tx, hash).await).await?;
    app.license_cache.forget(hash);
    Ok(if counted { licenses::find_sale(&app.db, hash).await? } else { None })
}

fn purchase(app: &App, sale: &Sale, key: &str) -> Value {
    let now = app.db.now();
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
    json!({
        "id": sale.item.to_string(),
        "sale_id": sale.item.to_string(),
        "order_number": number(sale.order),
        "seller_id": sale.developer.to_string(),
        "product_id": sale.product.to_string(),
        "product_name": sale.product_title,
        "permalink": sale.product_slug,
        "product_permalink": sale.product_slug,
        "short_product_id": sale.product_slug,
        "variants": sale.plan_name,
        "email": sale.customer_email,
        "full_name": sale.customer_name,
        "purchaser_id": sale.tenant.to_string(),
        "price": sale.price,
        "currency": sale.currency.to_ascii_lowercase(),
        "quantity": sale.quantity,
        "created_at": sale.ordered_at,
        "sale_timestamp": sale.ordered_at,
        "license_key": check_typing(key).map_or_else(|_| key.to_owned(), |typed| typed.to_string()),
        "is_multiseat_license": false,
        "recurrence": recurrence,
        "subscription_id": sale.subscription.map(|id| id.to_string()),
        "custom_fields": [],
        "can_contact": false,
        "test": false,
        "refunded": sale.refunded,
        "disputed": sale.dispute_state != "none",
        "dispute_won": sale.dispute_state == "won",
        "chargebacked": sale.dispute_state == "lost",
        "subscription_ended_at": if sale.subscription.is_some() { ended } else { None },
        "subscription_cancelled_at": sale.cancelled_at,
        "subscription_failed_at": Value::Null,
    })
}
