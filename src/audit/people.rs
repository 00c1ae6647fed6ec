//! Personal data in the audit trail: readable while the person's key exists, noise afterwards.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::Value;
use uuid::Uuid;

use super::{Actor, AuditEntryId, AuditError, Entry};
use crate::{
    db::{Db, DbError, Tx},
    execute, fetch_all, fetch_optional,
    kernel::{
        Id, Prefix, Time,
        seal::{Keyring, SealError, SubKey, from_hex, to_hex},
    },
};

/// Whose personal data it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Person(Uuid);

impl Person {
    /// Somebody with an account.
    #[must_use]
    pub const fn known<P: Prefix>(id: Id<P>) -> Self {
        Self(id.uuid())
    }

    /// Whoever has no account: all strangers of 30 days share a key, which can be erased when its days are long past.
    #[must_use]
    pub fn stranger(at: Time) -> Self {
        let days = at.as_secs().div_euclid(30 * 86_400);
        // No identifier of version 7 begins with so many zeros.
        Self(Uuid::from_u128(u128::from(days.unsigned_abs())))
    }

    pub(super) const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    fn key_context(self) -> String {
        format!("audit_person_keys.sealed_key:{}", self.0)
    }

    fn data_context(self) -> String {
        format!("audit_entries.personal:{}", self.0)
    }
}

/// Personal data, ready to go into any number of entries.
#[derive(Debug, Clone)]
pub struct SealedPersonal {
    person: Person,
    text: String,
}

