//! Claiming: a guest proves the address, and what was bought comes into an account.

use sqlx::FromRow;
use uuid::Uuid;

use super::{
    Email, HashError, Name, NewPassword, Passwords, Purpose, Role, WeakPassword, by::By, proof, register, tenant,
};
use crate::{
    audit::Actor,
    db::{Db, DbError, Tx},
    execute, fetch_one, fetch_optional,
    kernel::{UserId, seal::Keyring},
    text_enum,
};

/// A guest who claims.
#[derive(Debug)]
pub struct Claim {
    /// What the mail carried.
    pub token: String,
    /// What they are called, if they say.
    pub name: Option<Name>,
    /// What they want to sign in with, if they say. An account that has a password keeps it.
    pub password: Option<String>,
}

text_enum! {
    /// Whose the purchases are now.
    pub enum ClaimedBy {
        /// An account that was there.
        Existing = "existing",
        /// One that was made for it.
        Created = "created",
    }
}

/// What a claim came to.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// Whose the purchases are now.
    pub account: ClaimedBy,
    /// The address that was proven.
    pub email: Email,
    /// Whether one can sign in, or needs to set a password first.
    pub password_set: bool,
}

/// Why nothing is claimed.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// The link proves nothing.
    #[error("the link is not valid: it was used already, is too old, or is not complete")]
    Token,
    /// The password may not be used.
    #[error(transparent)]
    Weak(#[from] WeakPassword),
    /// It could not be hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The database did not answer.
    #[error(transparent)]
    Db(#[from] DbError),
}

#[derive(FromRow)]
struct Account {
    id: UserId,
    has_password: bool,
}

/// Proves a guest's address and brings everything that guests of it bought into the account that has it, or into a new one.
pub async fn claim_purchases(
    db: &Db,
    (keys, passwords): (&Keyring, &Passwords),
    claim: Claim,
    request: Option<String>,
) -> Result<Claimed, ClaimError> {
    let id = proof::read_token(keys, Purpose::ClaimPurchases, &claim.token).ok_or(ClaimError::Token)?;
    let email = proof::look(db, Purpose::ClaimPurchases, id).await?.ok_or(ClaimError::Token)?.email;
    let hash = match claim.password {
        Some(password) => Some(passwords.hash(NewPassword::choose(password, &email)?).await?),
        None => None,
    };
    let particulars = Particulars { name: claim.name, hash };
    db.write(async |tx| take(tx, id, particulars, request).await).await
}

struct Particulars {
    name: Option<Name>,
    hash: Option<String>,
}

async fn take(tx: &mut Tx, id: Uuid, particulars: Particulars, request: Option<String>) -> Result<Claimed, ClaimError> {
    let proven = proof::redeem(tx, Purpose::ClaimPurchases, id).await?.ok_or(ClaimError::Token)?;
    let email = proven.email;
    let created = create_verified(tx, &email, &particulars).await?;
    if created.is_none() {
        complete(tx, &email, &particulars).await?;
    }
    let account: Account = fetch_one!(
        tx,
        sqlx::query_as("SELECT id, password_hash IS NOT NULL AS has_password FROM users WHERE email = $1").bind(&email)
    )?;
    let by = By { actor: Actor::user(account.id.to_string()), request };
    if created.is_some() {
        tx.audit(by.did("user.registered", "user", account.id));
    }
    register::address_proven(tx, account.id, &email, by).await?;
    let claimed_by = if created.is_some() { ClaimedBy::Created } else { ClaimedBy::Existing };
    Ok(Claimed { account: claimed_by, email, password_set: account.has_password })
}

/// A new account whose address is proven; `None` if the address has one.
async fn create_verified(
    tx: &mut Tx,
    email: &Email,
    Particulars { name, hash }: &Particulars,
) -> Result<Option<UserId>, DbError> {
    let (id, now): (UserId, _) = (tx.new_id(), tx.now());
    let name = name.as_ref().map_or_else(|| email.local_part(), Name::as_str);
    let created: Option<UserId> = fetch_optional!(
        tx,
        sqlx::query_scalar(
            "INSERT INTO users (id, email, name, password_hash, role, email_verified_at, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $6, $6) ON CONFLICT (email) DO NOTHING RETURNING id"
        )
        .bind(id)
        .bind(email)
        .bind(name)
        .bind(hash)
        .bind(Role::Customer)
        .bind(now)
    )?;
    if created.is_some() {
        tenant::create_personal(tx, id, name).await?;
    }
    Ok(created)
}

/// An account without a password takes the one that comes with the proof; one that has one keeps it.
async fn complete(tx: &mut Tx, email: &Email, Particulars { name, hash }: &Particulars) -> Result<(), DbError> {
    let now = tx.now();
    execute!(
        tx,
        sqlx::query(
            "UPDATE users SET password_hash = $1, email_verified_at = COALESCE(email_verified_at, $2), updated_at = $2,
                    name = CASE WHEN email_verified_at IS NULL THEN COALESCE($3, name) ELSE name END
             WHERE email = $4 AND password_hash IS NULL"
        )
        .bind(hash)
        .bind(now)
        .bind(name.as_ref().map(Name::as_str))
        .bind(email)
    )?;
    Ok(())
}
