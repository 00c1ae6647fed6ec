//! `/api/admin/articles`: articles, published or not.

use axum::extract::State;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    app::App,
    http::{
        Admin, Conditional, Context, FirstRevision, IdempotencyKey, IfMatch, IfNoneMatch, Json, NoContent, Once,
        PageQuery, Path, Problem, Query, Tagged, once, tag,
    },
    kernel::Page,
    support::{self, Article, ArticleFields, ArticleId, ArticlePatch, ArticleStatus, EditError},
};

#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Filter {
    /// Those that stand so.
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
) -> Result<Json<Page<Article>>, Problem> {
    Ok(Json(support::articles(&app.db, filter.status, page.request()?).await?))
}

/// `GET /api/admin/articles/{article}`
pub(super) async fn show(
    State(app): State<App>,
    _: Admin,
    Path(id): Path<ArticleId>,
    known: IfNoneMatch,
) -> Result<Conditional<Article>, Problem> {
    let found = support::article(&app.db, id).await?.ok_or(EditError::NotFound)?;
    Ok(known.answer(tag_of(&found), found))
}

/// `POST /api/admin/articles`
pub(super) async fn create(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    key: IdempotencyKey,
    Json(fields): Json<ArticleFields>,
) -> Result<FirstRevision<Once<Article>>, Problem> {
    let (by, scope) = (admin.by(&context), format!("{} POST /api/admin/articles", admin.user));
    let body = fields.clone();
    let made = once(&app, key, scope, &body, async |tx| support::create_article(tx, fields, &by).await);
    Ok(FirstRevision(made.await?))
}

/// `PATCH /api/admin/articles/{article}`
pub(super) async fn change(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Path(id): Path<ArticleId>,
    IfMatch(revision): IfMatch,
    Json(patch): Json<ArticlePatch>,
) -> Result<Tagged<Article>, Problem> {
    let by = admin.by(&context);
    let changed = app.db.write(async |tx| support::patch_article(tx, id, revision, patch, &by).await).await?;
    Ok(Tagged(tag_of(&changed), changed))
}

/// `DELETE /api/admin/articles/{article}`
pub(super) async fn remove(
    State(app): State<App>,
    admin: Admin,
    context: Context,
    Path(id): Path<ArticleId>,
    IfMatch(revision): IfMatch,
) -> Result<NoContent, Problem> {
    let by = admin.by(&context);
    app.db.write(async |tx| support::delete_article(tx, id, revision, &by).await).await?;
    Ok(NoContent)
}
