//! One entry: who did what to which thing, and why.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::SealedPersonal;
use crate::{
    db::{AppendTable, Column, Tx},
    id_type,
};

id_type!(AuditEntryId, AuditEntry, "aud", "An entry of the audit trail.");

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "id", rename_all = "snake_case")]
pub enum Actor {
    /// A customer, developer or affiliate, by public id.
    User(Cow<'static, str>),
    /// Who runs the installation: an operator's public id, or the system account that ran a command.
    Operator(Cow<'static, str>),
    /// The program itself: the part of it that acted, e.g. `licenses.expiry`.
    System(Cow<'static, str>),
    /// A payment provider, e.g. `stripe`.
    Provider(Cow<'static, str>),
}

impl Actor {
    /// A customer, developer or affiliate.
    pub fn user(id: impl Into<Cow<'static, str>>) -> Self {
        Self::User(id.into())
    }

    /// Who runs the installation.
    pub fn operator(id: impl Into<Cow<'static, str>>) -> Self {
        Self::Operator(id.into())
    }

    /// A part of the program.
    #[must_use]
    pub const fn system(part: &'static str) -> Self {
        Self::System(Cow::Borrowed(part))
    }

    /// A payment provider.
    pub fn provider(name: impl Into<Cow<'static, str>>) -> Self {
        Self::Provider(name.into())
    }

    /// `user`, `operator`, `system` or `provider`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::Operator(_) => "operator",
            Self::System(_) => "system",
            Self::Provider(_) => "provider",
        }
    }

    /// Which of that kind.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::User(id) | Self::Operator(id) | Self::System(id) | Self::Provider(id) => id,
        }
    }
}

impl std::fmt::Display for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.kind(), self.id())
    }
}

/// What [`Tx::audit`] records.
#[derive(Debug, Clone)]
pub struct Entry {
    actor: Actor,
    action: Cow<'static, str>,
    object: (Cow<'static, str>, String),
    before: Option<String>,
    after: Option<String>,
    reason: Option<String>,
    request_id: Option<String>,
    personal: Option<SealedPersonal>,
}

impl Entry {
    /// `actor` did `action` (`flag.changed`) to the thing of type `object_type` (`flag`) named `object_id`.
    pub fn new(
        actor: Actor,
        action: impl Into<Cow<'static, str>>,
        object_type: impl Into<Cow<'static, str>>,
        object_id: impl Into<String>,
    ) -> Self {
        Self {
            actor,
            action: action.into(),
            object: (object_type.into(), object_id.into()),
            before: None,
            after: None,
            reason: None,
            request_id: None,
            personal: None,
        }
    }

    /// How the thing was before and is after. No personal data belongs in here: it could never be erased.
    #[must_use]
    pub fn change(mut self, before: impl Into<Option<Value>>, after: impl Into<Option<Value>>) -> Self {
        self.before = before.into().map(|value| value.to_string());
        self.after = after.into().map(|value| value.to_string());
        self
    }

    /// Why it was done.
    #[must_use]
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// The request that asked for it.
    #[must_use]
    pub fn request(mut self, id: impl Into<Option<String>>) -> Self {
        self.request_id = id.into();
        self
    }

    /// The address, e-mail and the like of whom it concerns, from [`People::seal`](super::People::seal).
    #[must_use]
    pub fn personal(mut self, personal: impl Into<Option<SealedPersonal>>) -> Self {
        self.personal = personal.into();
        self
    }
}

static AUDIT_ENTRIES: AppendTable = AppendTable::new(
    "audit_entries",
    &[
        ("id", Column::Uuid),
        ("occurred_at", Column::Time),
        ("actor_kind", Column::Text),
        ("actor_id", Column::Text),
        ("action", Column::Text),
        ("object_type", Column::Text),
        ("object_id", Column::Text),
        ("before_json", Column::Text),
        ("after_json", Column::Text),
        ("reason", Column::Text),
        ("request_id", Column::Text),
        ("person", Column::Uuid),
        ("personal", Column::Text),
    ],
);

/// What the sealer has to do.
static AUDIT_UNSEALED: AppendTable = AppendTable::new("audit_unsealed", &[("id", Column::Uuid)]);

impl Tx {
    /// Records what this transaction does; the entry is kept exactly if the transaction is. Costs no statement.
    #[expect(clippy::needless_pass_by_value, reason = "an entry is made to be recorded")]
    pub fn audit(&mut self, entry: Entry) -> AuditEntryId {
        let (id, now) = (self.new_id::<AuditEntry>(), self.now());
        self.append(&AUDIT_ENTRIES, |row| {
            row.uuid(id.uuid())
                .time(now)
                .text(entry.actor.kind())
                .text(entry.actor.id())
                .text(&*entry.action)
                .text(&*entry.object.0)
                .text(entry.object.1.as_str())
                .text(entry.before.as_deref())
                .text(entry.after.as_deref())
                .text(entry.reason.as_deref())
                .text(entry.request_id.as_deref())
                .uuid(entry.personal.as_ref().map(SealedPersonal::person_uuid))
                .text(entry.personal.as_ref().map(SealedPersonal::text));
        });
        self.append(&AUDIT_UNSEALED, |row| _ = row.uuid(id.uuid()));
        id
    }
}
