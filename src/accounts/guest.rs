//! Stand-in until the accounts are merged.

use serde::{Deserialize, Serialize};

use super::Email;
use crate::{
    db::{DbError, Tx},
    execute,
    jobs::Job,
    kernel::{TenantId, UserId},
};

/// A job.
#[derive(Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "stand-in")]
pub struct AttachPurchases {
    pub from: TenantId,
    pub to: TenantId,
    pub user: UserId,
}

impl Job for AttachPurchases {
    const KIND: &'static str = "accounts.attach_purchases";
    const QUEUE: &'static str = "licensing";
}

/// A tenant.
pub async fn guest_tenant(tx: &mut Tx, email: &Email) -> Result<TenantId, DbError> {
    let (id, now): (TenantId, _) = (tx.new_id(), tx.now());
    execute!(
        tx,
        sqlx::query(
            "INSERT INTO tenants (id, kind, name, guest_email, created_at) VALUES ($1, 'guest', 'guest', $2, $3)"
        )
        .bind(id)
        .bind(email.as_str())
        .bind(now)
    )?;
    Ok(id)
}
