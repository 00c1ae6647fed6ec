//! What waits in the queue of this room.

use std::{borrow::Cow, time::Duration};

use serde::{Deserialize, Serialize};

use super::{AccountDeletionId, DataExportId};
use crate::jobs::{Job, RetryPolicy};

/// About three days, the last tries an hour apart: a storage that is away over a weekend is waited for.
const PATIENT: RetryPolicy =
    RetryPolicy { max_attempts: 150, base: Duration::from_secs(2), cap: Duration::from_hours(1) };

/// Write an archive.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BuildArchive {
    /// Which one.
    pub export: DataExportId,
}

impl Job for BuildArchive {
    const KIND: &'static str = "privacy.build_archive";
    const QUEUE: &'static str = super::QUEUE;
    const RETRY: RetryPolicy = PATIENT;
    const PRIORITY: i32 = 3;
    const TIMEOUT: Duration = Duration::from_mins(30);

    fn group_key(&self) -> Option<Cow<'_, str>> {
        Some(format!("privacy:{}", self.export).into())
    }
}

/// Erase a person whose time has come.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeleteAccount {
    /// Which deletion.
    pub deletion: AccountDeletionId,
}

impl Job for DeleteAccount {
    const KIND: &'static str = "privacy.delete_account";
    const QUEUE: &'static str = super::QUEUE;
    const RETRY: RetryPolicy = PATIENT;
    const TIMEOUT: Duration = Duration::from_mins(30);

    fn group_key(&self) -> Option<Cow<'_, str>> {
        Some(format!("privacy:{}", self.deletion).into())
    }

    fn unique_key(&self) -> Option<Cow<'_, str>> {
        Some(format!("{}:{}", Self::KIND, self.deletion).into())
    }
}

/// Look once more for what came in of somebody who is erased.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SweepDeleted {
    /// Which deletion.
    pub deletion: AccountDeletionId,
}

impl Job for SweepDeleted {
    const KIND: &'static str = "privacy.sweep_deleted";
    const QUEUE: &'static str = super::QUEUE;
    const RETRY: RetryPolicy = PATIENT;
    const PRIORITY: i32 = 4;
    const TIMEOUT: Duration = Duration::from_mins(30);

    fn group_key(&self) -> Option<Cow<'_, str>> {
        Some(format!("privacy:{}", self.deletion).into())
    }

    fn unique_key(&self) -> Option<Cow<'_, str>> {
        Some(format!("{}:{}", Self::KIND, self.deletion).into())
    }
}

/// Remove archives whose time is over, and see that no deletion is left behind; enqueued by the clock.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PrivacyHousekeeping {}

impl Job for PrivacyHousekeeping {
    const KIND: &'static str = "privacy.housekeeping";
    const QUEUE: &'static str = super::QUEUE;
    const TIMEOUT: Duration = Duration::from_mins(10);

    fn unique_key(&self) -> Option<Cow<'_, str>> {
        Some(Self::KIND.into())
    }
}
