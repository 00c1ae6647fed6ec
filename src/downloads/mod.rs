//! Downloads: where products' files come from, and how buyers get them.
//!
//! Promise: who may download is decided when a link is made and again when it is used, by what is true then; a link is
//! good for its buyer, its file, so many uses and so long; nobody learns where a file comes from; and whatever is
//! attempted is in the log, with what became of it.
//!
//! The way of a download: [`Downloads::choose`] decides and picks a source, [`Downloads::give`] makes the link, and
//! [`Downloads::fetch`] has the gate decide again and count, and opens the file.

mod access;
mod address;
mod batch;
mod edit;
mod fetch;
mod file;
mod gate;
mod housekeeping;
mod link;
mod log;
mod notice;
mod origin;
mod post;
mod range;
mod search;
mod source;
mod start;
mod upload;
mod uses;
mod verify;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::FutureExt;

use self::{batch::Batcher, fetch::Signed, gate::Gate, link::Links, log::End};
use crate::{
    db::Db,
    kernel::{
        Time,
        seal::{Keyring, SealError},
    },
    storage::{Storage, Stores},
};

pub use access::Who;
pub use address::{Address, AddressError};
pub use edit::{Editor, Rules, create_source, delete_source, patch_source, verify_now};
pub use fetch::{Answer, Body, Fetch, FetchError, Sent};
pub use file::{ANY_TYPE, content_type, disposition, file_name_of, is_file_name};
pub use gate::{Client, LinkRefused};
pub use housekeeping::DownloadsHousekeeping;
pub use link::{GrantId, GrantMarker};
pub use log::{DownloadFilter, DownloadId, DownloadMarker, DownloadStatus, DownloadView, downloads};
pub use notice::{Broken, Ready, broken_source, owners_of_file, ready_file};
pub use origin::{Origin, OriginError, OriginOptions, OriginUnusable};
pub use post::{Posted, is_askable};
pub use range::Conditions;
pub use search::{AnySources, SourceSort, any_sources};
pub use source::{
    MOST_SOURCES, Offered, Source, SourceFields, SourceId, SourceMarker, SourceProvider, SourceState, managed_source,
    managed_sources, offered, source, sources,
};
pub use start::{Chosen, Link, StartError, Wish};
pub use upload::{NewFile, UploadError};
pub use verify::{RemoveFile, SourceBroken, SourceVerified, VerifyDue, VerifySource, verify_due};

/// What an operator decided about downloads.
#[derive(Debug, Clone)]
pub struct DownloadOptions {
    /// How customers reach this server, without a slash at the end.
    pub public_url: String,
    /// How long a link is good for.
    pub link_ttl: Duration,
    /// How many downloads.
    pub link_uses: i64,
    /// The largest file, in bytes.
    pub max_file: u64,
    /// How long a source is trusted that was verified.
    pub verify_every: Duration,
    /// How long the log is kept.
    pub log_retention: Duration,
    /// Where the proxy in front has the storage's directory (`X-Accel-Redirect`), with a slash at the end.
    pub accel_redirect: Option<String>,
}

/// Everything that downloads need. Clones share it.
#[derive(Debug, Clone)]
pub struct Downloads(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    db: Db,
    keys: Keyring,
    links: Links,
    stores: Stores,
    origin: Origin,
    options: DownloadOptions,
    gate: Gate,
    ends: Batcher<End>,
    signed: Mutex<HashMap<SourceId, Signed>>,
}

impl Downloads {
    /// Downloads from `stores` and, by `origin`, from elsewhere.
    #[must_use]
    pub fn new(db: Db, keys: Keyring, stores: Stores, origin: Origin, options: DownloadOptions) -> Self {
        let (links, gate, ending) = (Links::new(&keys), Gate::new(db.clone()), db.clone());
        let ends = Batcher::new(move |ends| fetch::write_ends(ending.clone(), ends).boxed());
        let signed = Mutex::default();
        Self(Arc::new(Inner { db, keys, links, stores, origin, options, gate, ends, signed }))
    }

    /// What operators' edits of sources are held against.
    #[must_use]
    pub fn rules(&self) -> Rules<'_> {
        Rules { keys: &self.0.keys, has_s3: self.0.stores.s3.is_some(), allows_plain: self.0.origin.allows_plain() }
    }

    /// What asks other hosts, for those who have something to tell them.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.0.origin
    }

    /// The largest file that is taken, in bytes.
    #[must_use]
    pub fn max_file(&self) -> u64 {
        self.0.options.max_file
    }

    /// Sources that were verified before it are due.
    #[must_use]
    pub fn due_before(&self) -> Time {
        self.0.db.now() - self.0.options.verify_every
    }

    /// Waits until everything that was attempted so far is written down: before the database is closed.
    pub async fn settled(&self) {
        self.0.gate.settled().await;
        self.0.ends.settled().await;
    }

    /// Where files of this provider are; none if they are in no store, or in one that is not configured.
    fn storage(&self, provider: SourceProvider) -> Option<Arc<dyn Storage>> {
        match provider {
            SourceProvider::Local => Some(Arc::clone(&self.0.stores.local)),
            SourceProvider::S3 => self.0.stores.s3.clone(),
            SourceProvider::Url | SourceProvider::Github | SourceProvider::Gitlab | SourceProvider::Gitea => None,
        }
    }

    fn token_of(&self, id: SourceId, sealed: Option<&[u8]>) -> Result<Option<String>, SealError> {
        let open = |sealed: &[u8]| {
            let opened = self.0.keys.open(&edit::token_context(id), sealed)?;
            String::from_utf8(opened).map_err(|_| SealError::Format)
        };
        sealed.map(open).transpose()
    }

    fn signed(&self) -> MutexGuard<'_, HashMap<SourceId, Signed>> {
        self.0.signed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
