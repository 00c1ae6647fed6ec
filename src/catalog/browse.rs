//! Browsing: published products, filtered, searched and in an order, a page at a time.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, FromRow};
use uuid::Uuid;

use super::{ProductType, search::Words};
use crate::{
    db::{Db, DbError, Dialect},
    fetch_all,
    kernel::{Currency, Money, Page, PageFrom, PageRequest, ProductId, Time},
    text_enum,
};

text_enum! {
    /// In which order.
    #[schemars(rename = "ProductSort")]
    pub enum Sort {
        /// The last published first.
        Newest = "newest",
        /// The cheapest first; those without a price in the currency last.
        PriceUp = "price",
        /// The dearest first; those without a price last.
        PriceDown = "-price",
        /// By title.
        Title = "title",
        /// The best rated first.
        Rating = "rating",
        /// The most downloaded first.
        Downloads = "downloads",
        /// What answers the search best first: all words in the title, in the short description, anywhere. It depends on
        /// the product alone, so that pages stay where they are while others are added.
        Relevance = "relevance",
    }
}

/// What to show.
#[derive(Debug, Clone)]
pub struct Browse {
    /// Words to look for.
    pub q: Option<String>,
    /// A category's slug: its products and those of all categories below it.
    pub category: Option<String>,
    /// Of this type.
    pub kind: Option<ProductType>,
    /// A developer's slug.
    pub developer: Option<String>,
    /// Featured, or not.
    pub featured: Option<bool>,
    /// At least so much, in minor units.
    pub min_price: Option<i64>,
    /// At most so much.
    pub max_price: Option<i64>,
    /// The currency of prices.
    pub currency: Currency,
    /// In which order; the best match first when there are words, else the newest.
    pub sort: Option<Sort>,
}

impl Browse {
    /// The order that is meant.
    #[must_use]
    pub fn order(&self) -> Sort {
        self.sort.unwrap_or(if self.q.is_some() { Sort::Relevance } else { Sort::Newest })
    }

    /// What a cursor is good for.
    fn tag(&self) -> String {
        match self.order() {
            order @ (Sort::PriceUp | Sort::PriceDown) => format!("{order}:{}", self.currency),
            order => order.to_string(),
        }
    }
}

/// A place in a list: what it is ordered by, and the product there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    #[serde(rename = "s")]
    tag: String,
    #[serde(rename = "n")]
    number: i64,
    #[serde(rename = "t")]
    text: String,
    #[serde(rename = "i")]
    id: ProductId,
}

/// A text that is no cursor, or one of another order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CursorError {
    /// Not one of ours.
    #[error("not a cursor of this list")]
    Malformed,
    /// Of a list in another order.
    #[error("the cursor is of a list in another order: begin anew, or use the order that it came with")]
    OtherOrder,
}

impl FromStr for Cursor {
    type Err = CursorError;
    fn from_str(text: &str) -> Result<Self, CursorError> {
        let bytes = BASE64.decode(text).map_err(|_| CursorError::Malformed)?;
        let cursor: Self = serde_json::from_slice(&bytes).map_err(|_| CursorError::Malformed)?;
        if cursor.text.contains('\0') { Err(CursorError::Malformed) } else { Ok(cursor) }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Texts and a number always serialise.
        f.write_str(&BASE64.encode(serde_json::to_vec(self).unwrap_or_default()))
    }
}

/// A product in a list.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "ProductCard")]
pub struct Card {
    /// Which one.
    pub id: ProductId,
    /// In addresses.
    pub slug: String,
    /// Its title.
    pub title: String,
    /// A sentence about it.
    pub short_description: String,
    /// A picture.
    pub image: Option<String>,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: ProductType,
    /// What is sold now.
    pub version: String,
    /// Whether it is shown first.
    pub featured: bool,
    /// Who sells it.
    pub developer: Named,
    /// Where it stands.
    pub category: Option<Named>,
    /// What it costs at least; none without a price in the currency.
    pub price: Option<Money>,
    /// What customers think.
    pub rating: Rating,
    /// How often it was downloaded.
    pub downloads: i64,
    /// Since when it is sold.
    pub published_at: Option<Time>,
}

/// A slug and what it stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "NamedSlug")]
pub struct Named {
    /// Where it is in addresses.
    pub slug: String,
    /// What it is called.
    pub name: String,
}

/// The average of ratings, to two decimals, and how many there are.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Rating {
    /// Stars, 1 to 5, to two decimals; none while nobody has rated it.
    pub average: Option<f64>,
    /// How many ratings there are.
    pub count: i64,
}

