//! Following licences: reads how a licence and its credential stand, and owes what is missing. Repeating does no harm.

use std::time::Duration;

use serde_json::json;
use sqlx::FromRow;

use super::{CredentialId, CredentialState, ProvisionCredential, RevokeCredential, ask::ACTOR};
use crate::{
    audit::Entry,
    db::{Db, DbError, Tx},
    execute, fetch_all, fetch_optional,
    kernel::{LicenseId, ProductId, Time},
    licenses::LicenseStatus,
};

#[derive(FromRow)]
struct Standing {
    product_id: ProductId,
    status: LicenseStatus,
    expires_at: Option<Time>,
    makes: bool,
    credential_id: Option<CredentialId>,
    state: Option<CredentialState>,
    epoch: Option<i64>,
    barred: Option<bool>,
}

/// What a licence is to its credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wants {
    /// There shall be one.
    One,
    /// There shall be none.
    None,
    /// Whatever there is.
    Whatever,
}

fn wants(standing: &Standing, grace: Duration, now: Time) -> Wants {
    match standing.status.at(standing.expires_at, now) {
        LicenseStatus::Active => Wants::One,
        LicenseStatus::Revoked | LicenseStatus::Cancelled => Wants::None,
        // A renewal may come late.
        LicenseStatus::Expired if standing.expires_at.is_some_and(|end| end + grace <= now) => Wants::None,
        LicenseStatus::Expired | LicenseStatus::Pending | LicenseStatus::Suspended => Wants::Whatever,
    }
}

/// Has a licence's credential follow how the licence stands now.
pub async fn follow(tx: &mut Tx, license: LicenseId, expired_grace: Duration) -> Result<(), DbError> {
    let now = tx.now();
    let standing: Option<Standing> = fetch_optional!(
        tx,
        sqlx::query_as(
            "SELECT l.product_id, l.status, l.expires_at, h.active AS makes, c.id AS credential_id, c.state, c.epoch,
                    c.barred
             FROM licenses l JOIN credential_hooks h ON h.product_id = l.product_id
                  LEFT JOIN api_credentials c ON c.license_id = l.id WHERE l.id = $1"
        )
        .bind(license)
    )?;
    let Some(standing) = standing else { return Ok(()) };
    let wants = wants(&standing, expired_grace, now);
    let (product, barred) = (standing.product_id, standing.barred.unwrap_or_default());
    let found = standing.credential_id.zip(standing.state).zip(standing.epoch);
    match (wants, found) {
        (Wants::One, None) if standing.makes => begin(tx, license, product).await,
        (Wants::One, Some(((credential, CredentialState::Provisioning), epoch))) => {
            tx.enqueue(&ProvisionCredential { credential, product: product.uuid(), epoch }).await.map(|_| ())
        }
        (Wants::One, Some(((credential, CredentialState::Revoked), epoch))) if standing.makes && !barred => {
            begin_again(tx, (credential, product), epoch).await
        }
        (Wants::None, Some(((credential, CredentialState::Provisioning | CredentialState::Active), epoch))) => {
            take_back(tx, (credential, product), epoch, None).await.map(|_| ())
        }
        (Wants::One | Wants::None | Wants::Whatever, _) => Ok(()),
    }
}

async fn begin(tx: &mut Tx, license: LicenseId, product: ProductId) -> Result<(), DbError> {
    let (credential, now): (CredentialId, _) = (tx.new_id(), tx.now());
    let no = false;
    let made = execute!(
        tx,
        sqlx::query(
            "INSERT INTO api_credentials (id, license_id, product_id, state, epoch, rate_limits, usage_stats, barred,
                 revision, created_at, updated_at)
             VALUES ($1, $2, $3, 'provisioning', 1, '{}', '{}', $5, 1, $4, $4) ON CONFLICT (license_id) DO NOTHING"
        )
        .bind(credential)
        .bind(license)
        .bind(product)
        .bind(now)
        .bind(no)
    )?;
    if made == 1 {
        tx.enqueue(&ProvisionCredential { credential, product: product.uuid(), epoch: 1 }).await?;
        let entry = Entry::new(ACTOR, "credential.wanted", "credential", credential.to_string());
        tx.audit(entry.change(None, json!({ "license": license, "epoch": 1 })));
    }
    Ok(())
}

