//! `/v1/licenses`: the licence API of Lemon Squeezy, for programs that were written for it.
//!
//! After <https://docs.lemonsqueezy.com/api/license-api>: 404 for what is not found, 400 for what is refused, 422 for
//! fields that are missing. Where it has numbers, see [`number`](crate::licenses::number); an instance's id is a UUID.

use std::sync::Arc;

use axum::{Extension, extract::State, http::StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    bounds::{NAME, text},
    calls::Calls,
    fields::{Fields, said},
    lemon_answers::{Activation, Deactivation, Instance, LicenseKey, Meta, Rest, Spoken, Validation, without},
    public::count,
};
use crate::{
    app::App,
    http::{Allowance, Context, Problem},
    licenses::{self, Activated, ActivationId, Asked, Code, Deactivated, KeyHash, NewPlace, Question},
};

const NO_KEY: &str = "license_key not found.";
const NO_INSTANCE: &str = "instance_id not found.";

/// What a code is called there.
const fn refusal(code: Code) -> (StatusCode, Option<&'static str>) {
    let (status, text) = match code {
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
    };
    (status, Some(text))
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
async fn conclude<B: Serialize>(
    app: &App,
    call: Call<'_>,
    code: Code,
    answer: impl FnOnce(bool, Rest) -> B,
) -> Result<Spoken<B>, Problem> {
    let sale = match call.hash {
        Some(hash) => licenses::find_sale(&app.db, hash).await?,
        None => None,
    };
    let code = if sale.is_none() { Code::NotFound } else { code };
    let (status, error) = if code == Code::Valid { (StatusCode::OK, None) } else { refusal(code) };
    let rest = Rest {
        error,
        license_key: sale.as_ref().map(|sale| LicenseKey::of(sale, call.key, app.db.now())),
        meta: sale.as_ref().map(Meta::of),
    };
    Ok(Spoken::new(status, call.allowance, answer(code == Code::Valid, rest)))
}

/// An instance is named by the UUID that it was given, or as we write it.
fn instance(text: &str) -> Option<ActivationId> {
    text.parse().ok().or_else(|| text.parse::<Uuid>().ok().map(ActivationId::from_uuid))
}

/// What is to be activated, and where.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "LemonSqueezyActivate")]
pub(super) struct Activate {
    /// The licence's key.
    #[schemars(with = "String")]
    license_key: Option<String>,
    /// What to call the instance.
    #[schemars(with = "String", length(max = 255))]
    instance_name: Option<String>,
}

/// `POST /v1/licenses/activate`
pub(super) async fn activate(
    State(app): State<App>,
    Extension(calls): Extension<Arc<Calls>>,
    context: Context,
    Fields(fields): Fields<Activate>,
) -> Result<Spoken<Activation>, Problem> {
    let Some(key) = said(fields.license_key.as_ref()) else { return Ok(without("license_key")) };
    let Some(name) = said(fields.instance_name.as_ref()) else { return Ok(without("instance_name")) };
    let name = text("#/instance_name", name, NAME)?;
    let call = call(&app, &calls, &context, key)?;
    let Some(hash) = call.hash else {
        return conclude(&app, call, Code::NotFound, |activated, rest| Activation { activated, instance: None, rest })
            .await;
    };
    let question = Question { ip: context.peer().map(|address| address.to_canonical()), ..Question::default() };
    let new = NewPlace { question, name, fingerprint: None, server_info: "{}" };
    let activated = app.db.write(async |tx| licenses::activate(tx, hash, &new).await).await?;
    app.license_cache.forget(hash);
    let (code, place) = match &activated {
        Activated::New(place) | Activated::Already(place) => (Code::Valid, Some(place)),
        Activated::Refused(code) => (*code, None),
    };
    let instance = place.map(Instance::of);
    conclude(&app, call, code, |activated, rest| Activation { activated, instance, rest }).await
}

/// What is to be validated.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "LemonSqueezyValidate")]
pub(super) struct Validate {
    /// The licence's key.
    #[schemars(with = "String")]
    license_key: Option<String>,
    /// Where it must be active.
    instance_id: Option<String>,
}

/// `POST /v1/licenses/validate`
pub(super) async fn validate(
    State(app): State<App>,
    Extension(calls): Extension<Arc<Calls>>,
    context: Context,
    Fields(fields): Fields<Validate>,
) -> Result<Spoken<Validation>, Problem> {
    let Some(key) = said(fields.license_key.as_ref()) else { return Ok(without("license_key")) };
    let call = call(&app, &calls, &context, key)?;
    let Some(hash) = call.hash else {
        return conclude(&app, call, Code::NotFound, |valid, rest| Validation { valid, instance: None, rest }).await;
    };
    let asked = said(fields.instance_id.as_ref()).map(instance);
    let question = Question {
        ip: context.peer().map(|address| address.to_canonical()),
        place: asked.flatten().map(Asked::Instance),
        ..Question::default()
    };
    let verdict = app.license_cache.validate(hash, &question).await?;
    if let Some(license) = &verdict.license {
        count(&app, license.subject(), "POST /v1/licenses/validate", app.db.now()).await;
    }
    // An instance that is no id of ours is one that does not exist.
    let code = if asked == Some(None) && verdict.code == Code::Valid { Code::NoMachine } else { verdict.code };
    let instance = verdict.place.as_ref().map(Instance::of);
    conclude(&app, call, code, |valid, rest| Validation { valid, instance, rest }).await
}

/// What is to be deactivated.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "LemonSqueezyDeactivate")]
pub(super) struct Deactivate {
    /// The licence's key.
    #[schemars(with = "String")]
    license_key: Option<String>,
    /// The instance, as it was named when it was activated.
    #[schemars(with = "String")]
    instance_id: Option<String>,
}

/// `POST /v1/licenses/deactivate`
pub(super) async fn deactivate(
    State(app): State<App>,
    Extension(calls): Extension<Arc<Calls>>,
    context: Context,
    Fields(fields): Fields<Deactivate>,
) -> Result<Spoken<Deactivation>, Problem> {
    let Some(key) = said(fields.license_key.as_ref()) else { return Ok(without("license_key")) };
    let Some(asked) = said(fields.instance_id.as_ref()) else { return Ok(without("instance_id")) };
    let asked = instance(asked);
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
    conclude(&app, call, code, |deactivated, rest| Deactivation { deactivated, rest }).await
}
