//! What is refused, as clients see it.

use std::time::Duration;

use crate::{
    accounts::AgainError,
    http::{Kind, Problem},
    privacy::{Blocker, ExportRequestError, SchedulingError},
    storage::StorageError,
};

pub(super) fn no_export() -> Problem {
    Problem::new(Kind::NotFound).detail("there is no such archive")
}

pub(super) fn no_deletion() -> Problem {
    Problem::new(Kind::NotFound).detail("no deletion of this account is scheduled")
}

pub(super) fn no_user() -> Problem {
    Problem::new(Kind::NotFound).detail("there is no such account")
}

/// An archive that was written and cannot be read now.
pub(super) fn unavailable(error: &StorageError) -> Problem {
    tracing::warn!(%error, "an archive cannot be read");
    Problem::new(Kind::StorageUnavailable)
        .detail("the archive cannot be reached at the moment; try again later")
        .retry_after(Duration::from_secs(30))
}

impl From<ExportRequestError> for Problem {
    fn from(error: ExportRequestError) -> Self {
        match error {
            ExportRequestError::Unknown => Self::new(Kind::NotFound).detail(error.to_string()),
            ExportRequestError::Pending => Self::new(Kind::Conflict).detail(error.to_string()),
            ExportRequestError::TooMany => {
                Self::new(Kind::QuotaExceeded).detail(error.to_string()).retry_after(Duration::from_hours(1))
            }
            ExportRequestError::Db(error) => error.into(),
        }
    }
}

/// What has to be done first.
const fn mend(blocker: Blocker) -> &'static str {
    match blocker {
        Blocker::LastOperator => "make somebody else an operator first",
        Blocker::ProductsOnSale => "archive the products that you have on sale first",
        Blocker::UnpaidBalance => "have the balance of your sales settled first",
    }
}

impl From<SchedulingError> for Problem {
    fn from(error: SchedulingError) -> Self {
        match error {
            SchedulingError::Unknown | SchedulingError::Absent => Self::new(Kind::NotFound).detail(error.to_string()),
            SchedulingError::Already | SchedulingError::Begun => Self::new(Kind::Conflict).detail(error.to_string()),
            SchedulingError::Blocked(blockers) => {
                let mends: Vec<_> = blockers.iter().map(|blocker| mend(*blocker)).collect();
                let names: Vec<_> = blockers.iter().map(|blocker| blocker.as_str()).collect();
                Self::new(Kind::Conflict)
                    .detail(format!("the account cannot be deleted yet: {}", mends.join("; ")))
                    .member("blockers", names)
            }
            SchedulingError::Db(error) => error.into(),
        }
    }
}

impl From<AgainError> for Problem {
    fn from(error: AgainError) -> Self {
        let invalid = |pointer| Self::new(Kind::InvalidInput).error(pointer, error.to_string());
        match error {
            AgainError::Password => invalid("#/password"),
            AgainError::SecondFactorNeeded | AgainError::SecondFactor => {
                invalid("#/totp").member("second_factor", "required")
            }
            AgainError::Unreadable(error) => error.into(),
            AgainError::Hash(error) => error.into(),
            AgainError::Db(error) => error.into(),
        }
    }
}
