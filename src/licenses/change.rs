//! What every change of a licence leaves behind: a line in its log, an audit entry, an event, and a row that tells all
//! caches, here and in other processes, to forget it.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::FromRow;
use uuid::Uuid;

use super::maker::KeyHash;
use crate::{
    audit::{Actor, Entry},
    db::{AppendTable, Column, DbError, Tx},
    jobs::{DomainEvent, Job},
    kernel::{LicenseId, OrderId, ProductId, TenantId},
};

/// Rung when licences changed.
pub const LICENSES_TOPIC: &str = "licenses";

/// Who changes a licence, and why.
#[derive(Debug, Clone)]
pub struct Change {
    pub(super) actor: Actor,
    pub(super) reason: Option<String>,
    pub(super) request_id: Option<String>,
}

impl Change {
    /// By `actor`.
    #[must_use]
    pub const fn by(actor: Actor) -> Self {
        Self { actor, reason: None, request_id: None }
    }

    /// By the program itself.
    #[must_use]
    pub const fn system() -> Self {
        Self::by(Actor::system("licenses"))
    }

    /// For this reason.
    #[must_use]
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Asked for by this request.
    #[must_use]
    pub fn request(mut self, id: impl Into<String>) -> Self {
        self.request_id = Some(id.into());
        self
    }
}

/// A licence that a statement has changed; what [`touched!`] returns.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Touched {
    pub(super) id: LicenseId,
    pub(super) key_hash: String,
    pub(super) tenant_id: TenantId,
    pub(super) order_id: OrderId,
    pub(super) product_id: ProductId,
    /// Whether its vendor keeps something for it elsewhere, which follows what becomes of it.
    #[sqlx(default)]
    pub(super) followed: bool,
}

/// A statement on `licenses` that gives what it changed, as [`Touched`].
macro_rules! touched {
    ($statement:literal) => {
        concat!(
            $statement,
            " RETURNING id, key_hash, tenant_id, order_id, product_id,
                 EXISTS (SELECT 1 FROM credential_hooks h WHERE h.product_id = licenses.product_id) AS followed"
        )
    };
}
pub(super) use touched;

/// Has what a vendor keeps for a licence follow what became of it. Whoever does it reads the licence as it is then.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FollowLicense {
    /// Which one.
    pub license: LicenseId,
}

impl Job for FollowLicense {
    const KIND: &'static str = "credentials.follow";
    const QUEUE: &'static str = "credentials";

    fn group_key(&self) -> Option<std::borrow::Cow<'_, str>> {
        Some(format!("credentials.follow:{}", self.license).into())
    }
}

/// What an event says of a licence.
#[derive(Debug, Clone, Serialize)]
pub struct Happened {
    /// Which one.
    pub license: LicenseId,
    /// Of which order.
    pub order: OrderId,
    /// Of what.
    pub product: ProductId,
    /// Whose.
    pub tenant: TenantId,
}

macro_rules! actions {
    ($($name:ident = $text:literal => $event:ident, $doc:literal;)+) => {
        /// What can happen to a licence.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Action { $(#[doc = $doc] $name,)+ }

        impl Action {
            /// As the log says it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            /// As the audit trail and events say it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => concat!("license.", $text),)+ }
            }
        }

        $(
            #[doc = $doc]
            #[derive(Debug, Clone, Serialize)]
            pub struct $event(pub Happened);
            impl DomainEvent for $event {
                const NAME: &'static str = concat!("license.", $text);
            }
        )+

        fn emit(tx: &mut Tx, action: Action, what: Happened) -> Result<(), DbError> {
            match action { $(Action::$name => tx.emit(&$event(what)),)+ }.map(|_| ())
        }
    };
}

