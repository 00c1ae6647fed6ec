//! The life of a licence after it was issued. Every step is a guarded update: whoever comes second changes nothing.

use serde_json::json;

use super::{
    LicenseStatus,
    change::{Action, Change, Touched, record, touched},
};
use crate::{
    db::{DbError, Tx},
    fetch_all, fetch_optional,
    kernel::{LicenseId, OrderId, OrderItemId, TenantId, Time, UserId},
};

/// Why a licence stays as it is.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LifecycleError {
    /// There is none with this id.
    #[error("there is no such licence")]
    NotFound,
    /// Its status does not allow it.
    #[error("the licence is {0}")]
    Status(LicenseStatus),
    /// The database did not answer.
    #[error(transparent)]
    Db(#[from] DbError),
}

fn count(touched: &[Touched]) -> u64 {
    u64::try_from(touched.len()).unwrap_or(u64::MAX)
}

/// Takes back what an order gave: it was refunded, or its dispute was lost. How many were taken back now.
pub async fn revoke_order(tx: &mut Tx, order: OrderId, reason: &str) -> Result<u64, DbError> {
    let now = tx.now();
    let revoked: Vec<Touched> = fetch_all!(
        tx,
        sqlx::query_as(touched!(
            "UPDATE licenses SET status = 'revoked', reason = $2, updated_at = $3, revision = revision + 1
             WHERE order_id = $1 AND status <> 'revoked'"
        ))
        .bind(order)
        .bind(reason)
        .bind(now)
    )?;
    record(tx, &revoked, Action::Revoked, &Change::system().because(reason), &json!({})).await?;
    Ok(count(&revoked))
}

/// Takes back what an item gave. How many were taken back now.
pub async fn revoke_item(tx: &mut Tx, item: OrderItemId, reason: &str) -> Result<u64, DbError> {
    let now = tx.now();
    let revoked: Vec<Touched> = fetch_all!(
        tx,
        sqlx::query_as(touched!(
            "UPDATE licenses SET status = 'revoked', reason = $2, updated_at = $3, revision = revision + 1
             WHERE order_item_id = $1 AND status <> 'revoked'"
        ))
        .bind(item)
        .bind(reason)
        .bind(now)
    )?;
    record(tx, &revoked, Action::Revoked, &Change::system().because(reason), &json!({})).await?;
    Ok(count(&revoked))
}

/// Extends what an item gave until `until`, and brings back what had expired or was cancelled; never what was revoked.
/// How many changed: none when it is repeated. A licence without an end keeps having none.
pub async fn renew_item(tx: &mut Tx, item: OrderItemId, until: Time) -> Result<u64, DbError> {
    let now = tx.now();
    let renewed: Vec<Touched> = fetch_all!(
        tx,
        sqlx::query_as(touched!(
            "UPDATE licenses SET status = CASE WHEN status IN ('expired', 'cancelled') THEN 'active' ELSE status END,
                 expires_at = CASE WHEN expires_at < $2 THEN $2 ELSE expires_at END,
                 reminded_days = NULL, updated_at = $3, revision = revision + 1
             WHERE order_item_id = $1 AND status <> 'revoked'
                   AND (expires_at < $2 OR status IN ('expired', 'cancelled'))"
        ))
        .bind(item)
        .bind(until)
        .bind(now)
    )?;
    record(tx, &renewed, Action::Renewed, &Change::system(), &json!({ "expires_at": until })).await?;
    Ok(count(&renewed))
}

/// Ends what an item gave because its subscription ended. How many ended now.
pub async fn end_item(tx: &mut Tx, item: OrderItemId, reason: &str) -> Result<u64, DbError> {
    let now = tx.now();
    let ended: Vec<Touched> = fetch_all!(
        tx,
        sqlx::query_as(touched!(
            "UPDATE licenses SET status = 'cancelled', reason = $2, updated_at = $3, revision = revision + 1
             WHERE order_item_id = $1 AND status IN ('pending', 'active', 'suspended', 'expired')"
        ))
        .bind(item)
        .bind(reason)
        .bind(now)
    )?;
    record(tx, &ended, Action::Cancelled, &Change::system().because(reason), &json!({})).await?;
    Ok(count(&ended))
}

/// Ends what a tenant has, since nobody is there to have it any more; some at a time. How many ended now.
pub async fn end_of_tenant(tx: &mut Tx, tenant: TenantId, reason: &str) -> Result<i64, DbError> {
    let now = tx.now();
    let ended: Vec<Touched> = fetch_all!(
        tx,
        sqlx::query_as(touched!(
            "UPDATE licenses SET status = 'cancelled', reason = $2, updated_at = $3, revision = revision + 1
             WHERE id IN (SELECT id FROM licenses WHERE tenant_id = $1
                              AND status IN ('pending', 'active', 'suspended', 'expired') ORDER BY id LIMIT $4)
                   AND status IN ('pending', 'active', 'suspended', 'expired')"
        ))
        .bind(tenant)
        .bind(reason)
        .bind(now)
        .bind(super::BATCH)
    )?;
    record(tx, &ended, Action::Cancelled, &Change::system().because(reason), &json!({})).await?;
    Ok(i64::try_from(ended.len()).unwrap_or(super::BATCH))
}

