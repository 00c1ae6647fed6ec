//! Sending what is owed: at most one mail for each cause, and a record of what became of it.
//!
//! Where mail goes to a server, a try has three parts. The server is asked for the recipient first; what fails until then
//! is tried again. Then the record becomes `sending`, in a transaction that only one can have; then the content goes. What
//! the server answers is final. If it does not answer (it dies, it hangs, this program dies), nobody knows whether it has
//! the mail: the record becomes `unknown`, the mail is *not* sent again by itself, and an operator is told by a metric.
//!
//! Where mail goes into a directory, the file is written first and the record follows without a statement of its own: a
//! repetition writes the same file.

use super::{
    Language, Letterhead, MailId, MailState, Mailer, Notice, Recipients, Thread, Topic, Unwritable, Write, language,
    mailer::{Prepared, Unaddressed},
    recipients::hint,
    record::{self, Record, Standing, To},
    smtp::Trouble,
    suppressions::{self, SuppressionReason},
    unsubscribe::{self, Holder},
};
use crate::{
    db::{Db, DbError},
    jobs::{Attempt, Failure, JobId},
    kernel::{UserId, seal::Keyring},
};

/// A mail that is owed: to whom, and what it tells.
pub struct Owed {
    /// The address.
    pub to: String,
    /// Whose it is, if it is an account's.
    pub user: Option<UserId>,
    /// What tells this time from others, beyond what the notice says: the day on which a licence ends.
    pub occasion: Option<String>,
    /// Whether others are told the same, in mails of their own.
    pub one_of_several: bool,
    /// What it says.
    pub words: Box<dyn Write>,
    /// The conversation that it belongs to.
    pub thread: Option<Thread>,
}

impl std::fmt::Debug for Owed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Owed").field("template", &self.words.template()).finish_non_exhaustive()
    }
}

impl Owed {
    /// To an address, which is an account's or nobody's that is known.
    pub fn new(to: impl Into<String>, user: Option<UserId>, words: impl Write + 'static) -> Self {
        let words = Box::new(words);
        Self { to: to.into(), user, occasion: None, one_of_several: false, words, thread: None }
    }

    /// The same, told for this occasion.
    #[must_use]
    pub fn on(mut self, occasion: impl std::fmt::Display) -> Self {
        self.occasion = Some(occasion.to_string());
        self
    }

    /// The same to one of several.
    #[must_use]
    pub const fn one_of_several(mut self) -> Self {
        self.one_of_several = true;
        self
    }

    /// The same in a conversation.
    #[must_use]
    pub fn in_thread(mut self, thread: Thread) -> Self {
        self.thread = Some(thread);
        self
    }
}

/// Which try it is.
#[derive(Debug)]
pub struct Telling<'a> {
    /// What is told.
    pub notice: &'a Notice,
    /// The notice's own job: with it a notice that is a cause of its own is told from others like it.
    pub of: JobId,
    /// The job that does it now.
    pub attempt: Attempt,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Posted {
    /// It is sent.
    Sent,
    /// It was sent before, or somebody else is at it.
    Already,
    /// Nobody is to get it.
    Suppressed,
    /// Nobody knows.
    Unknown,
}

impl Posted {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Already => "already",
            Self::Suppressed => "suppressed",
            Self::Unknown => "unknown",
        }
    }
}

/// Sends mails and keeps their records. Clones share the mailer's connections.
#[derive(Debug, Clone)]
pub struct Post {
    mailer: Mailer,
    keys: Keyring,
    recipients: Recipients,
    head: Letterhead,
}

impl From<Unwritable> for Failure {
    fn from(error: Unwritable) -> Self {
        Self::dead(error)
    }
}

impl Post {
    /// With the installation's keys, on this paper.
    #[must_use]
    pub fn new(mailer: Mailer, keys: &Keyring, head: Letterhead) -> Self {
        Self { mailer, recipients: Recipients::new(keys), keys: keys.clone(), head }
    }

    /// What a mail is the only one of.
    #[must_use]
    pub fn cause(&self, owed: &Owed, telling: &Telling<'_>) -> String {
        let mut cause = format!("{}:{}", owed.words.template(), telling.notice.matter_of(telling.of));
        if let Some(occasion) = &owed.occasion {
            cause.push(':');
            cause.push_str(occasion);
        }
        if owed.one_of_several {
            cause.push(':');
            cause.push_str(&self.recipients.hash(&owed.to));
        }
        cause
    }

