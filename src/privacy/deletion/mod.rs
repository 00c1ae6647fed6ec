//! Deleting an account: wanted, waited for, done in steps.
//!
//! Between the wish and the deed lies a time in which it can be cancelled. Then the account is locked first, so that nothing
//! new comes; and what names the person (the address, by which everything else is found, and the key of the audit trail) goes
//! last, in one transaction with the note that it is done. Each step in between finds what is left of its work: whoever
//! repeats all of them from the start ends where one would who was never interrupted.

mod files;
mod forget;
mod lock;
mod overwrite;
mod purchases;
mod schedule;
mod search;

use schemars::JsonSchema;
use serde::Serialize;
use sqlx::FromRow;

use super::{Privacy, RequestedBy, subject::Subject};
use crate::{
    audit::Actor,
    db::{Db, DbError},
    execute, fetch_optional, id_type,
    jobs::Failure,
    kernel::{Time, UserId, seal::SealError},
    storage::StorageError,
    support::TidyError,
    text_enum,
};

pub use forget::farewell;
pub(super) use overwrite::delete_afterwards;
pub use schedule::{Scheduling, SchedulingError, cancel_deletion, schedule_deletion};

id_type!(AccountDeletionId, AccountDeletionMarker, "del", "The deletion of an account.");

/// Who erases, in the audit trail.
const ACTOR: Actor = Actor::system("privacy");

text_enum! {
    /// How a deletion stands.
    #[schemars(rename = "AccountDeletionState")]
    pub enum DeletionState {
        /// It will be done, and can be cancelled.
        Scheduled = "scheduled",
        /// It was cancelled.
        Cancelled = "cancelled",
        /// It has begun: nothing brings it back.
        Running = "running",
        /// It is done.
        Done = "done",
    }
}

text_enum! {
    /// What an account cannot be deleted with.
    pub enum Blocker {
        /// Nobody else runs the installation.
        LastOperator = "last_operator",
        /// Others can still buy what the vendor sells.
        ProductsOnSale = "products_on_sale",
        /// Money is owed to the vendor, or by the vendor.
        UnpaidBalance = "unpaid_balance",
    }
}

/// A deletion, as its person sees it.
#[derive(Debug, Clone, Serialize, FromRow, JsonSchema)]
pub struct AccountDeletion {
    /// Which one.
    pub id: AccountDeletionId,
    /// Of which account.
    #[serde(rename = "user")]
    pub user_id: UserId,
    /// Who asked for it.
    pub requested_by: RequestedBy,
    /// How it stands.
    #[serde(rename = "status")]
    pub state: DeletionState,
    /// When it begins; until then it can be cancelled.
    pub due_at: Time,
    /// Why it has not begun though it is due.
    pub waits_for: Option<String>,
    /// When it was asked for.
    pub created_at: Time,
    /// When it was cancelled.
    pub cancelled_at: Option<Time>,
    /// When it was done.
    pub done_at: Option<Time>,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, user_id, requested_by, state, due_at, waits_for, created_at, cancelled_at, done_at
             FROM account_deletions ",
            $rest
        )
    };
}
use select;

/// The deletion of this id.
pub async fn deletion(db: &Db, id: AccountDeletionId) -> Result<Option<AccountDeletion>, DbError> {
    fetch_optional!(db, sqlx::query_as(select!("WHERE id = $1")).bind(id))
}

/// The deletion that an account waits for or has been through; the last one that was not cancelled.
pub async fn deletion_of(db: &Db, user: UserId) -> Result<Option<AccountDeletion>, DbError> {
    fetch_optional!(
        db,
        sqlx::query_as(select!("WHERE user_id = $1 AND state <> 'cancelled' ORDER BY id DESC LIMIT 1")).bind(user)
    )
}

/// What a deletion waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wait {
    /// A person has to do something first.
    Blocked(Vec<Blocker>),
    /// What was paid is not given or billed yet.
    Papers,
}

impl std::fmt::Display for Wait {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Blocked(blockers) => {
                let names: Vec<_> = blockers.iter().map(|blocker| blocker.as_str()).collect();
                f.write_str(&names.join(", "))
            }
            Self::Papers => f.write_str("papers"),
        }
    }
}

