//! Proofs of an address: whoever has the token out of a mail reads the mail.
//!
//! A row of `mail_proofs` is what there is to prove; the token is made from its id with the installation's keys, when the
//! mail is written. So the database, its backups and its jobs hold nothing that opens anything.

use std::time::Duration;

use sqlx::{AssertSqlSafe, FromRow};
use uuid::Uuid;

use super::Email;
use crate::{
    db::{Db, DbError, Tx},
    execute, fetch_optional,
    kernel::{
        TenantId, Time, UserId,
        seal::{self, Keyring, SubKey},
    },
    text_enum,
};

text_enum! {
    /// What a proof is for. It is good for nothing else.
    pub enum Purpose {
        /// The address of a new account.
        VerifyEmail = "verify_email",
        /// Another password.
        ResetPassword = "reset_password",
        /// To bring what a guest bought into an account.
        ClaimPurchases = "claim_purchases",
        /// To write to support about what a guest ordered.
        GuestSupport = "guest_support",
    }
}

impl Purpose {
    /// How long its link is good.
    #[must_use]
    pub const fn valid_for(self) -> Duration {
        match self {
            Self::VerifyEmail => Duration::from_hours(48),
            Self::ResetPassword => Duration::from_hours(1),
            // The link to what was paid for: buyers look for it weeks later.
            Self::ClaimPurchases => Duration::from_hours(90 * 24),
            Self::GuestSupport => Duration::from_hours(7 * 24),
        }
    }
}

/// Whom a proof is for, beside its address.
#[derive(Debug, Clone, Copy)]
pub enum ProofOf {
    /// An account.
    User(UserId),
    /// A guest.
    Guest(TenantId),
}

/// Makes something to prove: name the row in the notice that mails it.
pub async fn issue_proof(tx: &mut Tx, purpose: Purpose, of: ProofOf, email: &Email) -> Result<Uuid, DbError> {
    let (id, now) = (tx.ids().next_uuid(), tx.now());
    let (user, tenant) = match of {
        ProofOf::User(user) => (Some(user), None),
        ProofOf::Guest(tenant) => (None, Some(tenant)),
    };
    execute!(
        tx,
        sqlx::query(
            "INSERT INTO mail_proofs (id, purpose, user_id, tenant_id, email, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)"
        )
        .bind(id)
        .bind(purpose)
        .bind(user)
        .bind(tenant)
        .bind(email)
        .bind(now)
        .bind(now + purpose.valid_for())
    )?;
    Ok(id)
}

/// Makes something to prove for whoever is found by an address, with one statement whether there is anybody or not, so that it
/// takes as long for either. `whose` are the columns of the account and the tenant, and `rows` the table with its conditions,
/// where the address is `$5`.
pub(super) async fn issue_if_any(
    tx: &mut Tx,
    purpose: Purpose,
    (whose, rows): (&'static str, &'static str),
    email: &Email,
) -> Result<Option<Uuid>, DbError> {
    let (id, now) = (tx.ids().next_uuid(), tx.now());
    let text = format!(
        "INSERT INTO mail_proofs (id, purpose, user_id, tenant_id, email, created_at, expires_at)
         SELECT $1, $2, {whose}, $5, $3, $4 FROM {rows}"
    );
    let issued = execute!(
        tx,
        sqlx::query(AssertSqlSafe(text.as_str()))
            .bind(id)
            .bind(purpose)
            .bind(now)
            .bind(now + purpose.valid_for())
            .bind(email)
    )?;
    Ok((issued > 0).then_some(id))
}

/// A proof as the one who mails it knows it.
#[derive(Debug, Clone, FromRow)]
pub struct ProofToMail {
    /// What for.
    pub purpose: Purpose,
    /// Where the mail goes.
    pub email: Email,
    /// Whose it is, if it is an account's.
    #[sqlx(rename = "user_id")]
    pub user: Option<UserId>,
    /// What its owner is called, as far as it is known.
    pub name: Option<String>,
    /// When the link ends.
    pub expires_at: Time,
    /// Whether it was used.
    pub used: bool,
}

/// The proof of this id.
pub async fn proof_to_mail(db: &Db, id: Uuid) -> Result<Option<ProofToMail>, DbError> {
    fetch_optional!(
        db,
        sqlx::query_as(
            "SELECT p.purpose, p.email, p.user_id, COALESCE(p.name, u.name) AS name, p.expires_at, p.used_at IS NOT NULL AS used
             FROM mail_proofs p LEFT JOIN users u ON u.id = p.user_id WHERE p.id = $1"
        )
        .bind(id)
    )
}

/// The newest link with which a guest's purchases can be claimed.
pub async fn claim_of_guest(db: &Db, tenant: TenantId) -> Result<Option<Uuid>, DbError> {
    fetch_optional!(
        db,
        sqlx::query_scalar(
            "SELECT id FROM mail_proofs WHERE tenant_id = $1 AND purpose = $2 AND used_at IS NULL ORDER BY id DESC LIMIT 1"
        )
        .bind(tenant)
        .bind(Purpose::ClaimPurchases)
    )
}

