//! The second factor: codes by the clock (TOTP, RFC 6238), and recovery codes for when the telephone is gone.
//!
//! Each code is good once: a time step by a guarded UPDATE, a recovery code by its row.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use schemars::JsonSchema;
use serde::Serialize;
use sqlx::FromRow;
use totp_rs::{Builder, Totp};

use super::{Email, HashError, Identity, Passwords, by::By};
use crate::{
    db::{AppendTable, Column, Db, DbError, Tx},
    execute, fetch_one,
    kernel::{
        Time, UserId,
        seal::{self, Keyring, Random, SealError},
    },
};

const RECOVERY_CODES: usize = 10;

/// What somebody shows besides the password.
#[derive(Clone)]
pub enum SecondFactor {
    /// The six digits of the moment.
    Totp(String),
    /// One of the codes that were given at the confirmation.
    RecoveryCode(String),
}

/// Why a second factor is not set up or taken away.
#[derive(Debug, thiserror::Error)]
pub enum SecondFactorError {
    /// It is in force already.
    #[error("a second factor is in force already; disable it first")]
    InForce,
    /// It is not in force, or its set-up was not begun.
    #[error("no second factor is in force or being set up")]
    Absent,
    /// The code is wrong, too old, or was used before.
    #[error("the code is wrong, or was used already; wait for the next one")]
    Code,
    /// The password is wrong.
    #[error("the password is wrong")]
    Password,
    /// The secret cannot be sealed or opened.
    #[error("the secret of the second factor: {0}")]
    Sealed(#[from] SealError),
    /// The library refuses what we give it.
    #[error("the second factor cannot be set up: {0}")]
    Setup(String),
    /// The password could not be checked.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The database did not answer.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// What an authenticator needs to know.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "SecondFactorEnrolment")]
pub struct Enrolment {
    /// In base 32, to be typed.
    pub secret: String,
    /// To be scanned: <https://github.com/google/google-authenticator/wiki/Key-Uri-Format>.
    pub otpauth_uri: String,
}

fn context(user: UserId) -> String {
    format!("users.totp_secret {user}")
}

fn totp(secret: &[u8], issuer: &str, email: Option<&Email>) -> Result<Totp, SecondFactorError> {
    let mut builder = Builder::new().with_secret(secret.to_vec()).with_skew(1);
    if let Some(email) = email {
        // A colon parts issuer and account in the URI.
        builder = builder.with_account_name(email.as_str()).with_issuer(Some(issuer.replace(':', " ")));
    }
    builder.build().map_err(|error| SecondFactorError::Setup(error.to_string()))
}

/// Makes a secret that waits for its confirmation; it replaces one that waited.
pub async fn begin_second_factor(
    db: &Db,
    keys: &Keyring,
    who: &Identity,
    issuer: &str,
) -> Result<Enrolment, SecondFactorError> {
    let secret: [u8; 20] = keys.random().bytes();
    let email = Email::stored(&who.email);
    let totp = totp(&secret, issuer, Some(&email))?;
    let otpauth_uri = totp.to_url().map_err(|error| SecondFactorError::Setup(error.to_string()))?;
    let sealed = BASE64.encode(keys.seal(&context(who.user), &secret)?);
    let begun = db
        .write(async |tx| {
            let now = tx.now();
            execute!(
                tx,
                sqlx::query(
                    "UPDATE users SET totp_secret = $1, totp_last_step = NULL, updated_at = $2
                     WHERE id = $3 AND totp_enabled_at IS NULL"
                )
                .bind(&sealed)
                .bind(now)
                .bind(who.user)
            )
        })
        .await?;
    if begun == 0 {
        return Err(SecondFactorError::InForce);
    }
    Ok(Enrolment { secret: totp.secret().to_base32(), otpauth_uri })
}

/// The second factor of an account, as stored.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Stored {
    password_hash: Option<String>,
    totp_secret: Option<String>,
    enabled: bool,
}

async fn stored(db: &Db, user: UserId) -> Result<Stored, DbError> {
    fetch_one!(
        db,
        sqlx::query_as(
            "SELECT password_hash, totp_secret, totp_enabled_at IS NOT NULL AS enabled FROM users WHERE id = $1"
        )
        .bind(user)
    )
}

/// The time step that a code belongs to, if it is right now, a step ago or a step ahead.
pub(super) fn step_of(
    keys: &Keyring,
    user: UserId,
    sealed: &str,
    code: &str,
    now: Time,
) -> Result<Option<i64>, SecondFactorError> {
    // The library reads other forms of digits than the six that we show.
    if code.len() != 6 || !code.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    let sealed = BASE64.decode(sealed).map_err(|_| SealError::Format)?;
    let secret = keys.open(&context(user), &sealed)?;
    let seconds = u64::try_from(now.as_secs()).unwrap_or_default();
    let step = totp(&secret, "", None)?.check(code, seconds);
    Ok(step.and_then(|step| i64::try_from(step).ok()))
}

/// Puts the second factor into force with its first code, and gives the recovery codes: the only time they are shown.
pub async fn confirm_second_factor(
    db: &Db,
    keys: &Keyring,
    who: &Identity,
    code: &str,
    by: &By,
) -> Result<Vec<String>, SecondFactorError> {
    let Stored { totp_secret, enabled, .. } = stored(db, who.user).await?;
    if enabled {
        return Err(SecondFactorError::InForce);
    }
    let sealed = totp_secret.ok_or(SecondFactorError::Absent)?;
    let step = step_of(keys, who.user, &sealed, code, db.now())?.ok_or(SecondFactorError::Code)?;
    let codes: Vec<String> = (0..RECOVERY_CODES).map(|_| recovery_code(keys.random())).collect();
    db.write(async |tx| {
        let now = tx.now();
        let enabled = execute!(
            tx,
            sqlx::query(
                "UPDATE users SET totp_enabled_at = $1, totp_last_step = $2, updated_at = $1
                 WHERE id = $3 AND totp_enabled_at IS NULL AND totp_secret = $4"
            )
            .bind(now)
            .bind(step)
            .bind(who.user)
            .bind(&sealed)
        )?;
        if enabled == 0 {
            return Err(SecondFactorError::InForce);
        }
        forget_recovery_codes(tx, who.user).await?;
        for code in &codes {
            let hash = recovery_hash(who.user, code);
            tx.append(&RECOVERY, |row| {
                row.uuid(who.user.uuid()).text(hash.as_str());
            });
        }
        tx.audit(by.did("second_factor.enabled", "user", who.user));
        Ok(())
    })
    .await?;
    Ok(codes)
}

static RECOVERY: AppendTable =
    AppendTable::new("recovery_codes", &[("user_id", Column::Uuid), ("code_hash", Column::Text)]);

/// Takes the second factor away: with the password, and with a code of it.
pub async fn disable_second_factor(
    db: &Db,
    (keys, passwords): (&Keyring, &Passwords),
    who: &Identity,
    (password, code): (String, SecondFactor),
    by: &By,
) -> Result<(), SecondFactorError> {
    let Stored { password_hash, totp_secret, enabled } = stored(db, who.user).await?;
    let checked = passwords.check(password_hash.clone(), password).await?;
    let (Some(hash), true) = (password_hash, checked.right) else { return Err(SecondFactorError::Password) };
    let (Some(sealed), true) = (totp_secret, enabled) else { return Err(SecondFactorError::Absent) };
    let shown = Shown::read(keys, who.user, &sealed, &code, db.now())?.ok_or(SecondFactorError::Code)?;
    db.write(async |tx| {
        let now = tx.now();
        let disabled = execute!(
            tx,
            sqlx::query(
                "UPDATE users SET totp_secret = NULL, totp_enabled_at = NULL, totp_last_step = NULL, updated_at = $1
                 WHERE id = $2 AND password_hash = $3 AND totp_secret = $4
                       AND ($5 IS NULL OR totp_last_step IS NULL OR totp_last_step < $5)"
            )
            .bind(now)
            .bind(who.user)
            .bind(&hash)
            .bind(&sealed)
            .bind(shown.step())
        )?;
        if disabled == 0 || !shown.use_recovery_code(tx, who.user).await? {
            return Err(SecondFactorError::Code);
        }
        forget_recovery_codes(tx, who.user).await?;
        tx.audit(by.did("second_factor.disabled", "user", who.user));
        Ok(())
    })
    .await
}

/// A second factor that may be right; the database says whether it is the first time.
pub(super) enum Shown {
    Step(i64),
    RecoveryHash(String),
}

impl Shown {
    /// Reads what somebody shows; `None` if it is wrong already.
    pub(super) fn read(
        keys: &Keyring,
        user: UserId,
        sealed: &str,
        shown: &SecondFactor,
        now: Time,
    ) -> Result<Option<Self>, SecondFactorError> {
        Ok(match shown {
            SecondFactor::Totp(code) => step_of(keys, user, sealed, code, now)?.map(Self::Step),
            SecondFactor::RecoveryCode(code) => {
                let code = fold_recovery_code(code);
                code.map(|code| Self::RecoveryHash(recovery_hash(user, &code)))
            }
        })
    }

