//! What was told of mails later, each once, and what came of it.
//!
//! An address at which nobody is, or whose owner complains, is suppressed as if its server had said so while it was
//! talked to. What a provider signs is taken as it is. A report that is a mail may have been written by anybody before our
//! server received it: it counts for an address only if it returns a mail of ours, by its `Message-ID`, that went there.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, FromRow};

use super::{
    MailId, Recipients, ReportedMail,
    recipients::hint,
    suppressions::{self, SuppressionReason},
};
use crate::{
    db::{Db, DbError, Tx, conditions, page_by_time, place_of},
    execute, fetch_all, fetch_one, id_type,
    kernel::{Page, PageRequest, Time},
    text_enum,
};

id_type!(MailReportId, MailReportMarker, "mrp", "What was told of a mail later.");

text_enum! {
    /// What is told of a mail.
    #[schemars(rename = "MailReportKind")]
    pub enum ReportKind {
        /// It did not arrive, and will not.
        Bounced = "bounced",
        /// Whoever got it calls it spam.
        Complained = "complained",
    }
}

text_enum! {
    /// What came of a report.
    #[schemars(rename = "MailReportOutcome")]
    pub enum ReportOutcome {
        /// Nothing is sent to the address any more.
        Suppressed = "suppressed",
        /// The address is good: this mail alone was refused.
        Noted = "noted",
        /// It returns no mail of ours that went to this address: nothing follows.
        Unproven = "unproven",
    }
}

/// What was told of a mail, as operators see it.
#[derive(Debug, Clone, Serialize, FromRow, JsonSchema)]
pub struct MailReport {
    /// Which one.
    pub id: MailReportId,
    /// What.
    pub kind: ReportKind,
    /// As much of the address as may be seen.
    #[serde(rename = "recipient")]
    pub recipient_hint: String,
    /// Which mail, if that is known.
    #[serde(rename = "mail")]
    pub mail_id: Option<MailId>,
    /// Why, as RFC 3463 counts, if that was told.
    pub status: Option<String>,
    /// What the server said, or the provider.
    pub detail: String,
    /// What came of it.
    pub outcome: ReportOutcome,
    /// When it was told.
    pub received_at: Time,
}

/// Who told it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// A provider that signs what it says.
    Provider,
    /// A mail, which whoever receives our mail has signed.
    Mail,
}

/// What a delivery came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "MailReportsHeard")]
pub struct Heard {
    /// Mails that it told something of which was not told before.
    pub reports: u32,
    /// Addresses that nothing is sent to from now on.
    pub suppressed: u32,
}

/// Hears what a delivery tells, once: `delivery` is what it is called whenever it comes.
pub async fn hear_reports(
    tx: &mut Tx,
    recipients: &Recipients,
    (delivery, trust): (&str, Trust),
    mails: &[ReportedMail],
) -> Result<Heard, DbError> {
    let mut heard = Heard::default();
    for (position, told) in mails.iter().enumerate() {
        let position = i64::try_from(position).unwrap_or(i64::MAX);
        let outcome = judge(tx, recipients, trust, told).await?;
        if !insert(tx, recipients, (delivery, position), (told, outcome)).await? {
            continue;
        }
        heard.reports += 1;
        if outcome == ReportOutcome::Suppressed {
            let address = (recipients.hash(&told.recipient), hint(&told.recipient));
            let (reason, why) = match told.kind {
                ReportKind::Bounced => (SuppressionReason::Bounced, &told.detail),
                ReportKind::Complained => (SuppressionReason::Complained, &told.detail),
            };
            let new = suppressions::told(tx, (&address.0, &address.1), reason, why).await?;
            heard.suppressed += u32::from(new);
        }
    }
    Ok(heard)
}

async fn judge(
    tx: &mut Tx,
    recipients: &Recipients,
    trust: Trust,
    told: &ReportedMail,
) -> Result<ReportOutcome, DbError> {
    if trust == Trust::Mail && !went_to(tx, recipients, told).await? {
        return Ok(ReportOutcome::Unproven);
    }
    // Who says that a mail bounced, and not why, says that the address is not good.
    let nobody = told.kind == ReportKind::Complained || told.status.as_deref().is_none_or(super::smtp::is_nobody);
    Ok(if nobody { ReportOutcome::Suppressed } else { ReportOutcome::Noted })
}

