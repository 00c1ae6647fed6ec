//! What the clock sets going: targets that were missed are told once, what was solved long enough is closed, and what
//! nobody needs is deleted.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{AttachmentId, ClockName, InboundMailId, Status, TicketStatusChanged, attachment, inbound};
use crate::{
    audit::{Actor, Entry},
    db::{Db, DbError, Tx},
    execute, fetch_all,
    jobs::Job,
    kernel::TicketId,
    notifications::Notice,
    storage::{StorageError, Stores},
};

/// Who closes tickets, in the audit trail.
const ACTOR: Actor = Actor::system("support");
/// How many rows one transaction changes, so that it never holds others up for long.
const BATCH: i64 = 200;
/// How long handled mails are remembered, so that one that comes again is recognised.
const MAILS_KEPT: Duration = Duration::from_hours(30 * 24);

/// Look for targets that were missed, and for tickets that were solved long enough.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WatchTickets {
    /// After how many seconds a solved ticket is closed.
    pub close_after_seconds: u64,
}

impl Job for WatchTickets {
    const KIND: &'static str = "support.watch";
    const QUEUE: &'static str = super::QUEUE;

    fn unique_key(&self) -> Option<std::borrow::Cow<'_, str>> {
        Some("support.watch".into())
    }
}

/// Delete files that no message took, and mails that were handled.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TidySupport {}

impl Job for TidySupport {
    const KIND: &'static str = "support.tidy";
    const QUEUE: &'static str = super::QUEUE;
    const TIMEOUT: Duration = Duration::from_mins(5);

    fn unique_key(&self) -> Option<std::borrow::Cow<'_, str>> {
        Some("support.tidy".into())
    }
}

/// Tells the operators, once each, of targets that were missed. Says how many.
pub async fn watch_clocks(db: &Db) -> Result<usize, DbError> {
    let mut all = 0;
    for clock in ClockName::ALL {
        loop {
            let found = db.write(async |tx| missed(tx, *clock).await).await?;
            all += found;
            if found < usize::try_from(BATCH).unwrap_or(usize::MAX) {
                break;
            }
        }
    }
    Ok(all)
}

async fn missed(tx: &mut Tx, clock: ClockName) -> Result<usize, DbError> {
    let now = tx.now();
    let text = match clock {
        ClockName::FirstResponse => {
            "UPDATE tickets SET first_response_breached_at = $1
             WHERE id IN (SELECT id FROM tickets WHERE stopped_at IS NULL AND first_responded_at IS NULL
                              AND first_response_breached_at IS NULL AND first_response_due_at <= $1
                          ORDER BY first_response_due_at LIMIT $2)
                 AND stopped_at IS NULL AND first_responded_at IS NULL AND first_response_breached_at IS NULL
                 AND first_response_due_at <= $1 RETURNING id"
        }
        ClockName::Resolution => {
            "UPDATE tickets SET resolution_breached_at = $1
             WHERE id IN (SELECT id FROM tickets WHERE stopped_at IS NULL AND resolution_breached_at IS NULL
                              AND resolution_due_at <= $1
                          ORDER BY resolution_due_at LIMIT $2)
                 AND stopped_at IS NULL AND resolution_breached_at IS NULL AND resolution_due_at <= $1 RETURNING id"
        }
    };
    let found: Vec<TicketId> = fetch_all!(tx, sqlx::query_scalar(text).bind(now).bind(BATCH))?;
    for ticket in &found {
        tx.audit(Entry::new(ACTOR, "ticket.target_missed", "ticket", ticket.to_string()).change(None, json!(clock)));
        tx.enqueue(&Notice::TicketLate { ticket: *ticket, resolution: clock == ClockName::Resolution }).await?;
        metrics::counter!("mintreu_tickets_late_total", "clock" => clock.as_str()).increment(1);
    }
    Ok(found.len())
}

