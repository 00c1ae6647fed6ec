//! Guests: the addresses of those who ordered without an account, and what proves them.

use super::{Email, ProofError, Purpose, proof};
use crate::{
    db::{Db, DbError, Tx},
    execute,
    kernel::seal::Keyring,
    notifications::Notice,
};

/// Owes the link with which a guest writes to support, if a guest of this address has ordered.
pub async fn ask_for_support(db: &Db, email: &Email) -> Result<(), DbError> {
    db.write(async |tx| owe_support_link(tx, email).await).await
}

async fn owe_support_link(tx: &mut Tx, email: &Email) -> Result<(), DbError> {
    let (id, now) = (tx.ids().next_uuid(), tx.now());
    let purpose = Purpose::GuestSupport;
    // One statement, whether there is a guest or not.
    let owed = execute!(
        tx,
        sqlx::query(
            "INSERT INTO mail_proofs (id, purpose, tenant_id, email, created_at, expires_at)
             SELECT $1, $2, id, guest_email, $3, $4 FROM tenants
             WHERE kind = 'guest' AND guest_email = $5 AND merged_into IS NULL ORDER BY id DESC LIMIT 1"
        )
        .bind(id)
        .bind(purpose)
        .bind(now)
        .bind(now + purpose.valid_for())
        .bind(email)
    )?;
    if owed == 1 {
        tx.enqueue(&Notice::GuestSupport { proof: id }).await?;
    }
    Ok(())
}

/// The address that a guest proves with a token out of a mail: of the link to support, or of the one in the letter about
/// an order, which is not used up by this.
pub async fn proven_guest(db: &Db, keys: &Keyring, token: &str) -> Result<Email, ProofError> {
    for purpose in [Purpose::GuestSupport, Purpose::ClaimPurchases] {
        if let Some(id) = proof::read_token(keys, purpose, token) {
            let found = proof::look(db, purpose, id).await?;
            return found.map(|proof| proof.email).ok_or(ProofError::Token);
        }
    }
    Err(ProofError::Token)
}
