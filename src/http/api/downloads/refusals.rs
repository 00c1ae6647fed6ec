//! What the refusals of downloads are to clients.

use std::time::Duration;

use crate::{
    downloads::{FetchError, LinkRefused, StartError, UploadError},
    http::{Kind, Problem},
    storage::StorageError,
};

/// When it makes sense to ask for a file again that cannot be had.
const AGAIN: Duration = Duration::from_secs(30);

fn not_now() -> Problem {
    Problem::new(Kind::StorageUnavailable).detail("the file cannot be fetched at the moment").retry_after(AGAIN)
}

impl From<StartError> for Problem {
    fn from(error: StartError) -> Self {
        match error {
            StartError::NotFound => Self::new(Kind::NotFound).detail("there is no such product"),
            StartError::SignIn => Self::new(Kind::Unauthorized).detail(error.to_string()),
            StartError::NotEntitled => Self::new(Kind::Forbidden).detail(error.to_string()),
            StartError::NoSuchSource => Self::new(Kind::InvalidInput).error("#/source", error.to_string()),
            StartError::NoFiles => Self::new(Kind::NotFound).detail(error.to_string()),
            StartError::NothingNow => not_now(),
            StartError::Db(error) => error.into(),
        }
    }
}

impl From<LinkRefused> for Problem {
    fn from(refused: LinkRefused) -> Self {
        match refused {
            // A stranger is told no more than that it is not theirs.
            LinkRefused::Unknown | LinkRefused::OtherAccount => {
                Self::new(Kind::NotFound).detail("there is no such link, or it is not yours")
            }
            LinkRefused::SignIn => Self::new(Kind::Unauthorized).detail(refused.to_string()),
            LinkRefused::NotEntitled => Self::new(Kind::Forbidden).detail(refused.to_string()),
            LinkRefused::Expired | LinkRefused::Spent | LinkRefused::Withdrawn => {
                Self::new(Kind::Gone).detail(refused.to_string())
            }
        }
    }
}

impl From<FetchError> for Problem {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Refused(refused) => refused.into(),
            FetchError::Unavailable => not_now(),
            FetchError::Db(error) => error.into(),
        }
    }
}

impl From<UploadError> for Problem {
    fn from(error: UploadError) -> Self {
        match error {
            UploadError::Edit(error) => error.into(),
            UploadError::TooLarge(_) => Self::new(Kind::BodyTooLarge).detail(error.to_string()),
            UploadError::Interrupted => Self::new(Kind::MalformedBody).detail(error.to_string()),
            UploadError::Storage(error) => {
                tracing::error!(%error, "the storage does not take a file");
                match error {
                    StorageError::NotFound | StorageError::Unavailable(_) | StorageError::Refused(_) => not_now(),
                    StorageError::Source(_) => Self::new(Kind::MalformedBody).detail("the file was not received"),
                }
            }
        }
    }
}
