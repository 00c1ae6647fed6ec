//! Registration, and the proof of the address that makes it an account.
//!
//! An account has no password until its address is proven: what a registration chose waits beside its proof. So whoever
//! registers somebody else's address gets nothing, and nobody learns from an answer whether an address has an account.

use sqlx::FromRow;
use uuid::Uuid;

use super::{
    Email, HashError, Name, NewPassword, Passwords, Purpose, Role,
    by::By,
    proof::{self, Proven},
    tenant,
};
use crate::{
    audit::Actor,
    db::{Db, DbError, Tx},
    execute, fetch_one, fetch_optional,
    jobs::DomainEvent,
    kernel::{UserId, seal::Keyring},
    notifications::Notice,
};

/// Who asks for an account.
#[derive(Debug)]
pub struct Registration {
    /// What they are called.
    pub name: Name,
    /// Their address, as they say.
    pub email: Email,
    /// What they will sign in with.
    pub password: NewPassword,
}

/// Why nothing came of a request about an account.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The password could not be hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The database did not take it.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Somebody has proven the address of their new account.
#[derive(Debug, serde::Serialize)]
pub struct UserVerified {
    /// Who.
    pub user: UserId,
}

impl DomainEvent for UserVerified {
    const NAME: &'static str = "user.verified";
}

#[derive(FromRow)]
struct Known {
    id: UserId,
    verified: bool,
}

/// Registers, and owes the mail that goes on: the link for a new account, word of it to the owner of an old one.
pub async fn register(
    db: &Db,
    passwords: &Passwords,
    registration: Registration,
    request: Option<String>,
) -> Result<(), RegisterError> {
    // Also for an address that has an account: it shall take as long.
    let hash = passwords.hash(registration.password).await?;
    let (name, email) = (registration.name, registration.email);
    db.write(async |tx| {
        let known = match create(tx, &name, &email).await? {
            Some(user) => {
                tenant::create_personal(tx, user, name.as_str()).await?;
                let by = By { actor: Actor::user(user.to_string()), request };
                tx.audit(by.did("user.registered", "user", user));
                Known { id: user, verified: false }
            }
            None => fetch_one!(
                tx,
                sqlx::query_as("SELECT id, email_verified_at IS NOT NULL AS verified FROM users WHERE email = $1")
                    .bind(&email)
            )?,
        };
        if known.verified {
            tx.enqueue(&Notice::AlreadyRegistered { user: known.id }).await?;
        } else {
            let pending = Pending { name: Some(name.to_string()), password_hash: Some(hash) };
            owe_proof(tx, known.id, &email, pending).await?;
        }
        Ok(())
    })
    .await
}

/// A new account; `None` if the address has one.
async fn create(tx: &mut Tx, name: &Name, email: &Email) -> Result<Option<UserId>, DbError> {
    let (id, now): (UserId, _) = (tx.new_id(), tx.now());
    let created = execute!(
        tx,
        sqlx::query(
            "INSERT INTO users (id, email, name, role, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $5)
             ON CONFLICT (email) DO NOTHING"
        )
        .bind(id)
        .bind(email)
        .bind(name.as_str())
        .bind(Role::Customer)
        .bind(now)
    )?;
    Ok((created == 1).then_some(id))
}

/// What a registration chose and its proof brings into force.
#[derive(Default, FromRow)]
struct Pending {
    name: Option<String>,
    password_hash: Option<String>,
}

async fn owe_proof(tx: &mut Tx, user: UserId, email: &Email, pending: Pending) -> Result<(), DbError> {
    let (id, now) = (tx.ids().next_uuid(), tx.now());
    execute!(
        tx,
        sqlx::query(
            "INSERT INTO mail_proofs (id, purpose, user_id, email, name, password_hash, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
        )
        .bind(id)
        .bind(Purpose::VerifyEmail)
        .bind(user)
        .bind(email)
        .bind(pending.name)
        .bind(pending.password_hash)
        .bind(now)
        .bind(now + Purpose::VerifyEmail.valid_for())
    )?;
    tx.enqueue(&Notice::VerifyEmail { proof: id }).await?;
    Ok(())
}

/// Owes the link once more, if the address has an account that waits for it.
///
/// When several registrations wait, nobody can say whose password it shall be: the link then proves the address alone,
/// and the password is set by a link of its own.
pub async fn resend_verification(db: &Db, email: &Email) -> Result<(), DbError> {
    db.write(async |tx| resend(tx, email).await).await
}

pub(super) async fn resend(tx: &mut Tx, email: &Email) -> Result<(), DbError> {
    let user: Option<UserId> = fetch_optional!(
        tx,
        sqlx::query_scalar(
            "SELECT id FROM users WHERE email = $1 AND email_verified_at IS NULL AND disabled_at IS NULL"
        )
        .bind(email)
    )?;
    let Some(user) = user else { return Ok(()) };
    let now = tx.now();
    let (name, password_hash, choices): (Option<String>, Option<String>, i64) = fetch_one!(
        tx,
        sqlx::query_as(
            "SELECT MIN(name), MIN(password_hash), COUNT(DISTINCT password_hash) FROM mail_proofs
             WHERE user_id = $1 AND purpose = 'verify_email' AND used_at IS NULL AND expires_at > $2"
        )
        .bind(user)
        .bind(now)
    )?;
    let pending = if choices == 1 { Pending { name, password_hash } } else { Pending::default() };
    owe_proof(tx, user, email, pending).await
}

/// An account whose address is proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Whose.
    pub user: UserId,
    /// The address.
    pub email: Email,
    /// Whether they can sign in, or need to set a password first.
    pub password_set: bool,
}

/// Why a link out of a mail proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// Not ours, for something else, used or too old: which of these is nobody's business.
    #[error("the link is not valid: it was used already, is too old, or is not complete")]
    Token,
    /// The database did not answer.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Proves the address of an account with the token that was mailed to it.
pub async fn verify_email(
    db: &Db,
    keys: &Keyring,
    token: &str,
    request: Option<String>,
) -> Result<Verified, ProofError> {
    let id = proof::read_token(keys, Purpose::VerifyEmail, token).ok_or(ProofError::Token)?;
    db.write(async |tx| verify(tx, id, request).await).await
}

async fn verify(tx: &mut Tx, id: Uuid, request: Option<String>) -> Result<Verified, ProofError> {
    let proven = proof::redeem(tx, Purpose::VerifyEmail, id).await?.ok_or(ProofError::Token)?;
    let Proven { user_id: Some(user), email, name, password_hash } = proven else { return Err(ProofError::Token) };
    let now = tx.now();
    // Once the address is proven no registration that still waits can change the account: its links are of no use.
    let verified = execute!(
        tx,
        sqlx::query(
            "UPDATE users SET email_verified_at = $1, name = COALESCE($2, name), password_hash = $3, updated_at = $1
             WHERE id = $4 AND email_verified_at IS NULL"
        )
        .bind(now)
        .bind(name)
        .bind(&password_hash)
        .bind(user)
    )?;
    if verified == 0 {
        return Err(ProofError::Token);
    }
    address_proven(tx, user, &email, By { actor: Actor::user(user.to_string()), request }).await?;
    Ok(Verified { user, email, password_set: password_hash.is_some() })
}

/// What follows whenever an account's address was proven, by whichever link.
pub(super) async fn address_proven(tx: &mut Tx, user: UserId, email: &Email, by: By) -> Result<(), DbError> {
    tenant::attach_guests(tx, user, email).await?;
    tx.audit(by.did("user.address_proven", "user", user));
    tx.emit(&UserVerified { user })?;
    Ok(())
}
