//! Changes: each is one transaction with its entry in the audit trail, obeyed here as soon as it is committed.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use super::{
    CompiledFlag, Definition, FlagKind, Flaw, Registry, Switch,
    definition::{FlawedDefinition, check_key},
    store::{self, FlagRow, SwitchRow},
};
use crate::{
    audit::{Actor, Entry, SealedPersonal},
    db::{DbError, Tx},
};

/// Who changes something, and why.
#[derive(Debug, Clone)]
pub struct ChangedBy {
    actor: Actor,
    reason: String,
    request_id: Option<String>,
    personal: Option<SealedPersonal>,
}

/// Nobody changes a flag or switch without saying why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("give a reason: it is kept in the audit trail")]
pub struct ReasonMissing;

impl ChangedBy {
    /// `actor`, because of `reason`, which must not be empty.
    pub fn new(actor: Actor, reason: &str) -> Result<Self, ReasonMissing> {
        let reason = reason.trim();
        if reason.is_empty() {
            return Err(ReasonMissing);
        }
        Ok(Self { actor, reason: reason.to_owned(), request_id: None, personal: None })
    }

    /// On this request.
    #[must_use]
    pub fn request(mut self, id: impl Into<Option<String>>) -> Self {
        self.request_id = id.into();
        self
    }

    /// From this address.
    #[must_use]
    pub fn personal(mut self, personal: impl Into<Option<SealedPersonal>>) -> Self {
        self.personal = personal.into();
        self
    }

    pub(super) const fn actor(&self) -> &Actor {
        &self.actor
    }

    pub(super) fn reason(&self) -> &str {
        &self.reason
    }

    fn entry(&self, action: &'static str, object: (&'static str, &str)) -> Entry {
        Entry::new(self.actor.clone(), action, object.0, object.1)
            .reason(self.reason.as_str())
            .request(self.request_id.clone())
            .personal(self.personal.clone())
    }
}

/// Which state a change starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Whatever is there.
    Any,
    /// Nobody has set the flag.
    Absent,
    /// The flag is at this version.
    Version(i64),
}

impl Expected {
    fn fits(self, version: Option<i64>) -> bool {
        match self {
            Self::Any => true,
            Self::Absent => version.is_none(),
            Self::Version(expected) => version == Some(expected),
        }
    }
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "applied")]
pub enum Applied {
    /// It was made.
    Changed {
        /// The revision that has it; for a flag also its new version.
        revision: i64,
    },
    /// Everything was like that already.
    Already,
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The definition or the key is wrong.
    #[error("flag `{key}`: {}", FlawedDefinition(flaws.clone()))]
    Invalid {
        /// Which flag.
        key: String,
        /// Everything that is wrong.
        flaws: Vec<Flaw>,
    },
    /// Somebody else changed it first.
    #[error("flag `{key}` is not in the expected state: its version is {}; read it again", version.map_or("none".to_owned(), |v| v.to_string()))]
    Conflict {
        /// Which flag.
        key: String,
        /// The version that it has.
        version: Option<i64>,
    },
    /// There is no such flag to remove.
    #[error("flag `{0}` is not set")]
    NotSet(String),
    /// The database did not answer, or refused; nothing was changed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl Registry {
    /// Stops a capability, at once in this process and within a second in the others.
    pub async fn kill(&self, switch: Switch, by: &ChangedBy) -> Result<Applied, DbError> {
        self.flip(switch, Flip::Kill, by).await
    }

    /// Lets a capability work again.
    pub async fn restore(&self, switch: Switch, by: &ChangedBy) -> Result<Applied, DbError> {
        self.flip(switch, Flip::Restore, by).await
    }

    async fn flip(&self, switch: Switch, flip: Flip, by: &ChangedBy) -> Result<Applied, DbError> {
        let (killed, action) = match flip {
            Flip::Kill => (true, "switch.killed"),
            Flip::Restore => (false, "switch.restored"),
        };
        let changed: Option<(i64, SwitchRow)> = self
            .inner
            .db
            .write(async |tx| {
                let Some(row) = store::flip(tx, switch, killed, by).await? else { return Ok(None) };
                let revision = store::bump(tx).await?;
                let entry = by.entry(action, ("switch", switch.as_str()));
                tx.audit(entry.change(json!({"killed": !killed}), json!({"killed": killed})));
                self.nudge_after(tx);
                Ok::<_, DbError>(Some((revision, row)))
            })
            .await?;
        // A switch that stood like that already may be news to this process.
        let Some((revision, row)) = changed else {
            self.refresh().await?;
            return Ok(Applied::Already);
        };
        tracing::warn!(%switch, killed, by = %by.actor, reason = by.reason, "kill switch flipped");
        if let Err(error) = self.refresh().await {
            // The switch is flipped, whatever becomes of the database: obey it. The poll reads the rest.
            tracing::warn!(%error, "reading flags after a change");
            self.obey(row).await;
        }
        self.tell(revision).await;
        Ok(Applied::Changed { revision })
    }

