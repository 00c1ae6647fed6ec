//! `/api/licenses/{license}/keys`: what owners see and do.

use std::time::Duration;

use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::refusals::{no_key, no_license};
use crate::{
    accounts::Scope,
    api_keys::{self, ApiKeyId, KeyView, MadeKey, NewKey, Owner, Rotation},
    app::App,
    flags::{self, API_KEYS},
    http::{
        Caller, Conditional, Context, IdempotencyKey, IfMatch, IfNoneMatch, Json, Kind, NoContent, NotStored, Once,
        PageQuery, Path, Problem, Query, Tagged, once, tag,
    },
    kernel::{LicenseId, Page, Time},
    licenses,
    usage::Take,
};

const fn owner(caller: &Caller) -> Owner {
    Owner { tenant: caller.0.tenant, user: caller.0.user }
}

/// `GET /api/licenses/{license}/keys`
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    Path(license): Path<LicenseId>,
    Query(page): Query<PageQuery<ApiKeyId>>,
) -> Result<Json<Page<KeyView>>, Problem> {
    caller.require(Scope::KeysRead)?;
    let page = page.request()?;
    if !licenses::is_owned(&app.db, caller.tenant, license).await? {
        return Err(no_license());
    }
    Ok(Json(api_keys::list(&app.db, caller.tenant, license, page).await?))
}

/// A key that is wished for.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewApiKey")]
pub(super) struct Wanted {
    /// What its owner calls it.
    name: String,
    /// What it may call: of the plan's scopes; all of them if nothing is said.
    scopes: Option<Vec<String>>,
    /// When it ends; with its licence if nothing is said.
    expires_at: Option<Time>,
}

/// `POST /api/licenses/{license}/keys`
pub(super) async fn create(
    State(app): State<App>,
    caller: Caller,
    context: Context,
    key: IdempotencyKey,
    Path(license): Path<LicenseId>,
    Json(wanted): Json<Wanted>,
) -> Result<NotStored<Once<MadeKey>>, Problem> {
    caller.require(Scope::KeysWrite)?;
    let user = caller.user.to_string();
    if !app.flags.bool(&API_KEYS, &flags::Context::user(&user)) {
        // Whoever does not own the licence is not told.
        if !licenses::is_owned(&app.db, caller.tenant, license).await? {
            return Err(no_license());
        }
        return Err(Problem::new(Kind::Forbidden).detail("no API keys are made here at the moment; those made work on"));
    }
    let scope = format!("{user} POST /api/licenses/{license}/keys");
    let (who, by) = ((owner(&caller), license), caller.by(&context));
    let body = serde_json::to_value(&wanted).map_err(Problem::internal)?;
    let new = NewKey { name: wanted.name, scopes: wanted.scopes, expires_at: wanted.expires_at };
    let made = once(&app, key, scope, &body, async |tx| api_keys::create(tx, &app.api_keys, who, &new, &by).await);
    Ok(NotStored(made.await?))
}

/// Uses and the clock make another representation, but no edit is refused because of them.
fn tag_of(key: &KeyView) -> String {
    tag(key.revision, &[key.last_used_at.map_or(0, Time::as_micros), key.status as i64])
}

/// `GET /api/licenses/{license}/keys/{key}`
pub(super) async fn show(
    State(app): State<App>,
    caller: Caller,
    Path((license, key)): Path<(LicenseId, ApiKeyId)>,
    known: IfNoneMatch,
) -> Result<Conditional<KeyView>, Problem> {
    caller.require(Scope::KeysRead)?;
    let key = api_keys::find(&app.db, caller.tenant, license, key).await?.ok_or_else(no_key)?;
    Ok(known.answer(tag_of(&key), key))
}

/// What may be changed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ApiKeyChange")]
pub(super) struct Renamed {
    /// What its owner calls it.
    name: String,
}

/// `PATCH /api/licenses/{license}/keys/{key}`
pub(super) async fn rename(
    State(app): State<App>,
    caller: Caller,
    context: Context,
    Path((license, key)): Path<(LicenseId, ApiKeyId)>,
    IfMatch(revision): IfMatch,
    Json(renamed): Json<Renamed>,
) -> Result<Tagged<KeyView>, Problem> {
    caller.require(Scope::KeysWrite)?;
    let (who, by) = ((owner(&caller), license), caller.by(&context));
    let key = app.db.write(async |tx| api_keys::rename(tx, who, (key, revision), &renamed.name, &by).await).await?;
    Ok(Tagged(tag_of(&key), key))
}

/// `DELETE /api/licenses/{license}/keys/{key}`
pub(super) async fn revoke(
    State(app): State<App>,
    caller: Caller,
    context: Context,
    Path((license, key)): Path<(LicenseId, ApiKeyId)>,
) -> Result<NoContent, Problem> {
    caller.require(Scope::KeysWrite)?;
    let (who, by) = ((owner(&caller), license), caller.by(&context));
    app.db.write(async |tx| api_keys::revoke(tx, &app.api_keys, who, key, &by).await).await?;
    Ok(NoContent)
}

/// For how long the old secret shall be good.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ApiKeyRotation")]
pub(super) struct Overlap {
    /// For so many hours the old secret is good too.
    overlap_hours: Option<u32>,
}

/// `POST /api/licenses/{license}/keys/{key}/rotate`
pub(super) async fn rotate(
    State(app): State<App>,
    caller: Caller,
    context: Context,
    idempotency: IdempotencyKey,
    Path((license, key)): Path<(LicenseId, ApiKeyId)>,
    Json(body): Json<Overlap>,
) -> Result<NotStored<Once<MadeKey, 200>>, Problem> {
    caller.require(Scope::KeysWrite)?;
    let options = app.api_keys.options();
    let asked = body.overlap_hours.map(|hours| Duration::from_secs(3_600 * u64::from(hours)));
    let overlap = asked.unwrap_or(options.overlap);
    if overlap > options.max_overlap {
        let detail = format!("at most {}", options.max_overlap.as_secs() / 3_600);
        return Err(Problem::new(Kind::InvalidInput).error("#/overlap_hours", detail));
    }
    let scope = format!("{} POST /api/licenses/{license}/keys/{key}/rotate", caller.user);
    let (rotation, by) = (Rotation { owner: owner(&caller), license, key, overlap }, caller.by(&context));
    let rotated =
        once(&app, idempotency, scope, &body, async |tx| api_keys::rotate(tx, &app.api_keys, &rotation, &by).await);
    Ok(NotStored(rotated.await?))
}

/// How many calls were made.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ApiUsage")]
pub(super) struct Used {
    /// Of which licence.
    license: LicenseId,
    /// Always `month`.
    period: &'static str,
    /// So many so far.
    calls: i64,
    /// So many may be made; any number if there is no limit.
    limit: Option<i64>,
    /// When it begins anew.
    resets_at: Time,
}

/// `GET /api/licenses/{license}/api-usage`: the calls of all of its keys in this month.
pub(super) async fn usage(
    State(app): State<App>,
    caller: Caller,
    Path(license): Path<LicenseId>,
) -> Result<Json<Used>, Problem> {
    caller.require(Scope::KeysRead)?;
    let found = licenses::find(&app.db, &app.license_keys, caller.tenant, license).await?.ok_or_else(no_license)?;
    let (subject, limit) = (license.to_string(), found.api_calls);
    let take = Take { subject: &subject, metric: super::verify::API_CALLS, amount: 0, limit };
    let metered = app.meter.take(&take, &[]).await?;
    Ok(Json(Used { license, period: "month", calls: metered.used, limit, resets_at: metered.resets_at }))
}
