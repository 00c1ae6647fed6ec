//! `/api/licenses`: what owners see and do.

use aide::{
    OperationOutput,
    generate::GenContext,
    openapi::{Operation, Response as Described},
};
use axum::{
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{bounds::refused, refusals::no_license};
use crate::{
    accounts::Scope,
    app::App,
    flags::{self, LICENSES_OFFLINE_FILES},
    http::{
        Caller, Context, IdempotencyKey, Json, Kind, Once, PageQuery, Path, Problem, Query, once,
        openapi::{given, gives},
    },
    kernel::{LicenseId, Page},
    licenses::{self, Change, LicenseStatus, LicenseView, LogId, LogView, MAX_RULES, NewRules, OwnError},
};

/// Who changes, and in which request.
pub(super) fn change(caller: &Caller, context: &Context) -> Change {
    Change::by(caller.actor()).request(context.request_id())
}

/// `GET /api/licenses`
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(page): Query<PageQuery<LicenseId>>,
) -> Result<Json<Page<LicenseView>>, Problem> {
    caller.require(Scope::LicensesRead)?;
    let page = licenses::list(&app.db, &app.license_keys, caller.tenant, page.request()?).await?;
    Ok(Json(page))
}

/// A caller's licence, or 404.
pub(super) async fn owned(app: &App, caller: &Caller, id: LicenseId) -> Result<LicenseView, Problem> {
    licenses::find(&app.db, &app.license_keys, caller.tenant, id).await?.ok_or_else(no_license)
}

/// `GET /api/licenses/{license}`
pub(super) async fn show(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<LicenseId>,
) -> Result<Json<LicenseView>, Problem> {
    caller.require(Scope::LicensesRead)?;
    owned(&app, &caller, id).await.map(Json)
}

/// What may be changed; a field that is missing stays as it is.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "LicenseRules")]
pub(super) struct Rules {
    /// The hosts that it may serve, `*.` before one for those below it; none for any.
    domains: Option<Vec<String>>,
    /// The addresses or networks (`192.0.2.0/24`) that it may be used from; none for any.
    ips: Option<Vec<String>>,
}

fn parsed<R>(field: &str, list: Option<Vec<String>>) -> Result<Option<Vec<R>>, Problem>
where
    R: std::str::FromStr + PartialEq,
    R::Err: std::fmt::Display,
{
    let Some(list) = list else { return Ok(None) };
    if list.len() > MAX_RULES {
        return Err(refused(&format!("#/{field}"), format!("at most {MAX_RULES}")));
    }
    let mut rules = Vec::new();
    for (place, text) in list.iter().enumerate() {
        let rule: R =
            text.parse().map_err(|error: R::Err| refused(&format!("#/{field}/{place}"), error.to_string()))?;
        if !rules.contains(&rule) {
            rules.push(rule);
        }
    }
    Ok(Some(rules))
}

/// `PATCH /api/licenses/{license}`
pub(super) async fn set_rules(
    State(app): State<App>,
    caller: Caller,
    context: Context,
    Path(id): Path<LicenseId>,
    Json(rules): Json<Rules>,
) -> Result<Json<LicenseView>, Problem> {
    caller.require(Scope::LicensesWrite)?;
    let rules = NewRules { domains: parsed("domains", rules.domains)?, ips: parsed("ips", rules.ips)? };
    let change = change(&caller, &context);
    app.db
        .write(async |tx| {
            let step = licenses::set_rules(tx, (caller.tenant, id), &rules, &change).await?;
            app.license_cache.forget_with(tx, step);
            Ok::<_, OwnError>(())
        })
        .await?;
    owned(&app, &caller, id).await.map(Json)
}

/// A licence's new key.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "NewLicenseKey")]
pub(super) struct NewKey {
    /// Of which licence.
    id: LicenseId,
    /// The key; the one before is good for nothing from now on.
    license_key: String,
    /// Its last characters.
    key_hint: String,
}

/// `POST /api/licenses/{license}/rotate-key`
pub(super) async fn rotate_key(
    State(app): State<App>,
    caller: Caller,
    context: Context,
    key: IdempotencyKey,
    Path(id): Path<LicenseId>,
) -> Result<Once<NewKey, 200>, Problem> {
    caller.require(Scope::LicensesWrite)?;
    let (scope, change) = (format!("{} POST /api/licenses/rotate-key", caller.user), change(&caller, &context));
    once(&app, key, scope, &id, async |tx| {
        let rotated = licenses::rotate_key(tx, &app.license_keys, (caller.tenant, id), &change).await?;
        app.license_cache.forget_with(tx, rotated.step);
        let (license_key, key_hint) = (rotated.license_key, rotated.key_hint);
        Ok::<_, OwnError>(NewKey { id, license_key, key_hint })
    })
    .await
}

/// `GET /api/licenses/{license}/log`
pub(super) async fn log(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<LicenseId>,
    Query(page): Query<PageQuery<LogId>>,
) -> Result<Json<Page<LogView>>, Problem> {
    caller.require(Scope::LicensesRead)?;
    let page = page.request()?;
    if !licenses::is_owned(&app.db, caller.tenant, id).await? {
        return Err(no_license());
    }
    Ok(Json(licenses::log_any(&app.db, id, page).await?))
}

/// How long a file shall be good.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct FileQuery {
    /// How long it shall be good, in seconds; not longer than the licence.
    #[schemars(range(min = *licenses::TTL_RANGE.start(), max = *licenses::TTL_RANGE.end()))]
    ttl: Option<i64>,
}

/// A licence file.
#[derive(Debug)]
pub(super) struct LicenseFile(Response);

impl IntoResponse for LicenseFile {
    fn into_response(self) -> Response {
        self.0
    }
}

impl OperationOutput for LicenseFile {
    type Inner = String;

    fn inferred_responses(_: &mut GenContext, _: &mut Operation) -> Vec<(Option<u16>, Described)> {
        let description = "The licence, signed: a text that programs verify without asking anybody.";
        vec![(Some(200), gives(description, "text/plain", given::<String>()))]
    }
}

/// `GET /api/licenses/{license}/file`
pub(super) async fn file(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<LicenseId>,
    Query(query): Query<FileQuery>,
) -> Result<LicenseFile, Problem> {
    caller.require(Scope::LicensesRead)?;
    let ttl = query.ttl.unwrap_or(licenses::DEFAULT_TTL);
    if !licenses::TTL_RANGE.contains(&ttl) {
        let (least, most) = (licenses::TTL_RANGE.start(), licenses::TTL_RANGE.end());
        return Err(Problem::new(Kind::InvalidParameter).error("#/ttl", format!("expected {least} to {most} seconds")));
    }
    let user = caller.user.to_string();
    if !app.flags.bool(&LICENSES_OFFLINE_FILES, &flags::Context::user(&user)) {
        return Err(Problem::new(Kind::NotFound).detail("licence files are not given out here"));
    }
    let license = owned(&app, &caller, id).await?;
    if license.status != LicenseStatus::Active {
        return Err(Problem::new(Kind::Conflict).detail(format!("the licence is {}", license.status)));
    }
    let text = app.license_keys.signer().file(&license, app.db.now(), ttl);
    let name = HeaderValue::from_str(&format!("attachment; filename=\"{id}.lic\"")).map_err(Problem::internal)?;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    let headers = [(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, name)];
    Ok(LicenseFile((headers, text).into_response()))
}
