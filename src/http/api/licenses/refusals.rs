//! What refusals of licences are to clients.

use std::time::Duration;

use crate::{
    http::{Kind, Problem},
    licenses::{LifecycleError, OwnError, ShowError, Unavailable},
};

/// Somebody else's licence looks like none.
pub(super) fn no_license() -> Problem {
    Problem::new(Kind::NotFound).detail("there is no such licence")
}

impl From<ShowError> for Problem {
    fn from(error: ShowError) -> Self {
        match error {
            ShowError::Seal(error) => Self::internal(error),
            ShowError::Db(error) => error.into(),
        }
    }
}

impl From<OwnError> for Problem {
    fn from(error: OwnError) -> Self {
        match error {
            OwnError::NotFound => no_license(),
            OwnError::Status(_) => Self::new(Kind::Conflict).detail(error.to_string()),
            OwnError::TooManyDomains(_) => Self::new(Kind::InvalidInput).error("#/domains", error.to_string()),
            OwnError::TooManyIps(_) => Self::new(Kind::InvalidInput).error("#/ips", error.to_string()),
            OwnError::Seal(error) => Self::internal(error),
            OwnError::Db(error) => error.into(),
        }
    }
}

impl From<LifecycleError> for Problem {
    fn from(error: LifecycleError) -> Self {
        match error {
            LifecycleError::NotFound => no_license(),
            LifecycleError::Status(_) => Self::new(Kind::Conflict).detail(error.to_string()),
            LifecycleError::Db(error) => error.into(),
        }
    }
}

impl From<Unavailable> for Problem {
    fn from(error: Unavailable) -> Self {
        Self::new(Kind::TemporaryReducedCapacity).detail(error.to_string()).retry_after(Duration::from_secs(1))
    }
}
