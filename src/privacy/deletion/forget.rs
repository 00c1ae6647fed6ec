//! The last step: the address, the name, and the key that the audit trail's personal data is sealed under.

use std::time::Duration;

use super::{ACTOR, AccountDeletion, AccountDeletionId, DeletionError, overwrite};
use crate::{
    audit::{self, Entry, Person},
    db::{Db, DbError, Tx},
    execute, fetch_optional,
    kernel::{
        UserId,
        seal::{Keyring, SealError, from_hex, to_hex},
    },
    notifications::{self, Notice},
    privacy::{AccountDeleted, Privacy, SweepDeleted, subject::Subject},
};

/// When it is looked once more for what came in after the person was forgotten.
const SWEPT_AFTER: Duration = Duration::from_hours(7 * 24);

fn context(id: AccountDeletionId) -> String {
    format!("account_deletions.farewell {id}")
}

/// Forgets who it was. All of it or nothing.
pub(super) async fn forget(
    privacy: &Privacy,
    deletion: &AccountDeletion,
    subject: &Subject,
) -> Result<(), DeletionError> {
    // The last letter is still owed: its address is kept for it alone, and sealed.
    let farewell = to_hex(&privacy.keys.seal(&context(deletion.id), subject.email.as_bytes())?);
    privacy
        .db
        .write(async |tx| {
            let now = tx.now();
            let done = execute!(
                tx,
                sqlx::query(
                    "UPDATE account_deletions SET state = 'done', done_at = $2, farewell = $3, waits_for = NULL
                     WHERE id = $1 AND state = 'running'"
                )
                .bind(deletion.id)
                .bind(now)
                .bind(&farewell)
            )?;
            if done == 1 { overwritten(tx, privacy, deletion, subject).await } else { Ok(()) }
        })
        .await?;
    metrics::counter!("mintreu_accounts_deleted_total").increment(1);
    Ok(())
}

async fn overwritten(
    tx: &mut Tx,
    privacy: &Privacy,
    deletion: &AccountDeletion,
    subject: &Subject,
) -> Result<(), DbError> {
    let (user, now) = (deletion.user_id, tx.now());
    overwrite::overwrite_last(tx, subject).await?;
    audit::erase(tx, Person::known(user), ACTOR, "the account was deleted").await?;
    tx.audit(Entry::new(ACTOR, "account.deleted", "user", user.to_string()));
    tx.emit(&AccountDeleted { user })?;
    // What is owed to the books may still make letters; nobody reads them where the address was.
    let nobody = (subject.tombstone.as_str(), "the account was deleted");
    notifications::suppress(tx, &privacy.recipients(), nobody, ACTOR).await?;
    tx.enqueue(&Notice::AccountDeleted { deletion: deletion.id.uuid() }).await?;
    tx.enqueue_at(&SweepDeleted { deletion: deletion.id }, now + SWEPT_AFTER).await?;
    Ok(())
}

/// Whom the last letter of a deletion goes to: the account, and the address that it had. None once that is forgotten.
pub async fn farewell(
    db: &Db,
    keys: &Keyring,
    id: AccountDeletionId,
) -> Result<Option<Result<(UserId, String), SealError>>, DbError> {
    let row: Option<(UserId, String)> = fetch_optional!(
        db,
        sqlx::query_as("SELECT user_id, farewell FROM account_deletions WHERE id = $1 AND farewell IS NOT NULL")
            .bind(id)
    )?;
    let open = |sealed: &str| {
        let opened = keys.open(&context(id), &from_hex(sealed).ok_or(SealError::Format)?)?;
        String::from_utf8(opened).map_err(|_| SealError::Format)
    };
    Ok(row.map(|(user, sealed)| open(&sealed).map(|address| (user, address))))
}
