//! What operators and vendors are told of a hook that failed for the last time.

use sqlx::FromRow;

use super::{CredentialId, CredentialState};
use crate::{
    db::{Db, DbError},
    fetch_optional,
    kernel::{LicenseId, UserId},
};

/// A credential that a person has to look at, for a letter.
#[derive(Debug, Clone, FromRow)]
pub struct Stuck {
    /// The product's title.
    pub product: String,
    /// Of which licence.
    pub license: LicenseId,
    /// Where it stands.
    pub state: CredentialState,
    /// What went wrong last.
    pub problem: Option<String>,
    /// Who sells the product; none for the house.
    pub vendor: Option<UserId>,
}

/// What there is to tell; none if it is well again.
pub async fn stuck_credential(db: &Db, id: CredentialId) -> Result<Option<Stuck>, DbError> {
    fetch_optional!(
        db,
        sqlx::query_as(
            "SELECT p.title AS product, c.license_id AS license, c.state, c.problem, d.user_id AS vendor
             FROM api_credentials c JOIN products p ON p.id = c.product_id JOIN developers d ON d.id = p.developer_id
             WHERE c.id = $1 AND c.attention_at IS NOT NULL"
        )
        .bind(id)
    )
}