/// Whether it is about a mail of ours that went to that address.
async fn went_to(tx: &mut Tx, recipients: &Recipients, told: &ReportedMail) -> Result<bool, DbError> {
    let Some(mail) = told.mail else { return Ok(false) };
    let hashes = serde_json::json!(recipients.hashes(&told.recipient)).to_string();
    let text = tx.dialect().pick(
        "SELECT COUNT(*) FROM mails WHERE id = $1 AND recipient IN (SELECT value FROM json_each($2))",
        "SELECT COUNT(*) FROM mails WHERE id = $1 AND recipient IN (SELECT jsonb_array_elements_text($2::jsonb))",
    );
    let found: i64 = fetch_one!(tx, sqlx::query_scalar(text).bind(mail).bind(hashes))?;
    Ok(found > 0)
}

async fn insert(
    tx: &mut Tx,
    recipients: &Recipients,
    (delivery, position): (&str, i64),
    (told, outcome): (&ReportedMail, ReportOutcome),
) -> Result<bool, DbError> {
    let (id, now): (MailReportId, _) = (tx.new_id(), tx.now());
    let new = execute!(
        tx,
        sqlx::query(
            "INSERT INTO mail_reports (id, delivery, position, kind, recipient, recipient_hint, mail_id, status, detail,
                 outcome, received_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (delivery, position) DO NOTHING"
        )
        .bind(id)
        .bind(delivery)
        .bind(position)
        .bind(told.kind)
        .bind(recipients.hash(&told.recipient))
        .bind(hint(&told.recipient))
        .bind(told.mail)
        .bind(&told.status)
        .bind(&told.detail)
        .bind(outcome)
        .bind(now)
    )?;
    if new == 1 {
        metrics::counter!("mintreu_mail_reports_total", "kind" => told.kind.as_str(), "outcome" => outcome.as_str())
            .increment(1);
    }
    Ok(new == 1)
}

/// Which reports; everything that is given must fit.
#[derive(Debug, Clone, Default)]
pub struct ReportFilter {
    /// Of this address.
    pub address: Option<String>,
    /// That tell this.
    pub kind: Option<ReportKind>,
    /// That came to this.
    pub outcome: Option<ReportOutcome>,
}

/// What was told of mails, the newest first.
pub async fn mail_reports(
    db: &Db,
    recipients: &Recipients,
    filter: &ReportFilter,
    page: PageRequest<MailReportId>,
) -> Result<Page<MailReport>, DbError> {
    let hashes = filter.address.as_deref().map(|address| recipients.hashes(address)).unwrap_or_default();
    let conditions = conditions(&[
        (filter.address.is_some(), "(recipient = $1 OR recipient = $2)"),
        (filter.kind.is_some(), "kind = $3"),
        (filter.outcome.is_some(), "outcome = $4"),
    ]);
    let text = format!(
        "SELECT id, kind, recipient_hint, mail_id, status, detail, outcome, received_at FROM mail_reports
         WHERE TRUE{conditions}{}",
        page_by_time(&page, None, "id", 5)
    );
    let rows = fetch_all!(
        db,
        sqlx::query_as(AssertSqlSafe(text.as_str()))
            .bind(hashes.first())
            .bind(hashes.get(1))
            .bind(filter.kind.map(ReportKind::as_str))
            .bind(filter.outcome.map(ReportOutcome::as_str))
            .bind(place_of(&page))
            .bind(page.fetch())
    )?;
    Ok(Page::of(rows, &page, |row: &MailReport| row.id))
}

/// Forgets what was told before a time.
pub(super) async fn forget(tx: &mut Tx, before: Time) -> Result<u64, DbError> {
    execute!(tx, sqlx::query("DELETE FROM mail_reports WHERE received_at < $1").bind(before))
}
