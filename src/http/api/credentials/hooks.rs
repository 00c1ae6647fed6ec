//! The hook of a product: where its vendor makes credentials.

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    app::App,
    catalog::EditError,
    credentials::{self, HookFields},
    http::{
        Context, IdempotencyKey, Json, Kind, Path, Problem,
        api::{
            catalog::etag::{IfMatch, answer, tag},
            keys::{Sells, by},
        },
        once,
    },
    kernel::ProductId,
};

/// `GET /api/{admin,vendor}/products/{id}/hook`
pub(super) async fn show<S: Sells>(
    State(app): State<App>,
    who: S,
    Path(product): Path<ProductId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let missing = || Problem::new(Kind::NotFound).detail("there is no such hook");
    let hook = credentials::hook(&app.db, who.seller(), product).await?.ok_or_else(missing)?;
    Ok(answer(&headers, tag(hook.revision, &[]), hook))
}

/// A hook that is wished for; without a secret it gets one.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    url: String,
    #[serde(default = "yes")]
    active: bool,
    secret: Option<String>,
}

const fn yes() -> bool {
    true
}

/// An answer that nobody may keep.
fn secret(mut answer: Response, revision: i64) -> Response {
    let headers = answer.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(tag) = HeaderValue::from_str(&tag(revision, &[])) {
        headers.insert(header::ETAG, tag);
    }
    answer
}

/// `POST /api/{admin,vendor}/products/{id}/hook`
pub(super) async fn create<S: Sells>(
    State(app): State<App>,
    who: S,
    context: Context,
    Path(product): Path<ProductId>,
    key: IdempotencyKey,
    Json(wanted): Json<Wanted>,
) -> Result<Response, Problem> {
    let (by, of, rules) = (by(&who, &context), (who.seller(), product), app.credentials.rules());
    let scope = format!("{} POST hook of {product}", who.caller().user);
    let fields = HookFields { url: wanted.url.clone(), active: wanted.active };
    let made = once(&app, key, scope, &wanted, async |tx| {
        let made = credentials::create_hook(tx, of, (fields, wanted.secret.as_deref()), rules, &by).await?;
        Ok::<_, EditError>((StatusCode::CREATED, made))
    });
    Ok(secret(made.await?, 1))
}

/// `PATCH /api/{admin,vendor}/products/{id}/hook`
pub(super) async fn change<S: Sells>(
    State(app): State<App>,
    who: S,
    context: Context,
    Path(product): Path<ProductId>,
    IfMatch(revision): IfMatch,
    Json(patch): Json<Map<String, Value>>,
) -> Result<Response, Problem> {
    let (by, of, rules) = (by(&who, &context), (who.seller(), product, revision), app.credentials.rules());
    let hook = app.db.write(async |tx| credentials::patch_hook(tx, of, &patch, rules, &by).await).await?;
    Ok(answer(&HeaderMap::new(), tag(hook.revision, &[]), hook))
}

/// `POST /api/{admin,vendor}/products/{id}/hook/rotate-secret`
pub(super) async fn rotate_secret<S: Sells>(
    State(app): State<App>,
    who: S,
    context: Context,
    Path(product): Path<ProductId>,
    IfMatch(revision): IfMatch,
) -> Result<Response, Problem> {
    let (by, of, rules) = (by(&who, &context), (who.seller(), product, revision), app.credentials.rules());
    let made = app.db.write(async |tx| credentials::rotate_hook_secret(tx, of, rules, &by).await).await?;
    let revision = made.about.revision;
    Ok(secret(Json(made).into_response(), revision))
}

/// `DELETE /api/{admin,vendor}/products/{id}/hook`
pub(super) async fn remove<S: Sells>(
    State(app): State<App>,
    who: S,
    context: Context,
    Path(product): Path<ProductId>,
    IfMatch(revision): IfMatch,
) -> Result<StatusCode, Problem> {
    let (by, of) = (by(&who, &context), (who.seller(), product, revision));
    app.db.write(async |tx| credentials::delete_hook(tx, of, &by).await).await?;
    Ok(StatusCode::NO_CONTENT)
}
