//! The first step: nobody signs in to the account any more.

use super::{ACTOR, AccountDeletion, Blocker, DeletionError, Wait};
use crate::{
    accounts::Role,
    audit::Entry,
    db::{Db, DbError, Tx},
    execute, fetch_all, fetch_optional,
    kernel::UserId,
    payments::ledger::Account,
};

/// What an account cannot be deleted with. Of operators who leave at once one finds the others gone.
pub(super) async fn blockers(tx: &mut Tx, user: UserId) -> Result<Vec<Blocker>, DbError> {
    let mut found = Vec::new();
    let role: Option<Role> =
        fetch_optional!(tx, sqlx::query_scalar("SELECT role FROM users WHERE id = $1").bind(user))?;
    if role == Some(Role::Admin) {
        let others = tx.dialect().pick(
            "SELECT id FROM users WHERE role = 'admin' AND disabled_at IS NULL ORDER BY id",
            "SELECT id FROM users WHERE role = 'admin' AND disabled_at IS NULL ORDER BY id FOR UPDATE",
        );
        let operators: Vec<UserId> = fetch_all!(tx, sqlx::query_scalar(others))?;
        if operators.iter().all(|operator| *operator == user) {
            found.push(Blocker::LastOperator);
        }
    }
    let sells: Option<i32> = fetch_optional!(
        tx,
        sqlx::query_scalar(
            "SELECT 1 FROM products p JOIN developers d ON d.id = p.developer_id
             WHERE d.user_id = $1 AND p.status = 'published' LIMIT 1"
        )
        .bind(user)
    )?;
    if sells.is_some() {
        found.push(Blocker::ProductsOnSale);
    }
    let owed: Option<String> = fetch_optional!(
        tx,
        sqlx::query_scalar(
            "SELECT e.currency FROM ledger_entries e JOIN developers d ON d.id = e.developer_id
             WHERE d.user_id = $1 AND e.account = $2 GROUP BY e.currency HAVING SUM(e.amount) <> 0 LIMIT 1"
        )
        .bind(user)
        .bind(Account::VendorPayable.name())
    )?;
    if owed.is_some() {
        found.push(Blocker::UnpaidBalance);
    }
    Ok(found)
}

/// Begins a deletion that is due, once; whether it goes on.
pub(super) async fn lock_out(db: &Db, deletion: &AccountDeletion) -> Result<bool, DeletionError> {
    db.write(async |tx| {
        let now = tx.now();
        let begun = execute!(
            tx,
            sqlx::query(
                "UPDATE account_deletions SET state = 'running', started_at = $2, waits_for = NULL
                 WHERE id = $1 AND state = 'scheduled' AND due_at <= $2"
            )
            .bind(deletion.id)
            .bind(now)
        )?;
        if begun == 1 {
            let blockers = blockers(tx, deletion.user_id).await?;
            if !blockers.is_empty() {
                return Err(DeletionError::Waits(Wait::Blocked(blockers)));
            }
            let user = deletion.user_id.to_string();
            tx.audit(Entry::new(ACTOR, "account.deletion_started", "user", user));
        }
        let runs: Option<i32> = fetch_optional!(
            tx,
            sqlx::query_scalar("SELECT 1 FROM account_deletions WHERE id = $1 AND state = 'running'").bind(deletion.id)
        )?;
        if runs.is_none() {
            return Ok(false);
        }
        close(tx, deletion.user_id).await?;
        Ok(true)
    })
    .await
}

/// Ends all ways in. What proves who somebody is goes with it.
async fn close(tx: &mut Tx, user: UserId) -> Result<(), DbError> {
    let now = tx.now();
    execute!(
        tx,
        sqlx::query(
            "UPDATE users SET disabled_at = COALESCE(disabled_at, $2), password_hash = NULL, totp_secret = NULL,
                    totp_enabled_at = NULL, totp_last_step = NULL, updated_at = $2
             WHERE id = $1"
        )
        .bind(user)
        .bind(now)
    )?;
    for statement in ["DELETE FROM sessions WHERE user_id = $1", "DELETE FROM access_tokens WHERE user_id = $1"] {
        execute!(tx, sqlx::query(statement).bind(user))?;
    }
    Ok(())
}
