//! The hook of a product: where its vendor makes credentials.

use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    app::App,
    credentials::{self, Hook, HookFields, MadeHook},
    http::{
        Conditional, Context, FirstRevision, IdempotencyKey, IfMatch, IfNoneMatch, Json, Kind, MergePatch, NoContent,
        NotStored, Once, Path, Problem, Tagged,
        api::keys::{Sells, by},
        once, tag,
    },
    kernel::ProductId,
};

/// `GET /api/{admin,vendor}/products/{id}/hook`
pub(super) async fn show<S: Sells>(
    State(app): State<App>,
    who: S,
    Path(product): Path<ProductId>,
    known: IfNoneMatch,
) -> Result<Conditional<Hook>, Problem> {
    let missing = || Problem::new(Kind::NotFound).detail("there is no such hook");
    let hook = credentials::hook(&app.db, who.seller(), product).await?.ok_or_else(missing)?;
    Ok(known.answer(tag(hook.revision, &[]), hook))
}

/// A hook that is wished for; without a secret it gets one.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewHook")]
pub(super) struct Wanted {
    /// Where it is asked.
    url: String,
    /// Whether it is.
    #[serde(default = "yes")]
    active: bool,
    /// What signs the requests; one is made if none is given.
    secret: Option<String>,
}

const fn yes() -> bool {
    true
}

/// `POST /api/{admin,vendor}/products/{id}/hook`
pub(super) async fn create<S: Sells>(
    State(app): State<App>,
    who: S,
    context: Context,
    Path(product): Path<ProductId>,
    key: IdempotencyKey,
    Json(wanted): Json<Wanted>,
) -> Result<NotStored<FirstRevision<Once<MadeHook>>>, Problem> {
    let (by, of, rules) = (by(&who, &context), (who.seller(), product), app.credentials.rules());
    let scope = format!("{} POST hook of {product}", who.caller().user);
    let fields = HookFields { url: wanted.url.clone(), active: wanted.active };
    let made = once(&app, key, scope, &wanted, async |tx| {
        credentials::create_hook(tx, of, (fields, wanted.secret.as_deref()), rules, &by).await
    });
    Ok(NotStored(FirstRevision(made.await?)))
}

/// `PATCH /api/{admin,vendor}/products/{id}/hook`
pub(super) async fn change<S: Sells>(
    State(app): State<App>,
    who: S,
    context: Context,
    Path(product): Path<ProductId>,
    IfMatch(revision): IfMatch,
    Json(patch): Json<MergePatch<HookFields>>,
) -> Result<Tagged<Hook>, Problem> {
    let (by, of, rules) = (by(&who, &context), (who.seller(), product, revision), app.credentials.rules());
    let hook = app.db.write(async |tx| credentials::patch_hook(tx, of, &patch, rules, &by).await).await?;
    Ok(Tagged(tag(hook.revision, &[]), hook))
}

/// `POST /api/{admin,vendor}/products/{id}/hook/rotate-secret`
pub(super) async fn rotate_secret<S: Sells>(
    State(app): State<App>,
    who: S,
    context: Context,
    Path(product): Path<ProductId>,
    IfMatch(revision): IfMatch,
) -> Result<NotStored<Tagged<MadeHook>>, Problem> {
    let (by, of, rules) = (by(&who, &context), (who.seller(), product, revision), app.credentials.rules());
    let made = app.db.write(async |tx| credentials::rotate_hook_secret(tx, of, rules, &by).await).await?;
    let revision = made.about.revision;
    Ok(NotStored(Tagged(tag(revision, &[]), made)))
}

/// `DELETE /api/{admin,vendor}/products/{id}/hook`
pub(super) async fn remove<S: Sells>(
    State(app): State<App>,
    who: S,
    context: Context,
    Path(product): Path<ProductId>,
    IfMatch(revision): IfMatch,
) -> Result<NoContent, Problem> {
    let (by, of) = (by(&who, &context), (who.seller(), product, revision));
    app.db.write(async |tx| credentials::delete_hook(tx, of, &by).await).await?;
    Ok(NoContent)
}
