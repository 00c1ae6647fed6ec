//! What operators and vendors are told of a broken source, and buyers of a new one.

use sqlx::FromRow;

use super::SourceId;
use crate::{
    db::{Db, DbError, Tx},
    fetch_all, fetch_optional,
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

/// A new file, for a letter.
#[derive(Debug, Clone, FromRow)]
pub struct Ready {
    /// The product's title.
    pub product: String,
    /// What buyers' files are called.
    pub file: String,
    /// Which version it is; empty if nobody says.
    pub version: String,
    /// Where the letter goes.
    pub email: String,
    /// What its reader is called.
    pub name: String,
}

/// What there is to tell somebody of a new file; none if the file is gone, or they may not have it any more.
pub async fn ready_file(db: &Db, id: SourceId, user: UserId) -> Result<Option<Ready>, DbError> {
    fetch_optional!(
        db,
        sqlx::query_as(
            "SELECT p.title AS product, s.file_name AS file, s.version, u.email, u.name
             FROM product_sources s JOIN products p ON p.id = s.product_id JOIN users u ON u.id = $2
             WHERE s.id = $1 AND s.state = 'ok' AND s.is_active AND u.disabled_at IS NULL
                   AND EXISTS (SELECT 1 FROM licenses l JOIN tenants t ON t.id = l.tenant_id
                               WHERE l.product_id = p.id AND t.owner_id = u.id AND l.status = 'active'
                                     AND (l.expires_at IS NULL OR l.expires_at > $3))"
        )
        .bind(id)
        .bind(user)
        .bind(db.now())
    )
}

/// Those who have a licence of a file's product, in the order of their ids after one of them, so many at most.
pub async fn owners_of_file(
    tx: &mut Tx,
    id: SourceId,
    after: Option<UserId>,
    limit: i64,
) -> Result<Vec<UserId>, DbError> {
    fetch_all!(
        tx,
        sqlx::query_scalar(
            "SELECT DISTINCT t.owner_id FROM product_sources s JOIN licenses l ON l.product_id = s.product_id
                    JOIN tenants t ON t.id = l.tenant_id
             WHERE s.id = $1 AND s.state = 'ok' AND s.is_active AND l.status = 'active' AND t.owner_id IS NOT NULL
                   AND ($2 IS NULL OR t.owner_id > $2)
             ORDER BY t.owner_id LIMIT $3"
        )
        .bind(id)
        .bind(after)
        .bind(limit)
    )
}
