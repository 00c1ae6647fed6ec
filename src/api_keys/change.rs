//! What changes of keys have in common: who makes them, why they are refused, and who is told.

use serde::Serialize;
use serde_json::{Value, json};

use super::{ApiKeyId, ApiKeys};
use crate::{
    accounts::By,
    db::{DbError, Tx},
    jobs::DomainEvent,
    kernel::{LicenseId, TenantId, UserId},
    licenses::{self, LicenseStatus},
};

/// Who owns a licence, and acts.
#[derive(Debug, Clone, Copy)]
pub struct Owner {
    /// Whose the licence must be.
    pub tenant: TenantId,
    /// Who acts.
    pub user: UserId,
}

/// Why a key is not made or changed.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// There is none, or it is somebody else's.
    #[error("there is no such key")]
    NotFound,
    /// There is none, or it is somebody else's.
    #[error("there is no such licence")]
    NoLicense,
    /// What was bought is no API.
    #[error("the licence is of no API: it has no keys")]
    NoApi,
    /// The licence's status does not allow it.
    #[error("the licence is {0}")]
    License(LicenseStatus),
    /// There are enough.
    #[error("a licence has {0} keys at most that are neither revoked nor expired; revoke one first")]
    TooMany(i64),
    /// It is over.
    #[error("the key is revoked, or has expired")]
    Ended,
    /// Somebody else changed it since it was read.
    #[error("it was changed since you read it: read it again")]
    Stale,
    /// What was sent cannot be.
    #[error("{detail}")]
    Invalid {
        /// Where: a JSON pointer as a URI fragment.
        pointer: String,
        /// What is wrong there.
        detail: String,
    },
    /// The database did not answer.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl KeyError {
    pub(super) fn invalid(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Invalid { pointer: pointer.into(), detail: detail.into() }
    }
}

macro_rules! events {
    ($($event:ident = $name:literal, $doc:literal;)+) => {
        $(
            #[doc = $doc]
            #[derive(Debug, Clone, Serialize)]
            pub struct $event {
                /// Which one.
                pub key: ApiKeyId,
                /// Of which licence.
                pub license: LicenseId,
            }
            impl DomainEvent for $event {
                const NAME: &'static str = $name;
            }
        )+
    };
}
events! {
    ApiKeyMade = "api_key.made", "A key was made.";
    ApiKeyRotated = "api_key.rotated", "A key has a new secret.";
    ApiKeyRevoked = "api_key.revoked", "A key is good no more.";
}

/// Audits a change and has every memory forget the licence's keys.
pub(super) fn record(
    tx: &mut Tx,
    keys: &ApiKeys,
    (key, license): (ApiKeyId, LicenseId),
    (action, told, reason): (&'static str, Value, Option<&str>),
    by: &By,
) {
    licenses::tell_followers(tx, license.uuid());
    keys.forget_with(tx, license);
    let mut told = told;
    if let Some(told) = told.as_object_mut() {
        told.insert("license".to_owned(), json!(license));
    }
    let entry = by.did(action, "api_key", key).change(None, told);
    tx.audit(match reason {
        Some(reason) => entry.reason(reason),
        None => entry,
    });
}