    /// Sets a flag.
    pub async fn set(
        &self,
        key: &str,
        definition: &Definition,
        expected: Expected,
        by: &ChangedBy,
    ) -> Result<Applied, ChangeError> {
        let invalid = |flaws| ChangeError::Invalid { key: key.to_owned(), flaws };
        let definition = definition.clone().complete();
        check_key(key).map_err(|flaw| invalid(vec![flaw]))?;
        CompiledFlag::compile(key, &definition).map_err(invalid)?;
        if let Some(declared) = self.declaration(key) {
            check_kind(definition.kind, declared.kind()).map_err(invalid)?;
        }
        let text = definition.to_json().to_string();
        let applied = self
            .inner
            .db
            .write(async |tx| {
                // First, so that changes come one after the other and what is read here stays true.
                let revision = store::bump(tx).await?;
                let old = store::find(tx, key).await?;
                let version = old.as_ref().map(|row| row.version);
                let conflict = || ChangeError::Conflict { key: key.to_owned(), version };
                if !expected.fits(version) {
                    return Err(conflict());
                }
                if old.as_ref().is_some_and(|row| row.definition == text) {
                    return Ok(Applied::Already);
                }
                let (changed_by, changed_at) = (by.actor.to_string(), tx.now());
                let row = FlagRow {
                    key: key.to_owned(),
                    definition: text.clone(),
                    version: revision,
                    changed_by,
                    changed_at,
                };
                let kept = match &old {
                    None => store::insert(tx, &row, definition.kind.as_str()).await?,
                    Some(old) => {
                        // What cannot be read may be replaced by anything.
                        if let Ok(before) = old.definition.parse::<Definition>() {
                            check_kind(definition.kind, before.kind).map_err(invalid)?;
                        }
                        store::update(tx, &row, old.version).await?
                    }
                };
                if !kept {
                    return Err(conflict());
                }
                let before = old.and_then(|row| serde_json::from_str(&row.definition).ok());
                tx.audit(by.entry("flag.changed", ("flag", key)).change(before, definition.to_json()));
                self.nudge_after(tx);
                Ok(Applied::Changed { revision })
            })
            .await?;
        self.settle(applied).await;
        Ok(applied)
    }

    /// Removes a flag; a declared one is worth its default again.
    pub async fn remove(&self, key: &str, expected: Expected, by: &ChangedBy) -> Result<Applied, ChangeError> {
        let applied = self
            .inner
            .db
            .write(async |tx| {
                let revision = store::bump(tx).await?;
                let Some(old) = store::find(tx, key).await? else { return Err(ChangeError::NotSet(key.to_owned())) };
                let fits = expected.fits(Some(old.version)) && store::delete(tx, key, old.version).await?;
                if !fits {
                    return Err(ChangeError::Conflict { key: key.to_owned(), version: Some(old.version) });
                }
                let before: Option<Value> = serde_json::from_str(&old.definition).ok();
                tx.audit(by.entry("flag.removed", ("flag", key)).change(before, None));
                self.nudge_after(tx);
                Ok(Applied::Changed { revision })
            })
            .await?;
        self.settle(applied).await;
        Ok(applied)
    }

    /// Wakes the poll when the change is durable, for a caller that is cancelled before it can refresh.
    fn nudge_after(&self, tx: &mut Tx) {
        let nudge = Arc::clone(&self.inner.nudge);
        tx.after_commit(move || nudge.notify_one());
    }

    /// Applies a committed change here and tells the other processes.
    async fn settle(&self, applied: Applied) {
        if let Err(error) = self.refresh().await {
            tracing::warn!(%error, "reading flags after a change; the next poll reads them");
        }
        if let Applied::Changed { revision } = applied {
            self.tell(revision).await;
        }
    }
}

fn check_kind(new: FlagKind, needed: FlagKind) -> Result<(), Vec<Flaw>> {
    let detail = || format!("this flag is a {needed} and stays one; choose another key for a {new}");
    if new == needed { Ok(()) } else { Err(vec![Flaw::at("/type", detail())]) }
}

#[derive(Clone, Copy)]
enum Flip {
    Kill,
    Restore,
}
