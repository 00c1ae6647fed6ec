//! The record of a mail: written before its content goes to a server, and after.
//!
//! What makes a mail the only one of its cause is the row of `mails` with that cause: whoever wants to send to a server
//! must first turn it into `sending`, which only one can. A file needs no such claim: it has the name of its mail, and is
//! written over.

use sqlx::FromRow;
use uuid::Uuid;

use super::{MailId, Template, Topic, reports};
use crate::{
    db::{AppendTable, Column, Db, DbError, Tx},
    execute, fetch_one,
    jobs::JobId,
    kernel::{Time, UserId, seal},
    text_enum,
};

text_enum! {
    /// How a mail stands.
    pub enum MailState {
        /// It is to be sent, for the first time or again.
        Queued = "queued",
        /// Its content is on the way to the server.
        Sending = "sending",
        /// The server has it, or the directory.
        Sent = "sent",
        /// It will not be taken: the server says so for good, or it was tried too often.
        Refused = "refused",
        /// Nobody is to get it: the address is suppressed, or its owner has declined such mails.
        Suppressed = "suppressed",
        /// The server got its content and did not say whether it took it.
        Unknown = "unknown",
    }
}

/// What is written down of a mail.
#[derive(Debug)]
pub(super) struct Record<'a> {
    pub(super) id: MailId,
    pub(super) cause: &'a str,
    pub(super) template: Template,
    pub(super) language: &'a str,
    pub(super) recipient: &'a str,
    pub(super) hint: &'a str,
    pub(super) user: Option<UserId>,
    /// JSON.
    pub(super) notice: &'a str,
    pub(super) job: JobId,
}

/// The identifier of the mail that a job makes for a cause: the same whenever it is asked, in the order of the jobs.
pub(super) fn id_of(job: JobId, cause: &str) -> MailId {
    let hash = seal::hmac_sha256(b"mintreu mails", cause.as_bytes());
    let own = hash.iter().take(6).fold(0_u128, |own, byte| own << 8 | u128::from(*byte));
    // The last 48 bits of a job's identifier are random: they tell its mails apart, the others keep the order.
    MailId::from_uuid(Uuid::from_u128(job.uuid().as_u128() ^ own))
}

/// What there is to know before a mail is sent.
#[derive(Debug, FromRow)]
pub(super) struct Standing {
    pub(super) id: Option<MailId>,
    pub(super) state: Option<MailState>,
    pub(super) edition: Option<i64>,
    /// The language that the account's owner reads.
    pub(super) language: Option<String>,
    /// Why nothing goes to the address.
    pub(super) suppressed: Option<String>,
    pub(super) declined: bool,
}

/// Whom a mail goes to, by all the names that something may be written down by.
#[derive(Debug)]
pub(super) struct To<'a> {
    pub(super) user: Option<UserId>,
    /// All hashes of the address.
    pub(super) hashes: &'a [String],
}

/// Looks, with one statement, at the mail of a cause and at those whom it goes to.
pub(super) async fn look(db: &Db, cause: &str, to: &To<'_>, topic: Topic) -> Result<Standing, DbError> {
    let text = db.dialect().pick(
        "SELECT m.id, m.state, m.edition,
                (SELECT language FROM mail_settings WHERE user_id = $2) AS language,
                (SELECT reason FROM mail_suppressions WHERE recipient IN (SELECT value FROM json_each($3)) LIMIT 1)
                    AS suppressed,
                EXISTS (SELECT 1 FROM mail_optouts
                        WHERE holder IN (SELECT value FROM json_each($4)) AND topic = $5) AS declined
         FROM (SELECT 1 AS one) LEFT JOIN mails m ON m.cause = $1",
        "SELECT m.id, m.state, m.edition,
                (SELECT language FROM mail_settings WHERE user_id = $2) AS language,
                (SELECT reason FROM mail_suppressions
                 WHERE recipient IN (SELECT jsonb_array_elements_text($3::jsonb)) LIMIT 1) AS suppressed,
                EXISTS (SELECT 1 FROM mail_optouts
                        WHERE holder IN (SELECT jsonb_array_elements_text($4::jsonb)) AND topic = $5) AS declined
         FROM (SELECT 1 AS one) o LEFT JOIN mails m ON m.cause = $1",
    );
    let holders: Vec<String> =
        to.user.map(|user| user.to_string()).into_iter().chain(to.hashes.iter().cloned()).collect();
    fetch_one!(
        db,
        sqlx::query_as(text)
            .bind(cause)
            .bind(to.user)
            .bind(serde_json::json!(to.hashes).to_string())
            .bind(serde_json::json!(holders).to_string())
            .bind(topic)
    )
}

static MAILS: AppendTable = AppendTable::new(
    "mails",
    &[
        ("id", Column::Uuid),
        ("cause", Column::Text),
        ("template", Column::Text),
        ("language", Column::Text),
        ("recipient", Column::Text),
        ("recipient_hint", Column::Text),
        ("user_id", Column::Uuid),
        ("notice", Column::Text),
        ("job_id", Column::Uuid),
        ("state", Column::Text),
        ("attempts", Column::Int),
        ("edition", Column::Int),
        ("last_error", Column::Text),
        ("created_at", Column::Time),
        ("updated_at", Column::Time),
        ("sent_at", Column::Time),
    ],
)
.ignoring_duplicates();

static SENT: AppendTable = AppendTable::new(
    "mails",
    &[
        ("id", Column::Uuid),
        ("state", Column::Text),
        ("language", Column::Text),
        ("last_error", Column::Text),
        ("updated_at", Column::Time),
        ("sent_at", Column::Time),
    ],
)
.updating();

