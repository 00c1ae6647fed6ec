//! What the desk's refusals are to clients.

use std::time::Duration;

use crate::{
    catalog::Flaw,
    http::{Kind, Problem},
    storage::StorageError,
    support::{DeliverError, EditError, ListError, TicketError, Unwelcome, UploadError},
};

fn invalid(flaws: Vec<Flaw>) -> Problem {
    flaws.into_iter().fold(Problem::new(Kind::InvalidInput), |problem, flaw| problem.error(flaw.pointer, flaw.detail))
}

impl From<TicketError> for Problem {
    fn from(error: TicketError) -> Self {
        match error {
            TicketError::NotFound => missing(),
            TicketError::Closed => Self::new(Kind::Conflict).detail(error.to_string()),
            TicketError::Invalid(flaws) => invalid(flaws),
            TicketError::Forbidden(why) => Self::new(Kind::Forbidden).detail(why),
            TicketError::Db(error) => error.into(),
        }
    }
}

impl From<EditError> for Problem {
    fn from(error: EditError) -> Self {
        let text = error.to_string();
        match error {
            EditError::NotFound => Self::new(Kind::NotFound).detail(text),
            EditError::Stale => Self::new(Kind::PreconditionFailed).detail(text),
            EditError::Taken(_) => Self::new(Kind::Conflict).detail(text),
            EditError::Invalid(flaws) => invalid(flaws),
            EditError::Db(error) => error.into(),
        }
    }
}

impl From<ListError> for Problem {
    fn from(error: ListError) -> Self {
        match error {
            ListError::Cursor(error) => Self::new(Kind::InvalidParameter).detail(error.to_string()),
            ListError::Db(error) => error.into(),
        }
    }
}

impl From<UploadError> for Problem {
    fn from(error: UploadError) -> Self {
        let text = error.to_string();
        match error {
            UploadError::Unwelcome(Unwelcome::Empty) => Self::new(Kind::MalformedBody).detail(text),
            UploadError::Unwelcome(Unwelcome::Active | Unwelcome::Unknown) => {
                Self::new(Kind::UnsupportedMediaType).detail(text)
            }
            UploadError::TooMany => Self::new(Kind::Conflict).detail(text),
            UploadError::Storage(error) => unavailable(&error),
            UploadError::Db(error) => error.into(),
        }
    }
}

impl From<DeliverError> for Problem {
    fn from(error: DeliverError) -> Self {
        match error {
            DeliverError::Empty => Self::new(Kind::MalformedBody).detail(error.to_string()),
            // Whoever delivers it has it still.
            DeliverError::Storage(error) => unavailable(&error),
            DeliverError::Db(error) => error.into(),
        }
    }
}

/// Files can be neither kept nor read.
pub(super) fn unavailable(error: &StorageError) -> Problem {
    tracing::error!(%error, "the storage neither keeps nor gives files of tickets");
    let problem = Problem::new(Kind::StorageUnavailable).detail("files can be neither kept nor read at the moment");
    problem.retry_after(Duration::from_mins(1))
}

/// Not there, or not theirs: nobody learns which.
pub(super) fn missing() -> Problem {
    Problem::new(Kind::NotFound).detail("there is no such ticket")
}

/// A search term or a name that is too long to be meant.
pub(super) fn bounded(name: &str, text: Option<&str>, longest: usize) -> Result<(), Problem> {
    if text.is_some_and(|text| text.chars().count() > longest || text.contains('\0')) {
        let detail = format!("{longest} characters at most, without NUL");
        return Err(Problem::new(Kind::InvalidParameter).error(format!("#/{name}"), detail));
    }
    Ok(())
}
