//! What others may follow.

use serde::Serialize;

use super::DataExportId;
use crate::{
    jobs::DomainEvent,
    kernel::{Time, UserId},
};

/// An archive of what is kept about somebody can be fetched.
#[derive(Debug, Clone, Serialize)]
pub struct DataExported {
    /// Which one.
    pub export: DataExportId,
    /// Of whom.
    pub user: UserId,
}

impl DomainEvent for DataExported {
    const NAME: &'static str = "account.data_exported";
}

/// An account will be deleted.
#[derive(Debug, Clone, Serialize)]
pub struct AccountDeletionScheduled {
    /// Which one.
    pub user: UserId,
    /// When.
    pub due_at: Time,
}

impl DomainEvent for AccountDeletionScheduled {
    const NAME: &'static str = "account.deletion_scheduled";
}

/// An account was deleted, and its person is forgotten: whoever keeps something of it elsewhere forgets it too.
#[derive(Debug, Clone, Serialize)]
pub struct AccountDeleted {
    /// Which one.
    pub user: UserId,
}

impl DomainEvent for AccountDeleted {
    const NAME: &'static str = "account.deleted";
}
