//! What refusals of credentials are to clients.

use crate::{
    credentials::CredentialError,
    http::{Kind, Problem},
};

/// Somebody else's credential looks like none.
pub(super) fn no_credential() -> Problem {
    Problem::new(Kind::NotFound).detail("there is no such credential")
}

impl From<CredentialError> for Problem {
    fn from(error: CredentialError) -> Self {
        match error {
            CredentialError::NotFound => no_credential(),
            CredentialError::State(state) => {
                Self::new(Kind::Conflict).detail(error.to_string()).member("state", state.as_str())
            }
            CredentialError::License(_) | CredentialError::Rotating => {
                Self::new(Kind::Conflict).detail(error.to_string())
            }
            CredentialError::Seal(error) => Self::internal(error),
            CredentialError::Db(error) => error.into(),
        }
    }
}
