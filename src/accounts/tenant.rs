//! Tenants: who owns what was bought. Everybody has a personal one; every guest's order has one of its own until the
//! guest's address is proven.

use serde::{Deserialize, Serialize};

use super::Email;
use crate::{
    db::{DbError, Tx},
    execute, fetch_all, fetch_one,
    jobs::Job,
    kernel::{TenantId, UserId},
};

/// Moves what a guest bought to the tenant of the account that proved the guest's address.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AttachPurchases {
    /// The guest.
    pub from: TenantId,
    /// The account's personal tenant.
    pub to: TenantId,
    /// The account.
    pub user: UserId,
}

impl Job for AttachPurchases {
    const KIND: &'static str = "accounts.attach_purchases";
    const QUEUE: &'static str = "licensing";
}

/// A fresh tenant for one guest's order.
///
/// One for each order, so that whoever types somebody's address gets nothing of what that person bought before.
pub async fn guest_tenant(tx: &mut Tx, email: &Email) -> Result<TenantId, DbError> {
    let (id, now): (TenantId, _) = (tx.new_id(), tx.now());
    execute!(
        tx,
        sqlx::query(
            "INSERT INTO tenants (id, kind, owner_id, name, guest_email, created_at)
             VALUES ($1, 'guest', NULL, $2, $2, $3)"
        )
        .bind(id)
        .bind(email)
        .bind(now)
    )?;
    Ok(id)
}

/// The tenant that a new account has from the start.
pub(super) async fn create_personal(tx: &mut Tx, user: UserId, name: &str) -> Result<TenantId, DbError> {
    let (id, now): (TenantId, _) = (tx.new_id(), tx.now());
    execute!(
        tx,
        sqlx::query("INSERT INTO tenants (id, kind, owner_id, name, created_at) VALUES ($1, 'personal', $2, $3, $4)")
            .bind(id)
            .bind(user)
            .bind(name)
            .bind(now)
    )?;
    Ok(id)
}

/// Gives an account all that guests of its address bought, now that the address is proven. Says how many guests.
///
/// Each guest is taken once, whoever proves the address how often.
pub(super) async fn attach_guests(tx: &mut Tx, user: UserId, email: &Email) -> Result<usize, DbError> {
    // Held until the commit, so that two who prove the address at once do not wait for each other's guests.
    let personal = tx.dialect().pick(
        "SELECT id FROM tenants WHERE owner_id = $1 AND kind = 'personal'",
        "SELECT id FROM tenants WHERE owner_id = $1 AND kind = 'personal' FOR NO KEY UPDATE",
    );
    let to: TenantId = fetch_one!(tx, sqlx::query_scalar(personal).bind(user))?;
    let guests: Vec<TenantId> = fetch_all!(
        tx,
        sqlx::query_scalar(
            "UPDATE tenants SET merged_into = $1 WHERE kind = 'guest' AND guest_email = $2 AND merged_into IS NULL
             RETURNING id"
        )
        .bind(to)
        .bind(email)
    )?;
    for from in &guests {
        tx.enqueue(&AttachPurchases { from: *from, to, user }).await?;
    }
    Ok(guests.len())
}