    /// Writes down of a mail that was to be sent that there is nothing to tell any more.
    pub async fn nothing_to_tell(&self, db: &Db, cause: &str) -> Result<(), DbError> {
        db.write(async |tx| record::nothing_to_tell(tx, cause).await).await
    }

    /// Sends a mail, unless its cause has one.
    pub async fn post(&self, db: &Db, owed: &Owed, telling: &Telling<'_>) -> Result<Posted, Failure> {
        let posted = self.send(db, owed, telling).await;
        let outcome = match &posted {
            Ok(posted) => posted.as_str(),
            Err(Failure::Dead { .. }) => "refused",
            Err(Failure::Retry { .. } | Failure::Snooze { .. }) => "failed",
        };
        metrics::counter!("mintreu_mails_total", "outcome" => outcome).increment(1);
        posted
    }

    async fn send(&self, db: &Db, owed: &Owed, telling: &Telling<'_>) -> Result<Posted, Failure> {
        let cause = self.cause(owed, telling);
        let hashes = self.recipients.hashes(&owed.to);
        let topic = owed.words.template().topic();
        let standing = record::look(db, &cause, &To { user: owed.user, hashes: &hashes }, topic).await?;
        let Some(language) = language(standing.language.as_deref()) else {
            return Err(Failure::retry("no language can be read"));
        };
        let notice = serde_json::to_string(telling.notice).map_err(Failure::dead)?;
        let job = telling.attempt.job;
        let record = Record {
            id: standing.id.unwrap_or_else(|| record::id_of(job, &cause)),
            cause: &cause,
            template: owed.words.template(),
            language: language.code(),
            recipient: hashes.first().map_or("", String::as_str),
            hint: &hint(&owed.to),
            user: owed.user,
            notice: &notice,
            job: telling.of,
        };
        let letter = Outgoing { db, owed, telling, record, standing, language };
        self.judge(letter).await
    }

    async fn judge(&self, out: Outgoing<'_>) -> Result<Posted, Failure> {
        match out.standing.state {
            Some(MailState::Sent | MailState::Suppressed | MailState::Unknown) => return Ok(Posted::Already),
            Some(MailState::Sending) if !self.mailer.is_directory() => return out.lost().await,
            Some(MailState::Queued | MailState::Refused | MailState::Sending) | None => {}
        }
        if let Some(reason) = &out.standing.suppressed {
            return out.suppressed(&format!("the address is suppressed: {reason}")).await;
        }
        if out.topic().is_optional() && out.standing.declined {
            return out.suppressed("the recipient has declined such mails").await;
        }
        let mail = match self.write(&out)? {
            Ok(mail) => mail,
            Err(error) => {
                out.tried(MailState::Refused, &error.to_string()).await?;
                return Err(Failure::dead(error));
            }
        };
        if self.mailer.is_directory() { self.keep(out, mail).await } else { Box::pin(self.transmit(out, mail)).await }
    }

    fn write(&self, out: &Outgoing<'_>) -> Result<Result<Prepared, Unaddressed>, Failure> {
        let owed = out.owed;
        let unsubscribe = out.topic().is_optional().then(|| {
            let holder = match owed.user {
                Some(user) => Holder::User(user),
                None => Holder::Address(out.record.recipient.to_owned()),
            };
            self.head.link(&format!("/unsubscribe/{}", unsubscribe::token(&self.keys, &holder, out.topic())))
        });
        let mut letter = self.head.letter_with(out.language, &owed.to, &*owed.words, unsubscribe)?;
        letter.thread.clone_from(&owed.thread);
        Ok(self.mailer.message(&letter, &out.name(), out.db.now()))
    }

    /// Into the directory.
    async fn keep(&self, out: Outgoing<'_>, mail: Prepared) -> Result<Posted, Failure> {
        if let Err(error) = self.mailer.keep(out.name(), mail).await {
            return Err(out.failed(&error).await?);
        }
        out.db
            .write(async |tx| match out.standing.state {
                None => {
                    record::first(tx, &out.record, MailState::Sent, None);
                    Ok::<_, DbError>(())
                }
                Some(_) => record::kept(tx, &out.record).await,
            })
            .await?;
        Ok(Posted::Sent)
    }

