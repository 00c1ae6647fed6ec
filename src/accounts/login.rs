//! Signing in and out.
//!
//! In two steps, so that the front can count tries at each: [`check_password`] and [`sign_in`]. What was checked outside
//! the transaction is a condition inside it, so that a password or a second factor that changed meanwhile refuses.

use sqlx::FromRow;

use super::{
    Device, Email, HashError, NewAccessToken, NewPassword, Passwords, Role, SecondFactor, SecondFactorError,
    TokenError,
    access_token::make_token,
    by::By,
    second_factor::Shown,
    session::{self, SESSION_LIFE},
};
use crate::{
    audit::Actor,
    db::{Db, DbError, Tx},
    execute, fetch_optional,
    kernel::{UserId, seal::Keyring},
};

/// Why nobody is signed in.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// No such account, none whose address is proven, or another password: an answer tells which to nobody.
    #[error(
        "the e-mail address or the password is wrong, or the address was not confirmed yet with the link that was mailed"
    )]
    Credentials,
    /// The password is right, and the account is disabled.
    #[error("this account is disabled")]
    Disabled,
    /// The password is right, and a code is needed too.
    #[error("a code of the second factor is needed: `totp` or `recovery_code`")]
    SecondFactorNeeded,
    /// The code is wrong, or was used before.
    #[error("the code of the second factor is wrong, or was used already")]
    SecondFactor,
    /// The second factor cannot be checked.
    #[error(transparent)]
    Unreadable(SecondFactorError),
    /// The password could not be checked.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// No token can be given.
    #[error(transparent)]
    Token(TokenError),
    /// The database did not answer.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// An account whose password was shown.
#[derive(Debug)]
pub struct PasswordShown {
    user: UserId,
    role: Role,
    password_hash: String,
    /// The same password, hashed as is done today, if that differs.
    rehashed: Option<String>,
    totp_secret: Option<String>,
}

impl PasswordShown {
    /// Whose it is.
    #[must_use]
    pub const fn user(&self) -> UserId {
        self.user
    }

    /// Whether a code is needed too.
    #[must_use]
    pub const fn needs_second_factor(&self) -> bool {
        self.totp_secret.is_some()
    }
}

#[derive(FromRow)]
struct Row {
    id: UserId,
    role: Role,
    password_hash: Option<String>,
    disabled: bool,
    totp_secret: Option<String>,
    second_factor: bool,
}

/// Checks a password. Takes as long for an address without an account.
pub async fn check_password(
    db: &Db,
    passwords: &Passwords,
    email: &Email,
    password: String,
) -> Result<PasswordShown, LoginError> {
    let row: Option<Row> = fetch_optional!(
        db,
        sqlx::query_as(
            "SELECT id, role, password_hash, disabled_at IS NOT NULL AS disabled, totp_secret,
                    totp_enabled_at IS NOT NULL AS second_factor
             FROM users WHERE email = $1 AND email_verified_at IS NOT NULL"
        )
        .bind(email)
    )?;
    let hash = row.as_ref().and_then(|row| row.password_hash.clone());
    let checked = passwords.check(hash.clone(), password.clone()).await?;
    let (Some(row), Some(hash), true) = (row, hash, checked.right) else { return Err(LoginError::Credentials) };
    if row.disabled {
        return Err(LoginError::Disabled);
    }
    let rehashed = match checked.outdated {
        true => Some(passwords.hash(NewPassword::kept(password)).await?),
        false => None,
    };
    let totp_secret = row.totp_secret.filter(|_| row.second_factor);
    Ok(PasswordShown { user: row.id, role: row.role, password_hash: hash, rehashed, totp_secret })
}

/// What somebody signs in with, beside the password.
#[derive(Default)]
pub struct SignIn {
    /// The second factor, if one is shown.
    pub second: Option<SecondFactor>,
    /// Where from.
    pub device: Device,
    /// The token of the session that the browser has so far: it ends, so that nobody who knows it is signed in too.
    pub replaces: Option<String>,
    /// Whether a token for a program is wanted too.
    pub wants_token: bool,
    /// The request that asks for it.
    pub request: Option<String>,
}

/// Somebody signed in.
#[derive(Debug)]
pub struct SignedIn {
    /// Who.
    pub user: UserId,
    /// The session's token, for the cookie.
    pub session: String,
    /// A token for a program, if it was wanted.
    pub token: Option<String>,
}

/// Opens a session for somebody whose password was shown.
pub async fn sign_in(db: &Db, keys: &Keyring, shown: PasswordShown, how: SignIn) -> Result<SignedIn, LoginError> {
    let code = match (&shown.totp_secret, &how.second) {
        (None, _) => None,
        (Some(_), None) => return Err(LoginError::SecondFactorNeeded),
        (Some(sealed), Some(second)) => {
            let code = Shown::read(keys, shown.user, sealed, second, db.now()).map_err(LoginError::Unreadable)?;
            Some(code.ok_or(LoginError::SecondFactor)?)
        }
    };
    db.write(async |tx| {
        admit(tx, &shown, code.as_ref()).await?;
        if let Some(token) = &how.replaces {
            session::end_by_token(tx, token).await?;
        }
        let session = session::open(tx, shown.user, &how.device, keys.random()).await?;
        let by = By { actor: actor(shown.user, shown.role), request: how.request };
        let token = if how.wants_token {
            let new = NewAccessToken::of_login(shown.role, tx.now() + SESSION_LIFE);
            Some(make_token(tx, shown.user, new, keys.random(), &by).await.map_err(LoginError::Token)?.token)
        } else {
            None
        };
        tx.audit(by.did("session.opened", "user", shown.user));
        Ok(SignedIn { user: shown.user, session, token })
    })
    .await
}

/// As the audit trail names somebody in this role.
#[must_use]
pub fn actor(user: UserId, role: Role) -> Actor {
    match role {
        Role::Admin => Actor::operator(user.to_string()),
        Role::Customer | Role::Developer | Role::Affiliate => Actor::user(user.to_string()),
    }
}

/// Lets somebody in if all is still as it was checked, and if the code is used for the first time.
///
/// The row that this changes is what a change of password, role or second factor waits for: of two at once one sees what
/// the other did.
async fn admit(tx: &mut Tx, shown: &PasswordShown, code: Option<&Shown>) -> Result<(), LoginError> {
    let now = tx.now();
    let admitted = execute!(
        tx,
        sqlx::query(
            "UPDATE users SET last_login_at = $1, password_hash = $2, totp_last_step = COALESCE($3, totp_last_step)
             WHERE id = $4 AND password_hash = $5 AND disabled_at IS NULL AND (totp_enabled_at IS NOT NULL) = $6
                   AND ($3 IS NULL OR totp_last_step IS NULL OR totp_last_step < $3)"
        )
        .bind(now)
        .bind(shown.rehashed.as_ref().unwrap_or(&shown.password_hash))
        .bind(code.and_then(Shown::step))
        .bind(shown.user)
        .bind(&shown.password_hash)
        .bind(shown.needs_second_factor())
    )?;
    let Some(code) = code else {
        return if admitted == 1 { Ok(()) } else { Err(LoginError::Credentials) };
    };
    if admitted == 1 && code.use_recovery_code(tx, shown.user).await? { Ok(()) } else { Err(LoginError::SecondFactor) }
}
