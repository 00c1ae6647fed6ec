//! Credentials: has vendors make, replace and take back credentials of the outside APIs that they resell.

use std::sync::Arc;

use super::Capability;
use crate::{
    app::App,
    credentials::{
        self, Credentials, ProvisionCredential, RevokeCredential, RotateCredential, SweepCredentials, SyncCredential,
        SyncDue,
    },
    db::{Db, Tx},
    jobs::{Attempt, External, Failure, Handlers, Schedule, Transactional, cron::CronError},
    licenses::FollowLicense,
};

const fn is_last(attempt: Attempt) -> bool {
    attempt.number >= attempt.max
}

impl Transactional<Credentials> for FollowLicense {
    async fn run(self, credentials: &mut Credentials, tx: &mut Tx, _: Attempt) -> Result<(), Failure> {
        Ok(credentials::follow(tx, self.license, credentials.options().expired_grace).await?)
    }
}

impl External<Credentials> for ProvisionCredential {
    async fn run(self, credentials: &mut Credentials, _: &Db, attempt: Attempt) -> Result<(), Failure> {
        credentials.provision(&self, is_last(attempt)).await
    }
}

impl External<Credentials> for RotateCredential {
    async fn run(self, credentials: &mut Credentials, _: &Db, attempt: Attempt) -> Result<(), Failure> {
        credentials.rotate(&self, is_last(attempt)).await
    }
}

impl External<Credentials> for RevokeCredential {
    async fn run(self, credentials: &mut Credentials, _: &Db, attempt: Attempt) -> Result<(), Failure> {
        credentials.revoke(&self, is_last(attempt)).await
    }
}

impl External<Credentials> for SyncCredential {
    async fn run(self, credentials: &mut Credentials, _: &Db, attempt: Attempt) -> Result<(), Failure> {
        credentials.sync(&self, attempt.job).await
    }
}

impl Transactional<Credentials> for SyncDue {
    async fn run(self, credentials: &mut Credentials, tx: &mut Tx, _: Attempt) -> Result<(), Failure> {
        credentials::ask_due(tx, credentials.due_before()).await?;
        Ok(())
    }
}

/// In many short transactions; each step is guarded, so repeating does no harm.
impl External<Credentials> for SweepCredentials {
    async fn run(self, credentials: &mut Credentials, _: &Db, _: Attempt) -> Result<(), Failure> {
        let seen = credentials.sweep().await?;
        tracing::debug!(seen, "credentials that may not be as they should be are looked at");
        Ok(())
    }
}

/// When the sweeps run.
pub fn schedules() -> Result<Vec<Schedule>, CronError> {
    Ok(vec![
        Schedule::new("credentials.sweep", "41 * * * *", SweepCredentials {})?,
        Schedule::new("credentials.sync_due", "*/5 * * * *", SyncDue {})?,
    ])
}

/// The capability and the kinds of jobs that it does. A shard waits for one hook at a time.
#[must_use]
pub fn capability(app: &App) -> Capability<Credentials> {
    let handlers = Handlers::new(app.db.clone())
        .transactional::<FollowLicense>()
        .external::<ProvisionCredential>()
        .external::<RotateCredential>()
        .external::<RevokeCredential>()
        .external::<SyncCredential>()
        .transactional::<SyncDue>()
        .external::<SweepCredentials>();
    let credentials = app.credentials.clone();
    Capability::new("credentials", move || credentials.clone(), Arc::new(handlers))
}