async fn begin_again(tx: &mut Tx, (credential, product): (CredentialId, ProductId), epoch: i64) -> Result<(), DbError> {
    let now = tx.now();
    let begun = execute!(
        tx,
        sqlx::query(
            "UPDATE api_credentials SET state = 'provisioning', epoch = epoch + 1, wanted_rotation = 0,
                 done_rotation = 0, problem = NULL, attention_at = NULL, reason = NULL, rate_limits = '{}',
                 usage_stats = '{}', expires_at = NULL, last_synced_at = NULL, provisioned_at = NULL,
                 rotated_at = NULL, revoked_at = NULL, revision = revision + 1, updated_at = $3
             WHERE id = $1 AND epoch = $2 AND state = 'revoked'"
        )
        .bind(credential)
        .bind(epoch)
        .bind(now)
    )?;
    if begun == 1 {
        let epoch = epoch + 1;
        tx.enqueue(&ProvisionCredential { credential, product: product.uuid(), epoch }).await?;
        let entry = Entry::new(ACTOR, "credential.wanted", "credential", credential.to_string());
        tx.audit(entry.change(None, json!({ "epoch": epoch })));
    }
    Ok(())
}

/// Has a credential taken back. It cannot be seen any more from now on, and its vendor is told until he says that he has
/// heard it: also where nobody knows whether he made it. Whether that begins now.
pub(super) async fn take_back(
    tx: &mut Tx,
    (credential, product): (CredentialId, ProductId),
    epoch: i64,
    barred_for: Option<&str>,
) -> Result<bool, DbError> {
    let now = tx.now();
    let begun = execute!(
        tx,
        sqlx::query(
            "UPDATE api_credentials SET state = 'revoking', wanted_rotation = done_rotation, problem = NULL,
                 attention_at = NULL, reason = $4, barred = CASE WHEN $4 IS NULL THEN barred ELSE $5 END,
                 revision = revision + 1, updated_at = $3
             WHERE id = $1 AND epoch = $2 AND state IN ('provisioning', 'active')"
        )
        .bind(credential)
        .bind(epoch)
        .bind(now)
        .bind(barred_for)
        .bind(true)
    )?;
    if begun == 1 {
        tx.enqueue(&RevokeCredential { credential, product: product.uuid(), epoch }).await?;
        if barred_for.is_none() {
            let entry = Entry::new(ACTOR, "credential.taken_back", "credential", credential.to_string());
            tx.audit(entry.change(None, json!({ "epoch": epoch })));
        }
    }
    Ok(begun == 1)
}

/// How many licences one look gives.
const BATCH: i64 = 200;

/// Up to 200 licences after `after` whose credentials may not be as they should be: nobody was told of them, or a job
/// was given up. For each of them [`follow`] is the remedy, and for those whose revocation was given up as well.
pub async fn stragglers(db: &Db, after: Option<LicenseId>, expired_grace: Duration) -> Result<Vec<LicenseId>, DbError> {
    fetch_all!(
        db,
        sqlx::query_scalar(
            "SELECT l.id FROM credential_hooks h JOIN licenses l ON l.product_id = h.product_id
                  LEFT JOIN api_credentials c ON c.license_id = l.id
             WHERE ($1 IS NULL OR l.id > $1)
                   AND (l.status = 'active' AND h.active AND c.id IS NULL
                        OR l.status = 'active' AND c.state = 'provisioning' AND c.attention_at IS NULL
                        OR l.status = 'active' AND h.active AND c.state = 'revoked' AND NOT c.barred
                        OR l.status IN ('revoked', 'cancelled') AND c.state IN ('provisioning', 'active')
                        OR l.status = 'expired' AND l.expires_at <= $2 AND c.state IN ('provisioning', 'active')
                        OR c.state = 'revoking')
             ORDER BY l.id LIMIT $3"
        )
        .bind(after)
        .bind(db.now() - expired_grace)
        .bind(BATCH)
    )
}

/// Has a revocation asked for again whose job was given up; while one waits, nothing.
pub(super) async fn insist(tx: &mut Tx, license: LicenseId) -> Result<(), DbError> {
    let found: Option<(CredentialId, ProductId, i64)> = fetch_optional!(
        tx,
        sqlx::query_as(
            "SELECT id, product_id, epoch FROM api_credentials WHERE license_id = $1 AND state = 'revoking'"
        )
        .bind(license)
    )?;
    if let Some((credential, product, epoch)) = found {
        tx.enqueue(&RevokeCredential { credential, product: product.uuid(), epoch }).await?;
    }
    Ok(())
}

impl super::Credentials {
    /// Looks at all licences whose credentials may not be as they should be. How many.
    pub async fn sweep(&self) -> Result<usize, DbError> {
        let (mut after, mut seen) = (None, 0);
        loop {
            let batch = stragglers(&self.0.db, after, self.0.options.expired_grace).await?;
            let Some(last) = batch.last() else { return Ok(seen) };
            (after, seen) = (Some(*last), seen + batch.len());
            for license in batch {
                self.0
                    .db
                    .write(async |tx| {
                        follow(tx, license, self.0.options.expired_grace).await?;
                        insist(tx, license).await
                    })
                    .await?;
            }
        }
    }
}
