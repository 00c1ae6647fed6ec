//! What plans let their keys call: everybody reads it, vendors and operators edit it.

use axum::extract::State;

use super::{Sells, by};
use crate::{
    api_keys::{self, Endpoint, EndpointFields, EndpointId, OfferedEndpoints},
    app::App,
    catalog::EditError,
    http::{
        Conditional, Context, FirstRevision, IdempotencyKey, IfMatch, IfNoneMatch, Json, Kind, MergePatch, NoContent,
        Once, Path, Problem, Tagged, once, tag,
    },
    kernel::{Page, PlanId},
};

fn missing() -> Problem {
    Problem::new(Kind::NotFound).detail("there is no such endpoint")
}

/// `GET /api/products/{slug}/endpoints`: what each plan lets its keys call.
pub(super) async fn offered(
    State(app): State<App>,
    Path(slug): Path<String>,
) -> Result<Json<Page<OfferedEndpoints>>, Problem> {
    let missing = || Problem::new(Kind::NotFound).detail("there is no such product");
    if !crate::catalog::is_slug(&slug) {
        return Err(missing());
    }
    let plans = api_keys::offered(&app.db, &slug).await?.ok_or_else(missing)?;
    Ok(Json(Page::whole(plans)))
}

/// `GET /api/{admin,vendor}/plans/{id}/endpoints`: all of them, which are few.
pub(super) async fn list<S: Sells>(
    State(app): State<App>,
    who: S,
    Path(plan): Path<PlanId>,
) -> Result<Json<Page<Endpoint>>, Problem> {
    let endpoints = api_keys::endpoints(&app.db, who.seller(), plan).await?.ok_or(EditError::NotFound)?;
    Ok(Json(Page::whole(endpoints)))
}

/// `POST /api/{admin,vendor}/plans/{id}/endpoints`
pub(super) async fn create<S: Sells>(
    State(app): State<App>,
    who: S,
    context: Context,
    Path(plan): Path<PlanId>,
    key: IdempotencyKey,
    Json(fields): Json<EndpointFields>,
) -> Result<FirstRevision<Once<Endpoint>>, Problem> {
    let (by, seller) = (by(&who, &context), who.seller());
    let scope = format!("{} POST endpoints of {plan}", who.caller().user);
    let body = fields.clone();
    let made = once(&app, key, scope, &body, async |tx| api_keys::create_endpoint(tx, seller, plan, fields, &by).await);
    Ok(FirstRevision(made.await?))
}

/// `GET /api/{admin,vendor}/endpoints/{id}`
pub(super) async fn show<S: Sells>(
    State(app): State<App>,
    who: S,
    Path(id): Path<EndpointId>,
    known: IfNoneMatch,
) -> Result<Conditional<Endpoint>, Problem> {
    let endpoint = api_keys::endpoint(&app.db, who.seller(), id).await?.ok_or_else(missing)?;
    Ok(known.answer(tag(endpoint.revision, &[]), endpoint))
}

/// `PATCH /api/{admin,vendor}/endpoints/{id}`
pub(super) async fn change<S: Sells>(
    State(app): State<App>,
    who: S,
    context: Context,
    Path(id): Path<EndpointId>,
    IfMatch(revision): IfMatch,
    Json(patch): Json<MergePatch<EndpointFields>>,
) -> Result<Tagged<Endpoint>, Problem> {
    let (by, seller) = (by(&who, &context), who.seller());
    let endpoint =
        app.db.write(async |tx| api_keys::patch_endpoint(tx, seller, (id, revision), &patch, &by).await).await?;
    Ok(Tagged(tag(endpoint.revision, &[]), endpoint))
}

/// `DELETE /api/{admin,vendor}/endpoints/{id}`
pub(super) async fn remove<S: Sells>(
    State(app): State<App>,
    who: S,
    context: Context,
    Path(id): Path<EndpointId>,
    IfMatch(revision): IfMatch,
) -> Result<NoContent, Problem> {
    let (by, seller) = (by(&who, &context), who.seller());
    app.db.write(async |tx| api_keys::delete_endpoint(tx, seller, (id, revision), &by).await).await?;
    Ok(NoContent)
}