impl SealedPersonal {
    pub(super) const fn person_uuid(&self) -> Uuid {
        self.person.0
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

/// For how long a process trusts a key that it has read. What is sealed with a key that was erased meanwhile can be
/// read by nobody, so the time bounds only how long an erased key lingers in memory.
const REMEMBERED: Duration = Duration::from_mins(1);
const REMEMBERED_KEYS: usize = 10_000;

/// The people in the audit trail; clones share what they remember.
#[derive(Debug, Clone)]
pub struct People {
    db: Db,
    keys: Keyring,
    known: Arc<Mutex<HashMap<Person, (SubKey, Time)>>>,
}

impl People {
    /// The people of one database, their keys sealed under `keys`.
    #[must_use]
    pub fn new(db: Db, keys: Keyring) -> Self {
        Self { db, keys, known: Arc::default() }
    }

    /// Seals `personal` (`{"address": …, "email": …}`) under the person's key, which is made when there is none.
    ///
    /// `None` if the person was erased: nothing more is recorded of them. Call it before the transaction begins: it may
    /// write, and a writer that waits for itself waits for ever.
    pub async fn seal(&self, person: Person, personal: &Value) -> Result<Option<SealedPersonal>, AuditError> {
        let Some(key) = self.key(person).await? else { return Ok(None) };
        let sealed = key.seal(self.keys.random(), &person.data_context(), personal.to_string().as_bytes())?;
        Ok(Some(SealedPersonal { person, text: to_hex(&sealed) }))
    }

    async fn key(&self, person: Person) -> Result<Option<SubKey>, AuditError> {
        let now = self.db.now();
        let remembered = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&person).cloned();
        if let Some((key, read_at)) = remembered
            && now >= read_at
            && now.since(read_at) < REMEMBERED
        {
            return Ok(Some(key));
        }
        let mut stored = stored_key(&self.db, person).await?;
        if stored.is_none() {
            self.make_key(person, now).await?;
            // Another process may have been first; what the database kept is what counts.
            stored = stored_key(&self.db, person).await?;
        }
        let Some(sealed) = stored.flatten() else {
            self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(&person);
            return Ok(None);
        };
        let key = open_key(&self.keys, person, &sealed)?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED_KEYS {
            known.clear();
        }
        known.insert(person, (key.clone(), now));
        Ok(Some(key))
    }

    async fn make_key(&self, person: Person, now: Time) -> Result<(), AuditError> {
        let key: [u8; 32] = self.keys.random().bytes();
        let sealed = to_hex(&self.keys.seal(&person.key_context(), &key)?);
        self.db
            .write(async |tx| {
                execute!(
                    tx,
                    sqlx::query(
                        "INSERT INTO audit_person_keys (person, sealed_key, created_at) VALUES ($1, $2, $3)
                         ON CONFLICT (person) DO NOTHING"
                    )
                    .bind(person.0)
                    .bind(&sealed)
                    .bind(now)
                )
            })
            .await?;
        Ok(())
    }

    /// Seals every person's key anew that an older root key has sealed. Gives their number.
    pub async fn rotate(&self) -> Result<u64, AuditError> {
        let mut rotated = 0;
        let mut after = Uuid::nil();
        loop {
            let page: Vec<(Uuid, String)> = fetch_all!(
                self.db,
                sqlx::query_as(
                    "SELECT person, sealed_key FROM audit_person_keys
                     WHERE person > $1 AND sealed_key IS NOT NULL ORDER BY person LIMIT 500"
                )
                .bind(after)
            )?;
            let Some((last, _)) = page.last() else { return Ok(rotated) };
            after = *last;
            for (uuid, old) in page {
                let person = Person(uuid);
                if from_hex(&old).is_some_and(|bytes| self.keys.is_current(&bytes)) {
                    continue;
                }
                let key = open_key(&self.keys, person, &old)?;
                let new = to_hex(&self.keys.seal(&person.key_context(), key.expose())?);
                // Guarded: a person who is being erased stays erased.
                let update = "UPDATE audit_person_keys SET sealed_key = $1 WHERE person = $2 AND sealed_key = $3";
                rotated += self
                    .db
                    .write(async |tx| execute!(tx, sqlx::query(update).bind(&new).bind(uuid).bind(&old)))
                    .await?;
            }
        }
    }
}

/// `None`: never heard of; `Some(None)`: erased.
async fn stored_key(db: &Db, person: Person) -> Result<Option<Option<String>>, DbError> {
    let row: Option<(Option<String>,)> = fetch_optional!(
        db,
        sqlx::query_as("SELECT sealed_key FROM audit_person_keys WHERE person = $1").bind(person.0)
    )?;
    Ok(row.map(|(key,)| key))
}

/// The person's key out of its row.
pub(super) fn open_key(keys: &Keyring, person: Person, sealed: &str) -> Result<SubKey, SealError> {
    let bytes = keys.open(&person.key_context(), &from_hex(sealed).ok_or(SealError::Format)?)?;
    bytes.try_into().map(SubKey::from_bytes).map_err(|_| SealError::Format)
}

/// The personal data out of an entry.
pub(super) fn open_personal(key: &SubKey, person: Person, sealed: &str) -> Result<Value, SealError> {
    let bytes = key.open(&person.data_context(), &from_hex(sealed).ok_or(SealError::Format)?)?;
    serde_json::from_slice(&bytes).map_err(|_| SealError::Format)
}

/// Erases a person from the audit trail: deletes their key, and records who asked for it and why.
///
/// The entries stay as they are, so the chain stays whole. Backups keep the key for as long as they are kept.
pub async fn erase(tx: &mut Tx, person: Person, actor: Actor, reason: &str) -> Result<AuditEntryId, DbError> {
    let now = tx.now();
    execute!(
        tx,
        sqlx::query(
            "INSERT INTO audit_person_keys (person, sealed_key, created_at, erased_at) VALUES ($1, NULL, $2, $2)
             ON CONFLICT (person) DO UPDATE
             SET sealed_key = NULL, erased_at = COALESCE(audit_person_keys.erased_at, excluded.erased_at)"
        )
        .bind(person.0)
        .bind(now)
    )?;
    Ok(tx.audit(Entry::new(actor, "person.erased", "person", person.0.to_string()).reason(reason)))
}
