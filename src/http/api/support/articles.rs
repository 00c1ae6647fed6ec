//! `/api/articles`: what everybody reads before they ask.

use axum::{Extension, extract::State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{gate::Limits, refusals::bounded};
use crate::{
    app::App,
    http::{
        Caller, Conditional, Context, IfNoneMatch, Json, Kind, Limited, PageQuery, Path, Problem, Query, address_key,
        tag_of,
    },
    kernel::{Page, Time, seal},
    support::{self, Article, ArticleCard, ArticleFilter},
};

/// Which articles.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Filter {
    /// Words that the article has.
    #[schemars(length(max = 200))]
    q: Option<String>,
    /// In this category alone.
    #[schemars(length(max = 80))]
    category: Option<String>,
}

/// An article as everybody reads it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PublishedArticle")]
pub(super) struct ArticleView {
    /// Its name in addresses.
    slug: String,
    /// What it is about.
    title: String,
    /// Among which it stands.
    category: String,
    /// What it says, in Markdown.
    body: String,
    /// How many it helped.
    helpful: i64,
    /// How many it did not help.
    not_helpful: i64,
    /// Since when everybody reads it.
    published_at: Option<Time>,
    /// When it was changed last.
    updated_at: Time,
}

impl From<Article> for ArticleView {
    fn from(article: Article) -> Self {
        let Article { slug, title, category, body, helpful, not_helpful, published_at, updated_at, .. } = article;
        Self { slug, title, category, body, helpful, not_helpful, published_at, updated_at }
    }
}

/// A voice.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Vote {
    /// Whether the article helped.
    helpful: bool,
}

/// What was said of an article so far.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Votes {
    /// How many it helped.
    helpful: i64,
    /// How many it did not help.
    not_helpful: i64,
}

fn missing() -> Problem {
    Problem::new(Kind::NotFound).detail("there is no such article")
}

/// `GET /api/articles`
pub(super) async fn list(
    State(app): State<App>,
    Query(filter): Query<Filter>,
    Query(page): Query<PageQuery<String>>,
) -> Result<Json<Page<ArticleCard>>, Problem> {
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
    known: IfNoneMatch,
) -> Result<Conditional<ArticleView>, Problem> {
    let found: ArticleView = support::published_article(&app.db, &slug).await?.ok_or_else(missing)?.into();
    Ok(known.answer(tag_of(&found), found))
}

/// `POST /api/articles/{slug}/votes`: whether it helped; one voice for each account, or for each address.
pub(super) async fn vote(
    State(app): State<App>,
    caller: Option<Caller>,
    (context, Extension(limits)): (Context, Extension<Limits>),
    Path(slug): Path<String>,
    Json(vote): Json<Vote>,
) -> Result<Limited<Json<Votes>>, Problem> {
    let voter = caller.map_or_else(|| hidden(&app, &context), |caller| caller.user.to_string());
    let allowance = limits.votes.check(&voter)?;
    if !app.db.write(async |tx| support::vote(tx, &slug, &voter, vote.helpful).await).await? {
        return Err(missing());
    }
    let found = support::published_article(&app.db, &slug).await?.ok_or_else(missing)?;
    Ok(Limited::of(allowance, Json(Votes { helpful: found.helpful, not_helpful: found.not_helpful })))
}

/// Who comes from an address. Nobody's is kept: what is kept cannot be turned back without the installation's key.
fn hidden(app: &App, context: &Context) -> String {
    let keys = app.keys.derive("article voters");
    let (_, key) = keys.current();
    format!("address:{}", seal::to_hex(&key.mac(&[address_key(context.peer()).as_bytes()])))
}
