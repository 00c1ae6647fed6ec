//! `/api/articles`: what everybody reads before they ask.

use axum::{
    Extension,
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    super::catalog::etag::{answer, tag_of},
    gate::Limits,
    refusals::bounded,
};
use crate::{
    app::App,
    http::{Caller, Context, Json, Kind, PageQuery, Path, Problem, Query, address_key},
    kernel::{Time, seal},
    support::{self, Article, ArticleFilter},
};

/// Which articles.
#[derive(Debug, Deserialize)]
pub(super) struct Filter {
    q: Option<String>,
    category: Option<String>,
}

/// An article as everybody reads it.
#[derive(Debug, Serialize)]
struct ArticleView {
    slug: String,
    title: String,
    category: String,
    body: String,
    helpful: i64,
    not_helpful: i64,
    published_at: Option<Time>,
    updated_at: Time,
}

impl From<Article> for ArticleView {
    fn from(article: Article) -> Self {
        let Article { slug, title, category, body, helpful, not_helpful, published_at, updated_at, .. } = article;
        Self { slug, title, category, body, helpful, not_helpful, published_at, updated_at }
    }
}

/// A voice.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Vote {
    helpful: bool,
}

fn missing() -> Problem {
    Problem::new(Kind::NotFound).detail("there is no such article")
}

/// `GET /api/articles`
pub(super) async fn list(
    State(app): State<App>,
    Query(filter): Query<Filter>,
    Query(page): Query<PageQuery<String>>,
) -> Result<impl IntoResponse, Problem> {
    bounded("q", filter.q.as_deref(), 200)?;
    bounded("category", filter.category.as_deref(), 80)?;
    let q = filter.q.map(|q| q.trim().to_owned()).filter(|q| !q.is_empty());
    let filter = ArticleFilter { q, category: filter.category };
    Ok(Json(support::browse_articles(&app.db, &filter, page.read()?).await?))
}

/// `GET /api/articles/{slug}`
pub(super) async fn show(
    State(app): State<App>,
    Path(slug): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let found: ArticleView = support::published_article(&app.db, &slug).await?.ok_or_else(missing)?.into();
    Ok(answer(&headers, tag_of(&found), found))
}

/// `POST /api/articles/{slug}/votes`: whether it helped; one voice for each account, or for each address.
pub(super) async fn vote(
    State(app): State<App>,
    caller: Option<Caller>,
    (context, Extension(limits)): (Context, Extension<Limits>),
    Path(slug): Path<String>,
    Json(vote): Json<Vote>,
) -> Result<impl IntoResponse, Problem> {
    let voter = caller.map_or_else(|| hidden(&app, &context), |caller| caller.user.to_string());
    let allowance = limits.votes.check(&voter)?;
    if !app.db.write(async |tx| support::vote(tx, &slug, &voter, vote.helpful).await).await? {
        return Err(missing());
    }
    let found = support::published_article(&app.db, &slug).await?.ok_or_else(missing)?;
    Ok((allowance, Json(json!({ "helpful": found.helpful, "not_helpful": found.not_helpful }))))
}

/// Who comes from an address. Nobody's is kept: what is kept cannot be turned back without the installation's key.
fn hidden(app: &App, context: &Context) -> String {
    let keys = app.keys.derive("article voters");
    let (_, key) = keys.current();
    format!("address:{}", seal::to_hex(&key.mac(&[address_key(context.peer()).as_bytes()])))
}
