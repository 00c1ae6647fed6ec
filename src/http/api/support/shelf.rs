//! `/api/admin/articles`: articles, published or not.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde::Deserialize;

use super::{
    super::catalog::etag::{IfMatch, answer, tag},
    canned::created,
};
use crate::{
    app::App,
    http::{Admin, Context, IdempotencyKey, Json, PageQuery, Path, Problem, Query, once},
    support::{self, Article, ArticleFields, ArticleId, ArticlePatch, ArticleStatus, EditError},
};

#[derive(Debug, Deserialize)]
pub(super) struct Filter {
    status: Option<ArticleStatus>,
}

fn tag_of(article: &Article) -> String {
    tag(article.revision, &[article.helpful, article.not_helpful])
}

/// `GET /api/admin/articles`
pub(super) async fn list(
    State(app): State<App>,
    _: Admin,
    Query(filter): Query<Filter>,
    Query(page): Query<PageQuery<ArticleId>>,
) -> Result<impl IntoResponse, Problem> {
    Ok(Json(support::articles(&app.db, filter.status, page.request()?).await?))
}

/// `GET /api/admin/articles/{article}`
pub(super) async fn show(
    State(app): State<App>,
    _: Admin,
    Path(id): Path<ArticleId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let found = support::article(&app.db, id).await?.ok_or(EditError::NotFound)?;
    Ok(answer(&headers, tag_of(&found), found))
}

/// `POST /api/admin/articles`
pub(super) async fn create(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    key: IdempotencyKey,
    Json(fields): Json<ArticleFields>,
) -> Result<Response, Problem> {
    let (by, scope) = (admin.by(&context), format!("{} POST /api/admin/articles", admin.user));
    let body = fields.clone();
    let made = once(&app, key, scope, &body, async |tx| {
        Ok::<_, EditError>((StatusCode::CREATED, support::create_article(tx, fields, &by).await?))
    });
    Ok(created(made.await?))
}

/// `PATCH /api/admin/articles/{article}`
pub(super) async fn change(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Path(id): Path<ArticleId>,
    IfMatch(revision): IfMatch,
    Json(patch): Json<ArticlePatch>,
) -> Result<Response, Problem> {
    let by = admin.by(&context);
    let changed = app.db.write(async |tx| support::patch_article(tx, id, revision, patch, &by).await).await?;
    Ok(answer(&HeaderMap::new(), tag_of(&changed), changed))
}

/// `DELETE /api/admin/articles/{article}`
pub(super) async fn remove(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Path(id): Path<ArticleId>,
    IfMatch(revision): IfMatch,
) -> Result<StatusCode, Problem> {
    let by = admin.by(&context);
    app.db.write(async |tx| support::delete_article(tx, id, revision, &by).await).await?;
    Ok(StatusCode::NO_CONTENT)
}
