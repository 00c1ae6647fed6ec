//! Having a credential made.

use std::time::Duration;

use serde_json::json;

use super::{
    CredentialProvisioned, CredentialState, Credentials, ProvisionCredential,
    answer::{Grant, Granted},
    ask::{ACTOR, AskError, Asked, LastTry, Subject},
};
use crate::{
    audit::Entry,
    db::{DbError, Tx},
    execute,
    jobs::Failure,
    licenses::LicenseStatus,
};

/// How long a licence that is suspended holds up its credential before somebody looks again.
const PAUSE: Duration = Duration::from_mins(5);

impl Credentials {
    /// Asks the hook for a credential and keeps it, if it is still wanted. `last` says that nobody will ask again.
    pub async fn provision(&self, job: &ProvisionCredential, last: bool) -> Result<(), Failure> {
        let subject = self.subject(job.credential).await?;
        let Some(subject) = subject.filter(|it| it.state == CredentialState::Provisioning && it.epoch == job.epoch)
        else {
            return Ok(());
        };
        let now = self.0.db.now();
        match subject.license_status(now) {
            LicenseStatus::Active => {}
            LicenseStatus::Pending | LicenseStatus::Suspended => return Err(Failure::Snooze { until: now + PAUSE }),
            // Whatever becomes of the licence next is followed.
            LicenseStatus::Expired | LicenseStatus::Cancelled | LicenseStatus::Revoked => return Ok(()),
        }
        match self.granted(&subject).await {
            Ok(grant) => Ok(self.0.db.write(async |tx| keep(tx, &subject, &grant).await).await?),
            Err(error) => Err(self.failed(&subject, &error, last.then_some(LastTry::Waits)).await?),
        }
    }

    async fn granted(&self, subject: &Subject) -> Result<Grant, AskError> {
        // The same for all tries of this epoch: a vendor who made it and was not heard answers with that one.
        let id = format!("{}-provision-{}", subject.license_id, subject.epoch);
        let body = self.ask(&Asked { event: "credential.provision", id, subject }).await?;
        Ok(Granted::read(&body)?.seal(&self.0.keys, subject.id)??)
    }
}

/// Keeps a credential. One that is not wanted any more is not kept: its vendor is being told to take it back.
async fn keep(tx: &mut Tx, subject: &Subject, grant: &Grant) -> Result<(), DbError> {
    let now = tx.now();
    let kept = execute!(
        tx,
        sqlx::query(
            "UPDATE api_credentials SET state = 'active', sealed = $3, hint = $4, rate_limits = $5, expires_at = $6,
                 problem = NULL, attention_at = NULL, provisioned_at = $7, sync_asked_at = $7,
                 revision = revision + 1, updated_at = $7
             WHERE id = $1 AND epoch = $2 AND state = 'provisioning'"
        )
        .bind(subject.id)
        .bind(subject.epoch)
        .bind(&grant.sealed)
        .bind(&grant.hint)
        .bind(&grant.rate_limits)
        .bind(grant.expires_at)
        .bind(now)
    )?;
    if kept == 1 {
        let entry = Entry::new(ACTOR, "credential.provisioned", "credential", subject.id.to_string());
        tx.audit(entry.change(None, json!({ "license": subject.license_id, "epoch": subject.epoch })));
        tx.emit(&CredentialProvisioned { credential: subject.id, license: subject.license_id })?;
    }
    Ok(())
}
