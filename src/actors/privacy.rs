//! Privacy: writes archives of people's data, and erases those who want to be forgotten.

use std::sync::Arc;

use super::Capability;
use crate::{
    app::App,
    db::Db,
    jobs::{Attempt, External, Failure, Handlers, Schedule, cron::CronError},
    privacy::{self, BuildArchive, DeleteAccount, DeletionError, Eraser, Privacy, PrivacyHousekeeping, SweepDeleted},
};

impl External<Privacy> for BuildArchive {
    async fn run(self, privacy: &mut Privacy, _: &Db, attempt: Attempt) -> Result<(), Failure> {
        privacy::build_archive(privacy, self.export, attempt).await
    }
}

/// In many short transactions, each of which can be repeated: see [`Eraser`].
impl External<Privacy> for DeleteAccount {
    async fn run(self, privacy: &mut Privacy, _: &Db, _: Attempt) -> Result<(), Failure> {
        let eraser = Eraser(privacy);
        match eraser.run(self.deletion).await {
            Err(DeletionError::Waits(wait)) => Err(Failure::Snooze { until: eraser.wait(self.deletion, &wait).await? }),
            done => Ok(done?),
        }
    }
}

impl External<Privacy> for SweepDeleted {
    async fn run(self, privacy: &mut Privacy, _: &Db, _: Attempt) -> Result<(), Failure> {
        Ok(privacy::sweep_deleted(privacy, self.deletion).await?)
    }
}

impl External<Privacy> for PrivacyHousekeeping {
    async fn run(self, privacy: &mut Privacy, _: &Db, _: Attempt) -> Result<(), Failure> {
        Ok(privacy::housekeeping(privacy).await?)
    }
}

/// When the sweeps run.
pub fn schedules() -> Result<Vec<Schedule>, CronError> {
    Ok(vec![Schedule::new("privacy.housekeeping", "53 * * * *", PrivacyHousekeeping {})?])
}

/// The capability and the kinds of jobs that it does. A shard does one thing at a time; few are enough.
#[must_use]
pub fn capability(app: &App) -> Capability<Privacy> {
    let handlers = Handlers::new(app.db.clone())
        .external::<BuildArchive>()
        .external::<DeleteAccount>()
        .external::<SweepDeleted>()
        .external::<PrivacyHousekeeping>();
    let privacy = app.privacy.clone();
    Capability::new("privacy", move || privacy.clone(), Arc::new(handlers)).shards(2)
}
