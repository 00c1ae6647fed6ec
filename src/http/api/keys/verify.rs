//! `POST /api/keys/verify`: a vendor's own service asks whether a key that it was shown is good (after RFC 7662).

use std::{sync::Arc, time::Duration};

use axum::{Extension, extract::State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Verifications, refusals::not_now};
use crate::{
    accounts::{Role, Scope},
    api_keys::{self, Access, ApiKeyId, Authenticated, Refused},
    app::App,
    http::{Caller, Context, Json, Kind, Limited, NotStored, Problem},
    kernel::{LicenseId, PlanId, ProductId, TenantId, Time},
    usage::{Call, Count, Metered, Take},
};

/// What calls are counted as, for the licence and for the key.
pub(super) const API_CALLS: &str = "api_calls";
/// The longest texts that are looked at, in bytes.
const LONGEST: usize = 2_000;
/// The most calls that one question counts.
const MOST_CALLS: u32 = 1_000_000;

/// What is asked. Other fields, such as `token_type_hint`, are not heeded.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "KeyQuestion")]
pub(super) struct Question {
    /// The secret, or client id and secret with a colon between.
    token: Option<String>,
    /// Instead of `token`: the client id.
    client_id: Option<String>,
    /// And the secret that belongs to it.
    client_secret: Option<String>,
    /// The method of the call that is to be made.
    method: Option<String>,
    /// Its path.
    path: Option<String>,
    /// How many calls it is; one if a method and a path are named, else none.
    calls: Option<u32>,
}

/// A key and, if one is meant, a call.
struct Asked<'q> {
    client: Option<&'q str>,
    secret: &'q str,
    call: Option<(&'q str, &'q str)>,
    calls: u32,
}

fn wrong(pointer: &str, detail: &str) -> Problem {
    Problem::new(Kind::InvalidInput).error(pointer, detail)
}

impl Question {
    fn read(&self) -> Result<Asked<'_>, Problem> {
        let (client, secret) = match (&self.token, &self.client_id, &self.client_secret) {
            (Some(token), None, None) => match token.split_once(':') {
                Some((client, secret)) => (Some(client), secret),
                None => (None, token.as_str()),
            },
            (None, Some(client), Some(secret)) => (Some(client.as_str()), secret.as_str()),
            _ => return Err(wrong("#/token", "expected `token`, or `client_id` and `client_secret`")),
        };
        let call = match (&self.method, &self.path) {
            (Some(method), Some(path)) => Some((method.as_str(), path.as_str())),
            (None, None) => None,
            (Some(_), None) => return Err(wrong("#/path", "expected with `method`")),
            (None, Some(_)) => return Err(wrong("#/method", "expected with `path`")),
        };
        for (pointer, text) in [("#/method", &self.method), ("#/path", &self.path)] {
            if text.as_ref().is_some_and(|text| text.is_empty() || text.len() > LONGEST) {
                return Err(wrong(pointer, "expected 1 to 2000 bytes"));
            }
        }
        let calls = self.calls.unwrap_or_else(|| u32::from(call.is_some()));
        if calls > MOST_CALLS {
            return Err(wrong("#/calls", "at most 1000000"));
        }
        Ok(Asked { client, secret, call, calls })
    }
}

/// What is answered.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "KeyAnswer")]
pub(super) enum Verification {
    /// The key is good.
    Good(Box<Verified>),
    /// It is not, or it is of none of the caller's products.
    NotGood(Unverified),
}

/// What is answered of a key that is not good, or none of the caller's products.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "UnverifiedKey")]
pub(super) struct Unverified {
    /// Always `false`.
    active: bool,
}

/// What is answered of a good one. `exp`, `iat`, `scope`, `client_id` and `sub` are as in RFC 7662.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "VerifiedKey")]
pub(super) struct Verified {
    /// Always `true`.
    active: bool,
    /// Whether the call may be made.
    allowed: bool,
    /// `OK`, or why not: `QUOTA_EXCEEDED`, `ENDPOINT_NOT_ALLOWED`, `SCOPE_MISSING`.
    code: &'static str,
    /// The key.
    client_id: ApiKeyId,
    /// The licence that it belongs to.
    sub: LicenseId,
    /// What it may call, with spaces between.
    scope: String,
    /// When it ends, in Unix seconds, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
    /// When it was made, in Unix seconds.
    iat: i64,
    /// What its owner calls it.
    name: String,
    /// Who owns it.
    tenant: TenantId,
    /// What was bought.
    product: Named<ProductId>,
    /// And how.
    plan: Named<PlanId>,
    /// What it may use.
    limits: Limits,
    /// What of that is used.
    usage: Used,
    /// Whether the answer is from memory, while the database is away.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    stale: bool,
}

