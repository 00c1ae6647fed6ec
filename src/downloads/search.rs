//! Sources of all products, for operators: what is broken, what was not looked at for long.

use schemars::JsonSchema;
use serde::Deserialize;
use sqlx::{AssertSqlSafe, FromRow};

use super::{
    Source, SourceId, SourceProvider, SourceState,
    source::{SourceRow, select_sources},
};
use crate::{
    bind_place,
    db::{Compared, Db, DbError, conditions, page_of},
    fetch_all,
    kernel::{Page, ProductId, Sort, SortField, SortKey, Sorted},
    text_enum,
};

text_enum! {
    /// What sources are sorted by.
    pub enum SourceSort {
        /// When they were made.
        Created = "created",
        /// When they were verified last; those that never were are the smallest.
        Verified = "verified",
    }
}

impl SortField for SourceSort {
    const CREATED: Self = Self::Created;
}

/// Which sources.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
pub struct AnySources {
    /// Of this product.
    pub product: Option<ProductId>,
    /// That stand so.
    pub state: Option<SourceState>,
    /// Of this sort.
    pub provider: Option<SourceProvider>,
    /// Those that are offered, or the others.
    pub active: Option<bool>,
    /// In which order.
    pub sort: Option<Sort<SourceSort>>,
}

#[derive(FromRow)]
struct Row {
    #[sqlx(flatten)]
    source: SourceRow,
    sort_number: i64,
}

/// All sources that fit.
pub async fn any_sources(
    db: &Db,
    filter: &AnySources,
    page: &Sorted<SourceSort, SourceId>,
) -> Result<Page<Source>, DbError> {
    let by = match page.field() {
        SourceSort::Created => Compared::BY_ID,
        SourceSort::Verified => Compared::number(db.dialect().pick(
            "COALESCE(s.last_verified_at, 0)",
            "COALESCE((EXTRACT(EPOCH FROM s.last_verified_at) * 1000000)::bigint, 0)",
        )),
    };
    let conditions = conditions(&[
        (filter.product.is_some(), "s.product_id = $1"),
        (filter.state.is_some(), "s.state = $2"),
        (filter.provider.is_some(), "s.provider = $3"),
        (filter.active == Some(true), "s.is_active"),
        (filter.active == Some(false), "NOT s.is_active"),
    ]);
    let select = select_sources!("WHERE TRUE").replacen(" FROM ", &format!(", {} FROM ", by.columns()), 1);
    let text = format!("{select}{conditions}{}", page_of(page, by, "s.id", 4, db.dialect()));
    let rows: Vec<Row> = fetch_all!(
        db,
        bind_place!(
            sqlx::query_as(AssertSqlSafe(text.as_str()))
                .bind(filter.product)
                .bind(filter.state.map(SourceState::as_str))
                .bind(filter.provider.map(SourceProvider::as_str)),
            page
        )
    )?;
    let place = |row: &Row| (row.source.id, SortKey { number: row.sort_number, ..SortKey::default() });
    Ok(page.page(rows, place).map(|row| Source::from(row.source)))
}