    /// To the server.
    async fn transmit(&self, out: Outgoing<'_>, mail: Prepared) -> Result<Posted, Failure> {
        let conversation = match self.mailer.begin(&mail).await {
            Ok(Some(conversation)) => conversation,
            Ok(None) => return Err(Failure::retry("mail goes to no server")),
            Err(Trouble::NoRecipient(why)) => return Err(out.bounced(&why).await?),
            Err(Trouble::Refused(why)) => {
                out.tried(MailState::Refused, &why).await?;
                return Err(Failure::dead(Trouble::Refused(why)));
            }
            Err(Trouble::Later(why) | Trouble::Unknown(why)) => return Err(out.failed(&why).await?),
        };
        if !out.db.write(async |tx| record::claim(tx, &out.record).await).await? {
            // Dropping the conversation takes back what was begun.
            return Ok(Posted::Already);
        }
        let (id, finished) = (out.record.id, conversation.finish(mail.content()).await);
        let ended =
            |state, why: String| async move { out.db.write(async |tx| record::ended(tx, id, state, &why).await).await };
        match finished {
            Ok(()) => {
                out.db
                    .write(async |tx| {
                        record::sent(tx, &out.record);
                        Ok::<_, DbError>(())
                    })
                    .await?;
                Ok(Posted::Sent)
            }
            Err(Trouble::Later(why)) => {
                let state = if out.is_last() { MailState::Refused } else { MailState::Queued };
                ended(state, why.clone()).await?;
                Err(Failure::retry(Trouble::Later(why)))
            }
            Err(Trouble::Refused(why) | Trouble::NoRecipient(why)) => {
                ended(MailState::Refused, why.clone()).await?;
                Err(Failure::dead(Trouble::Refused(why)))
            }
            Err(Trouble::Unknown(why)) => {
                ended(MailState::Unknown, why.clone()).await?;
                tracing::warn!(mail = %id, why, "nobody knows whether a mail was taken; it is not sent again by itself");
                Ok(Posted::Unknown)
            }
        }
    }
}

/// A mail on its way out.
struct Outgoing<'a> {
    db: &'a Db,
    owed: &'a Owed,
    telling: &'a Telling<'a>,
    record: Record<'a>,
    standing: Standing,
    language: &'static Language,
}

impl Outgoing<'_> {
    fn topic(&self) -> Topic {
        self.owed.words.template().topic()
    }

    /// What the mail is called outside: one that was sent and is wanted once more has a name of its own, since mail
    /// programs do not show what they have already.
    fn name(&self) -> String {
        name(self.record.id, self.standing.edition.unwrap_or_default())
    }

    /// Whether there is no try after this one.
    const fn is_last(&self) -> bool {
        self.telling.attempt.number >= self.telling.attempt.max
    }

    async fn tried(&self, state: MailState, why: &str) -> Result<(), DbError> {
        let state = if self.is_last() && state == MailState::Queued { MailState::Refused } else { state };
        self.db.write(async |tx| record::tried(tx, &self.record, state, why).await).await
    }

    /// It did not go, and may go later.
    async fn failed(&self, why: &str) -> Result<Failure, DbError> {
        self.tried(MailState::Queued, why).await?;
        Ok(Failure::retry(format_args!("the mail cannot be sent now: {why}")))
    }

    /// The server says that nobody is there: nothing more is sent there.
    async fn bounced(&self, why: &str) -> Result<Failure, DbError> {
        self.db
            .write(async |tx| {
                let to = (self.record.recipient, self.record.hint);
                suppressions::told(tx, to, SuppressionReason::Bounced, why).await?;
                record::tried(tx, &self.record, MailState::Refused, why).await
            })
            .await?;
        metrics::counter!("mintreu_mail_bounces_total").increment(1);
        Ok(Failure::dead(format_args!("the mail is refused: {why}")))
    }

    async fn suppressed(&self, why: &str) -> Result<Posted, Failure> {
        self.db
            .write(async |tx| match self.standing.state {
                None => {
                    record::first(tx, &self.record, MailState::Suppressed, Some(why));
                    Ok(())
                }
                Some(_) => record::tried(tx, &self.record, MailState::Suppressed, why).await,
            })
            .await?;
        Ok(Posted::Suppressed)
    }

    /// A try before this one gave the content to the server and did not live to hear the answer.
    async fn lost(&self) -> Result<Posted, Failure> {
        let why = "the program ended before the server said whether it took the mail";
        let id = self.record.id;
        let changed = self.db.write(async |tx| record::ended(tx, id, MailState::Unknown, why).await).await?;
        if !changed {
            return Ok(Posted::Already);
        }
        tracing::warn!(mail = %id, "nobody knows whether a mail was taken; it is not sent again by itself");
        Ok(Posted::Unknown)
    }
}

/// `mail_…`, or `mail_….2` for its third edition.
pub(super) fn name(id: MailId, edition: i64) -> String {
    if edition == 0 { id.to_string() } else { format!("{id}.{edition}") }
}
