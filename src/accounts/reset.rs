//! Another password: by a link that was mailed, or by the one there is.

use uuid::Uuid;

use super::{
    Email, HashError, Identity, NewPassword, Passwords, ProofError, Purpose, WeakPassword, by::By, login, proof,
    register, session, tenant,
};
use crate::{
    audit::Actor,
    db::{Db, DbError, Tx},
    execute, fetch_one, fetch_optional,
    kernel::{UserId, seal::Keyring},
    notifications::Notice,
};

/// Why a password is not changed.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// The link proves nothing.
    #[error("the link is not valid: it was used already, is too old, or is not complete")]
    Token,
    /// The password that is in force is another.
    #[error("the current password is wrong")]
    Current,
    /// The new one may not be used.
    #[error(transparent)]
    Weak(#[from] WeakPassword),
    /// It could not be hashed or checked.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The database did not answer.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<ProofError> for PasswordError {
    fn from(error: ProofError) -> Self {
        match error {
            ProofError::Token => Self::Token,
            ProofError::Db(error) => Self::Db(error),
        }
    }
}

/// Owes the link for another password, if the address has an account.
pub async fn forgot_password(db: &Db, email: &Email) -> Result<(), DbError> {
    db.write(async |tx| owe_link(tx, email).await).await
}

pub(super) async fn owe_link(tx: &mut Tx, email: &Email) -> Result<(), DbError> {
    let owner = ("id, NULL", "users WHERE email = $5 AND disabled_at IS NULL");
    if let Some(proof) = proof::issue_if_any(tx, Purpose::ResetPassword, owner, email).await? {
        tx.enqueue(&Notice::ResetPassword { proof }).await?;
    }
    Ok(())
}

/// Sets another password with the token that was mailed. Ends all sessions and revokes all tokens: whoever had to do
/// this does not know who else is in. The link proves the address too.
pub async fn reset_password(
    db: &Db,
    (keys, passwords): (&Keyring, &Passwords),
    token: &str,
    password: String,
    request: Option<String>,
) -> Result<(), PasswordError> {
    let id = proof::read_token(keys, Purpose::ResetPassword, token).ok_or(PasswordError::Token)?;
    let proof = proof::look(db, Purpose::ResetPassword, id).await?.ok_or(PasswordError::Token)?;
    let user = proof.user_id.ok_or(PasswordError::Token)?;
    let hash = passwords.hash(NewPassword::choose(password, &proof.email)?).await?;
    db.write(async |tx| reset(tx, (id, user), &hash, request).await).await
}

async fn reset(
    tx: &mut Tx,
    (id, user): (Uuid, UserId),
    hash: &str,
    request: Option<String>,
) -> Result<(), PasswordError> {
    let now = tx.now();
    let was_proven: Option<bool> = fetch_optional!(
        tx,
        sqlx::query_scalar("SELECT email_verified_at IS NOT NULL FROM users WHERE id = $1").bind(user)
    )?;
    // The account before its proofs: whoever uses another link of it waits here.
    let changed = execute!(
        tx,
        sqlx::query(
            "UPDATE users SET password_hash = $1, email_verified_at = COALESCE(email_verified_at, $2), updated_at = $2
             WHERE id = $3 AND disabled_at IS NULL"
        )
        .bind(hash)
        .bind(now)
        .bind(user)
    )?;
    if changed == 0 {
        return Err(PasswordError::Token);
    }
    let proven = proof::redeem(tx, Purpose::ResetPassword, id).await?.ok_or(PasswordError::Token)?;
    let by = By { actor: Actor::user(user.to_string()), request };
    session::end_others(tx, user, None).await?;
    execute!(
        tx,
        sqlx::query("UPDATE access_tokens SET revoked_at = $1 WHERE user_id = $2 AND revoked_at IS NULL")
            .bind(now)
            .bind(user)
    )?;
    if was_proven == Some(true) {
        tenant::attach_guests(tx, user, &proven.email).await?;
    } else {
        register::address_proven(tx, user, &proven.email, by.clone()).await?;
    }
    changed_password(tx, user, &by, "password.reset").await
}

/// Sets another password with the one there is, and ends all other sessions.
pub async fn change_password(
    db: &Db,
    passwords: &Passwords,
    (who, session): (&Identity, Uuid),
    (current, new): (String, String),
    request: Option<String>,
) -> Result<(), PasswordError> {
    let new = NewPassword::choose(new, &Email::stored(&who.email))?;
    let hash: Option<String> =
        fetch_one!(db, sqlx::query_scalar("SELECT password_hash FROM users WHERE id = $1").bind(who.user))?;
    let checked = passwords.check(hash.clone(), current).await?;
    let (Some(old), true) = (hash, checked.right) else { return Err(PasswordError::Current) };
    let hash = passwords.hash(new).await?;
    db.write(async |tx| {
        let now = tx.now();
        let changed = execute!(
            tx,
            sqlx::query("UPDATE users SET password_hash = $1, updated_at = $2 WHERE id = $3 AND password_hash = $4")
                .bind(&hash)
                .bind(now)
                .bind(who.user)
                .bind(&old)
        )?;
        if changed == 0 {
            return Err(PasswordError::Current);
        }
        session::end_others(tx, who.user, Some(session)).await?;
        let by = By { actor: login::actor(who.user, who.role), request };
        changed_password(tx, who.user, &by, "password.changed").await
    })
    .await
}

async fn changed_password(tx: &mut Tx, user: UserId, by: &By, action: &'static str) -> Result<(), PasswordError> {
    proof::withdraw(tx, Purpose::ResetPassword, user).await?;
    tx.audit(by.did(action, "user", user));
    tx.enqueue(&Notice::PasswordChanged { user }).await?;
    Ok(())
}