/// Closes what was solved longer ago than `after`. Says how many.
pub async fn close_solved(db: &Db, after: Duration) -> Result<usize, DbError> {
    let mut all = 0;
    loop {
        let found = db.write(async |tx| close_batch(tx, after).await).await?;
        all += found;
        if found < usize::try_from(BATCH).unwrap_or(usize::MAX) {
            return Ok(all);
        }
    }
}

async fn close_batch(tx: &mut Tx, after: Duration) -> Result<usize, DbError> {
    let now = tx.now();
    let closed: Vec<TicketId> = fetch_all!(
        tx,
        sqlx::query_scalar(
            "UPDATE tickets SET status = 'closed', closed_at = $1, updated_at = $1
             WHERE id IN (SELECT id FROM tickets WHERE status = 'solved' AND solved_at <= $2 ORDER BY solved_at LIMIT $3)
                 AND status = 'solved' AND solved_at <= $2 RETURNING id"
        )
        .bind(now)
        .bind(now - after)
        .bind(BATCH)
    )?;
    for ticket in &closed {
        let entry = Entry::new(ACTOR, "ticket.status_changed", "ticket", ticket.to_string());
        tx.audit(entry.change(json!({ "status": Status::Solved }), json!({ "status": Status::Closed })));
        tx.emit(&TicketStatusChanged { ticket: *ticket, status: Status::Closed })?;
    }
    Ok(closed.len())
}

/// Why tidying stopped.
#[derive(Debug, thiserror::Error)]
pub enum TidyError {
    /// A file could not be removed.
    #[error("a file cannot be removed: {0}")]
    Storage(#[from] StorageError),
    /// The database did not answer.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Deletes what nobody needs: rows after their bytes, so that nothing is forgotten on the disk.
pub async fn tidy(db: &Db, files: &Stores) -> Result<(), TidyError> {
    let before = db.now() - attachment::WAIT;
    // Taken off first: from now on no message can take it.
    let loose = db.write(async |tx| take_off(tx, before).await).await?;
    for file in loose {
        files.remove(&attachment::key(file)).await?;
        db.write(async |tx| {
            execute!(
                tx,
                sqlx::query("DELETE FROM ticket_attachments WHERE id = $1 AND message_id IS NULL AND stored = $2")
                    .bind(file)
                    .bind(false)
            )
        })
        .await?;
    }
    let day_ago = db.now() - Duration::from_hours(24);
    let old: Vec<InboundMailId> = fetch_all!(
        db,
        sqlx::query_scalar(
            "SELECT id FROM inbound_mails WHERE handled_at <= $1 OR (stored <> $3 AND handled_at IS NULL AND received_at <= $2)"
        )
        .bind(db.now() - MAILS_KEPT)
        .bind(day_ago)
        .bind(true)
    )?;
    for mail in old {
        files.remove(&inbound::key(mail)).await?;
        db.write(async |tx| execute!(tx, sqlx::query("DELETE FROM inbound_mails WHERE id = $1").bind(mail))).await?;
    }
    Ok(())
}

/// Deletes a file and what is known of it, wherever it belongs.
pub async fn remove_attachment(db: &Db, files: &Stores, id: AttachmentId) -> Result<(), TidyError> {
    files.remove(&attachment::key(id)).await?;
    db.write(async |tx| execute!(tx, sqlx::query("DELETE FROM ticket_attachments WHERE id = $1").bind(id))).await?;
    Ok(())
}

/// Deletes a mail that came in. Whoever was to handle it finds that it is not there.
pub async fn remove_mail(db: &Db, files: &Stores, id: InboundMailId) -> Result<(), TidyError> {
    files.remove(&inbound::key(id)).await?;
    db.write(async |tx| execute!(tx, sqlx::query("DELETE FROM inbound_mails WHERE id = $1").bind(id))).await?;
    Ok(())
}

async fn take_off(tx: &mut Tx, before: crate::kernel::Time) -> Result<Vec<AttachmentId>, DbError> {
    fetch_all!(
        tx,
        sqlx::query_scalar(
            "UPDATE ticket_attachments SET stored = $2 WHERE message_id IS NULL AND created_at <= $1 RETURNING id"
        )
        .bind(before)
        .bind(false)
    )
}
