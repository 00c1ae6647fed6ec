//! Where files are: a directory of this machine, or a bucket of an S3 store.
//!
//! Promise: what was put is there whole or not at all, no file is ever held in memory, and a key leads nowhere but into
//! the store.

mod key;
mod kind;
mod local;
mod s3;

use std::{fmt, ops::Range, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, future::BoxFuture, stream, stream::BoxStream};
use schemars::JsonSchema;

pub use key::{ObjectKey, ParseObjectKeyError};
pub use kind::{FileKind, kind_of};
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

/// A file that is being read.
pub struct Opened {
    /// The length of all of it, if the storage says so.
    pub size: Option<u64>,
    /// What was asked for of it.
    pub body: ByteStream,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("size", &self.size).finish_non_exhaustive()
    }
}

/// A store of files.
pub trait Storage: Send + Sync + fmt::Debug {
    /// Stores a file; it is there once all of it is. Gives its length.
    fn put<'a>(&'a self, key: &'a ObjectKey, content: ByteStream) -> Reply<'a, u64>;

    /// Reads a file, or the bytes of a range that lies within it.
    fn get<'a>(&'a self, key: &'a ObjectKey, range: Option<Range<u64>>) -> Reply<'a, Opened>;

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

impl Stores {
    /// Where new files go.
    fn preferred(&self) -> &Arc<dyn Storage> {
        self.s3.as_ref().filter(|_| self.prefers_s3).unwrap_or(&self.local)
    }

    /// All of them, where new files go first.
    fn all(&self) -> impl Iterator<Item = &Arc<dyn Storage>> {
        let preferred = self.preferred();
        let others = [Some(&self.local), self.s3.as_ref()].into_iter().flatten();
        [preferred].into_iter().chain(others.filter(move |other| !Arc::ptr_eq(other, preferred)))
    }

    /// Keeps a small file.
    pub async fn keep(&self, key: &ObjectKey, bytes: Bytes) -> Result<(), StorageError> {
        let size = bytes.len() as u64;
        match self.preferred().put(key, stream::once(async { Ok(bytes) }).boxed()).await? {
            kept if kept == size => Ok(()),
            _ => Err(StorageError::Unavailable("it kept another length".to_owned())),
        }
    }

    /// Keeps a file of any length, as it comes. Gives its length.
    pub async fn write(&self, key: &ObjectKey, content: ByteStream) -> Result<u64, StorageError> {
        self.preferred().put(key, content).await
    }

    /// Reads a file, wherever it was kept: another store may have been preferred then.
    pub async fn read(&self, key: &ObjectKey) -> Result<ByteStream, StorageError> {
        for storage in self.all() {
            match storage.get(key, None).await {
                Err(StorageError::NotFound) => {}
                found => return found.map(|opened| opened.body),
            }
        }
        Err(StorageError::NotFound)
    }

    /// All of a small file; none if there is no such file.
    pub async fn load(&self, key: &ObjectKey) -> Result<Option<Vec<u8>>, StorageError> {
        match self.read(key).await {
            Ok(content) => Ok(Some(
                content
                    .try_fold(Vec::new(), async |mut all, piece| {
                        all.extend_from_slice(&piece);
                        Ok(all)
                    })
                    .await?,
            )),
            Err(StorageError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes a file, wherever it is.
    pub async fn remove(&self, key: &ObjectKey) -> Result<(), StorageError> {
        for storage in self.all() {
            storage.delete(key).await?;
        }
        Ok(())
    }
}

/// How a store fares.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, JsonSchema)]
pub struct StoreHealth {
    /// `local` or `s3`.
    pub store: &'static str,
    /// Whether new files go there.
    pub preferred: bool,
    /// Why it cannot be used; nothing if it answers.
    pub problem: Option<String>,
}

impl Stores {
    /// Asks each store about a file that is not there.
    pub async fn health(&self) -> Vec<StoreHealth> {
        let mut stores = vec![("local", &self.local, !self.prefers_s3)];
        stores.extend(self.s3.iter().map(|s3| ("s3", s3, self.prefers_s3)));
        let mut found = Vec::new();
        for (store, storage, preferred) in stores {
            let problem = match "probe/health".parse::<ObjectKey>() {
                Ok(key) => match storage.head(&key).await {
                    Ok(_) | Err(StorageError::NotFound) => None,
                    Err(error) => Some(error.to_string()),
                },
                Err(error) => Some(error.to_string()),
            };
            found.push(StoreHealth { store, preferred, problem });
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_is_found_after_another_store_became_the_preferred() {
        let (here, there) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
        let stores = |prefers_s3| Stores {
            local: Arc::new(LocalStorage::new(here.path())),
            s3: Some(Arc::new(LocalStorage::new(there.path()))),
            prefers_s3,
        };
        let (old, new): (ObjectKey, ObjectKey) = ("a/old".parse().expect("a key"), "a/new".parse().expect("a key"));
        stores(false).keep(&old, Bytes::from_static(b"old")).await.expect("kept");
        stores(true).keep(&new, Bytes::from_static(b"new")).await.expect("kept");
        assert!(here.path().join("a/old").exists() && there.path().join("a/new").exists());
        for prefers_s3 in [false, true] {
            let stores = stores(prefers_s3);
            assert_eq!(stores.load(&old).await, Ok(Some(b"old".to_vec())));
            assert_eq!(stores.load(&new).await, Ok(Some(b"new".to_vec())));
            assert_eq!(stores.load(&"a/none".parse().expect("a key")).await, Ok(None));
        }
        for key in [&old, &new] {
            stores(true).remove(key).await.expect("removed");
            assert_eq!(stores(false).load(key).await, Ok(None));
        }
    }
}
