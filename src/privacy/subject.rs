//! The person whom an archive or a deletion is about, as the catalogue's statements name them.

use serde_json::json;
use sqlx::{AssertSqlSafe, FromRow};
use uuid::Uuid;

use super::{Privacy, catalogue::spelled};
use crate::{
    accounts::Email,
    db::{Db, DbError},
    fetch_all, fetch_optional,
    kernel::{Time, UserId, prefixed},
};

/// A person.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    pub(super) user: UserId,
    /// The address; once it is overwritten, what stands in its place.
    pub(super) email: String,
    /// What stands in its place afterwards.
    pub(super) tombstone: String,
    pub(super) id: String,
    /// Public ids of licences and API keys, as a JSON list.
    pub(super) subjects: String,
    /// What mails to the address are written down by, as a JSON list.
    pub(super) recipients: String,
    pub(super) now: Time,
}

/// The address that nobody can have, of an account that was deleted (RFC 2606, 2).
pub(super) fn tombstone(user: UserId) -> String {
    format!("deleted-{}@deleted.invalid", user.to_string().replace('_', "-"))
}

/// Binds the parameters that [`spelled`] names.
macro_rules! bind_subject {
    ($query:expr, $subject:expr) => {
        $query
            .bind($subject.user)
            .bind(&$subject.email)
            .bind(&$subject.tombstone)
            .bind(&$subject.id)
            .bind(&$subject.subjects)
            .bind(&$subject.recipients)
            .bind($subject.now)
    };
}
pub(super) use bind_subject;

#[derive(FromRow)]
struct Row {
    email: Email,
}

impl Subject {
    /// The owner of an account; none if there is no such account.
    pub(super) async fn of(privacy: &Privacy, user: UserId) -> Result<Option<Self>, DbError> {
        let db = &privacy.db;
        let row: Option<Row> = fetch_optional!(db, sqlx::query_as("SELECT email FROM users WHERE id = $1").bind(user))?;
        let Some(Row { email }) = row else { return Ok(None) };
        let (email, tombstone) = (email.to_string(), tombstone(user));
        // Nobody's address: what is written down by its hash is of every such account's.
        let recipients = if email == tombstone { Vec::new() } else { privacy.recipients().hashes(&email) };
        let mut subject = Self {
            user,
            id: user.to_string(),
            subjects: "[]".to_owned(),
            recipients: json!(recipients).to_string(),
            email,
            tombstone,
            now: db.now(),
        };
        let licenses = subject.ids(db, "SELECT id FROM licenses WHERE id IN ({licenses})").await?;
        let keys = subject.ids(db, "SELECT id FROM api_keys WHERE license_id IN ({licenses})").await?;
        let public = |prefix: &'static str| move |id: &Uuid| prefixed(prefix, *id);
        let all: Vec<_> = licenses.iter().map(public("lic")).chain(keys.iter().map(public("key"))).collect();
        subject.subjects = json!(all).to_string();
        Ok(Some(subject))
    }

    /// The identifiers that a statement of the catalogue's words finds.
    pub(super) async fn ids(&self, db: &Db, text: &str) -> Result<Vec<Uuid>, DbError> {
        let text = spelled(text, db.dialect());
        fetch_all!(db, bind_subject!(sqlx::query_scalar(AssertSqlSafe(text.as_str())), self))
    }

    /// The texts that a statement of the catalogue's words finds.
    pub(super) async fn texts(&self, db: &Db, text: &str) -> Result<Vec<String>, DbError> {
        let text = spelled(text, db.dialect());
        fetch_all!(db, bind_subject!(sqlx::query_scalar(AssertSqlSafe(text.as_str())), self))
    }
}
