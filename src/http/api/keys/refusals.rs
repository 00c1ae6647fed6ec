//! What refusals of keys are to clients.

use std::time::Duration;

use crate::{
    api_keys::KeyError,
    http::{Kind, Problem},
};

/// Somebody else's key looks like none.
pub(super) fn no_key() -> Problem {
    Problem::new(Kind::NotFound).detail("there is no such key")
}

/// Somebody else's licence looks like none.
pub(super) fn no_license() -> Problem {
    Problem::new(Kind::NotFound).detail("there is no such licence")
}

/// Nobody knows at the moment.
pub(super) fn not_now() -> Problem {
    Problem::new(Kind::TemporaryReducedCapacity)
        .detail("keys cannot be looked up while the database is away")
        .retry_after(Duration::from_secs(1))
}

impl From<KeyError> for Problem {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::NotFound => no_key(),
            KeyError::NoLicense => no_license(),
            KeyError::NoApi | KeyError::License(_) | KeyError::TooMany(_) | KeyError::Ended => {
                Self::new(Kind::Conflict).detail(error.to_string())
            }
            KeyError::Stale => Self::new(Kind::PreconditionFailed).detail("read it again, and send its new `ETag`"),
            KeyError::Invalid { pointer, detail } => Self::new(Kind::InvalidInput).error(pointer, detail),
            KeyError::Db(error) => error.into(),
        }
    }
}
