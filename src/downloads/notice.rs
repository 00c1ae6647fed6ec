//! What operators and vendors are told of a broken source.

use sqlx::FromRow;

use super::SourceId;
use crate::{
    db::{Db, DbError},
    fetch_optional,
    kernel::UserId,
};

/// A broken source, for a letter.
#[derive(Debug, Clone, FromRow)]
pub struct Broken {
    /// The product's title.
    pub product: String,
    /// What the source is called.
    pub source: String,
    /// Why it is broken.
    pub problem: String,
    /// Who sells the product; none for the house.
    pub vendor: Option<UserId>,
}

/// What there is to tell; none if the source is well again, or gone.
pub async fn broken_source(db: &Db, id: SourceId) -> Result<Option<Broken>, DbError> {
    fetch_optional!(
        db,
        sqlx::query_as(
            "SELECT p.title AS product, CASE WHEN s.name = '' THEN s.file_name ELSE s.name END AS source, s.problem,
                    d.user_id AS vendor
             FROM product_sources s JOIN products p ON p.id = s.product_id JOIN developers d ON d.id = p.developer_id
             WHERE s.id = $1 AND s.state = 'broken'"
        )
        .bind(id)
    )
}
