//! The end of a key: by its owner, or by whoever sold it.

use serde_json::json;

use super::{
    ApiKeyId, ApiKeyRevoked, ApiKeys, KeyError, KeyView, Owner, Seller,
    change::record,
    make::ended_or_none,
    view::{KeyRow, select_keys},
};
use crate::{accounts::By, db::Tx, execute, fetch_optional, kernel::LicenseId};

/// Ends one of an owner's keys. It stays in the list.
pub async fn revoke(
    tx: &mut Tx,
    keys: &ApiKeys,
    (owner, license): (Owner, LicenseId),
    key: ApiKeyId,
    by: &By,
) -> Result<(), KeyError> {
    let now = tx.now();
    let revoked = execute!(
        tx,
        sqlx::query(
            "UPDATE api_keys SET revoked_at = $3, old_hash = NULL, old_until = NULL, revision = revision + 1,
                 updated_at = $3
             WHERE id = $1 AND license_id = $2 AND revoked_at IS NULL
                   AND EXISTS (SELECT 1 FROM licenses l WHERE l.id = api_keys.license_id AND l.tenant_id = $4)"
        )
        .bind(key)
        .bind(license)
        .bind(now)
        .bind(owner.tenant)
    )?;
    if revoked == 0 {
        return match ended_or_none(tx, owner, (license, key)).await? {
            // What is wished for is so.
            KeyError::Ended => Ok(()),
            error => Err(error),
        };
    }
    record(tx, keys, (key, license), ("api_key.revoked", json!({}), None), by);
    tx.emit(&ApiKeyRevoked { key, license })?;
    Ok(())
}

/// Ends a key of one of a seller's products, for a reason that its owner is told.
pub async fn revoke_sold(
    tx: &mut Tx,
    keys: &ApiKeys,
    (seller, key): (Seller, ApiKeyId),
    reason: &str,
    by: &By,
) -> Result<KeyView, KeyError> {
    let now = tx.now();
    let revoked: Option<LicenseId> = fetch_optional!(
        tx,
        sqlx::query_scalar(
            "UPDATE api_keys SET revoked_at = $2, revoked_reason = $3, old_hash = NULL, old_until = NULL,
                 revision = revision + 1, updated_at = $2
             WHERE id = $1 AND revoked_at IS NULL
                   AND EXISTS (SELECT 1 FROM licenses l JOIN products p ON p.id = l.product_id
                                    JOIN developers d ON d.id = p.developer_id
                               WHERE l.id = api_keys.license_id AND ($4 IS NULL OR d.user_id = $4))
             RETURNING license_id"
        )
        .bind(key)
        .bind(now)
        .bind(reason)
        .bind(seller.user())
    )?;
    let row: Option<KeyRow> = fetch_optional!(
        tx,
        sqlx::query_as(select_keys!("WHERE k.id = $1 AND ($2 IS NULL OR d.user_id = $2)"))
            .bind(key)
            .bind(seller.user())
    )?;
    let row = row.ok_or(KeyError::NotFound)?;
    let license = revoked.ok_or(KeyError::Ended)?;
    record(tx, keys, (key, license), ("api_key.revoked", json!({}), Some(reason)), by);
    tx.emit(&ApiKeyRevoked { key, license })?;
    Ok(row.for_seller(now))
}
