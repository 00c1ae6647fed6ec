//! Telling a vendor to take a credential back, until he has heard it.

use serde_json::json;

use super::{
    CredentialRevoked, CredentialState, Credentials, RevokeCredential,
    ask::{ACTOR, AskError, Asked, LastTry, Subject},
    follow::follow,
};
use crate::{
    audit::Entry,
    db::{DbError, Tx},
    execute,
    jobs::Failure,
};

/// There is nothing any more: as good as yes.
const GONE: u16 = 410;

impl Credentials {
    /// Tells the hook. After the `last` try of this job a person is told, and the next sweep begins again.
    pub async fn revoke(&self, job: &RevokeCredential, last: bool) -> Result<(), Failure> {
        let subject = self.subject(job.credential).await?;
        let Some(subject) = subject.filter(|it| it.state == CredentialState::Revoking && it.epoch == job.epoch) else {
            return Ok(());
        };
        let id = format!("{}-revoke-{}", subject.license_id, subject.epoch);
        match self.ask(&Asked { event: "credential.revoke", id, subject: &subject }).await {
            Ok(_) | Err(AskError::Status { status: GONE, .. }) => {
                Ok(self.0.db.write(async |tx| self.acknowledge(tx, &subject).await).await?)
            }
            Err(error) => Err(self.failed(&subject, &error, last.then_some(LastTry::Waits)).await?),
        }
    }

    async fn acknowledge(&self, tx: &mut Tx, subject: &Subject) -> Result<(), DbError> {
        let now = tx.now();
        let done = execute!(
            tx,
            sqlx::query(
                "UPDATE api_credentials SET state = 'revoked', sealed = NULL, hint = NULL, problem = NULL,
                     attention_at = NULL, revoked_at = $3, revision = revision + 1, updated_at = $3
                 WHERE id = $1 AND epoch = $2 AND state = 'revoking'"
            )
            .bind(subject.id)
            .bind(subject.epoch)
            .bind(now)
        )?;
        if done == 1 {
            let entry = Entry::new(ACTOR, "credential.revoked", "credential", subject.id.to_string());
            tx.audit(entry.change(None, json!({ "license": subject.license_id, "epoch": subject.epoch })));
            tx.emit(&CredentialRevoked { credential: subject.id, license: subject.license_id })?;
            // The licence may have come back meanwhile.
            follow(tx, subject.license_id, self.0.options.expired_grace).await?;
        }
        Ok(())
    }
}
