//! Accounts as their owners and operators see them, and what operators change.

use schemars::JsonSchema;
use serde::Serialize;
use sqlx::{AssertSqlSafe, FromRow};

use super::{Email, HashError, Name, NewPassword, Passwords, Role, by::By, session, tenant};
use crate::{
    db::{Db, DbError, Tx},
    execute, fetch_all, fetch_optional,
    kernel::{TenantId, Time, UserId},
};

/// An account.
#[derive(Debug, Clone, Serialize, FromRow, JsonSchema)]
pub struct Account {
    /// Which one.
    pub id: UserId,
    /// Its personal tenant.
    pub tenant_id: TenantId,
    /// Its address.
    pub email: Email,
    /// What its owner is called.
    pub name: String,
    /// What they are to the shop.
    pub role: Role,
    /// When the address was proven.
    pub email_verified_at: Option<Time>,
    /// Whether it can be signed in with a password.
    pub password_set: bool,
    /// Whether that needs a second factor.
    pub second_factor: bool,
    /// When it was disabled, if it is.
    pub disabled_at: Option<Time>,
    /// When somebody signed in last.
    pub last_login_at: Option<Time>,
    /// When it was made.
    pub created_at: Time,
}

pub(super) const ACCOUNT: &str = "SELECT u.id, t.id AS tenant_id, u.email, u.name, u.role, u.email_verified_at,
        u.password_hash IS NOT NULL AS password_set, u.totp_enabled_at IS NOT NULL AS second_factor, u.disabled_at,
        u.last_login_at, u.created_at
     FROM users u JOIN tenants t ON t.owner_id = u.id AND t.kind = 'personal'";

/// The account of this id, whoever asks.
pub async fn find_any_account(db: &Db, id: UserId) -> Result<Option<Account>, DbError> {
    fetch_optional!(db, sqlx::query_as(AssertSqlSafe(format!("{ACCOUNT} WHERE u.id = $1"))).bind(id))
}

/// The account of this address, whoever asks.
pub async fn find_any_account_by_email(db: &Db, email: &Email) -> Result<Option<Account>, DbError> {
    fetch_optional!(db, sqlx::query_as(AssertSqlSafe(format!("{ACCOUNT} WHERE u.email = $1"))).bind(email))
}

/// Calls the owner of an account by another name.
pub async fn rename(db: &Db, user: UserId, name: &Name, by: &By) -> Result<(), DbError> {
    db.write(async |tx| {
        let now = tx.now();
        let renamed = execute!(
            tx,
            sqlx::query("UPDATE users SET name = $1, updated_at = $2 WHERE id = $3 AND name <> $1")
                .bind(name.as_str())
                .bind(now)
                .bind(user)
        )?;
        if renamed == 1 {
            tx.audit(by.did("user.renamed", "user", user));
        }
        Ok(())
    })
    .await
}

/// An account that an operator makes: its address counts as proven.
#[derive(Debug)]
pub struct NewAccount {
    /// What its owner is called.
    pub name: Name,
    /// The address.
    pub email: Email,
    /// What they sign in with.
    pub password: NewPassword,
    /// What they are to the shop.
    pub role: Role,
}

/// Why an account is not made or changed.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The address has one.
    #[error("this address has an account already")]
    Taken,
    /// There is none of this id.
    #[error("there is no such account")]
    Unknown,
    /// Whoever locks themselves out needs somebody else to let them in.
    #[error("operators cannot change their own role or disable themselves")]
    Self_,
    /// There is nothing left to prove.
    #[error("the address is proven already")]
    Verified,
    /// Nobody signs in to it.
    #[error("the account is disabled; enable it first")]
    Disabled,
    /// Nobody could let anybody in again.
    #[error("this is the last operator who can sign in: make another one first")]
    LastOperator,
    /// Somebody else changed it at the same time.
    #[error("the account was changed at the same time; look again")]
    Overtaken,
    /// The password could not be hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The database did not take it.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Makes an account.
