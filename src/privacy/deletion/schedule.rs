//! Wanting an account to be deleted, and thinking better of it.

use serde_json::json;

use super::{AccountDeletion, AccountDeletionId, Blocker, lock, select};
use crate::{
    accounts::By,
    db::{DbError, Tx},
    execute, fetch_one, fetch_optional,
    kernel::{Time, UserId},
    notifications::Notice,
    privacy::{AccountDeletionScheduled, DeleteAccount, RequestedBy},
};

/// A deletion as it is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Scheduling<'a> {
    /// Of which account.
    pub user: UserId,
    /// Who asks.
    pub requested_by: RequestedBy,
    /// When it shall begin.
    pub due_at: Time,
    /// Why, if an operator asks.
    pub reason: Option<&'a str>,
}

/// Why no deletion is scheduled or cancelled.
#[derive(Debug, thiserror::Error)]
pub enum SchedulingError {
    /// There is no such account.
    #[error("there is no such account")]
    Unknown,
    /// It waits already, or is over.
    #[error("the account will be deleted already, or has been")]
    Already,
    /// Something must be done first.
    #[error("the account cannot be deleted yet")]
    Blocked(Vec<Blocker>),
    /// None waits.
    #[error("no deletion of this account is scheduled")]
    Absent,
    /// It has begun.
    #[error("the deletion has begun and cannot be cancelled any more")]
    Begun,
    /// The database did not take it.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Schedules a deletion. Of two requests at once one does.
pub async fn schedule_deletion(
    tx: &mut Tx,
    wanted: Scheduling<'_>,
    by: &By,
) -> Result<AccountDeletion, SchedulingError> {
    let Scheduling { user, requested_by, due_at, reason } = wanted;
    let known: Option<i32> = fetch_optional!(tx, sqlx::query_scalar("SELECT 1 FROM users WHERE id = $1").bind(user))?;
    known.ok_or(SchedulingError::Unknown)?;
    let blockers = lock::blockers(tx, user).await?;
    if !blockers.is_empty() {
        return Err(SchedulingError::Blocked(blockers));
    }
    let (id, now): (AccountDeletionId, _) = (tx.new_id(), tx.now());
    let made = execute!(
        tx,
        sqlx::query(
            "INSERT INTO account_deletions (id, user_id, requested_by, state, due_at, created_at)
             SELECT $1, u.id, $3, 'scheduled', $4, $5 FROM users u
             WHERE u.id = $2
                   AND NOT EXISTS (SELECT 1 FROM account_deletions d WHERE d.user_id = u.id AND d.state = 'done')
             ON CONFLICT (user_id) WHERE state IN ('scheduled', 'running') DO NOTHING"
        )
        .bind(id)
        .bind(user)
        .bind(requested_by)
        .bind(due_at)
        .bind(now)
    )?;
    if made == 0 {
        return Err(SchedulingError::Already);
    }
    tx.enqueue_at(&DeleteAccount { deletion: id }, due_at).await?;
    tx.enqueue(&Notice::DeletionScheduled { deletion: id.uuid() }).await?;
    let entry = by.did("account.deletion_scheduled", "user", user).change(None, json!({ "due_at": due_at }));
    tx.audit(match reason {
        Some(reason) => entry.reason(reason),
        None => entry,
    });
    tx.emit(&AccountDeletionScheduled { user, due_at })?;
    Ok(fetch_one!(tx, sqlx::query_as(select!("WHERE id = $1")).bind(id))?)
}

/// Cancels the deletion of an account, unless it has begun.
pub async fn cancel_deletion(tx: &mut Tx, user: UserId, by: &By) -> Result<(), SchedulingError> {
    let now = tx.now();
    let cancelled = execute!(
        tx,
        sqlx::query(
            "UPDATE account_deletions SET state = 'cancelled', cancelled_at = $2, waits_for = NULL
             WHERE user_id = $1 AND state = 'scheduled'"
        )
        .bind(user)
        .bind(now)
    )?;
    if cancelled == 0 {
        let begun: Option<i32> = fetch_optional!(
            tx,
            sqlx::query_scalar("SELECT 1 FROM account_deletions WHERE user_id = $1 AND state = 'running'").bind(user)
        )?;
        return Err(if begun.is_some() { SchedulingError::Begun } else { SchedulingError::Absent });
    }
    tx.audit(by.did("account.deletion_cancelled", "user", user));
    Ok(())
}
