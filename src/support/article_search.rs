//! Published articles: by category, and by what somebody looks for.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::Serialize;
use sqlx::{AssertSqlSafe, FromRow};
use uuid::Uuid;

use super::{ArticleId, ListError};
use crate::{
    catalog::{CursorError, Words},
    db::{Db, Dialect},
    fetch_all,
    kernel::{Page, PageFrom, PageRequest, Time},
};

/// Which articles.
#[derive(Debug, Clone, Default)]
pub struct ArticleFilter {
    /// Words to look for.
    pub q: Option<String>,
    /// In this category.
    pub category: Option<String>,
}

/// An article in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromRow, JsonSchema)]
pub struct ArticleCard {
    /// Which one.
    pub id: ArticleId,
    /// In addresses.
    pub slug: String,
    /// Its title.
    pub title: String,
    /// Where it stands.
    pub category: String,
    /// Since when it is read.
    pub published_at: Option<Time>,
    /// When it was changed last.
    pub updated_at: Time,
}

/// A place in a list: how well it answers there, and the article.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArticleCursor(i64, ArticleId);

impl FromStr for ArticleCursor {
    type Err = CursorError;
    fn from_str(text: &str) -> Result<Self, CursorError> {
        let (rank, id) = text.split_once('.').ok_or(CursorError::Malformed)?;
        let rank = rank.parse().map_err(|_| CursorError::Malformed)?;
        Ok(Self(rank, id.parse().map_err(|_| CursorError::Malformed)?))
    }
}

impl fmt::Display for ArticleCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

#[derive(FromRow)]
struct Row {
    #[sqlx(flatten)]
    card: ArticleCard,
    rank: i64,
}

const SQLITE_FOUND: &str = "a.id IN (SELECT r.article_id FROM article_search s
    JOIN article_search_rows r ON r.number = s.rowid WHERE article_search MATCH $6)";
const SQLITE_RANK: &str = "CASE WHEN a.id IN (SELECT r.article_id FROM article_search s
    JOIN article_search_rows r ON r.number = s.rowid WHERE article_search MATCH $7) THEN 0 ELSE 1 END";
const POSTGRES_FOUND: &str = "a.search @@ to_tsquery('simple', $6)";
const POSTGRES_RANK: &str = "CASE WHEN a.search @@ to_tsquery('simple', $7) THEN 0::bigint ELSE 1 END";

/// A page of published articles: those with all words in the title first, then the last published first.
pub async fn browse_articles(
    db: &Db,
    filter: &ArticleFilter,
    page: PageRequest<ArticleCursor>,
) -> Result<Page<ArticleCard>, ListError> {
    let words = filter.q.as_deref().map(Words::of);
    if words.as_ref().is_some_and(Words::is_empty) {
        return Ok(Page { data: Vec::new(), has_more: false, next_cursor: None });
    }
    let dialect = db.dialect();
    let questions = words.map(|words| match dialect {
        Dialect::Sqlite => words.sqlite(),
        Dialect::Postgres => words.postgres(),
    });
    let (cursor, backwards) = match page.from {
        PageFrom::Start => (None, false),
        PageFrom::After(cursor) => (Some(cursor), false),
        PageFrom::Before(cursor) => (Some(cursor), true),
    };
    let (found, rank) = match &questions {
        Some(_) => (dialect.pick(SQLITE_FOUND, POSTGRES_FOUND), dialect.pick(SQLITE_RANK, POSTGRES_RANK)),
        None => ("1 = 1", dialect.pick("0", "0::bigint")),
    };
    let ((up, ascending), (down, descending)) =
        if backwards { (("<", "DESC"), (">", "ASC")) } else { ((">", "ASC"), ("<", "DESC")) };
    let text = format!(
        "SELECT * FROM (SELECT a.id, a.slug, a.title, a.category, a.published_at, a.updated_at, {rank} AS rank
             FROM articles a WHERE a.status = 'published' AND ($1 IS NULL OR a.category = $1) AND {found}) listed
         WHERE ($2 = 0 OR rank {up} $3 OR (rank = $3 AND id {down} $4))
         ORDER BY rank {ascending}, id {descending} LIMIT $5"
    );
    let rows: Vec<Row> = fetch_all!(db, {
        let query = sqlx::query_as(AssertSqlSafe(text.as_str()))
            .bind(&filter.category)
            .bind(i64::from(cursor.is_some()))
            .bind(cursor.map_or(0, |cursor| cursor.0))
            .bind(cursor.map_or(Uuid::nil(), |cursor| cursor.1.uuid()))
            .bind(page.fetch());
        match &questions {
            Some(questions) => query.bind(&questions.anywhere).bind(&questions.title),
            None => query,
        }
    })?;
    Ok(Page::of(rows, &page, |row| ArticleCursor(row.rank, row.card.id)).map(|row| row.card))
}
