//! Guests: the addresses of those who ordered without an account, and what proves them.

use super::{Email, ProofError, Purpose, proof};
use crate::{
    db::{Db, DbError, Tx},
    kernel::seal::Keyring,
    notifications::Notice,
};

/// Owes the link with which a guest writes to support, if a guest of this address has ordered.
pub async fn ask_for_support(db: &Db, email: &Email) -> Result<(), DbError> {
    db.write(async |tx| owe_support_link(tx, email).await).await
}

async fn owe_support_link(tx: &mut Tx, email: &Email) -> Result<(), DbError> {
    let last = "tenants WHERE kind = 'guest' AND guest_email = $5 AND merged_into IS NULL ORDER BY id DESC LIMIT 1";
    if let Some(proof) = proof::issue_if_any(tx, Purpose::GuestSupport, ("NULL, id", last), email).await? {
        tx.enqueue(&Notice::GuestSupport { proof }).await?;
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
