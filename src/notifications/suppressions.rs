//! Addresses that nothing is sent to: nobody is there, or an operator says so.

use schemars::JsonSchema;
use serde::Serialize;
use sqlx::FromRow;

use super::{Recipients, recipients::hint};
use crate::{
    audit::{Actor, Entry},
    db::{Db, DbError, Tx},
    execute, fetch_all, fetch_optional, id_type,
    kernel::{Page, PageFrom, PageRequest, Time},
    text_enum,
};

id_type!(SuppressionId, SuppressionMarker, "sup", "An address that nothing is sent to.");

text_enum! {
    /// Why nothing is sent to an address.
    pub enum SuppressionReason {
        /// A server said that nobody is there.
        Bounced = "bounced",
        /// Whoever is there calls what is sent spam.
        Complained = "complained",
        /// An operator wants it so.
        Operator = "operator",
    }
}

/// An address that nothing is sent to.
#[derive(Debug, Clone, Serialize, FromRow, JsonSchema)]
#[schemars(rename = "MailSuppression")]
pub struct Suppression {
    /// Which one.
    pub id: SuppressionId,
    /// As much of the address as may be seen.
    #[serde(rename = "recipient")]
    pub recipient_hint: String,
    /// Why.
    pub reason: SuppressionReason,
    /// What the server said, or the operator.
    pub detail: String,
    /// Since when.
    pub created_at: Time,
}

/// A server or provider told something of an address, for which nothing is sent there any more. Whoever was suppressed
/// before stays so for the reason that was given then. Whether it is new.
pub(super) async fn told(tx: &mut Tx, to: (&str, &str), reason: SuppressionReason, why: &str) -> Result<bool, DbError> {
    let Some(id) = add(tx, to, reason, why).await? else { return Ok(false) };
    let said = match reason {
        SuppressionReason::Bounced => "the server says that nobody is there",
        SuppressionReason::Complained => "whoever is there calls what is sent spam",
        SuppressionReason::Operator => "an operator wants it so",
    };
    let actor = Actor::system("notifications.bounces");
    // What the server said may repeat the address, which the trail could never forget: the suppression has it.
    tx.audit(Entry::new(actor, "mail.suppressed", "mail_suppression", id.to_string()).reason(said));
    Ok(true)
}

async fn add(
    tx: &mut Tx,
    (recipient, hint): (&str, &str),
    reason: SuppressionReason,
    detail: &str,
) -> Result<Option<SuppressionId>, DbError> {
    let (id, now): (SuppressionId, _) = (tx.new_id(), tx.now());
    let added = execute!(
        tx,
        sqlx::query(
            "INSERT INTO mail_suppressions (id, recipient, recipient_hint, reason, detail, created_at)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (recipient) DO NOTHING"
        )
        .bind(id)
        .bind(recipient)
        .bind(hint)
        .bind(reason)
        .bind(detail)
        .bind(now)
    )?;
    Ok((added == 1).then_some(id))
}

/// Suppresses an address, by an operator. The suppression that it has now, and whether it is new.
pub async fn suppress(
    tx: &mut Tx,
    recipients: &Recipients,
    (address, detail): (&str, &str),
    actor: Actor,
) -> Result<(Suppression, bool), DbError> {
    let hash = recipients.hash(address);
    let added = add(tx, (&hash, &hint(address)), SuppressionReason::Operator, detail).await?;
    if let Some(id) = added {
        tx.audit(Entry::new(actor, "mail.suppressed", "mail_suppression", id.to_string()).reason(detail));
    }
    let found: Suppression = crate::fetch_one!(
        tx,
        sqlx::query_as(
            "SELECT id, recipient_hint, reason, detail, created_at FROM mail_suppressions WHERE recipient = $1"
        )
        .bind(&hash)
    )?;
    Ok((found, added.is_some()))
}

/// Lets mails go to an address again. Whether it was suppressed.
pub async fn unsuppress(tx: &mut Tx, id: SuppressionId, actor: Actor) -> Result<bool, DbError> {
    let removed = execute!(tx, sqlx::query("DELETE FROM mail_suppressions WHERE id = $1").bind(id))?;
    if removed == 1 {
        tx.audit(Entry::new(actor, "mail.unsuppressed", "mail_suppression", id.to_string()));
    }
    Ok(removed == 1)
}

/// The suppression of this id.
pub async fn suppression(db: &Db, id: SuppressionId) -> Result<Option<Suppression>, DbError> {
    fetch_optional!(
        db,
        sqlx::query_as("SELECT id, recipient_hint, reason, detail, created_at FROM mail_suppressions WHERE id = $1")
            .bind(id)
    )
}

/// Which suppressions; everything that is given must fit.
#[derive(Debug, Clone, Default)]
pub struct SuppressionFilter {
    /// Of this address.
    pub address: Option<String>,
    /// For this reason.
    pub reason: Option<SuppressionReason>,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, recipient_hint, reason, detail, created_at FROM mail_suppressions
             WHERE ($1 IS NULL OR recipient = $1 OR recipient = $2) AND ($3 IS NULL OR reason = $3) ",
            $rest
        )
    };
}

/// Addresses that nothing is sent to, the newest first.
pub async fn suppressions(
    db: &Db,
    recipients: &Recipients,
    filter: &SuppressionFilter,
    page: PageRequest<SuppressionId>,
) -> Result<Page<Suppression>, DbError> {
    let hashes = filter.address.as_deref().map(|address| recipients.hashes(address)).unwrap_or_default();
    let (text, cursor) = match page.from {
        PageFrom::Start => (select!("AND ($4 IS NULL OR id < $4) ORDER BY id DESC LIMIT $5"), None),
        PageFrom::After(id) => (select!("AND ($4 IS NULL OR id < $4) ORDER BY id DESC LIMIT $5"), Some(id)),
        PageFrom::Before(id) => (select!("AND ($4 IS NULL OR id > $4) ORDER BY id LIMIT $5"), Some(id)),
    };
    let rows = fetch_all!(
        db,
        sqlx::query_as(text)
            .bind(hashes.first())
            .bind(hashes.get(1))
            .bind(filter.reason.map(SuppressionReason::as_str))
            .bind(cursor)
            .bind(page.fetch())
    )?;
    Ok(Page::of(rows, &page, |row: &Suppression| row.id))
}
