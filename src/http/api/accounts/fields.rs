//! Texts of bodies, made into what they mean.

use std::fmt::Display;

use crate::{
    accounts::{Email, HashError, Name, NewPassword, WeakPassword},
    http::{Kind, Problem},
};

pub(super) fn email(text: &str) -> Result<Email, Problem> {
    text.parse().map_err(|error: crate::accounts::InvalidEmail| invalid("#/email", error))
}

pub(super) fn name(text: &str) -> Result<Name, Problem> {
    text.parse().map_err(|error: crate::accounts::NotAName| invalid("#/name", error))
}

pub(super) fn new_password(text: String, email: &Email) -> Result<NewPassword, Problem> {
    NewPassword::choose(text, email).map_err(Problem::from)
}

/// A password to be checked. Longer ones than may be chosen are not worth hashing.
pub(super) fn password(text: String, pointer: &str) -> Result<String, Problem> {
    if text.chars().count() > NewPassword::LONGEST {
        return Err(invalid(pointer, format!("at most {} characters", NewPassword::LONGEST)));
    }
    Ok(text)
}

/// What cannot be accepted, at its place.
pub(super) fn invalid(pointer: &str, detail: impl Display) -> Problem {
    Problem::new(Kind::InvalidInput).error(pointer, format!("{detail}"))
}

impl From<WeakPassword> for Problem {
    fn from(error: WeakPassword) -> Self {
        invalid("#/password", error)
    }
}

impl From<HashError> for Problem {
    fn from(error: HashError) -> Self {
        Self::internal(error)
    }
}