impl Rating {
    pub(super) fn of(sum: i64, count: i64) -> Self {
        // Stars are few and small: hundredths of an average are far below what a float keeps exactly.
        let hundredths = (count > 0).then(|| crate::kernel::money::portion(100, sum, count));
        let average = hundredths.and_then(|hundredths| i32::try_from(hundredths).ok()).map(|h| f64::from(h) / 100.0);
        Self { average, count }
    }
}

#[derive(FromRow)]
struct Row {
    id: ProductId,
    slug: String,
    title: String,
    short_description: String,
    image: Option<String>,
    #[sqlx(rename = "type")]
    kind: ProductType,
    version: String,
    featured: bool,
    downloads: i64,
    rating_sum: i64,
    rating_count: i64,
    published_at: Option<Time>,
    developer_slug: String,
    developer_name: String,
    category_slug: Option<String>,
    category_name: Option<String>,
    amount: Option<i64>,
    sort_number: i64,
    sort_text: String,
}

impl Row {
    fn card(self, currency: Currency) -> Card {
        Card {
            id: self.id,
            slug: self.slug,
            title: self.title,
            short_description: self.short_description,
            image: self.image,
            kind: self.kind,
            version: self.version,
            featured: self.featured,
            developer: Named { slug: self.developer_slug, name: self.developer_name },
            category: self.category_slug.zip(self.category_name).map(|(slug, name)| Named { slug, name }),
            price: self.amount.map(|amount| Money::new(amount, currency)),
            rating: Rating::of(self.rating_sum, self.rating_count),
            downloads: self.downloads,
            published_at: self.published_at,
        }
    }
}

/// How an order is said: what is compared, a number and a text, and whether the largest comes first.
struct Order {
    number: &'static str,
    text: &'static str,
    descending: bool,
}

fn order(sort: Sort, dialect: Dialect) -> Order {
    const LAST: &str = "COALESCE(pr.amount, 9223372036854775807)";
    let number = |number, descending| Order { number, text: "''", descending };
    match sort {
        Sort::Newest => {
            let micros = dialect.pick(
                "COALESCE(p.published_at, 0)",
                "COALESCE((EXTRACT(EPOCH FROM p.published_at) * 1000000)::bigint, 0)",
            );
            number(micros, true)
        }
        Sort::PriceUp => number(LAST, false),
        Sort::PriceDown => number("COALESCE(pr.amount, -1)", true),
        // One order of texts on both databases: by code points, letters of ASCII alike in either case.
        Sort::Title => Order {
            number: "0",
            text: dialect.pick("lower(p.title)", "lower(p.title) COLLATE \"C\""),
            descending: false,
        },
        Sort::Rating => {
            number("CASE WHEN p.rating_count = 0 THEN 0 ELSE p.rating_sum * 1000 / p.rating_count END", true)
        }
        Sort::Downloads => number("p.downloads", true),
        Sort::Relevance => number("RANK", false),
    }
}

/// Where the best answer to the questions in parameters 13 to 16 stands.
const SQLITE_RANK: &str = "CASE
    WHEN p.id IN (SELECT r.product_id FROM product_search s JOIN product_search_rows r ON r.number = s.rowid
                  WHERE product_search MATCH $14) THEN 0
    WHEN p.id IN (SELECT r.product_id FROM product_search s JOIN product_search_rows r ON r.number = s.rowid
                  WHERE product_search MATCH $15) THEN 1
    WHEN p.id IN (SELECT r.product_id FROM product_search s JOIN product_search_rows r ON r.number = s.rowid
                  WHERE product_search MATCH $16) THEN 2
    ELSE 3 END";
const SQLITE_FOUND: &str = "p.id IN (SELECT r.product_id FROM product_search s
    JOIN product_search_rows r ON r.number = s.rowid WHERE product_search MATCH $13)";
const POSTGRES_RANK: &str = "CASE WHEN p.search @@ to_tsquery('simple', $14) THEN 0::bigint
    WHEN p.search @@ to_tsquery('simple', $15) THEN 1 WHEN p.search @@ to_tsquery('simple', $16) THEN 2 ELSE 3 END";
const POSTGRES_FOUND: &str = "p.search @@ to_tsquery('simple', $13)";

const SELECT: &str = "SELECT p.id, p.slug, p.title, p.short_description, p.image, p.type, p.version, p.featured,
        p.downloads, p.rating_sum, p.rating_count, p.published_at, d.slug AS developer_slug, d.name AS developer_name,
        c.slug AS category_slug, c.name AS category_name, pr.amount";