/// Writes down a mail that had no record yet and needs no claim. It costs no statement.
pub(super) fn first(tx: &mut Tx, record: &Record<'_>, state: MailState, why: Option<&str>) {
    let now = tx.now();
    let sent = state == MailState::Sent;
    tx.append(&MAILS, |row| {
        row.uuid(record.id.uuid())
            .text(record.cause)
            .text(record.template.as_str())
            .text(record.language)
            .text(record.recipient)
            .text(record.hint)
            .uuid(record.user.map(UserId::uuid))
            .text(record.notice)
            .uuid(record.job.uuid())
            .text(state.as_str())
            .int(i64::from(sent))
            .int(0)
            .text(why)
            .time(now)
            .time(now)
            .time(sent.then_some(now));
    });
}

/// Writes down that a mail whose record is ours was sent. It costs no statement.
pub(super) fn sent(tx: &mut Tx, record: &Record<'_>) {
    let now = tx.now();
    tx.append(&SENT, |row| {
        row.uuid(record.id.uuid()).text("sent").text(record.language).text(None).time(now).time(now);
    });
}

/// Writes down that a mail with a record is in the directory.
pub(super) async fn kept(tx: &mut Tx, record: &Record<'_>) -> Result<(), DbError> {
    let now = tx.now();
    execute!(
        tx,
        sqlx::query(
            "UPDATE mails SET state = 'sent', attempts = attempts + 1, language = $2, last_error = NULL, updated_at = $3,
                    sent_at = $3 WHERE id = $1"
        )
        .bind(record.id)
        .bind(record.language)
        .bind(now)
    )?;
    Ok(())
}

/// Takes a mail to send it to a server; of several who try at once one gets it.
pub(super) async fn claim(tx: &mut Tx, record: &Record<'_>) -> Result<bool, DbError> {
    Ok(put(tx, record, MailState::Sending, None).await? == 1)
}

/// Writes down a try that ended before the server got anything. Leaves alone what is sent or on its way.
pub(super) async fn tried(tx: &mut Tx, record: &Record<'_>, state: MailState, why: &str) -> Result<(), DbError> {
    put(tx, record, state, Some(why)).await?;
    Ok(())
}

async fn put(tx: &mut Tx, record: &Record<'_>, state: MailState, why: Option<&str>) -> Result<u64, DbError> {
    let now = tx.now();
    execute!(
        tx,
        sqlx::query(
            "INSERT INTO mails (id, cause, template, language, recipient, recipient_hint, user_id, notice, job_id, state,
                                attempts, edition, last_error, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 1, 0, $11, $12, $12)
             ON CONFLICT (cause) DO UPDATE SET state = excluded.state, attempts = mails.attempts + 1,
                    language = excluded.language, last_error = COALESCE(excluded.last_error, mails.last_error),
                    updated_at = excluded.updated_at
             WHERE mails.state IN ('queued', 'refused')"
        )
        .bind(record.id)
        .bind(record.cause)
        .bind(record.template)
        .bind(record.language)
        .bind(record.recipient)
        .bind(record.hint)
        .bind(record.user)
        .bind(record.notice)
        .bind(record.job)
        .bind(state)
        .bind(why)
        .bind(now)
    )
}

/// Writes down how a mail that was on its way to a server ended. Whether it still was.
pub(super) async fn ended(tx: &mut Tx, id: MailId, state: MailState, why: &str) -> Result<bool, DbError> {
    let now = tx.now();
    let changed = execute!(
        tx,
        sqlx::query(
            "UPDATE mails SET state = $2, last_error = $3, updated_at = $4 WHERE id = $1 AND state = 'sending'"
        )
        .bind(id)
        .bind(state)
        .bind(why)
        .bind(now)
    )?;
    Ok(changed == 1)
}

/// Writes down of a mail that waits that it has nothing to tell any more.
pub(super) async fn nothing_to_tell(tx: &mut Tx, cause: &str) -> Result<(), DbError> {
    let now = tx.now();
    execute!(
        tx,
        sqlx::query(
            "UPDATE mails SET state = 'refused', last_error = 'there is nothing to tell any more', updated_at = $2
             WHERE cause = $1 AND state = 'queued'"
        )
        .bind(cause)
        .bind(now)
    )?;
    Ok(())
}

/// How many rows one deletion takes.
const BATCH: i64 = 1_000;

/// Deletes records of mails before `before`, some at a time. How many.
pub async fn forget_mails(db: &Db, before: Time) -> Result<u64, DbError> {
    // A mail's identifier begins with a time before its record's: older ones are found without an index of their own.
    let millis = u128::try_from(before.as_millis()).unwrap_or_default();
    let (before_id, mut all) = (MailId::from_uuid(Uuid::from_u128(millis << 80)), 0);
    loop {
        let deleted = db
            .write(async |tx| {
                execute!(
                    tx,
                    sqlx::query(
                        "DELETE FROM mails WHERE id IN
                             (SELECT id FROM mails WHERE id < $1 AND created_at < $2 ORDER BY id LIMIT $3)"
                    )
                    .bind(before_id)
                    .bind(before)
                    .bind(BATCH)
                )
            })
            .await?;
        all += deleted;
        if deleted < u64::try_from(BATCH).unwrap_or(u64::MAX) {
            break;
        }
    }
    Ok(all + db.write(async |tx| reports::forget(tx, before).await).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mails_identifier_depends_on_its_job_and_cause_alone_and_keeps_the_jobs_order() {
        let job = |number: u128| JobId::from_uuid(Uuid::from_u128(number << 48));
        assert_eq!(id_of(job(1), "a"), id_of(job(1), "a"));
        assert_ne!(id_of(job(1), "a"), id_of(job(1), "b"));
        for cause in ["a", "b", "c", "d"] {
            assert!(id_of(job(1), cause) < id_of(job(2), "a"), "{cause}");
        }
    }
}
