//! Why an edit of an answer or an article is not made.

use crate::{catalog::Flaw, db::DbError};

/// Why an edit is not made; nothing of it is kept.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// There is no such thing.
    #[error("there is no such thing")]
    NotFound,
    /// Somebody else changed it since it was read.
    #[error("it was changed since you read it: read it again, and send its new `ETag`")]
    Stale,
    /// What was sent cannot be.
    #[error("some fields are wrong")]
    Invalid(Vec<Flaw>),
    /// Another one has this value of this field.
    #[error("another one has this {0} already")]
    Taken(&'static str),
    /// The database did not take it.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl EditError {
    /// What a write's refusal by the database means, where two edits raced past the checks before it.
    pub(super) fn of_write(error: DbError, unique: &'static str) -> Self {
        match error {
            DbError::Unique(_) => Self::Taken(unique),
            error => Self::Db(error),
        }
    }
}
