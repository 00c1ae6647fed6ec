//! Accounts: deletes what has ended. What people do with their accounts is done where they ask for it.

use std::{sync::Arc, time::Duration};

use super::Capability;
use crate::{
    accounts::{self, Housekeeping},
    app::App,
    db::Db,
    idempotency,
    jobs::{Attempt, External, Failure, Handlers},
};

/// Nothing that is worth owning.
#[derive(Debug, Default)]
pub struct Accounts {}

/// How long answers to requests with an `Idempotency-Key` can be given again.
const ANSWERS_KEPT: Duration = Duration::from_hours(48);

impl External<Accounts> for Housekeeping {
    async fn run(self, _: &mut Accounts, db: &Db, _: Attempt) -> Result<(), Failure> {
        let ended = accounts::purge(db).await?;
        let answers = idempotency::purge(db, ANSWERS_KEPT).await?;
        tracing::debug!(ended, answers, "what has ended is deleted");
        Ok(())
    }
}

/// The capability and the kinds of jobs that it does.
#[must_use]
pub fn capability(app: &App) -> Capability<Accounts> {
    let handlers = Handlers::new(app.db.clone()).external::<Housekeeping>();
    Capability::new("accounts", Accounts::default, Arc::new(handlers)).shards(1)
}