    pub(super) const fn step(&self) -> Option<i64> {
        match self {
            Self::Step(step) => Some(*step),
            Self::RecoveryHash(_) => None,
        }
    }

    /// Uses the recovery code up, if it is one. False if there is none, or it was used.
    pub(super) async fn use_recovery_code(&self, tx: &mut Tx, user: UserId) -> Result<bool, DbError> {
        let Self::RecoveryHash(hash) = self else { return Ok(true) };
        let now = tx.now();
        let done = execute!(
            tx,
            sqlx::query(
                "UPDATE recovery_codes SET used_at = $1 WHERE user_id = $2 AND code_hash = $3 AND used_at IS NULL"
            )
            .bind(now)
            .bind(user)
            .bind(hash)
        )?;
        Ok(done == 1)
    }
}

/// Takes the second factor away from somebody who lost it, on an operator's word. False if there was none.
pub async fn reset_second_factor(tx: &mut Tx, user: UserId, by: &By, reason: &str) -> Result<bool, DbError> {
    let now = tx.now();
    let reset = execute!(
        tx,
        sqlx::query(
            "UPDATE users SET totp_secret = NULL, totp_enabled_at = NULL, totp_last_step = NULL, updated_at = $1
             WHERE id = $2 AND totp_enabled_at IS NOT NULL"
        )
        .bind(now)
        .bind(user)
    )?;
    if reset == 1 {
        forget_recovery_codes(tx, user).await?;
        tx.audit(by.did("second_factor.reset", "user", user).reason(reason));
    }
    Ok(reset == 1)
}

async fn forget_recovery_codes(tx: &mut Tx, user: UserId) -> Result<(), DbError> {
    execute!(tx, sqlx::query("DELETE FROM recovery_codes WHERE user_id = $1").bind(user))?;
    Ok(())
}

/// Crockford's alphabet: nothing in it is mistaken for something else.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const CODE_LENGTH: usize = 16;

/// 80 random bits, so that a plain hash keeps them safe: `xxxx-xxxx-xxxx-xxxx`.
fn recovery_code(random: &Random) -> String {
    let bytes: [u8; CODE_LENGTH] = random.bytes();
    let letters = bytes.map(|byte| char::from(ALPHABET[usize::from(byte & 31)]));
    letters.chunks(4).map(|four| four.iter().collect::<String>()).collect::<Vec<_>>().join("-")
}

/// A code as people type it, in the form in which it was given; none if it cannot be one.
fn fold_recovery_code(text: &str) -> Option<String> {
    let letters: Vec<char> = text
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '-')
        .take(CODE_LENGTH + 1)
        .map(|c| match c.to_ascii_lowercase() {
            'o' => '0',
            'i' | 'l' => '1',
            c => c,
        })
        .collect();
    let known = letters.iter().all(|c| u8::try_from(*c).is_ok_and(|byte| ALPHABET.contains(&byte)));
    if letters.len() != CODE_LENGTH || !known {
        return None;
    }
    Some(letters.chunks(4).map(|four| four.iter().collect::<String>()).collect::<Vec<_>>().join("-"))
}