/// Why somebody is not erased this time.
#[derive(Debug, thiserror::Error)]
pub enum DeletionError {
    /// It is not its time.
    #[error("the deletion waits for: {0}")]
    Waits(Wait),
    /// A file cannot be removed.
    #[error("a file cannot be removed: {0}")]
    Storage(#[from] StorageError),
    /// A mail cannot be removed.
    #[error("a mail cannot be removed: {0}")]
    Mail(String),
    /// The address cannot be sealed for the last letter.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The database did not answer.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// How long a deletion waits before it looks again.
pub const WAITS: (std::time::Duration, std::time::Duration) =
    (std::time::Duration::from_mins(1), std::time::Duration::from_hours(24));

text_enum! {
    /// The steps of a deletion, in their order.
    pub enum Step {
        /// Nobody signs in to the account any more.
        LockOut = "lock_out",
        /// What was paid is given and billed.
        AwaitPapers = "await_papers",
        /// Subscriptions end, open orders are cancelled, licences end.
        EndPurchases = "end_purchases",
        /// Files go: attachments, mails that came in, archives.
        RemoveFiles = "remove_files",
        /// Mails go, and their records.
        RemoveMails = "remove_mails",
        /// What the catalogue says is overwritten or deleted.
        Overwrite = "overwrite",
        /// What has no owner is searched.
        Search = "search",
        /// The address, the name and the key of the audit trail go.
        Forget = "forget",
    }
}

/// Erases people.
#[derive(Debug)]
pub struct Eraser<'a>(pub &'a Privacy);

impl Eraser<'_> {
    /// Does all that is left of a deletion. One that is not due, was cancelled or is done needs nothing.
    pub async fn run(&self, id: AccountDeletionId) -> Result<(), DeletionError> {
        for step in Step::ALL {
            if !self.take(id, *step).await? {
                break;
            }
        }
        Ok(())
    }

    /// Takes one step of a deletion. False if there is nothing to do for this deletion, now or ever.
    pub async fn take(&self, id: AccountDeletionId, step: Step) -> Result<bool, DeletionError> {
        let db = &self.0.db;
        let Some(deletion) = deletion(db, id).await? else { return Ok(false) };
        let goes_on = match deletion.state {
            DeletionState::Scheduled => step == Step::LockOut && deletion.due_at <= db.now(),
            DeletionState::Running => true,
            DeletionState::Cancelled | DeletionState::Done => false,
        };
        if !goes_on {
            return Ok(false);
        }
        let Some(subject) = Subject::of(self.0, deletion.user_id).await? else { return Ok(false) };
        match step {
            Step::LockOut => return lock::lock_out(db, &deletion).await,
            Step::AwaitPapers => purchases::await_papers(db, &subject).await?,
            Step::EndPurchases => purchases::end(db, &subject).await?,
            Step::RemoveFiles => files::remove(self.0, &subject).await?,
            Step::RemoveMails => files::remove_mails(self.0, &subject).await?,
            Step::Overwrite => overwrite::overwrite(db, &subject).await?,
            Step::Search => search::search(db, &subject).await?,
            Step::Forget => forget::forget(self.0, &deletion, &subject).await?,
        }
        tracing::debug!(deletion = %id, %step, "a step of a deletion is done");
        Ok(true)
    }

    /// Erases what came in of somebody who is erased: mails that bounced, events of payment providers.
    pub(super) async fn again(&self, user: UserId) -> Result<(), DeletionError> {
        let Some(subject) = Subject::of(self.0, user).await? else { return Ok(()) };
        let db = &self.0.db;
        purchases::end(db, &subject).await?;
        files::remove(self.0, &subject).await?;
        files::remove_mails(self.0, &subject).await?;
        overwrite::overwrite(db, &subject).await?;
        Ok(search::search(db, &subject).await?)
    }

    /// Notes what a deletion waits for, and says when to look again.
    pub async fn wait(&self, id: AccountDeletionId, wait: &Wait) -> Result<Time, DbError> {
        let told = wait.to_string();
        self.0
            .db
            .write(async |tx| {
                execute!(
                    tx,
                    sqlx::query(
                        "UPDATE account_deletions SET waits_for = $2 WHERE id = $1 AND state IN ('scheduled', 'running')"
                    )
                    .bind(id)
                    .bind(&told)
                )
            })
            .await?;
        let pause = match wait {
            Wait::Papers => WAITS.0,
            Wait::Blocked(_) => WAITS.1,
        };
        Ok(self.0.db.now() + pause)
    }
}

impl From<TidyError> for DeletionError {
    fn from(error: TidyError) -> Self {
        match error {
            TidyError::Storage(error) => Self::Storage(error),
            TidyError::Db(error) => Self::Db(error),
        }
    }
}

impl From<DeletionError> for Failure {
    fn from(error: DeletionError) -> Self {
        match error {
            DeletionError::Db(error) => error.into(),
            error => Self::retry(error),
        }
    }
}
