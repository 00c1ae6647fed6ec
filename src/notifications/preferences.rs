//! How people want to be written to: in which language, and about what not.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use sqlx::FromRow;

use super::{ENGLISH, Topic};
use crate::{
    audit::Entry,
    db::{Db, DbError, Tx},
    execute, fetch_all, fetch_optional,
    kernel::UserId,
};

/// What the owner of an account has chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Preferences {
    /// The language of mails to them.
    pub language: String,
    /// Whether they get mails of each topic. What belongs to an account or a purchase always comes.
    pub topics: BTreeMap<&'static str, TopicPreference>,
}

/// Whether mails of a topic come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TopicPreference {
    /// They come.
    pub enabled: bool,
    /// They can be declined.
    pub optional: bool,
}

/// What changes. What is not named stays.
#[derive(Debug, Clone, Default)]
pub struct PreferenceChange {
    /// The code of a language that there is.
    pub language: Option<String>,
    /// Topics, and whether their mails shall come.
    pub topics: Vec<(Topic, bool)>,
}

#[derive(FromRow)]
struct Row {
    language: Option<String>,
    declined: Option<String>,
}

/// What the owner of an account has chosen; English and everything if nothing.
pub async fn preferences(db: &Db, user: UserId) -> Result<Preferences, DbError> {
    let rows: Vec<Row> = fetch_all!(
        db,
        sqlx::query_as(
            "SELECT language, NULL AS declined FROM mail_settings WHERE user_id = $1
             UNION ALL SELECT NULL, topic FROM mail_optouts WHERE holder = $2"
        )
        .bind(user)
        .bind(user.to_string())
    )?;
    let declined = |topic: Topic| rows.iter().any(|row| row.declined.as_deref() == Some(topic.as_str()));
    let of = |topic: &Topic| {
        let optional = topic.is_optional();
        (topic.as_str(), TopicPreference { enabled: !(optional && declined(*topic)), optional })
    };
    // Operations are for those who run the shop, who cannot decline them and need not see them.
    let topics = Topic::ALL.iter().filter(|topic| **topic != Topic::Operations).map(of).collect();
    let language = rows.iter().find_map(|row| row.language.clone()).unwrap_or_else(|| ENGLISH.to_owned());
    Ok(Preferences { language, topics })
}

/// Changes what the owner of an account has chosen. Topics that nobody can decline are left alone.
pub async fn change_preferences(
    tx: &mut Tx,
    user: UserId,
    change: &PreferenceChange,
    entry: Entry,
) -> Result<(), DbError> {
    let mut told = serde_json::Map::new();
    if let Some(language) = &change.language {
        set_language(tx, user, language).await?;
        told.insert("language".to_owned(), language.as_str().into());
    }
    for (topic, wanted) in change.topics.iter().filter(|(topic, _)| topic.is_optional()) {
        let holder = user.to_string();
        let changed = if *wanted { accept(tx, &holder, *topic).await? } else { decline(tx, &holder, *topic).await? };
        if changed {
            told.insert(topic.to_string(), (*wanted).into());
        }
    }
    if !told.is_empty() {
        tx.audit(entry.change(None, serde_json::Value::Object(told)));
    }
    Ok(())
}

async fn set_language(tx: &mut Tx, user: UserId, language: &str) -> Result<(), DbError> {
    let now = tx.now();
    execute!(
        tx,
        sqlx::query(
            "INSERT INTO mail_settings (user_id, language, updated_at) VALUES ($1, $2, $3)
             ON CONFLICT (user_id) DO UPDATE SET language = excluded.language, updated_at = excluded.updated_at"
        )
        .bind(user)
        .bind(language)
        .bind(now)
    )?;
    Ok(())
}

/// The language that the owner of an account reads, if they have said.
pub async fn language_of(db: &Db, user: UserId) -> Result<Option<String>, DbError> {
    fetch_optional!(db, sqlx::query_scalar("SELECT language FROM mail_settings WHERE user_id = $1").bind(user))
}

/// Whether something changed.
pub(super) async fn decline(tx: &mut Tx, holder: &str, topic: Topic) -> Result<bool, DbError> {
    let now = tx.now();
    let added = execute!(
        tx,
        sqlx::query(
            "INSERT INTO mail_optouts (holder, topic, created_at) VALUES ($1, $2, $3)
             ON CONFLICT (holder, topic) DO NOTHING"
        )
        .bind(holder)
        .bind(topic)
        .bind(now)
    )?;
    Ok(added == 1)
}

async fn accept(tx: &mut Tx, holder: &str, topic: Topic) -> Result<bool, DbError> {
    let removed = execute!(
        tx,
        sqlx::query("DELETE FROM mail_optouts WHERE holder = $1 AND topic = $2").bind(holder).bind(topic)
    )?;
    Ok(removed == 1)
}
