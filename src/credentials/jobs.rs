//! The work that credentials are, what happens to them, and how long hooks are asked again.

use std::{borrow::Cow, time::Duration};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    id_type,
    jobs::{DomainEvent, Job, RetryPolicy},
    kernel::LicenseId,
};

id_type!(CredentialId, CredentialMarker, "crd", "A credential of an outside API.");

const QUEUE: &str = "credentials";
/// Longer than a hook may take.
const TIMEOUT: Duration = Duration::from_secs(90);
/// About a day: then a person is told.
const RETRY: RetryPolicy = RetryPolicy { max_attempts: 15, base: Duration::from_secs(2), cap: Duration::from_hours(4) };

/// Calls about one credential come one after the other. A vendor's calls share four lanes, so that one whose hook is slow
/// does not take all hands.
fn lane(credential: CredentialId, product: Uuid) -> String {
    format!("credentials.hook:{product}:{}", credential.uuid().as_bytes()[15] % 4)
}

macro_rules! call {
    ($(#[$doc:meta])* $job:ident = $kind:literal { $($(#[$more:meta])* $number:ident),* }, $retry:expr, $priority:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Serialize, Deserialize)]
        pub struct $job {
            /// Which one.
            pub credential: CredentialId,
            /// Of which product.
            pub product: Uuid,
            $($(#[$more])* pub $number: i64,)*
        }

        impl Job for $job {
            const KIND: &'static str = $kind;
            const QUEUE: &'static str = QUEUE;
            const RETRY: RetryPolicy = $retry;
            const TIMEOUT: Duration = TIMEOUT;
            const PRIORITY: i32 = $priority;

            fn group_key(&self) -> Option<Cow<'_, str>> {
                Some(lane(self.credential, self.product).into())
            }

            fn unique_key(&self) -> Option<Cow<'_, str>> {
                let numbers: &[i64] = &[$(self.$number),*];
                Some(format!("{}:{}:{numbers:?}", Self::KIND, self.credential).into())
            }
        }
    };
}

call!(
    /// Has a credential made.
    ProvisionCredential = "credentials.provision" {
        /// Which time, from 1: it grows when it was taken back and is made again.
        epoch
    }, RETRY, 2
);
call!(
    /// Has a credential replaced.
    RotateCredential = "credentials.rotate" {
        /// Of which epoch.
        epoch,
        /// The how manieth of the epoch.
        rotation
    }, RETRY, 2
);
call!(
    /// Has a credential taken back.
    RevokeCredential = "credentials.revoke" {
        /// Of which epoch.
        epoch
    }, RETRY, 1
);
call!(
    /// Asks what was used of a credential.
    SyncCredential = "credentials.sync" {},
    RetryPolicy { max_attempts: 3, base: Duration::from_secs(10), cap: Duration::from_mins(2) }, 4
);

macro_rules! sweep {
    ($(#[$doc:meta])* $job:ident = $kind:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Serialize, Deserialize)]
        pub struct $job {}

        impl Job for $job {
            const KIND: &'static str = $kind;
            const QUEUE: &'static str = QUEUE;
            const TIMEOUT: Duration = Duration::from_mins(10);
            const PRIORITY: i32 = 3;

            // One at a time is enough: it takes all there is.
            fn unique_key(&self) -> Option<Cow<'_, str>> {
                Some(Self::KIND.into())
            }
        }
    };
}
sweep!(
    /// Looks for licences whose credentials are not as they should be.
    SweepCredentials = "credentials.sweep"
);
sweep!(
    /// Has hooks asked what was used where that was not asked for long.
    SyncDue = "credentials.sync_due"
);

macro_rules! events {
    ($($event:ident = $name:literal, $doc:literal;)+) => {
        $(
            #[doc = $doc]
            #[derive(Debug, Clone, Serialize)]
            pub struct $event {
                /// Which one.
                pub credential: CredentialId,
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
    CredentialProvisioned = "credential.provisioned", "A credential was made.";
    CredentialRotated = "credential.rotated", "A credential was replaced.";
    CredentialRevoked = "credential.revoked", "A vendor acknowledged that a credential was taken back.";
    CredentialStuck = "credential.stuck", "A hook failed for the last time: a person has to look.";
}
