//! What the catalogue's refusals are to clients.

use crate::{
    catalog::{EditError, ExportError, Flaw, ImportError},
    http::{Kind, Problem},
};

fn invalid(flaws: Vec<Flaw>) -> Problem {
    flaws.into_iter().fold(Problem::new(Kind::InvalidInput), |problem, flaw| problem.error(flaw.pointer, flaw.detail))
}

impl From<EditError> for Problem {
    fn from(error: EditError) -> Self {
        match error {
            EditError::NotFound => Self::new(Kind::NotFound).detail("there is no such thing in the catalogue"),
            EditError::Stale => Self::new(Kind::PreconditionFailed).detail("read it again, and send its new `ETag`"),
            EditError::Invalid(flaws) => invalid(flaws),
            EditError::Taken(field) => {
                Self::new(Kind::Conflict).detail(format!("another one has this {field} already"))
            }
            EditError::Refused(why) => Self::new(Kind::Conflict).detail(why),
            EditError::Db(error) => error.into(),
        }
    }
}

impl From<ImportError> for Problem {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Unreadable(why) => Self::new(Kind::MalformedBody).detail(why),
            ImportError::Invalid(flaws) => invalid(flaws),
            ImportError::Db(error) => error.into(),
        }
    }
}

impl From<ExportError> for Problem {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Db(error) => error.into(),
            ExportError::Write(why) => Self::internal(why),
        }
    }
}
