//! `/api/products` and `/api/categories`: what everybody sees.

use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    app::App,
    catalog::{self, Browse, BrowseError, Card, CategoryNode, ProductPage, ProductType, Sort},
    http::{Conditional, IfNoneMatch, Json, Kind, PageQuery, Path, Problem, Query, tag_of},
    kernel::{Currency, Page, PageFrom},
};

/// The most characters of a search.
const LONGEST_SEARCH: usize = 200;
/// The most characters of a slug.
const LONGEST_SLUG: usize = 100;

#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Filters {
    /// Words to search for.
    #[schemars(length(max = LONGEST_SEARCH))]
    q: Option<String>,
    /// The slug of a category; what stands in those below it counts too.
    #[schemars(length(max = LONGEST_SLUG))]
    category: Option<String>,
    /// Those of this type.
    #[serde(rename = "type")]
    kind: Option<ProductType>,
    /// The slug of who sells.
    #[schemars(length(max = LONGEST_SLUG))]
    developer: Option<String>,
    /// Those that the shop puts forward, or the others.
    featured: Option<bool>,
    /// The lowest price, in minor units of `currency`.
    min_price: Option<i64>,
    /// The highest price, in minor units of `currency`.
    max_price: Option<i64>,
    /// The currency of prices; the shop's own if nothing is said.
    currency: Option<Currency>,
    /// In which order; `relevance` only with `q`.
    sort: Option<Sort>,
}

impl Filters {
    fn browse(self, currency: Currency) -> Result<Browse, Problem> {
        let q = self.q.map(|q| q.trim().to_owned()).filter(|q| !q.is_empty());
        let texts = [
            ("q", q.as_deref(), LONGEST_SEARCH),
            ("category", self.category.as_deref(), LONGEST_SLUG),
            ("developer", self.developer.as_deref(), LONGEST_SLUG),
        ];
        for (name, text, longest) in texts {
            let long = text.is_some_and(|text| text.chars().count() > longest || text.contains('\0'));
            if long {
                let detail = format!("{longest} characters at most, without NUL");
                return Err(Problem::new(Kind::InvalidParameter).error(format!("#/{name}"), detail));
            }
        }
        if self.sort == Some(Sort::Relevance) && q.is_none() {
            return Err(Problem::new(Kind::InvalidParameter).error("#/sort", "`relevance` is for searches: say `q`"));
        }
        Ok(Browse {
            q,
            category: self.category,
            kind: self.kind,
            developer: self.developer,
            featured: self.featured,
            min_price: self.min_price,
            max_price: self.max_price,
            currency: self.currency.unwrap_or(currency),
            sort: self.sort,
        })
    }
}

/// `GET /api/products`
pub(super) async fn products(
    State(app): State<App>,
    Query(filters): Query<Filters>,
    Query(page): Query<PageQuery<String>>,
) -> Result<Json<Page<Card>>, Problem> {
    let browse = filters.browse(app.shop.currency)?;
    let request = page.read()?;
    let pointer = if matches!(request.from, PageFrom::Before(_)) { "#/before" } else { "#/after" };
    let page = catalog::browse(&app.db, &browse, request).await;
    Ok(Json(page.map_err(|error| match error {
        BrowseError::Cursor(error) => Problem::new(Kind::InvalidParameter).error(pointer, error.to_string()),
        BrowseError::Db(error) => error.into(),
    })?))
}

/// `GET /api/products/{slug}`
pub(super) async fn product(
    State(app): State<App>,
    Path(slug): Path<String>,
    known: IfNoneMatch,
) -> Result<Conditional<ProductPage>, Problem> {
    let page = catalog::product_page(&app.db, &slug).await?;
    let page = page.ok_or_else(|| Problem::new(Kind::NotFound).detail("there is no such product for sale"))?;
    Ok(known.answer(tag_of(&page), page))
}

/// All categories, each with those in it.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct CategoryTree {
    /// Those at the top.
    data: Vec<CategoryNode>,
}

/// `GET /api/categories`
pub(super) async fn categories(
    State(app): State<App>,
    known: IfNoneMatch,
) -> Result<Conditional<CategoryTree>, Problem> {
    let tree = CategoryTree { data: catalog::category_tree(&app.db).await? };
    Ok(known.answer(tag_of(&tree), tree))
}
