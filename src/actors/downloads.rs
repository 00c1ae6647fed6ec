//! Downloads: looks whether products' files are there, and removes what is over.

use std::sync::Arc;

use super::Capability;
use crate::{
    app::App,
    db::{Db, Tx},
    downloads::{self, Downloads, DownloadsHousekeeping, RemoveFile, VerifyDue, VerifySource},
    jobs::{Attempt, External, Failure, Handlers, Schedule, Transactional, cron::CronError},
};

impl External<Downloads> for VerifySource {
    async fn run(self, downloads: &mut Downloads, _: &Db, attempt: Attempt) -> Result<(), Failure> {
        downloads.verify(self.source, attempt.number >= attempt.max).await
    }
}

impl Transactional<Downloads> for VerifyDue {
    async fn run(self, downloads: &mut Downloads, tx: &mut Tx, _: Attempt) -> Result<(), Failure> {
        downloads::verify_due(tx, downloads.due_before()).await?;
        Ok(())
    }
}

impl External<Downloads> for RemoveFile {
    async fn run(self, downloads: &mut Downloads, _: &Db, _: Attempt) -> Result<(), Failure> {
        downloads.remove_file(&self).await
    }
}

impl External<Downloads> for DownloadsHousekeeping {
    async fn run(self, downloads: &mut Downloads, _: &Db, _: Attempt) -> Result<(), Failure> {
        let touched = downloads.tidy().await?;
        tracing::debug!(touched, "what has ended of downloads is deleted");
        Ok(())
    }
}

/// When the sweeps run.
pub fn schedules() -> Result<Vec<Schedule>, CronError> {
    Ok(vec![
        Schedule::new("downloads.verify_due", "11 * * * *", VerifyDue {})?,
        Schedule::new("downloads.housekeeping", "31 * * * *", DownloadsHousekeeping {})?,
    ])
}

/// The capability and the kinds of jobs that it does. A shard looks at one file at a time; few are enough.
#[must_use]
pub fn capability(app: &App) -> Capability<Downloads> {
    let handlers = Handlers::new(app.db.clone())
        .external::<VerifySource>()
        .transactional::<VerifyDue>()
        .external::<RemoveFile>()
        .external::<DownloadsHousekeeping>();
    let downloads = app.downloads.clone();
    Capability::new("downloads", move || downloads.clone(), Arc::new(handlers)).shards(4)
}
