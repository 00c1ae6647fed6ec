//! `/v1/licenses`: the licence API of Lemon Squeezy, for programs that were written for it.
//!
//! After <https://docs.lemonsqueezy.com/api/license-api>: 404 for what is not found, 400 for what is refused, 422 for
//! fields that are missing. Where it has numbers, see [`number`](crate::licenses::number); an instance's id is a UUID.

use std::sync::Arc;

use axum::{
    Extension,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    bounds::{NAME, text},
    calls::Calls,
    fields::Fields,
    public::count,
};
use crate::{
    app::App,
    http::{Allowance, Context, Json, Problem},
    kernel::Time,
    licenses::{
        self, Activated, ActivationId, Asked, Code, Deactivated, KeyHash, LicenseStatus, NewPlace, Place, Question,
        Sale, check_typing, number,
    },
};

const NO_KEY: &str = "license_key not found.";
const NO_INSTANCE: &str = "instance_id not found.";

/// What a call came to.
struct Outcome<'a> {
    /// `activated`, `valid` or `deactivated`.
    verb: &'static str,
    /// Why not.
    error: Option<(StatusCode, &'a str)>,
    sale: Option<&'a Sale>,
    key: &'a str,
    place: Option<&'a Place>,
    /// Whether the answer has an `instance` at all.
    shows_instance: bool,
}

impl Outcome<'_> {
    fn answer(self, now: Time, allowance: Option<Allowance>) -> Response {
        let mut body = json!({
            self.verb: self.error.is_none(),
            "error": self.error.map(|(_, text)| text),
            "license_key": self.sale.map(|sale| license_key(sale, self.key, now)),
            "meta": self.sale.map(meta),
        });
        if self.shows_instance {
            body["instance"] = self.place.map_or(
                Value::Null,
                |place| json!({ "id": place.id.uuid(), "name": place.name, "created_at": stamp(place.created_at) }),
            );
        }
        let status = self.error.map_or(StatusCode::OK, |(status, _)| status);
        (status, allowance, Json(body)).into_response()
    }
}

fn stamp(time: Time) -> String {
    time.to_datetime().format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

fn license_key(sale: &Sale, key: &str, now: Time) -> Value {
    let status = match sale.status_at(now) {
        LicenseStatus::Active if sale.activation_count == 0 => "inactive",
        LicenseStatus::Active => "active",
        LicenseStatus::Expired | LicenseStatus::Cancelled => "expired",
        LicenseStatus::Pending | LicenseStatus::Suspended | LicenseStatus::Revoked => "disabled",
    };
    json!({
        "id": number(sale.license),
        "status": status,
        "key": check_typing(key).map_or_else(|_| key.to_owned(), |typed| typed.to_string()),
        "activation_limit": sale.max_activations,
        "activation_usage": sale.activation_count,
        "created_at": stamp(sale.created_at),
        "expires_at": sale.expires_at.map(stamp),
        "test_mode": false,
    })
}

fn meta(sale: &Sale) -> Value {
    json!({
        "store_id": number(sale.developer),
        "order_id": number(sale.order),
        "order_item_id": number(sale.item),
        "product_id": number(sale.product),
        "product_name": sale.product_title,
        "variant_id": number(sale.plan),
        "variant_name": sale.plan_name,
        "customer_id": number(sale.tenant),
        "customer_name": sale.customer_name,
        "customer_email": sale.customer_email,
    })
}

/// What a code is called there.
const fn refusal(code: Code) -> (StatusCode, &'static str) {
    match code {
        Code::NotFound => (StatusCode::NOT_FOUND, NO_KEY),
        Code::NoMachine => (StatusCode::NOT_FOUND, NO_INSTANCE),
        Code::Expired | Code::Cancelled => (StatusCode::BAD_REQUEST, "This license key has expired."),
        Code::Pending | Code::Suspended | Code::Revoked => (StatusCode::BAD_REQUEST, "This license key is disabled."),
        Code::TooManyMachines | Code::TooManyDomains | Code::TooManyIps => {
            (StatusCode::BAD_REQUEST, "This license key has reached the activation limit.")
        }
        Code::Valid
        | Code::ProductScopeMismatch
        | Code::DomainScopeRequired
        | Code::DomainScopeMismatch
        | Code::IpScopeMismatch
        | Code::TooManyUses => (StatusCode::BAD_REQUEST, code.detail()),
    }
}

/// A field that must be there, or the answer that says so.
fn required<'f>(fields: &'f Fields, name: &str) -> Result<&'f str, Box<Response>> {
    fields.get(name).ok_or_else(|| {
        let text = format!("The {} field is required.", name.replace('_', " "));
        let body = json!({ "message": text, "errors": { name: [text] } });
        Box::new((StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response())
    })
}

/// A call with a key: what it is about, once it was counted.
struct Call<'f> {
    key: &'f str,
    hash: Option<KeyHash>,
    allowance: Option<Allowance>,
}

