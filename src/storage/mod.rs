//! Where files are: a directory of this machine, or a bucket of an S3 store.
//!
//! Promise: what was put is there whole or not at all, no file is ever held in memory, and a key leads nowhere but into
//! the store.

mod key;
mod local;
mod s3;

use std::{fmt, ops::Range, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{future::BoxFuture, stream::BoxStream};

pub use key::{ObjectKey, ParseObjectKeyError};
pub use local::{LocalStorage, read_file};
pub use s3::{S3Options, S3Storage};

/// A file on its way, piece by piece.
pub type ByteStream = BoxStream<'static, Result<Bytes, StorageError>>;

/// What a storage answers.
pub type Reply<'a, T> = BoxFuture<'a, Result<T, StorageError>>;

/// Why a storage does not do what it is asked.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum StorageError {
    /// There is no such file.
    #[error("there is no such file")]
    NotFound,
    /// It does not answer, or breaks off; another try may go better.
    #[error("the storage is not there: {0}")]
    Unavailable(String),
    /// It refuses, and would refuse again.
    #[error("the storage refuses: {0}")]
    Refused(String),
    /// Who sends the file broke off.
    #[error("the file was not received to its end: {0}")]
    Source(String),
}

/// What is known of a stored file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stat {
    /// Its length in bytes.
    pub size: u64,
    /// Changes when the file does.
    pub tag: Option<String>,
}

/// What a file that is fetched from the storage itself is to be called there.
#[derive(Debug, Clone)]
pub struct Presented {
    /// The value of `Content-Disposition`.
    pub disposition: String,
    /// The value of `Content-Type`.
    pub content_type: String,
}

/// A store of files.
pub trait Storage: Send + Sync + fmt::Debug {
    /// Stores a file; it is there once all of it is. Gives its length.
    fn put<'a>(&'a self, key: &'a ObjectKey, content: ByteStream) -> Reply<'a, u64>;

    /// Reads a file, or the bytes of a range that lies within it.
    fn get<'a>(&'a self, key: &'a ObjectKey, range: Option<Range<u64>>) -> Reply<'a, ByteStream>;

    /// Looks at a file without reading it.
    fn head<'a>(&'a self, key: &'a ObjectKey) -> Reply<'a, Stat>;

    /// Removes a file; one that is not there is removed already.
    fn delete<'a>(&'a self, key: &'a ObjectKey) -> Reply<'a, ()>;

    /// An address from which anybody can fetch the file for so long; none if the storage has none to give.
    fn presign<'a>(
        &'a self,
        key: &'a ObjectKey,
        presented: &'a Presented,
        lasts: Duration,
    ) -> Reply<'a, Option<String>>;
}

/// The stores of an installation. Clones share them.
#[derive(Debug, Clone)]
pub struct Stores {
    /// The directory, which is always there.
    pub local: Arc<dyn Storage>,
    /// The bucket, if one is configured.
    pub s3: Option<Arc<dyn Storage>>,
    /// Whether new files go into the bucket.
    pub prefers_s3: bool,
}
