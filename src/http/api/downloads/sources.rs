//! `/api/admin/products/{product}/sources` and `/api/admin/sources`: where products' files come from.

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

use crate::{
    app::App,
    catalog::{self, By, EditError},
    downloads::{self, Source, SourceFields, SourceId},
    http::{
        Admin, Context, IdempotencyKey, Json, Kind, Path, Problem,
        api::catalog::etag::{IfMatch, answer, tag},
        once,
    },
    kernel::{ProductId, Time},
};

pub(super) fn by(admin: &Admin, context: &Context) -> By {
    By { actor: admin.actor(), request_id: Some(context.request_id().to_owned()) }
}

fn missing() -> Problem {
    Problem::new(Kind::NotFound).detail("there is no such source")
}

/// What verification finds makes another representation, but no edit is refused because of it.
fn tag_of(source: &Source) -> String {
    let seen = source.last_verified_at.map_or(0, Time::as_micros);
    tag(source.revision, &[seen, i64::from(source.problem.is_some())])
}

/// `GET /api/admin/products/{product}/sources`: all of them, which are few.
pub(super) async fn list(
    State(app): State<App>,
    _: Admin,
    Path(product): Path<ProductId>,
) -> Result<impl IntoResponse, Problem> {
    catalog::product(&app.db, product).await?.ok_or(EditError::NotFound)?;
    Ok(Json(json!({ "data": downloads::sources(&app.db, product).await?, "has_more": false, "next_cursor": null })))
}

/// `GET /api/admin/sources/{id}`
pub(super) async fn show(
    State(app): State<App>,
    _: Admin,
    Path(id): Path<SourceId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let source = downloads::source(&app.db, id).await?.ok_or_else(missing)?;
    Ok(answer(&headers, tag_of(&source), source))
}

/// `POST /api/admin/products/{product}/sources`
pub(super) async fn create(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Path(product): Path<ProductId>,
    key: IdempotencyKey,
    Json(fields): Json<SourceFields>,
) -> Result<Response, Problem> {
    let (by, rules) = (by(&admin, &context), app.downloads.rules());
    let scope = format!("{} POST /api/admin/products/{product}/sources", admin.user);
    let body = fields.clone();
    let made = once(&app, key, scope, &body, async |tx| {
        let made = downloads::create_source(tx, product, fields, rules, &by).await?;
        Ok::<_, EditError>((StatusCode::CREATED, made))
    });
    let mut made = made.await?;
    // Nothing has changed what was just made.
    made.headers_mut().insert(header::ETAG, HeaderValue::from_static("\"1\""));
    Ok(made)
}

/// `PATCH /api/admin/sources/{id}`
pub(super) async fn change(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Path(id): Path<SourceId>,
    IfMatch(revision): IfMatch,
    Json(patch): Json<Map<String, Value>>,
) -> Result<Response, Problem> {
    let (by, rules) = (by(&admin, &context), app.downloads.rules());
    let changed =
        app.db.write(async |tx| downloads::patch_source(tx, id, revision, &patch, (rules, &by)).await).await?;
    Ok(answer(&HeaderMap::new(), tag_of(&changed), changed))
}

/// `DELETE /api/admin/sources/{id}`
pub(super) async fn remove(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Path(id): Path<SourceId>,
    IfMatch(revision): IfMatch,
) -> Result<StatusCode, Problem> {
    let by = by(&admin, &context);
    app.db.write(async |tx| downloads::delete_source(tx, id, revision, &by).await).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /api/admin/sources/{id}/verify`: has somebody look at it now.
pub(super) async fn verify(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Path(id): Path<SourceId>,
) -> Result<StatusCode, Problem> {
    let by = by(&admin, &context);
    app.db.write(async |tx| downloads::verify_now(tx, id, &by).await).await?;
    Ok(StatusCode::ACCEPTED)
}
