//! Support: handles the mails that came in, and watches the clocks of tickets.

use std::{sync::Arc, time::Duration};

use super::Capability;
use crate::{
    app::App,
    db::Db,
    jobs::{Attempt, External, Failure, Handlers, Schedule, cron::CronError},
    kernel::seal::Keyring,
    support::{self, Desk, ReceiveError, ReceiveMail, TidyError, TidySupport, WatchTickets},
};

/// What a shard owns: where files are and what the operator decided, and the keys that recognise addresses.
#[derive(Debug, Clone)]
pub struct Support {
    desk: Arc<Desk>,
    keys: Keyring,
}

impl From<ReceiveError> for Failure {
    fn from(error: ReceiveError) -> Self {
        match error {
            ReceiveError::Storage(_) | ReceiveError::Overtaken => Self::retry(error),
            ReceiveError::Db(error) => error.into(),
        }
    }
}

impl From<TidyError> for Failure {
    fn from(error: TidyError) -> Self {
        match error {
            TidyError::Storage(_) => Self::retry(error),
            TidyError::Db(error) => error.into(),
        }
    }
}

impl External<Support> for ReceiveMail {
    async fn run(self, state: &mut Support, db: &Db, _: Attempt) -> Result<(), Failure> {
        let outcome = support::receive_mail(db, (&state.desk, &state.keys), self.mail).await?;
        tracing::debug!(mail = %self.mail, ?outcome, "mail handled");
        Ok(())
    }
}

/// In many short transactions, so that nobody waits for a long one; each row is guarded, so repeating does no harm.
impl External<Support> for WatchTickets {
    async fn run(self, _: &mut Support, db: &Db, _: Attempt) -> Result<(), Failure> {
        support::watch_clocks(db).await?;
        support::close_solved(db, Duration::from_secs(self.close_after_seconds)).await?;
        Ok(())
    }
}

impl External<Support> for TidySupport {
    async fn run(self, state: &mut Support, db: &Db, _: Attempt) -> Result<(), Failure> {
        Ok(support::tidy(db, &state.desk.files).await?)
    }
}

/// When the sweeps run.
pub fn schedules(close_after: Duration) -> Result<Vec<Schedule>, CronError> {
    let watch = WatchTickets { close_after_seconds: close_after.as_secs() };
    Ok(vec![
        Schedule::new("support.watch", "* * * * *", watch)?,
        Schedule::new("support.tidy", "41 * * * *", TidySupport {})?,
    ])
}

/// The capability and the kinds of jobs that it does.
#[must_use]
pub fn capability(app: &App) -> Capability<Support> {
    let state = Support { desk: Arc::clone(&app.support), keys: app.keys.clone() };
    let handlers =
        Handlers::new(app.db.clone()).external::<ReceiveMail>().external::<WatchTickets>().external::<TidySupport>();
    Capability::new("support", move || state.clone(), Arc::new(handlers))
}
