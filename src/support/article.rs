//! Articles that answer before anybody has to ask.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, FromRow};

use super::{EditError, flaw::Flaws};
use crate::{
    accounts::By,
    catalog::is_slug,
    db::{Db, DbError, Tx},
    execute, fetch_all, fetch_optional, id_type,
    kernel::{Page, PageFrom, PageRequest, Time},
    text_enum,
};

id_type!(ArticleId, ArticleMarker, "art", "An article.");

text_enum! {
    /// Whether everybody reads it.
    pub enum ArticleStatus {
        /// Not yet.
        Draft = "draft",
        /// Yes.
        Published = "published",
    }
}

/// The most characters of an article.
const LONGEST_ARTICLE: usize = 100_000;
const SLUG: &str = "1 to 80 of a-z, 0-9 and single hyphens between them, e.g. `move-a-licence`";

/// What can be said about an article.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ArticleFields {
    /// In addresses.
    pub slug: String,
    /// Its title.
    pub title: String,
    /// Where it stands: a slug of your choice.
    pub category: String,
    /// What it says, in Markdown.
    pub body: String,
    /// Whether everybody reads it.
    #[serde(default = "draft")]
    pub status: ArticleStatus,
}

const fn draft() -> ArticleStatus {
    ArticleStatus::Draft
}

/// A part of them, for a change.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ArticlePatch {
    /// In addresses.
    pub slug: Option<String>,
    /// Its title.
    pub title: Option<String>,
    /// Where it stands: a slug of your choice.
    pub category: Option<String>,
    /// What it says, in Markdown.
    pub body: Option<String>,
    /// Whether everybody reads it.
    pub status: Option<ArticleStatus>,
}

/// An article.
#[derive(Debug, Clone, Serialize, FromRow, JsonSchema)]
pub struct Article {
    /// Which one.
    pub id: ArticleId,
    /// In addresses.
    pub slug: String,
    /// Its title.
    pub title: String,
    /// Where it stands.
    pub category: String,
    /// What it says, in Markdown.
    pub body: String,
    /// Whether everybody reads it.
    pub status: ArticleStatus,
    /// Grows with every change.
    pub revision: i64,
    /// How many it helped.
    pub helpful: i64,
    /// How many it did not.
    pub not_helpful: i64,
    /// Since when it is read.
    pub published_at: Option<Time>,
    /// When it was made.
    pub created_at: Time,
    /// When it was changed last.
    pub updated_at: Time,
}

const SELECT: &str = "SELECT a.id, a.slug, a.title, a.category, a.body, a.status, a.revision, a.published_at,
        a.created_at, a.updated_at,
        (SELECT COUNT(*) FROM article_votes v WHERE v.article_id = a.id AND v.helpful) AS helpful,
        (SELECT COUNT(*) FROM article_votes v WHERE v.article_id = a.id AND NOT v.helpful) AS not_helpful
     FROM articles a";

fn check(fields: &ArticleFields) -> Result<(), EditError> {
    let mut flaws = Flaws::default();
    flaws.must(is_slug(&fields.slug), "slug", SLUG);
    flaws.line("title", &fields.title, 200);
    flaws.must(is_slug(&fields.category), "category", SLUG);
    flaws.text("body", &fields.body, LONGEST_ARTICLE);
    flaws.done().map_err(EditError::Invalid)
}

/// An article, published or not.
pub async fn article(db: &Db, id: ArticleId) -> Result<Option<Article>, DbError> {
    fetch_optional!(db, sqlx::query_as(AssertSqlSafe(format!("{SELECT} WHERE a.id = $1"))).bind(id))
}

/// A published article.
pub async fn published_article(db: &Db, slug: &str) -> Result<Option<Article>, DbError> {
    if !is_slug(slug) {
        return Ok(None);
    }
    let text = format!("{SELECT} WHERE a.slug = $1 AND a.status = 'published'");
    fetch_optional!(db, sqlx::query_as(AssertSqlSafe(text.as_str())).bind(slug))
}

/// All articles, the last made first.
pub async fn articles(
    db: &Db,
    status: Option<ArticleStatus>,
    page: PageRequest<ArticleId>,
) -> Result<Page<Article>, DbError> {
    let (sign, order, cursor) = match page.from {
        PageFrom::Start => ("<", "DESC", None),
        PageFrom::After(id) => ("<", "DESC", Some(id)),
        PageFrom::Before(id) => (">", "ASC", Some(id)),
    };
    let text = format!(
        "{SELECT} WHERE ($1 IS NULL OR a.status = $1) AND ($2 IS NULL OR a.id {sign} $2) ORDER BY a.id {order} LIMIT $3"
    );
    let rows = fetch_all!(
        db,
        sqlx::query_as(AssertSqlSafe(text.as_str()))
            .bind(status.map(ArticleStatus::as_str))
            .bind(cursor)
            .bind(page.fetch())
    )?;
    Ok(Page::of(rows, &page, |article: &Article| article.id))
}