const ID: usize = 32;
const KEY: usize = 8;
/// 128 bits of the keyed hash.
const MAC: usize = 32;

/// The token that a mail carries: the proof's id, the key's name, and a keyed hash of purpose and id.
#[must_use]
pub fn proof_token(keys: &Keyring, purpose: Purpose, id: Uuid) -> String {
    let keys = keys.derive("mail_proofs");
    let (name, key) = keys.current();
    format!("{}{name}{}", id.simple(), mac(key, purpose, id))
}

/// The proof that a token is of; none if we did not make it, or for another purpose.
pub(super) fn read_token(keys: &Keyring, purpose: Purpose, token: &str) -> Option<Uuid> {
    if token.len() != ID + KEY + MAC || !token.is_ascii() {
        return None;
    }
    let (id, rest) = token.split_at(ID);
    let (name, given) = rest.split_at(KEY);
    let id = Uuid::try_parse(id).ok()?;
    let right = keys
        .derive("mail_proofs")
        .named(name)
        .any(|key| seal::same(mac(key, purpose, id).as_bytes(), given.as_bytes()));
    right.then_some(id)
}

fn mac(key: &SubKey, purpose: Purpose, id: Uuid) -> String {
    let mac = key.mac(&[purpose.as_str().as_bytes(), b":", id.as_bytes()]);
    seal::to_hex(&mac[..MAC / 2])
}

/// What was proven.
#[derive(Debug, FromRow)]
pub(super) struct Proven {
    pub(super) user_id: Option<UserId>,
    pub(super) email: Email,
    pub(super) name: Option<String>,
    pub(super) password_hash: Option<String>,
}

/// Uses a proof up. `None` if there is none, or it is used or too old: of two who try at once one gets it.
pub(super) async fn redeem(tx: &mut Tx, purpose: Purpose, id: Uuid) -> Result<Option<Proven>, DbError> {
    let now = tx.now();
    fetch_optional!(
        tx,
        sqlx::query_as(
            "UPDATE mail_proofs SET used_at = $1 WHERE id = $2 AND purpose = $3 AND used_at IS NULL AND expires_at > $1
             RETURNING user_id, email, name, password_hash"
        )
        .bind(now)
        .bind(id)
        .bind(purpose)
    )
}

/// Whom a proof that can still be redeemed is for.
#[derive(Debug, FromRow)]
pub(super) struct Redeemable {
    pub(super) email: Email,
    pub(super) user_id: Option<UserId>,
}

/// Looks at a proof before it is redeemed.
pub(super) async fn look(db: &Db, purpose: Purpose, id: Uuid) -> Result<Option<Redeemable>, DbError> {
    fetch_optional!(
        db,
        sqlx::query_as(
            "SELECT email, user_id FROM mail_proofs
             WHERE id = $1 AND purpose = $2 AND used_at IS NULL AND expires_at > $3"
        )
        .bind(id)
        .bind(purpose)
        .bind(db.now())
    )
}

/// Makes an account's proofs of this purpose useless. The account's row must have been changed before in this transaction:
/// else two that use two links at once would wait for each other.
pub(super) async fn withdraw(tx: &mut Tx, purpose: Purpose, user: UserId) -> Result<(), DbError> {
    let now = tx.now();
    execute!(
        tx,
        sqlx::query("UPDATE mail_proofs SET used_at = $1 WHERE user_id = $2 AND purpose = $3 AND used_at IS NULL")
            .bind(now)
            .bind(user)
            .bind(purpose)
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::seal::Random;

    fn ring(roots: &[u8]) -> Keyring {
        Keyring::new(roots.iter().map(|byte| [*byte; 32]), Random::seeded(7)).expect("has a key")
    }

    #[test]
    fn a_token_is_good_for_its_purpose_and_id_alone() {
        let (keys, id) = (ring(&[1]), Uuid::from_u128(7));
        let token = proof_token(&keys, Purpose::ResetPassword, id);
        assert_eq!(read_token(&keys, Purpose::ResetPassword, &token), Some(id));
        assert_eq!(read_token(&keys, Purpose::VerifyEmail, &token), None);
        assert_eq!(read_token(&ring(&[2]), Purpose::ResetPassword, &token), None);
        assert_eq!(read_token(&ring(&[2, 1]), Purpose::ResetPassword, &token), Some(id), "while a key is replaced");
        for place in 0..token.len() {
            let mut altered = token.clone().into_bytes();
            altered[place] = if altered[place] == b'0' { b'1' } else { b'0' };
            let altered = String::from_utf8(altered).expect("text");
            assert_eq!(read_token(&keys, Purpose::ResetPassword, &altered), None, "{place}");
            assert_eq!(read_token(&keys, Purpose::ResetPassword, &token[..place]), None);
        }
        assert_eq!(read_token(&keys, Purpose::ResetPassword, &"é".repeat(36)), None);
    }
}