const FROM: &str = "FROM products p JOIN developers d ON d.id = p.developer_id
    LEFT JOIN categories c ON c.id = p.category_id
    LEFT JOIN product_prices pr ON pr.product_id = p.id AND pr.currency = $1
    WHERE p.status = 'published'
        AND ($2 IS NULL OR p.category_id IN (
            WITH RECURSIVE below (id) AS (
                SELECT id FROM categories WHERE slug = $2
                UNION SELECT k.id FROM categories k JOIN below b ON k.parent_id = b.id
            ) SELECT id FROM below))
        AND ($3 IS NULL OR p.type = $3)
        AND ($4 IS NULL OR d.slug = $4)
        AND ($5 IS NULL OR p.featured = $5)
        AND ($6 IS NULL OR pr.amount >= $6)
        AND ($7 IS NULL OR pr.amount <= $7)";

fn statement(sort: Sort, searched: bool, backwards: bool, dialect: Dialect) -> String {
    let Order { number, text, descending } = order(sort, dialect);
    let rank = if searched { dialect.pick(SQLITE_RANK, POSTGRES_RANK) } else { dialect.pick("0", "0::bigint") };
    let number = match number {
        "RANK" => rank.to_owned(),
        "0" => dialect.pick("0", "0::bigint").to_owned(),
        number => number.to_owned(),
    };
    let found = if searched { dialect.pick(SQLITE_FOUND, POSTGRES_FOUND) } else { "1 = 1" };
    let (sign, direction) = if descending == backwards { (">", "ASC") } else { ("<", "DESC") };
    format!(
        "SELECT * FROM ({SELECT}, {number} AS sort_number, {text} AS sort_text {FROM} AND {found}) listed
         WHERE ($8 = 0 OR sort_number {sign} $9 OR (sort_number = $9 AND (sort_text {sign} $10
                OR (sort_text = $10 AND id {sign} $11))))
         ORDER BY sort_number {direction}, sort_text {direction}, id {direction} LIMIT $12"
    )
}

/// A page of published products.
pub async fn browse(db: &Db, browse: &Browse, page: PageRequest<Cursor>) -> Result<Page<Card>, BrowseError> {
    let tag = browse.tag();
    let (cursor, backwards) = match &page.from {
        PageFrom::Start => (None, false),
        PageFrom::After(cursor) => (Some(cursor), false),
        PageFrom::Before(cursor) => (Some(cursor), true),
    };
    if cursor.is_some_and(|cursor| cursor.tag != tag) {
        return Err(BrowseError::Cursor(CursorError::OtherOrder));
    }
    let words = browse.q.as_deref().map(Words::of);
    if words.as_ref().is_some_and(Words::is_empty) {
        return Ok(Page { data: Vec::new(), has_more: false, next_cursor: None });
    }
    let dialect = db.dialect();
    let questions = words.map(|words| match dialect {
        Dialect::Sqlite => words.sqlite(),
        Dialect::Postgres => words.postgres(),
    });
    let sort = browse.order();
    let text = statement(sort, questions.is_some(), backwards, dialect);
    let rows: Vec<Row> = fetch_all!(db, {
        let query = sqlx::query_as(AssertSqlSafe(text.as_str()))
            .bind(browse.currency)
            .bind(&browse.category)
            .bind(browse.kind.map(ProductType::as_str))
            .bind(&browse.developer)
            .bind(browse.featured)
            .bind(browse.min_price)
            .bind(browse.max_price)
            .bind(i64::from(cursor.is_some()))
            .bind(cursor.map_or(0, |cursor| cursor.number))
            .bind(cursor.map_or("", |cursor| cursor.text.as_str()))
            .bind(cursor.map_or(Uuid::nil(), |cursor| cursor.id.uuid()))
            .bind(page.fetch());
        match &questions {
            None => query,
            Some(questions) if sort == Sort::Relevance => {
                let query = query.bind(&questions.anywhere).bind(&questions.exact_title);
                query.bind(&questions.title).bind(&questions.short)
            }
            Some(questions) => query.bind(&questions.anywhere),
        }
    })?;
    let place =
        |row: &Row| Cursor { tag: tag.clone(), number: row.sort_number, text: row.sort_text.clone(), id: row.id };
    Ok(Page::of(rows, &page, place).map(|row| row.card(browse.currency)))
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum BrowseError {
    /// The cursor is not of this list.
    #[error(transparent)]
    Cursor(#[from] CursorError),
    /// The database did not answer.
    #[error(transparent)]
    Db(#[from] DbError),
}