/// Adds an article.
pub async fn create_article(tx: &mut Tx, fields: ArticleFields, by: &By) -> Result<Article, EditError> {
    check(&fields)?;
    let (id, now): (ArticleId, _) = (tx.new_id(), tx.now());
    let published_at = (fields.status == ArticleStatus::Published).then_some(now);
    let made = execute!(
        tx,
        sqlx::query(
            "INSERT INTO articles (id, slug, title, category, body, status, revision, published_at, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $8, $8) ON CONFLICT DO NOTHING"
        )
        .bind(id)
        .bind(&fields.slug)
        .bind(&fields.title)
        .bind(&fields.category)
        .bind(&fields.body)
        .bind(fields.status)
        .bind(published_at)
        .bind(now)
    )?;
    if made == 0 {
        return Err(EditError::Taken("slug"));
    }
    tx.audit(by.did("article.created", "article", id));
    let ArticleFields { slug, title, category, body, status } = fields;
    Ok(Article {
        id,
        slug,
        title,
        category,
        body,
        status,
        revision: 1,
        helpful: 0,
        not_helpful: 0,
        published_at,
        created_at: now,
        updated_at: now,
    })
}

async fn lock(tx: &mut Tx, id: ArticleId, revision: i64) -> Result<Article, EditError> {
    let suffix = tx.dialect().pick("", " FOR UPDATE OF a");
    let text = format!("{SELECT} WHERE a.id = $1{suffix}");
    let found: Option<Article> = fetch_optional!(tx, sqlx::query_as(AssertSqlSafe(text.as_str())).bind(id))?;
    let found = found.ok_or(EditError::NotFound)?;
    if found.revision == revision { Ok(found) } else { Err(EditError::Stale) }
}

/// Changes what the patch names, if the article is still at `revision`.
pub async fn patch_article(
    tx: &mut Tx,
    id: ArticleId,
    revision: i64,
    patch: ArticlePatch,
    by: &By,
) -> Result<Article, EditError> {
    let mut article = lock(tx, id, revision).await?;
    let fields = ArticleFields {
        slug: patch.slug.unwrap_or(article.slug),
        title: patch.title.unwrap_or(article.title),
        category: patch.category.unwrap_or(article.category),
        body: patch.body.unwrap_or(article.body),
        status: patch.status.unwrap_or(article.status),
    };
    check(&fields)?;
    let now = tx.now();
    if fields.status == ArticleStatus::Published {
        article.published_at = article.published_at.or(Some(now));
    }
    let changed = execute!(
        tx,
        sqlx::query(
            "UPDATE articles SET slug = $3, title = $4, category = $5, body = $6, status = $7, published_at = $8,
                    revision = revision + 1, updated_at = $9
             WHERE id = $1 AND revision = $2"
        )
        .bind(id)
        .bind(revision)
        .bind(&fields.slug)
        .bind(&fields.title)
        .bind(&fields.category)
        .bind(&fields.body)
        .bind(fields.status)
        .bind(article.published_at)
        .bind(now)
    )
    .map_err(|error| EditError::of_write(error, "slug"))?;
    if changed == 0 {
        return Err(EditError::Stale);
    }
    tx.audit(by.did("article.changed", "article", id));
    let ArticleFields { slug, title, category, body, status } = fields;
    Ok(Article { slug, title, category, body, status, revision: revision + 1, updated_at: now, ..article })
}

/// Removes an article and what was voted on it.
pub async fn delete_article(tx: &mut Tx, id: ArticleId, revision: i64, by: &By) -> Result<(), EditError> {
    lock(tx, id, revision).await?;
    execute!(tx, sqlx::query("DELETE FROM article_votes WHERE article_id = $1").bind(id))?;
    execute!(tx, sqlx::query("DELETE FROM articles WHERE id = $1 AND revision = $2").bind(id).bind(revision))?;
    tx.audit(by.did("article.deleted", "article", id));
    Ok(())
}

/// Says whether an article helped; who says it again says it instead. False if there is no such article.
pub async fn vote(tx: &mut Tx, slug: &str, voter: &str, helpful: bool) -> Result<bool, DbError> {
    if !is_slug(slug) {
        return Ok(false);
    }
    let now = tx.now();
    let counted = execute!(
        tx,
        sqlx::query(
            "INSERT INTO article_votes (article_id, voter, helpful, created_at)
             SELECT a.id, $2, $3, $4 FROM articles a WHERE a.slug = $1 AND a.status = 'published'
             ON CONFLICT (article_id, voter) DO UPDATE SET helpful = excluded.helpful, created_at = excluded.created_at"
        )
        .bind(slug)
        .bind(voter)
        .bind(helpful)
        .bind(now)
    )?;
    Ok(counted == 1)
}
