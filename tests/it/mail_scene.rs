//! A post office without a shop: a database under a clock of the test's, a mail server that does as it is told, and letters
//! that are handed over as a job's attempt would.

use std::{sync::Arc, time::Duration};

use mintreu::{
    db::{Db, DbError},
    jobs::{Attempt, Failure, Job, JobId},
    kernel::{
        ManualClock, Time, UserId,
        seal::{Keyring, Random},
    },
    notifications::{
        Letterhead, LicenseExpiringLetter, Mail, MailFilter, MailTo, Mailer, Notice, Owed, Post, Posted, Recipients,
        Telling, VerifyEmailLetter, mails,
    },
};
use uuid::Uuid;

use crate::support::{SmtpServer, TestDb};

pub(crate) const ADA: &str = "ada@example.com";

pub(crate) struct Office {
    pub(crate) db: Db,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) keys: Keyring,
    pub(crate) post: Post,
}

fn keys() -> Keyring {
    Keyring::new([[7; 32]], Random::seeded(7)).expect("a key")
}

impl Office {
    /// Mail goes to this server, which has so long for a step.
    pub(crate) async fn by_smtp(test: &TestDb, server: &SmtpServer, timeout: Duration) -> Self {
        Self::open(test, MailTo::Server { url: server.url(), authorities: None, timeout }).await
    }

    pub(crate) async fn open(test: &TestDb, to: MailTo) -> Self {
        let clock = Arc::new(ManualClock::new(Time::from_micros(1_800_000_000_000_000)));
        let db = test.open_at(clock.clone()).await;
        let mailer = Mailer::new("Our shop <shop@example.com>", to).expect("a mailer");
        let head = Letterhead { shop: "Our shop".to_owned(), url: "https://shop.example.com".to_owned() };
        Self { post: Post::new(mailer, &keys(), head), keys: keys(), db, clock }
    }

    /// An attempt at a notice by a job; another number is another job.
    pub(crate) async fn tell(&self, notice: &Notice, owed: &Owed, job: u128, number: i32) -> Result<Posted, Failure> {
        let attempt = Attempt { job: job_id(job), number, max: Notice::RETRY.max_attempts };
        self.post.post(&self.db, owed, &Telling { notice, of: job_id(job), attempt }).await
    }

    /// The one about a proof, told to somebody.
    pub(crate) async fn verify(&self, to: &str, proof: u128, job: u128) -> Result<Posted, Failure> {
        self.tell(&proof_notice(proof), &verify_letter(to, "Ada"), job, 1).await
    }

    /// A reminder, which can be declined.
    pub(crate) async fn remind(&self, to: &str, user: Option<UserId>, job: u128) -> Result<Posted, Failure> {
        let license = mintreu::kernel::LicenseId::from_uuid(Uuid::from_u128(job));
        let letter = LicenseExpiringLetter {
            name: Some("Ada".to_owned()),
            license,
            product: "Editor".to_owned(),
            key: "MINTREU-…-ABCD".to_owned(),
            days: 7,
            expires_at: Time::from_micros(1_800_600_000_000_000),
            renews: false,
        };
        self.tell(&Notice::LicenseExpiring { license, days: 7 }, &Owed::new(to, user, letter), job, 1).await
    }

    pub(crate) fn recipients(&self) -> Recipients {
        Recipients::new(&self.keys)
    }

    /// All records, the oldest first.
    pub(crate) async fn records(&self) -> Vec<Mail> {
        let filter = MailFilter { sort: "oldest".parse().ok(), ..MailFilter::default() };
        let page = mintreu::kernel::PageRequest { limit: 100, from: mintreu::kernel::PageFrom::Start };
        mails(&self.db, &self.recipients(), &filter, page).await.expect("a list").data
    }

    /// The one record: its state, how often it was tried, and what went wrong.
    pub(crate) async fn record(&self) -> (&'static str, i64, String) {
        let records = self.records().await;
        let [mail] = records.as_slice() else { panic!("{} records: {records:?}", records.len()) };
        (mail.state.as_str(), mail.attempts, mail.last_error.clone().unwrap_or_default())
    }

    /// How many jobs of a kind there are.
    pub(crate) async fn jobs(&self, kind: &'static str) -> i64 {
        let count: Result<i64, DbError> =
            mintreu::fetch_one!(self.db, sqlx::query_scalar("SELECT COUNT(*) FROM jobs WHERE kind = $1").bind(kind));
        count.expect("a number")
    }
}

pub(crate) fn job_id(number: u128) -> JobId {
    JobId::from_uuid(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 | number << 48))
}

pub(crate) fn proof_notice(proof: u128) -> Notice {
    Notice::VerifyEmail { proof: Uuid::from_u128(proof) }
}

pub(crate) fn verify_letter(to: &str, name: &str) -> Owed {
    Owed::new(to, None, VerifyEmailLetter { name: Some(name.to_owned()), token: "0123abcd".to_owned() })
}

/// What a try that is tried again, or never, says.
pub(crate) fn retried(posted: Result<Posted, Failure>) -> String {
    match posted {
        Err(Failure::Retry { error, .. }) => error,
        other => panic!("to be tried again: {other:?}"),
    }
}

pub(crate) fn dead(posted: Result<Posted, Failure>) -> String {
    match posted {
        Err(Failure::Dead { error }) => error,
        other => panic!("dead: {other:?}"),
    }
}
