//! What sellers do with credentials: take them back, and have a hook asked again that failed for the last time.

use sqlx::FromRow;

use super::{CredentialError, CredentialId, CredentialState, ProvisionCredential, RevokeCredential, follow::take_back};
use crate::{
    accounts::By,
    api_keys::Seller,
    db::{DbError, Tx},
    execute, fetch_optional,
    kernel::ProductId,
};

#[derive(FromRow)]
struct Held {
    product_id: ProductId,
    state: CredentialState,
    epoch: i64,
}

async fn held(tx: &mut Tx, seller: Seller, id: CredentialId) -> Result<Held, CredentialError> {
    let held: Result<Option<Held>, DbError> = fetch_optional!(
        tx,
        sqlx::query_as(
            "SELECT c.product_id, c.state, c.epoch
             FROM api_credentials c JOIN products p ON p.id = c.product_id JOIN developers d ON d.id = p.developer_id
             WHERE c.id = $1 AND ($2 IS NULL OR d.user_id = $2)"
        )
        .bind(id)
        .bind(seller.user())
    );
    held?.ok_or(CredentialError::NotFound)
}

/// Takes a credential back for a reason that its owner is told. It is not made again for this licence.
pub async fn revoke_sold(
    tx: &mut Tx,
    (seller, id): (Seller, CredentialId),
    reason: &str,
    by: &By,
) -> Result<(), CredentialError> {
    let held = held(tx, seller, id).await?;
    if !take_back(tx, (id, held.product_id), held.epoch, Some(reason)).await? {
        return Err(CredentialError::State(held.state));
    }
    tx.audit(by.did("credential.barred", "credential", id).reason(reason));
    Ok(())
}

/// Has a hook asked again that was given up; while it is being asked, that goes on as it is.
pub async fn retry_sold(tx: &mut Tx, (seller, id): (Seller, CredentialId), by: &By) -> Result<(), CredentialError> {
    let Held { product_id, state, epoch } = held(tx, seller, id).await?;
    let (product, credential) = (product_id.uuid(), id);
    match state {
        CredentialState::Provisioning => tx.enqueue(&ProvisionCredential { credential, product, epoch }).await?,
        CredentialState::Revoking => tx.enqueue(&RevokeCredential { credential, product, epoch }).await?,
        CredentialState::Active | CredentialState::Revoked => return Err(CredentialError::State(state)),
    };
    execute!(tx, sqlx::query("UPDATE api_credentials SET attention_at = NULL WHERE id = $1").bind(id))?;
    tx.audit(by.did("credential.retried", "credential", id));
    Ok(())
}
