//! What owners do with their credentials: see them, and have them replaced.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use sqlx::FromRow;

use super::{CredentialId, CredentialState, RotateCredential, answer};
use crate::{
    accounts::By,
    db::{DbError, Tx},
    execute, fetch_optional,
    kernel::{
        LicenseId, ProductId, TenantId, Time,
        seal::{Keyring, SealError},
    },
    licenses::LicenseStatus,
};

/// Why a wish is refused.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// There is none, or it is somebody else's.
    #[error("there is no such credential")]
    NotFound,
    /// It is not there yet, or not any more.
    #[error("the credential is {0}")]
    State(CredentialState),
    /// Its licence is not good.
    #[error("the licence is {0}")]
    License(LicenseStatus),
    /// Its vendor is being asked for another already.
    #[error("the credential is being replaced already")]
    Rotating,
    /// The installation's keys do not open it.
    #[error("a credential cannot be opened: {0}")]
    Seal(#[from] SealError),
    /// The database did not answer.
    #[error(transparent)]
    Db(#[from] DbError),
}

#[derive(FromRow)]
struct Held {
    product_id: ProductId,
    state: CredentialState,
    epoch: i64,
    wanted_rotation: i64,
    done_rotation: i64,
    sealed: Option<Vec<u8>>,
    expires_at: Option<Time>,
    license_status: LicenseStatus,
    license_expires_at: Option<Time>,
}

async fn held(
    tx: &mut Tx,
    tenant: TenantId,
    (license, id): (LicenseId, CredentialId),
) -> Result<Held, CredentialError> {
    let now = tx.now();
    let held: Option<Held> = fetch_optional!(
        tx,
        sqlx::query_as(
            "SELECT c.product_id, c.state, c.epoch, c.wanted_rotation, c.done_rotation, c.sealed, c.expires_at,
                    l.status AS license_status, l.expires_at AS license_expires_at
             FROM api_credentials c JOIN licenses l ON l.id = c.license_id
             WHERE c.id = $1 AND c.license_id = $2 AND l.tenant_id = $3"
        )
        .bind(id)
        .bind(license)
        .bind(tenant)
    )?;
    let held = held.ok_or(CredentialError::NotFound)?;
    match held.license_status.at(held.license_expires_at, now) {
        LicenseStatus::Active => {}
        status => return Err(CredentialError::License(status)),
    }
    match held.state {
        CredentialState::Active => Ok(held),
        state => Err(CredentialError::State(state)),
    }
}

/// A credential as its owner needs it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "RevealedCredential")]
pub struct Revealed {
    /// Which one.
    pub id: CredentialId,
    /// The key.
    pub key: String,
    /// The secret, if there is one besides.
    pub secret: Option<String>,
    /// When it ends, as its vendor says.
    pub expires_at: Option<Time>,
}

/// Opens a credential for its owner, and keeps that somebody saw it.
pub async fn reveal(
    tx: &mut Tx,
    keys: &Keyring,
    tenant: TenantId,
    (license, id): (LicenseId, CredentialId),
    by: &By,
) -> Result<Revealed, CredentialError> {
    let held = held(tx, tenant, (license, id)).await?;
    let sealed = held.sealed.ok_or(CredentialError::State(held.state))?;
    let opened = answer::open(keys, id, &sealed)?;
    tx.audit(by.did("credential.revealed", "credential", id).change(None, json!({ "license": license })));
    Ok(Revealed { id, key: opened.key, secret: opened.secret, expires_at: held.expires_at })
}

/// Has a credential replaced by its vendor. Until he has answered, the old one is shown.
pub async fn ask_rotation(
    tx: &mut Tx,
    tenant: TenantId,
    (license, id): (LicenseId, CredentialId),
    by: &By,
) -> Result<(), CredentialError> {
    let held = held(tx, tenant, (license, id)).await?;
    if held.wanted_rotation > held.done_rotation {
        return Err(CredentialError::Rotating);
    }
    let (now, rotation) = (tx.now(), held.done_rotation + 1);
    let asked = execute!(
        tx,
        sqlx::query(
            "UPDATE api_credentials SET wanted_rotation = $3, revision = revision + 1, updated_at = $4
             WHERE id = $1 AND epoch = $2 AND state = 'active' AND wanted_rotation = done_rotation
                   AND done_rotation = $3 - 1"
        )
        .bind(id)
        .bind(held.epoch)
        .bind(rotation)
        .bind(now)
    )?;
    if asked == 0 {
        return Err(CredentialError::Rotating);
    }
    let (product, epoch) = (held.product_id.uuid(), held.epoch);
    tx.enqueue(&RotateCredential { credential: id, product, epoch, rotation }).await?;
    tx.audit(by.did("credential.rotation_asked", "credential", id).change(None, json!({ "rotation": rotation })));
    Ok(())
}
