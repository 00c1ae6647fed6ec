//! Showing once more who one is, before what cannot be undone: the password, and a code where one is needed.
//!
//! In two steps, as signing in: what was checked outside the transaction is a condition inside it.

use super::{HashError, Identity, Passwords, SecondFactor, SecondFactorError, second_factor::Shown};
use crate::{
    db::{Db, DbError, Tx},
    execute, fetch_one,
    kernel::{UserId, seal::Keyring},
};

/// Why somebody did not show who they are.
#[derive(Debug, thiserror::Error)]
pub enum AgainError {
    /// The password is wrong, or the account has none yet.
    #[error("the password is wrong; an account without one sets one with `POST /api/password/forgot`")]
    Password,
    /// A code is needed too.
    #[error("a code of the second factor is needed: `totp` or `recovery_code`")]
    SecondFactorNeeded,
    /// The code is wrong, too old, or was used before.
    #[error("the code of the second factor is wrong, or was used already")]
    SecondFactor,
    /// The second factor cannot be checked.
    #[error(transparent)]
    Unreadable(SecondFactorError),
    /// The password could not be checked.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The database did not answer.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Somebody who has shown who they are.
pub struct ShownAgain {
    user: UserId,
    password_hash: String,
    code: Option<Shown>,
}

impl std::fmt::Debug for ShownAgain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShownAgain").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Checks a password, and a code where the account needs one.
pub async fn show_again(
    db: &Db,
    (keys, passwords): (&Keyring, &Passwords),
    who: &Identity,
    (password, second): (String, Option<SecondFactor>),
) -> Result<ShownAgain, AgainError> {
    let (hash, secret): (Option<String>, Option<String>) = fetch_one!(
        db,
        sqlx::query_as(
            "SELECT password_hash, CASE WHEN totp_enabled_at IS NOT NULL THEN totp_secret END FROM users WHERE id = $1"
        )
        .bind(who.user)
    )?;
    let checked = passwords.check(hash.clone(), password).await?;
    let (Some(password_hash), true) = (hash, checked.right) else { return Err(AgainError::Password) };
    let code = match (secret, second) {
        (None, _) => None,
        (Some(_), None) => return Err(AgainError::SecondFactorNeeded),
        (Some(sealed), Some(second)) => {
            let read = Shown::read(keys, who.user, &sealed, &second, db.now()).map_err(AgainError::Unreadable)?;
            Some(read.ok_or(AgainError::SecondFactor)?)
        }
    };
    Ok(ShownAgain { user: who.user, password_hash, code })
}

impl ShownAgain {
    /// Uses it up, in the transaction of what it is shown for: a code is good once, and nothing may have changed meanwhile.
    pub async fn redeem(&self, tx: &mut Tx) -> Result<(), AgainError> {
        let step = self.code.as_ref().and_then(Shown::step);
        let good = execute!(
            tx,
            sqlx::query(
                "UPDATE users SET totp_last_step = COALESCE($3, totp_last_step)
                 WHERE id = $1 AND password_hash = $2 AND disabled_at IS NULL AND (totp_enabled_at IS NOT NULL) = $4
                       AND ($3 IS NULL OR totp_last_step IS NULL OR totp_last_step < $3)"
            )
            .bind(self.user)
            .bind(&self.password_hash)
            .bind(step)
            .bind(self.code.is_some())
        )?;
        match &self.code {
            None if good == 1 => Ok(()),
            None => Err(AgainError::Password),
            Some(code) if good == 1 && code.use_recovery_code(tx, self.user).await? => Ok(()),
            Some(_) => Err(AgainError::SecondFactor),
        }
    }
}