fn call<'f>(app: &App, calls: &Calls, context: &Context, key: &'f str) -> Result<Call<'f>, Problem> {
    let hash = app.license_keys.recognise(key).ok();
    let allowance = calls.take(context.peer(), hash)?;
    Ok(Call { key, hash, allowance })
}

/// The answer that a code comes to, with the licence as it is now.
async fn conclude(
    app: &App,
    call: Call<'_>,
    verb: &'static str,
    (code, place, shows_instance): (Code, Option<&Place>, bool),
) -> Result<Response, Problem> {
    let sale = match call.hash {
        Some(hash) => licenses::find_sale(&app.db, hash).await?,
        None => None,
    };
    let code = if sale.is_none() { Code::NotFound } else { code };
    let error = if code == Code::Valid { None } else { Some(refusal(code)) };
    let outcome = Outcome { verb, error, sale: sale.as_ref(), key: call.key, place, shows_instance };
    Ok(outcome.answer(app.db.now(), call.allowance))
}

/// An instance is named by the UUID that it was given, or as we write it.
fn instance(text: &str) -> Option<ActivationId> {
    text.parse().ok().or_else(|| text.parse::<Uuid>().ok().map(ActivationId::from_uuid))
}

/// `POST /v1/licenses/activate`
pub(super) async fn activate(
    State(app): State<App>,
    Extension(calls): Extension<Arc<Calls>>,
    context: Context,
    fields: Fields,
) -> Result<Response, Problem> {
    let (key, name) = match (required(&fields, "license_key"), required(&fields, "instance_name")) {
        (Ok(key), Ok(name)) => (key, text("#/instance_name", name, NAME)?),
        (Err(answer), _) | (_, Err(answer)) => return Ok(*answer),
    };
    let call = call(&app, &calls, &context, key)?;
    let Some(hash) = call.hash else {
        return conclude(&app, call, "activated", (Code::NotFound, None, true)).await;
    };
    let question = Question { ip: context.peer().map(|address| address.to_canonical()), ..Question::default() };
    let new = NewPlace { question, name, fingerprint: None, server_info: "{}" };
    let activated = app.db.write(async |tx| licenses::activate(tx, hash, &new).await).await?;
    app.license_cache.forget(hash);
    let (code, place) = match &activated {
        Activated::New(place) | Activated::Already(place) => (Code::Valid, Some(place)),
        Activated::Refused(code) => (*code, None),
    };
    conclude(&app, call, "activated", (code, place, true)).await
}

/// `POST /v1/licenses/validate`
pub(super) async fn validate(
    State(app): State<App>,
    Extension(calls): Extension<Arc<Calls>>,
    context: Context,
    fields: Fields,
) -> Result<Response, Problem> {
    let key = match required(&fields, "license_key") {
        Ok(key) => key,
        Err(answer) => return Ok(*answer),
    };
    let call = call(&app, &calls, &context, key)?;
    let Some(hash) = call.hash else {
        return conclude(&app, call, "valid", (Code::NotFound, None, true)).await;
    };
    let asked = fields.get("instance_id").map(instance);
    let question = Question {
        ip: context.peer().map(|address| address.to_canonical()),
        place: asked.flatten().map(Asked::Instance),
        ..Question::default()
    };
    let verdict = app.license_cache.validate(hash, &question).await?;
    if let Some(license) = &verdict.license {
        count(&app, license.subject(), "POST /v1/licenses/validate", app.db.now());
    }
    // An instance that is no id of ours is one that does not exist.
    let code = if asked == Some(None) && verdict.code == Code::Valid { Code::NoMachine } else { verdict.code };
    conclude(&app, call, "valid", (code, verdict.place.as_ref(), true)).await
}

/// `POST /v1/licenses/deactivate`
pub(super) async fn deactivate(
    State(app): State<App>,
    Extension(calls): Extension<Arc<Calls>>,
    context: Context,
    fields: Fields,
) -> Result<Response, Problem> {
    let (key, asked) = match (required(&fields, "license_key"), required(&fields, "instance_id")) {
        (Ok(key), Ok(asked)) => (key, instance(asked)),
        (Err(answer), _) | (_, Err(answer)) => return Ok(*answer),
    };
    let call = call(&app, &calls, &context, key)?;
    let code = match (call.hash, asked) {
        (Some(hash), Some(id)) => {
            let asked = Asked::Instance(id);
            let done = app.db.write(async |tx| licenses::deactivate(tx, hash, &asked).await).await?;
            app.license_cache.forget(hash);
            match done {
                Deactivated::Done(_) => Code::Valid,
                Deactivated::Refused(code) => code,
            }
        }
        (Some(_), None) => Code::NoMachine,
        (None, _) => Code::NotFound,
    };
    conclude(&app, call, "deactivated", (code, None, false)).await
}
