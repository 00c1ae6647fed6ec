//! The end of a licence's time: written down, and told of before.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::change::{Action, Change, Touched, record, touched};
use crate::{
    db::{DbError, Tx},
    execute, fetch_all,
    jobs::Job,
    kernel::LicenseId,
    notifications::Notice,
};

/// Writes down which licences have expired.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ExpireLicenses {}

/// Tells owners whose licences end soon.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RemindOfExpiry {}

/// Deletes what told caches of changes, when no cache can be waiting for it any more.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PurgeLicenseChanges {}

macro_rules! sweep {
    ($job:ident, $kind:literal) => {
        impl Job for $job {
            const KIND: &'static str = $kind;
            const QUEUE: &'static str = "licensing";
            const TIMEOUT: Duration = Duration::from_mins(5);

            // One at a time is enough: it takes all there is.
            fn unique_key(&self) -> Option<std::borrow::Cow<'_, str>> {
                Some(Self::KIND.into())
            }
        }
    };
}
sweep!(ExpireLicenses, "licenses.expire");
sweep!(RemindOfExpiry, "licenses.remind");
sweep!(PurgeLicenseChanges, "licenses.purge_changes");

/// How many licences one transaction takes.
pub const BATCH: i64 = 200;
/// How many days before the end somebody is told, the first reminder first.
pub const REMINDERS: [i64; 3] = [30, 7, 1];
const DAY: Duration = Duration::from_hours(24);
/// How long changes are kept for caches.
const CHANGES_KEPT: Duration = DAY;

/// Writes down up to [`BATCH`] licences whose time is over. How many; as many as that means that there may be more.
pub async fn expire(tx: &mut Tx) -> Result<i64, DbError> {
    let now = tx.now();
    let expired: Vec<Touched> = fetch_all!(
        tx,
        sqlx::query_as(touched!(
            "UPDATE licenses SET status = 'expired', updated_at = $1, revision = revision + 1
             WHERE status = 'active' AND expires_at <= $1 AND id IN
                   (SELECT id FROM licenses WHERE status = 'active' AND expires_at IS NOT NULL AND expires_at <= $1
                    ORDER BY expires_at LIMIT $2)"
        ))
        .bind(now)
        .bind(BATCH)
    )?;
    record(tx, &expired, Action::Expired, &Change::system(), &json!({})).await?;
    Ok(i64::try_from(expired.len()).unwrap_or(BATCH))
}

/// Reminds the owners of up to [`BATCH`] licences that end within `days`, each once. How many.
///
/// A licence that was issued for less than `days` has no such reminder; one that is due another reminder sooner has that.
pub async fn remind(tx: &mut Tx, days: i64) -> Result<i64, DbError> {
    let now = tx.now();
    let within = |days: i64| now + DAY * u32::try_from(days).unwrap_or(0);
    let sooner = REMINDERS.into_iter().find(|other| *other < days).unwrap_or(0);
    let statement = tx.dialect().pick(
        "UPDATE licenses SET reminded_days = $1 WHERE (reminded_days IS NULL OR reminded_days > $1) AND id IN
               (SELECT id FROM licenses WHERE status = 'active' AND expires_at IS NOT NULL AND expires_at > $2
                       AND expires_at <= $3 AND created_at <= expires_at - $1 * 86400000000
                       AND (reminded_days IS NULL OR reminded_days > $1) ORDER BY expires_at LIMIT $4)
         RETURNING id",
        "UPDATE licenses SET reminded_days = $1 WHERE (reminded_days IS NULL OR reminded_days > $1) AND id IN
               (SELECT id FROM licenses WHERE status = 'active' AND expires_at IS NOT NULL AND expires_at > $2
                       AND expires_at <= $3 AND created_at <= expires_at - $1 * INTERVAL '1 day'
                       AND (reminded_days IS NULL OR reminded_days > $1) ORDER BY expires_at LIMIT $4)
         RETURNING id",
    );
    let due: Vec<LicenseId> =
        fetch_all!(tx, sqlx::query_scalar(statement).bind(days).bind(within(sooner)).bind(within(days)).bind(BATCH))?;
    for license in &due {
        tx.enqueue(&Notice::LicenseExpiring { license: *license, days }).await?;
    }
    Ok(i64::try_from(due.len()).unwrap_or(BATCH))
}

/// Deletes old rows of `license_changes`. How many.
pub async fn purge_changes(tx: &mut Tx) -> Result<u64, DbError> {
    let before = tx.now() - CHANGES_KEPT;
    // They are numbered in the order of time, so what is too old is what stands before the first that is not.
    execute!(
        tx,
        sqlx::query(
            "DELETE FROM license_changes WHERE seq < COALESCE(
                (SELECT seq FROM license_changes WHERE created_at >= $1 ORDER BY seq LIMIT 1), 9223372036854775807)"
        )
        .bind(before)
    )
}
