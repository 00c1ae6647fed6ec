//! Asking a hook: what is said, and what becomes of it when the hook does not do as it should.

use std::time::Duration;

use serde_json::{Value, json};
use sqlx::FromRow;

use super::{
    CredentialId, CredentialState, CredentialStuck, Credentials,
    answer::{LONGEST_ANSWER, Useless},
    hook::{TargetError, target},
};
use crate::{
    audit::{Actor, Entry},
    db::DbError,
    downloads::OriginError,
    execute, fetch_optional,
    jobs::Failure,
    kernel::{LicenseId, PlanId, ProductId, TenantId, Time, hook::signature, seal::SealError},
    licenses::LicenseStatus,
    notifications::Notice,
};

pub(super) const ACTOR: Actor = Actor::system("credentials");

/// A credential as those who ask for it need it.
#[derive(Debug, FromRow)]
pub(super) struct Subject {
    pub(super) id: CredentialId,
    pub(super) license_id: LicenseId,
    pub(super) state: CredentialState,
    pub(super) epoch: i64,
    pub(super) wanted_rotation: i64,
    pub(super) done_rotation: i64,
    product_id: ProductId,
    product_slug: String,
    plan_id: PlanId,
    plan_slug: String,
    tenant_id: TenantId,
    api_calls: Option<i64>,
    license_status: LicenseStatus,
    license_expires_at: Option<Time>,
}

impl Subject {
    /// Where the licence stands.
    pub(super) fn license_status(&self, now: Time) -> LicenseStatus {
        self.license_status.at(self.license_expires_at, now)
    }
}

/// Why a hook's answer is none.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error("the hook cannot be asked: {0}")]
    Origin(#[from] OriginError),
    #[error("it answers with the status {status}")]
    Status { status: u16, after: Option<Duration> },
    #[error(transparent)]
    Useless(#[from] Useless),
    #[error("what it gave cannot be sealed: {0}")]
    Seal(#[from] SealError),
}

impl AskError {
    /// How long the hook asks to be left alone.
    const fn after(&self) -> Option<Duration> {
        match self {
            Self::Status { after, .. } => *after,
            Self::Target(_) | Self::Origin(_) | Self::Useless(_) | Self::Seal(_) => None,
        }
    }
}

/// What a hook is asked for.
pub(super) struct Asked<'a> {
    /// `credential.provision` and the like.
    pub(super) event: &'static str,
    /// The `webhook-id`: the same however often it is asked.
    pub(super) id: String,
    pub(super) subject: &'a Subject,
}

impl Credentials {
    /// Reads a credential and what it is of.
    pub(super) async fn subject(&self, id: CredentialId) -> Result<Option<Subject>, DbError> {
        fetch_optional!(
            self.0.db,
            sqlx::query_as(
                "SELECT c.id, c.license_id, c.state, c.epoch, c.wanted_rotation, c.done_rotation, c.product_id,
                        p.slug AS product_slug, l.plan_id, n.slug AS plan_slug, l.tenant_id, l.api_calls,
                        l.status AS license_status, l.expires_at AS license_expires_at
                 FROM api_credentials c JOIN licenses l ON l.id = c.license_id JOIN products p ON p.id = c.product_id
                      JOIN plans n ON n.id = l.plan_id WHERE c.id = $1"
            )
            .bind(id)
        )
    }

    /// Asks, and gives the body of an answer that says yes.
    pub(super) async fn ask(&self, asked: &Asked<'_>) -> Result<Vec<u8>, AskError> {
        let answer = self.ask_once(asked).await;
        let outcome = if answer.is_ok() { "answered" } else { "failed" };
        metrics::counter!("mintreu_credential_hook_calls_total", "event" => asked.event, "outcome" => outcome)
            .increment(1);
        if let Err(error) = &answer {
            tracing::warn!(event = asked.event, credential = %asked.subject.id, %error, "a vendor's hook failed");
        }
        answer
    }

    async fn ask_once(&self, asked: &Asked<'_>) -> Result<Vec<u8>, AskError> {
        let inner = &*self.0;
        let target = target(&inner.db, &inner.keys, asked.subject.product_id).await?;
        let now = inner.db.now();
        let body = json!({ "type": asked.event, "timestamp": now, "data": data(asked.subject) }).to_string();
        let timestamp = now.as_secs();
        let headers = vec![
            ("webhook-id", asked.id.clone()),
            ("webhook-timestamp", timestamp.to_string()),
            ("webhook-signature", signature(&target.secrets, &asked.id, timestamp, body.as_bytes())),
        ];
        let bounds = (LONGEST_ANSWER, inner.options.timeout);
        let answer = inner.origin.post(&target.url, headers, body.into_bytes(), bounds).await?;
        if (200..300).contains(&answer.status) {
            Ok(answer.body)
        } else {
            Err(AskError::Status { status: answer.status, after: answer.retry_after })
        }
    }

    /// Writes down what went wrong, and has a person told if it was the last try; `give_up` is what is set then besides.
    pub(super) async fn failed(
        &self,
        subject: &Subject,
        error: &AskError,
        last: Option<LastTry>,
    ) -> Result<Failure, DbError> {
        if let AskError::Target(TargetError::Db(error)) = error {
            return Ok(Failure::retry(error));
        }
        let why: String = error.to_string().chars().filter(|c| !c.is_control()).take(500).collect();
        let failure = Failure::Retry { error: why.clone(), after: error.after() };
        self.0
            .db
            .write(async |tx| {
                let now = tx.now();
                let attention = last.map(|_| now);
                let rotation_is_over = i64::from(last == Some(LastTry::GivesRotationUp));
                let noted = execute!(
                    tx,
                    sqlx::query(
                        "UPDATE api_credentials SET problem = $3, attention_at = COALESCE($4, attention_at),
                             wanted_rotation = CASE WHEN $5 = 1 THEN done_rotation ELSE wanted_rotation END
                         WHERE id = $1 AND epoch = $2 AND state <> 'revoked'"
                    )
                    .bind(subject.id)
                    .bind(subject.epoch)
                    .bind(&why)
                    .bind(attention)
                    .bind(rotation_is_over)
                )?;
                if noted == 1 && last.is_some() {
                    tx.enqueue(&Notice::CredentialStuck { credential: subject.id.uuid() }).await?;
                    tx.emit(&CredentialStuck { credential: subject.id, license: subject.license_id })?;
                    let told = json!({ "problem": why, "state": subject.state });
                    let entry = Entry::new(ACTOR, "credential.stuck", "credential", subject.id.to_string());
                    tx.audit(entry.change(None, told));
                }
                Ok::<_, DbError>(())
            })
            .await?;
        Ok(failure)
    }
}

/// The last try of something, and what it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LastTry {
    /// What was wanted goes on being wanted.
    Waits,
    /// The rotation is off.
    GivesRotationUp,
}

/// What a hook is told of a credential: no name and no address of anybody.
fn data(subject: &Subject) -> Value {
    json!({
        "license": subject.license_id,
        "credential": subject.id,
        "tenant": subject.tenant_id,
        "product": { "id": subject.product_id, "slug": subject.product_slug },
        "plan": { "id": subject.plan_id, "slug": subject.plan_slug },
        "limits": { "api_calls": subject.api_calls },
        "license_expires_at": subject.license_expires_at,
        "epoch": subject.epoch,
        "rotation": subject.wanted_rotation,
    })
}