pub async fn create_account(db: &Db, passwords: &Passwords, new: NewAccount, by: &By) -> Result<UserId, AccountError> {
    let hash = passwords.hash(new.password).await?;
    db.write(async |tx| {
        let (id, now): (UserId, _) = (tx.new_id(), tx.now());
        let made = execute!(
            tx,
            sqlx::query(
                "INSERT INTO users (id, email, name, password_hash, role, email_verified_at, created_at, updated_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $6, $6) ON CONFLICT (email) DO NOTHING"
            )
            .bind(id)
            .bind(&new.email)
            .bind(new.name.as_str())
            .bind(&hash)
            .bind(new.role)
            .bind(now)
        )?;
        if made == 0 {
            return Err(AccountError::Taken);
        }
        tenant::create_personal(tx, id, new.name.as_str()).await?;
        let after = serde_json::json!({ "role": new.role });
        tx.audit(by.did("user.created", "user", id).change(None, after));
        Ok(id)
    })
    .await
}

/// What an operator changes of an account.
#[derive(Debug, Clone, Copy, Default)]
pub struct AccountChange {
    /// Its role.
    pub role: Option<Role>,
    /// Whether it is disabled.
    pub disabled: Option<bool>,
}

/// Changes an account, for a reason. `own` is the operator's account, if it is one. Disabling ends all sessions.
pub async fn change_account(
    db: &Db,
    (id, own): (UserId, Option<UserId>),
    change: AccountChange,
    by: &By,
    reason: &str,
) -> Result<(), AccountError> {
    if own == Some(id) {
        return Err(AccountError::Self_);
    }
    db.write(async |tx| {
        let before: Option<(Role, bool)> = fetch_optional!(
            tx,
            sqlx::query_as("SELECT role, disabled_at IS NOT NULL FROM users WHERE id = $1").bind(id)
        )?;
        let (role, disabled) = before.ok_or(AccountError::Unknown)?;
        let leaves = change.role.is_some_and(|new| new != Role::Admin) || change.disabled == Some(true);
        if role == Role::Admin && !disabled && leaves {
            spare_last_operator(tx, id).await?;
        }
        if let Some(new) = change.role.filter(|new| *new != role) {
            set_role(tx, id, (role, new), by, reason).await?;
        }
        if let Some(new) = change.disabled.filter(|new| *new != disabled) {
            set_disabled(tx, id, new, by, reason).await?;
        }
        Ok(())
    })
    .await
}

/// Refuses to lose the last operator. Their rows are locked, so that two who demote each other take turns.
async fn spare_last_operator(tx: &mut Tx, id: UserId) -> Result<(), AccountError> {
    let text = tx.dialect().pick(
        "SELECT id FROM users WHERE role = 'admin' AND disabled_at IS NULL ORDER BY id",
        "SELECT id FROM users WHERE role = 'admin' AND disabled_at IS NULL ORDER BY id FOR UPDATE",
    );
    let operators: Vec<UserId> = fetch_all!(tx, sqlx::query_scalar(text))?;
    if operators.iter().any(|operator| *operator != id) { Ok(()) } else { Err(AccountError::LastOperator) }
}

async fn set_role(
    tx: &mut Tx,
    id: UserId,
    (old, new): (Role, Role),
    by: &By,
    reason: &str,
) -> Result<(), AccountError> {
    let now = tx.now();
    let changed = execute!(
        tx,
        sqlx::query("UPDATE users SET role = $1, updated_at = $2 WHERE id = $3 AND role = $4")
            .bind(new)
            .bind(now)
            .bind(id)
            .bind(old)
    )?;
    if changed == 0 {
        return Err(AccountError::Overtaken);
    }
    let (before, after) = (serde_json::json!({ "role": old }), serde_json::json!({ "role": new }));
    tx.audit(by.did("user.role_changed", "user", id).change(before, after).reason(reason));
    Ok(())
}

async fn set_disabled(tx: &mut Tx, id: UserId, disabled: bool, by: &By, reason: &str) -> Result<(), AccountError> {
    let now = tx.now();
    let changed = execute!(
        tx,
        sqlx::query("UPDATE users SET disabled_at = $1, updated_at = $2 WHERE id = $3 AND (disabled_at IS NULL) = $4")
            .bind(disabled.then_some(now))
            .bind(now)
            .bind(id)
            .bind(disabled)
    )?;
    if changed == 0 {
        return Err(AccountError::Overtaken);
    }
    if disabled {
        session::end_others(tx, id, None).await?;
    }
    let action = if disabled { "user.disabled" } else { "user.enabled" };
    tx.audit(by.did(action, "user", id).reason(reason));
    Ok(())
}