fn recovery_hash(user: UserId, code: &str) -> String {
    seal::to_hex(&seal::hmac_sha256(b"mintreu recovery code", &[user.uuid().as_bytes(), code.as_bytes()].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recovery_code_is_read_as_people_type_it() {
        let code = recovery_code(&Random::seeded(3));
        assert_eq!(code.len(), 19, "{code}");
        let bare = code.replace('-', "");
        let sloppy = format!(" {} ", bare.to_uppercase().replace('0', "O").replace('1', "l"));
        for text in [&code, &bare, &sloppy] {
            assert_eq!(fold_recovery_code(text).as_ref(), Some(&code), "{text}");
        }
        for text in ["", "abcd", "uuuu-uuuu-uuuu-uuuu", &format!("{code}0"), "éééé-éééé-éééé-éééé"] {
            assert_eq!(fold_recovery_code(text), None, "{text}");
        }
    }

    #[test]
    fn a_code_is_right_for_its_step_and_its_neighbours() {
        let keys = Keyring::new([[1; 32]], Random::seeded(7)).expect("a key");
        let user = UserId::from_uuid(uuid::Uuid::from_u128(1));
        // RFC 6238, appendix B: at 59 s the eight digits are 94287082.
        let sealed = BASE64.encode(keys.seal(&context(user), b"12345678901234567890").expect("sealed"));
        let step = |code: &str, seconds: i64| {
            step_of(&keys, user, &sealed, code, Time::from_micros(seconds * 1_000_000)).expect("read")
        };
        assert_eq!(step("287082", 59), Some(1));
        assert_eq!(step("287082", 89), Some(1));
        assert_eq!(step("287082", 29), Some(1));
        assert_eq!(step("287082", 90), None);
        for code in ["287083", "", "28708", "2870820", " 287082", "２８７０８２"] {
            assert_eq!(step(code, 59), None, "{code}");
        }
    }
}
