//! Asking vendors what was used.

use super::{
    CredentialId, CredentialState, Credentials, SyncCredential,
    answer::Told,
    ask::{AskError, Asked, Subject},
};
use crate::{
    db::{DbError, Tx},
    execute, fetch_all,
    jobs::{Failure, JobId},
    kernel::{ProductId, Time},
};

/// How many credentials one sweep takes.
const BATCH: i64 = 500;

/// Enqueues the question for up to 500 credentials that were asked about last before `before`. How many.
pub async fn ask_due(tx: &mut Tx, before: Time) -> Result<usize, DbError> {
    let now = tx.now();
    let due: Vec<(CredentialId, ProductId)> = fetch_all!(
        tx,
        sqlx::query_as(
            "UPDATE api_credentials SET sync_asked_at = $1
             WHERE state = 'active' AND sync_asked_at < $2 AND id IN
                   (SELECT id FROM api_credentials WHERE state = 'active' AND sync_asked_at < $2
                    ORDER BY sync_asked_at LIMIT $3)
             RETURNING id, product_id"
        )
        .bind(now)
        .bind(before)
        .bind(BATCH)
    )?;
    for (credential, product) in &due {
        tx.enqueue(&SyncCredential { credential: *credential, product: product.uuid() }).await?;
    }
    Ok(due.len())
}

impl Credentials {
    /// When a credential must have been asked about last to be due.
    #[must_use]
    pub fn due_before(&self) -> Time {
        self.0.db.now() - self.0.options.sync_every
    }

    /// Asks the hook what was used. What it does not tell is told the next time; nobody is woken for it.
    pub async fn sync(&self, job: &SyncCredential, id: JobId) -> Result<(), Failure> {
        let subject = self.subject(job.credential).await?;
        let Some(subject) = subject.filter(|it| it.state == CredentialState::Active) else { return Ok(()) };
        let told = self.told(&subject, id).await.map_err(Failure::retry)?;
        self.0
            .db
            .write(async |tx| {
                let now = tx.now();
                execute!(
                    tx,
                    sqlx::query(
                        "UPDATE api_credentials SET usage_stats = $3, rate_limits = COALESCE($4, rate_limits),
                             expires_at = COALESCE($5, expires_at), last_synced_at = $6
                         WHERE id = $1 AND epoch = $2 AND state = 'active'"
                    )
                    .bind(subject.id)
                    .bind(subject.epoch)
                    .bind(&told.usage)
                    .bind(&told.rate_limits)
                    .bind(told.expires_at)
                    .bind(now)
                )
            })
            .await?;
        Ok(())
    }

    async fn told(&self, subject: &Subject, job: JobId) -> Result<Told, AskError> {
        let id = format!("{}-usage-{job}", subject.license_id);
        let body = self.ask(&Asked { event: "credential.usage", id, subject }).await?;
        Ok(Told::read(&body)?)
    }
}