/// Gives all licences of a tenant to another: a guest who proved the address. How many moved.
pub async fn move_to_tenant(tx: &mut Tx, from: TenantId, to: TenantId, user: UserId) -> Result<u64, DbError> {
    let now = tx.now();
    let moved: Vec<Touched> = fetch_all!(
        tx,
        sqlx::query_as(touched!(
            "UPDATE licenses SET tenant_id = $2, user_id = $3, updated_at = $4, revision = revision + 1
             WHERE tenant_id = $1 AND tenant_id <> $2"
        ))
        .bind(from)
        .bind(to)
        .bind(user)
        .bind(now)
    )?;
    record(tx, &moved, Action::Moved, &Change::system(), &json!({ "to": to })).await?;
    Ok(count(&moved))
}

/// Stops an active licence until it is resumed.
pub async fn suspend(tx: &mut Tx, id: LicenseId, change: &Change) -> Result<Stepped, LifecycleError> {
    let now = tx.now();
    let changed: Option<Touched> = fetch_optional!(
        tx,
        sqlx::query_as(touched!(
            "UPDATE licenses SET status = 'suspended', reason = $2, updated_at = $3, revision = revision + 1
             WHERE id = $1 AND status IN ('pending', 'active')"
        ))
        .bind(id)
        .bind(change.reason.as_deref())
        .bind(now)
    )?;
    stepped(tx, id, changed, Action::Suspended, change).await
}

/// Lets a suspended licence go on, or a pending one begin.
pub async fn resume(tx: &mut Tx, id: LicenseId, change: &Change) -> Result<Stepped, LifecycleError> {
    let now = tx.now();
    let changed: Option<Touched> = fetch_optional!(
        tx,
        sqlx::query_as(touched!(
            "UPDATE licenses SET status = 'active', reason = NULL, updated_at = $2, revision = revision + 1
             WHERE id = $1 AND status IN ('pending', 'suspended')"
        ))
        .bind(id)
        .bind(now)
    )?;
    stepped(tx, id, changed, Action::Resumed, change).await
}

/// Takes a licence back for good.
pub async fn revoke(tx: &mut Tx, id: LicenseId, change: &Change) -> Result<Stepped, LifecycleError> {
    let now = tx.now();
    let changed: Option<Touched> = fetch_optional!(
        tx,
        sqlx::query_as(touched!(
            "UPDATE licenses SET status = 'revoked', reason = $2, updated_at = $3, revision = revision + 1
             WHERE id = $1 AND status <> 'revoked'"
        ))
        .bind(id)
        .bind(change.reason.as_deref())
        .bind(now)
    )?;
    stepped(tx, id, changed, Action::Revoked, change).await
}

/// Sets when a licence ends, and brings back one that had expired or was cancelled.
pub async fn renew(tx: &mut Tx, id: LicenseId, until: Time, change: &Change) -> Result<Stepped, LifecycleError> {
    let now = tx.now();
    let changed: Option<Touched> = fetch_optional!(
        tx,
        sqlx::query_as(touched!(
            "UPDATE licenses SET status = CASE WHEN status IN ('expired', 'cancelled') THEN 'active' ELSE status END,
                 expires_at = $2, reminded_days = NULL, updated_at = $3, revision = revision + 1
             WHERE id = $1 AND status <> 'revoked'"
        ))
        .bind(id)
        .bind(until)
        .bind(now)
    )?;
    stepped(tx, id, changed, Action::Renewed, change).await
}

/// The proof of a step: what the cache must forget before anybody is told.
#[derive(Debug, Clone, Copy)]
pub struct Stepped(pub(super) Option<super::KeyHash>);

async fn stepped(
    tx: &mut Tx,
    id: LicenseId,
    changed: Option<Touched>,
    action: Action,
    change: &Change,
) -> Result<Stepped, LifecycleError> {
    if let Some(changed) = changed {
        let hash = changed.hash();
        record(tx, &[changed], action, change, &json!({})).await?;
        return Ok(Stepped(hash));
    }
    let status = fetch_optional!(tx, sqlx::query_scalar("SELECT status FROM licenses WHERE id = $1").bind(id))?;
    Err(status.map_or(LifecycleError::NotFound, LifecycleError::Status))
}

/// What an operator does to a licence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// See [`suspend`].
    Suspend,
    /// See [`resume`].
    Resume,
    /// See [`revoke`].
    Revoke,
    /// See [`renew`].
    Renew(Time),
}

/// Takes one step with a licence.
pub async fn take_step(tx: &mut Tx, id: LicenseId, step: Step, change: &Change) -> Result<Stepped, LifecycleError> {
    match step {
        Step::Suspend => suspend(tx, id, change).await,
        Step::Resume => resume(tx, id, change).await,
        Step::Revoke => revoke(tx, id, change).await,
        Step::Renew(until) => renew(tx, id, until, change).await,
    }
}
