//! What operators look for: products and coupons, filtered and sorted.

use schemars::JsonSchema;
use serde::Deserialize;
use sqlx::{AssertSqlSafe, FromRow};

use super::{
    Coupon, Product, ProductStatus,
    coupon::{CouponRow, select_coupons},
    edit::pattern,
    product::{ProductRow, select_products},
};
use crate::{
    bind_place,
    db::{Compared, Db, DbError, conditions, page_of},
    fetch_all,
    kernel::{CouponId, Page, ProductId, Sort, SortField, SortKey, Sorted},
    text_enum,
};

text_enum! {
    /// What operators sort products by.
    pub enum ProductSort {
        /// When they were made.
        Created = "created",
        /// When they were changed last.
        Updated = "updated",
        /// Their title.
        Title = "title",
        /// How often they were downloaded.
        Downloads = "downloads",
    }
}

impl SortField for ProductSort {
    const CREATED: Self = Self::Created;
}

/// Which products an operator looks for.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
pub struct AnyProducts {
    /// A part of the title or slug.
    pub q: Option<String>,
    /// Of this status.
    pub status: Option<ProductStatus>,
    /// Of this developer, by slug.
    pub developer: Option<String>,
    /// In this category itself, by slug.
    pub category: Option<String>,
    /// In which order.
    pub sort: Option<Sort<ProductSort>>,
}

#[derive(FromRow)]
struct SortedRow {
    #[sqlx(flatten)]
    product: ProductRow,
    sort_text: String,
    sort_number: i64,
}

/// All products that fit, published or not.
pub async fn products(
    db: &Db,
    filter: &AnyProducts,
    page: &Sorted<ProductSort, ProductId>,
) -> Result<Page<Product>, DbError> {
    let by = match page.field() {
        ProductSort::Created => Compared::BY_ID,
        ProductSort::Updated => {
            Compared::number(db.dialect().pick("p.updated_at", "(EXTRACT(EPOCH FROM p.updated_at) * 1000000)::bigint"))
        }
        ProductSort::Title => Compared::text("p.title"),
        ProductSort::Downloads => Compared::number("p.downloads"),
    };
    let conditions = conditions(&[
        (filter.q.is_some(), "(lower(p.title) LIKE $1 ESCAPE '\\' OR p.slug LIKE $1 ESCAPE '\\')"),
        (filter.status.is_some(), "p.status = $2"),
        (filter.developer.is_some(), "d.slug = $3"),
        (filter.category.is_some(), "c.slug = $4"),
    ]);
    let select = select_products!("WHERE TRUE").replacen(" FROM ", &format!(", {} FROM ", by.columns()), 1);
    let text = format!("{select}{conditions}{}", page_of(page, by, "p.id", 5, db.dialect()));
    let rows: Vec<SortedRow> = fetch_all!(
        db,
        bind_place!(
            sqlx::query_as(AssertSqlSafe(text.as_str()))
                .bind(filter.q.as_deref().map(pattern))
                .bind(filter.status.map(ProductStatus::as_str))
                .bind(filter.developer.as_deref())
                .bind(filter.category.as_deref()),
            page
        )
    )?;
    let place = |row: &SortedRow| (row.product.id, SortKey { number: row.sort_number, text: row.sort_text.clone() });
    Ok(page.page(rows, place).map(|row| Product::from(row.product)))
}

text_enum! {
    /// What operators sort coupons by.
    pub enum CouponSort {
        /// When they were made.
        Created = "created",
        /// Their code.
        Code = "code",
        /// How often they were used.
        Used = "used",
    }
}

impl SortField for CouponSort {
    const CREATED: Self = Self::Created;
}

/// Which coupons an operator looks for.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
pub struct AnyCoupons {
    /// A part of the code or name.
    pub q: Option<String>,
    /// Those that are active, or the others.
    pub active: Option<bool>,
    /// In which order.
    pub sort: Option<Sort<CouponSort>>,
}

#[derive(FromRow)]
struct SortedCoupon {
    #[sqlx(flatten)]
    coupon: CouponRow,
    sort_text: String,
    sort_number: i64,
}

/// All coupons that fit.
pub async fn coupons(
    db: &Db,
    filter: &AnyCoupons,
    page: &Sorted<CouponSort, CouponId>,
) -> Result<Page<Coupon>, DbError> {
    let by = match page.field() {
        CouponSort::Created => Compared::BY_ID,
        CouponSort::Code => Compared::text("c.code"),
        CouponSort::Used => Compared::number("c.used"),
    };
    let conditions = conditions(&[
        (filter.q.is_some(), "(lower(c.name) LIKE $1 ESCAPE '\\' OR lower(c.code) LIKE $1 ESCAPE '\\')"),
        (filter.active.is_some(), "c.active = $2"),
    ]);
    let columns = format!(", {} FROM coupons c ", by.columns());
    let select = select_coupons!("WHERE TRUE").replacen(" FROM coupons c ", &columns, 1);
    let text = format!("{select}{conditions}{}", page_of(page, by, "c.id", 3, db.dialect()));
    let rows: Vec<SortedCoupon> = fetch_all!(
        db,
        bind_place!(
            sqlx::query_as(AssertSqlSafe(text.as_str())).bind(filter.q.as_deref().map(pattern)).bind(filter.active),
            page
        )
    )?;
    let place = |row: &SortedCoupon| (row.coupon.id, SortKey { number: row.sort_number, text: row.sort_text.clone() });
    Ok(page.page(rows, place).map(|row| Coupon::from(row.coupon)))
}
