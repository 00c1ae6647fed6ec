//! Mails as operators see them, and sending one once more.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use sqlx::FromRow;

use super::{MailId, MailState, Notice, OneMail, Recipients, Template};
use crate::{
    audit::{Actor, Entry},
    db::{Db, DbError, Tx, conditions, page_by_time, place_of},
    fetch_all, fetch_optional,
    jobs::JobId,
    kernel::{ByTime, Page, PageRequest, Sort, Time, UserId, ids_between},
};

/// A mail, and what became of it. What it said is not kept.
#[derive(Debug, Clone, Serialize, FromRow, JsonSchema)]
pub struct Mail {
    /// Which one.
    pub id: MailId,
    /// What it is the only one of.
    pub cause: String,
    /// Which letter.
    pub template: Template,
    /// In which language.
    pub language: String,
    /// As much of the address as may be seen.
    #[serde(rename = "recipient")]
    pub recipient_hint: String,
    /// Whose it is, if it is an account's.
    #[serde(rename = "user")]
    pub user_id: Option<UserId>,
    /// How it stands.
    pub state: MailState,
    /// How often it was tried.
    pub attempts: i64,
    /// How often it was sent once more after it had been sent.
    pub edition: i64,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// When it was tried first.
    pub created_at: Time,
    /// When it was tried last.
    pub updated_at: Time,
    /// When it was sent.
    pub sent_at: Option<Time>,
}

/// Which mails; everything that is given must fit.
#[derive(Debug, Clone, Default)]
pub struct MailFilter {
    /// In this state.
    pub state: Option<MailState>,
    /// This letter.
    pub template: Option<Template>,
    /// To this address.
    pub address: Option<String>,
    /// To the owner of this account.
    pub user: Option<UserId>,
    /// Tried first at this time or later.
    pub from: Option<Time>,
    /// Tried first before this time.
    pub until: Option<Time>,
    /// In which order.
    pub sort: Option<Sort<ByTime>>,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, cause, template, language, recipient_hint, user_id, state, attempts, edition, last_error,
                    created_at, updated_at, sent_at
             FROM mails ",
            $rest
        )
    };
}
/// Mails, in the order of their first tries.
pub async fn mails(
    db: &Db,
    recipients: &Recipients,
    filter: &MailFilter,
    page: PageRequest<MailId>,
) -> Result<Page<Mail>, DbError> {
    let hashes = filter.address.as_deref().map(|address| recipients.hashes(address)).unwrap_or_default();
    // Its index is of what was not sent, which is written out, or SQLite does not see that it fits.
    let state = filter.state.map(|state| match state {
        MailState::Sent => "state = $1",
        _ => "state <> 'sent' AND state = $1",
    });
    let (first, last) = ids_between(filter.from, filter.until);
    let conditions = conditions(&[
        (state.is_some(), state.unwrap_or_default()),
        (filter.template.is_some(), "template = $2"),
        (filter.address.is_some(), "(recipient = $3 OR recipient = $4)"),
        (filter.user.is_some(), "user_id = $5"),
        (filter.from.is_some(), "created_at >= $6 AND id >= $8"),
        (filter.until.is_some(), "created_at < $7 AND id < $9"),
    ]);
    let text = format!("{}{conditions}{}", select!("WHERE TRUE"), page_by_time(&page, filter.sort, "id", 10));
    let rows = fetch_all!(
        db,
        sqlx::query_as(sqlx::AssertSqlSafe(text.as_str()))
            .bind(filter.state.map(MailState::as_str))
            .bind(filter.template.map(Template::as_str))
            .bind(hashes.first())
            .bind(hashes.get(1))
            .bind(filter.user)
            .bind(filter.from)
            .bind(filter.until)
            .bind(first)
            .bind(last)
            .bind(place_of(&page))
            .bind(page.fetch())
    )?;
    Ok(Page::of(rows, &page, |mail: &Mail| mail.id))
}

/// The mail of this id.
pub async fn mail(db: &Db, id: MailId) -> Result<Option<Mail>, DbError> {
    fetch_optional!(db, sqlx::query_as(select!("WHERE id = $1")).bind(id))
}

/// How long a mail may be on its way: longer than any conversation with a server, so that one which is there after it was
/// left behind.
const UNDER_WAY: Duration = Duration::from_mins(10);

/// Why a mail is not sent once more.
#[derive(Debug, thiserror::Error)]
pub enum ResendError {
    /// There is none of this id.
    #[error("there is no such mail")]
    Unknown,
    /// Its content is on the way to the server.
    #[error("the mail is being sent")]
    UnderWay,
    /// The database did not take it.
    #[error(transparent)]
    Db(#[from] DbError),
}

#[derive(FromRow)]
struct Wanted {
    cause: String,
    notice: String,
    job_id: JobId,
}

/// Has a mail sent once more: written anew, so it tells what is true now.
///
/// One whose fate is unknown keeps its `Message-ID`, so that whoever got it can tell; one that was sent gets another.
pub async fn resend(tx: &mut Tx, id: MailId, reason: &str, actor: Actor) -> Result<(), ResendError> {
    let before: Option<MailState> =
        fetch_optional!(tx, sqlx::query_scalar("SELECT state FROM mails WHERE id = $1").bind(id))?;
    let before = before.ok_or(ResendError::Unknown)?;
    let now = tx.now();
    let wanted: Option<Wanted> = fetch_optional!(
        tx,
        sqlx::query_as(
            "UPDATE mails SET state = 'queued', edition = edition + CASE WHEN state = 'sent' THEN 1 ELSE 0 END,
                    updated_at = $2
             WHERE id = $1 AND (state <> 'sending' OR updated_at < $3) RETURNING cause, notice, job_id"
        )
        .bind(id)
        .bind(now)
        .bind(now - UNDER_WAY)
    )?;
    let Some(Wanted { cause, notice, job_id }) = wanted else { return Err(ResendError::UnderWay) };
    let notice: Notice =
        serde_json::from_str(&notice).map_err(|error| sqlx::Error::Decode(error.into())).map_err(DbError::from)?;
    tx.enqueue(&OneMail { notice, of: job_id, cause }).await?;
    let entry = Entry::new(actor, "mail.resent", "mail", id.to_string());
    tx.audit(entry.change(serde_json::json!(before), serde_json::json!(MailState::Queued)).reason(reason));
    Ok(())
}
