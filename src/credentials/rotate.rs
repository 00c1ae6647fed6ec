//! Having a credential replaced.

use serde_json::json;

use super::{
    CredentialRotated, CredentialState, Credentials, RotateCredential,
    answer::{Grant, Granted},
    ask::{ACTOR, AskError, Asked, LastTry, Subject},
};
use crate::{
    audit::Entry,
    db::{DbError, Tx},
    execute,
    jobs::Failure,
};

impl Credentials {
    /// Asks the hook for another credential, if that is still wanted. After the `last` try the old one stays.
    pub async fn rotate(&self, job: &RotateCredential, last: bool) -> Result<(), Failure> {
        let subject = self.subject(job.credential).await?;
        let wanted = |it: &Subject| {
            it.state == CredentialState::Active
                && it.epoch == job.epoch
                && it.wanted_rotation == job.rotation
                && it.done_rotation < job.rotation
        };
        let Some(subject) = subject.filter(wanted) else { return Ok(()) };
        match self.replaced(&subject).await {
            Ok(grant) => Ok(self.0.db.write(async |tx| keep(tx, &subject, &grant).await).await?),
            Err(error) => Err(self.failed(&subject, &error, last.then_some(LastTry::GivesRotationUp)).await?),
        }
    }

    async fn replaced(&self, subject: &Subject) -> Result<Grant, AskError> {
        // A rotation that was given up and is asked for anew has the same number: whoever made it answers with that one.
        let id = format!("{}-rotate-{}-{}", subject.license_id, subject.epoch, subject.wanted_rotation);
        let body = self.ask(&Asked { event: "credential.rotate", id, subject }).await?;
        Ok(Granted::read(&body)?.seal(&self.0.keys, subject.id)??)
    }
}

async fn keep(tx: &mut Tx, subject: &Subject, grant: &Grant) -> Result<(), DbError> {
    let now = tx.now();
    let kept = execute!(
        tx,
        sqlx::query(
            "UPDATE api_credentials SET done_rotation = $3, sealed = $4, hint = $5, rate_limits = $6, expires_at = $7,
                 problem = NULL, attention_at = NULL, rotated_at = $8, revision = revision + 1, updated_at = $8
             WHERE id = $1 AND epoch = $2 AND state = 'active' AND done_rotation < $3"
        )
        .bind(subject.id)
        .bind(subject.epoch)
        .bind(subject.wanted_rotation)
        .bind(&grant.sealed)
        .bind(&grant.hint)
        .bind(&grant.rate_limits)
        .bind(grant.expires_at)
        .bind(now)
    )?;
    if kept == 1 {
        let entry = Entry::new(ACTOR, "credential.rotated", "credential", subject.id.to_string());
        tx.audit(entry.change(None, json!({ "rotation": subject.wanted_rotation })));
        tx.emit(&CredentialRotated { credential: subject.id, license: subject.license_id })?;
    }
    Ok(())
}