actions! {
    Created = "created" => LicenseCreated, "It was issued.";
    Suspended = "suspended" => LicenseSuspended, "It was suspended.";
    Resumed = "resumed" => LicenseResumed, "It goes on.";
    Expired = "expired" => LicenseExpired, "Its time was over.";
    Cancelled = "cancelled" => LicenseCancelled, "Its subscription ended.";
    Revoked = "revoked" => LicenseRevoked, "It was taken back.";
    Renewed = "renewed" => LicenseRenewed, "Its time was extended.";
    KeyRotated = "key_rotated" => LicenseKeyRotated, "It has a new key, and the old one is not good any more.";
    RulesChanged = "rules_changed" => LicenseRulesChanged, "Where it may be used was changed.";
    Activated = "activated" => LicenseActivated, "It was activated somewhere.";
    Deactivated = "deactivated" => LicenseDeactivated, "An activation ended.";
    Moved = "moved" => LicenseMoved, "It belongs to another tenant.";
}

static LICENSE_LOG: AppendTable = AppendTable::new(
    "license_log",
    &[
        ("id", Column::Uuid),
        ("license_id", Column::Uuid),
        ("action", Column::Text),
        ("detail", Column::Text),
        ("created_at", Column::Time),
    ],
)
.referring(1);

static LICENSE_CHANGES: AppendTable = AppendTable::new(
    "license_changes",
    &[("license_id", Column::Uuid), ("key_hash", Column::Text), ("created_at", Column::Time)],
);

/// What of a change says where somebody uses a licence: the log has it, which can be overwritten, and the audit trail not.
const PERSONAL: [&str; 4] = ["name", "domain", "domains", "ips"];

/// Records `action` on each of `licenses`; `detail` is an object that the log keeps.
pub(super) async fn record(
    tx: &mut Tx,
    licenses: &[Touched],
    action: Action,
    change: &Change,
    detail: &Value,
) -> Result<(), DbError> {
    let now = tx.now();
    let mut told = detail.clone();
    if let (Some(reason), Some(told)) = (&change.reason, told.as_object_mut()) {
        told.insert("reason".to_owned(), json!(reason));
    }
    let mut after = detail.clone();
    if let Some(after) = after.as_object_mut() {
        after.retain(|key, _| !PERSONAL.contains(&key.as_str()));
    }
    let (told, after) = (told.to_string(), Some(after).filter(|it| it.as_object().is_some_and(|it| !it.is_empty())));
    for license in licenses {
        let followed = license.followed;
        forget_everywhere(tx, license.id, &license.key_hash);
        let id = tx.ids().next_uuid();
        tx.append(&LICENSE_LOG, |row| {
            row.uuid(id).uuid(license.id.uuid()).text(action.as_str()).text(told.as_str()).time(now);
        });
        let entry = Entry::new(change.actor.clone(), action.name(), "license", license.id.to_string())
            .change(None, after.clone())
            .request(change.request_id.clone());
        tx.audit(match &change.reason {
            Some(reason) => entry.reason(reason.as_str()),
            None => entry,
        });
        let (license, order, product, tenant) = (license.id, license.order_id, license.product_id, license.tenant_id);
        emit(tx, action, Happened { license, order, product, tenant })?;
        if followed {
            tx.enqueue(&FollowLicense { license }).await?;
        }
    }
    Ok(())
}

/// Tells all caches to forget the licence that this key finds.
pub(super) fn forget_everywhere(tx: &mut Tx, license: LicenseId, key_hash: &str) {
    let now = tx.now();
    tx.append(&LICENSE_CHANGES, |row| {
        row.uuid(license.uuid()).text(key_hash).time(now);
    });
    tx.wake(LICENSES_TOPIC);
}

/// Tells all memories, here and in other processes, that something has changed which belongs to licences but is none
/// itself: an API key's licence, or a plan. Memories of licences do not heed it.
pub fn tell_followers(tx: &mut Tx, what: Uuid) {
    let now = tx.now();
    tx.append(&LICENSE_CHANGES, |row| {
        row.uuid(what).text("").time(now);
    });
    tx.wake(LICENSES_TOPIC);
}

impl Touched {
    pub(super) fn hash(&self) -> Option<KeyHash> {
        KeyHash::parse(&self.key_hash)
    }
}