/// Something by its id and by its name in addresses.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Named{I}")]
struct Named<I> {
    /// Which one.
    id: I,
    /// In addresses.
    slug: String,
}

/// What a key may use.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "KeyLimits")]
struct Limits {
    /// So many calls in a month; any number if there is no limit.
    api_calls: Option<i64>,
}

/// What is used.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "KeyUsage")]
struct Used {
    /// Always `month`.
    period: &'static str,
    /// So many calls so far.
    api_calls: i64,
    /// When it begins anew.
    resets_at: Time,
}

/// `POST /api/keys/verify`
pub(super) async fn verify(
    State(app): State<App>,
    Extension(limits): Extension<Arc<Verifications>>,
    caller: Caller,
    context: Context,
    Json(question): Json<Question>,
) -> Result<NotStored<Limited<Json<Verification>>>, Problem> {
    caller.require(Scope::KeysVerify)?;
    let asked = question.read()?;
    let allowance = limits.0.as_ref().map(|limiter| limiter.check(&caller.user.to_string())).transpose()?;
    let answer = match good(&app, &caller, &asked).await? {
        Some(key) => Verification::Good(Box::new(told(&app, &key, &asked, &context).await?)),
        None => Verification::NotGood(Unverified { active: false }),
    };
    Ok(NotStored(Limited::perhaps(allowance, Json(answer))))
}

/// The key, if it is good and of one of the caller's products.
async fn good(app: &App, caller: &Caller, asked: &Asked<'_>) -> Result<Option<Authenticated>, Problem> {
    let Some(presented) = app.api_keys.recognise(asked.client, asked.secret) else { return Ok(None) };
    let key = match app.api_keys.authenticate(&presented).await {
        Ok(key) => key,
        Err(Refused::Unknown | Refused::Expired | Refused::License(_)) => return Ok(None),
        Err(Refused::Unavailable) => return Err(not_now()),
    };
    let house = caller.role == Role::Admin;
    let is_own = api_keys::is_sold_by(&app.db, key.license.product, caller.user, house).await?;
    Ok(is_own.then_some(key))
}

/// Counts the call, if it may be made, and tells what the key stands for.
async fn told(app: &App, key: &Authenticated, asked: &Asked<'_>, context: &Context) -> Result<Verified, Problem> {
    let license = &key.license;
    let access = asked.call.map_or(Access::Allowed, |(method, path)| key.access(method, path));
    let amount = if access == Access::Allowed { asked.calls } else { 0 };
    let take = Take { subject: license.subject(), metric: API_CALLS, amount, limit: license.api_calls };
    let endpoint = asked.call.map(|(method, path)| key.endpoint(method, path)).unwrap_or_default();
    let at = app.usage.now();
    let of = |subject| Count { subject, metric: API_CALLS, endpoint: &endpoint, amount: amount.into(), at, call: None };
    // What came of the call is known to the vendor's service alone.
    let call = Call { request_id: context.request_id(), status: 0, duration: Duration::ZERO, meta: None };
    let counts = [Count { call: Some(call), ..of(license.subject()) }, of(key.key.subject())];
    let metered = app.meter.take(&take, &counts).await?;
    let (allowed, code) = match access {
        Access::Allowed if metered.fits => (true, "OK"),
        Access::Allowed => (false, "QUOTA_EXCEEDED"),
        Access::EndpointNotAllowed => (false, "ENDPOINT_NOT_ALLOWED"),
        Access::ScopeMissing => (false, "SCOPE_MISSING"),
    };
    Ok(verified(key, (allowed, code), metered))
}

fn verified(key: &Authenticated, (allowed, code): (bool, &'static str), metered: Metered) -> Verified {
    let license = &key.license;
    let ends = [key.key.expires_at, license.expires_at].into_iter().flatten().min();
    Verified {
        active: true,
        allowed,
        code,
        client_id: key.key.id,
        sub: license.license,
        scope: key.scopes().join(" "),
        exp: ends.map(Time::as_secs),
        iat: key.key.created_at.as_secs(),
        name: key.key.name.clone(),
        tenant: license.tenant,
        product: Named { id: license.product, slug: license.product_slug.clone() },
        plan: Named { id: license.plan, slug: license.plan_slug.clone() },
        limits: Limits { api_calls: license.api_calls },
        usage: Used { period: "month", api_calls: metered.used, resets_at: metered.resets_at },
        stale: key.stale,
    }
}
