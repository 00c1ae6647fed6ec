//! What the clock sets going: archives end, last letters are forgotten, and nobody who is to be erased is left behind.

use std::time::Duration;

use super::{
    AccountDeletionId, DataExportId, DeleteAccount, DeletionError, DeletionState, Eraser, Privacy, SweepDeleted,
    deletion, deletion::delete_afterwards, export, subject::Subject,
};
use crate::{
    audit::{Actor, Entry},
    db::{Db, DbError, Tx},
    execute, fetch_all,
};

/// How many are done at a time.
const FEW: i64 = 100;
/// How long a last letter may be on its way.
const FAREWELL: Duration = Duration::from_hours(7 * 24);
/// How long the lists of archives are kept that were asked for.
const EXPORTS_KEPT: Duration = Duration::from_hours(90 * 24);
/// After what time a job that should have run is taken for lost.
const LATE: Duration = Duration::from_hours(2);

/// Does all that is due.
pub async fn housekeeping(privacy: &Privacy) -> Result<(), DeletionError> {
    while expire(privacy).await? == usize::try_from(FEW).unwrap_or(usize::MAX) {}
    privacy.db.write(async |tx| forget_farewells(tx).await).await?;
    forget_exports(&privacy.db).await?;
    privacy.db.write(async |tx| remind(tx).await).await?;
    Ok(())
}

/// Removes archives whose time is over. The row says so first: who fetches at the same moment is told.
async fn expire(privacy: &Privacy) -> Result<usize, DeletionError> {
    let Privacy { db, files, .. } = privacy;
    let due: Vec<DataExportId> = fetch_all!(
        db,
        sqlx::query_scalar(
            "SELECT id FROM data_exports WHERE state = 'ready' AND expires_at <= $1 ORDER BY expires_at LIMIT $2"
        )
        .bind(db.now())
        .bind(FEW)
    )?;
    for id in &due {
        // The file goes before the row says that it did, so that one whose removal failed is tried again.
        files.remove(&export::key(*id)).await?;
        db.write(async |tx| expired(tx, *id).await).await?;
    }
    Ok(due.len())
}

async fn expired(tx: &mut Tx, id: DataExportId) -> Result<(), DbError> {
    let ended = execute!(
        tx,
        sqlx::query("UPDATE data_exports SET state = 'expired' WHERE id = $1 AND state = 'ready'").bind(id)
    )?;
    if ended == 1 {
        tx.audit(Entry::new(Actor::system("privacy"), "account.export_expired", "export", id.to_string()));
    }
    Ok(())
}

/// Forgets where last letters went, once they did.
async fn forget_farewells(tx: &mut Tx) -> Result<(), DbError> {
    let now = tx.now();
    let statement = tx.dialect().pick(
        "UPDATE account_deletions SET farewell = NULL WHERE farewell IS NOT NULL AND (done_at <= $1 OR EXISTS (
             SELECT 1 FROM mails m WHERE m.cause = 'account_deleted:' || lower(hex(account_deletions.id))
                 AND m.state IN ('sent', 'refused', 'suppressed', 'unknown')))",
        "UPDATE account_deletions SET farewell = NULL WHERE farewell IS NOT NULL AND (done_at <= $1 OR EXISTS (
             SELECT 1 FROM mails m WHERE m.cause = 'account_deleted:' || replace(account_deletions.id::text, '-', '')
                 AND m.state IN ('sent', 'refused', 'suppressed', 'unknown')))",
    );
    execute!(tx, sqlx::query(statement).bind(now - FAREWELL))?;
    Ok(())
}

async fn forget_exports(db: &Db) -> Result<(), DbError> {
    db.write(async |tx| {
        let before = tx.now() - EXPORTS_KEPT;
        execute!(
            tx,
            sqlx::query("DELETE FROM data_exports WHERE state IN ('expired', 'failed') AND created_at < $1")
                .bind(before)
        )
    })
    .await?;
    Ok(())
}

/// Has deletions done whose jobs are lost. One that waits in the queue is not doubled.
async fn remind(tx: &mut Tx) -> Result<(), DbError> {
    let late = tx.now() - LATE;
    let due: Vec<AccountDeletionId> = fetch_all!(
        tx,
        sqlx::query_scalar(
            "SELECT id FROM account_deletions WHERE state IN ('scheduled', 'running') AND due_at <= $1 LIMIT $2"
        )
        .bind(late)
        .bind(FEW)
    )?;
    for deletion in due {
        tx.enqueue(&DeleteAccount { deletion }).await?;
    }
    let unswept: Vec<AccountDeletionId> = fetch_all!(
        tx,
        sqlx::query_scalar(
            "SELECT id FROM account_deletions WHERE state = 'done' AND swept_at IS NULL AND done_at <= $1 LIMIT $2"
        )
        .bind(late - FAREWELL)
        .bind(FEW)
    )?;
    for deletion in unswept {
        tx.enqueue(&SweepDeleted { deletion }).await?;
    }
    Ok(())
}

/// Looks once more for what came in of somebody after the deletion, and forgets where the last letter went.
pub async fn sweep_deleted(privacy: &Privacy, id: AccountDeletionId) -> Result<(), DeletionError> {
    let db = &privacy.db;
    let Some(found) = deletion(db, id).await?.filter(|found| found.state == DeletionState::Done) else { return Ok(()) };
    Eraser(privacy).again(found.user_id).await?;
    if let Some(subject) = Subject::of(privacy, found.user_id).await? {
        delete_afterwards(db, &subject).await?;
    }
    db.write(async |tx| {
        let now = tx.now();
        execute!(
            tx,
            sqlx::query("UPDATE account_deletions SET farewell = NULL, swept_at = $2 WHERE id = $1 AND state = 'done'")
                .bind(id)
                .bind(now)
        )
    })
    .await?;
    Ok(())
}
