//! Using a link: the file, from wherever it is.

use std::{
    fmt,
    ops::Range,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};

use super::{
    DownloadId, DownloadStatus, Downloads, GrantId, SourceProvider,
    access::Who,
    batch::Batcher,
    file::disposition,
    gate::{Asked, Client, Decision, LinkRefused, Served, Serving, Way},
    log::{self, End},
    origin::OriginError,
    range::Conditions,
    uses::give_back,
    verify::VerifySource,
};
use crate::{
    db::DbError,
    kernel::{ProductId, Time},
    storage::{ByteStream, ObjectKey, Presented, StorageError},
};

/// Why a file is not sent.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The link may not be used.
    #[error(transparent)]
    Refused(#[from] LinkRefused),
    /// The file cannot be had at the moment; the use of the link is given back.
    #[error("the file cannot be fetched at the moment")]
    Unavailable,
    /// The database did not answer.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// A request to use a link.
#[derive(Debug)]
pub struct Fetch {
    /// The link.
    pub grant: GrantId,
    /// Who asks, if they say so.
    pub who: Option<Who>,
    /// From where.
    pub client: Client,
    /// For which part.
    pub conditions: Conditions,
    /// Whether only the answer's head is wanted.
    pub only_head: bool,
    /// Whether files in the bucket are to be sent by this program too.
    pub through_us: bool,
}

/// What is sent.
#[derive(Debug)]
pub enum Answer {
    /// A file, or a part of it.
    File(Box<Sent>),
    /// The client has it.
    NotModified {
        /// Its tag.
        tag: String,
    },
    /// The part that is asked for is none of the file's.
    Unsatisfiable {
        /// The file's length.
        size: u64,
    },
}

/// A file on its way.
#[derive(Debug)]
pub struct Sent {
    /// Of which product.
    pub product: ProductId,
    /// Whether it counts as a download, and not as the continuation of one.
    pub counts: bool,
    /// The length of the whole file.
    pub size: u64,
    /// The part of it that is sent; none for all of it.
    pub range: Option<Range<u64>>,
    /// The entity tag.
    pub tag: String,
    /// By its content.
    pub content_type: String,
    /// The value of `Content-Disposition`.
    pub disposition: String,
    /// The bytes, or where they are.
    pub body: Body,
}

/// The bytes of an answer, or where they are.
pub enum Body {
    /// Only the head was asked for.
    Head,
    /// The bytes. When it is dropped the attempt is written down, with what was sent of it.
    Stream(ByteStream),
    /// The storage's own address of the file, good for a short time.
    Address(String),
    /// What the proxy in front knows the file by (`X-Accel-Redirect`).
    Internal(String),
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Head => "Head",
            Self::Stream(_) => "Stream(…)",
            Self::Address(_) => "Address(…)",
            Self::Internal(_) => "Internal(…)",
        })
    }
}

/// How long a storage's own address is good for, and how long of that one is given out again.
const SIGNED: Duration = Duration::from_mins(5);
const SIGNED_AGAIN: Duration = Duration::from_mins(2);
/// How many of them are remembered.
const MOST_SIGNED: usize = 10_000;

/// A storage's address of a file, as long as it is good.
#[derive(Debug, Clone)]
pub(super) struct Signed {
    revision: i64,
    url: String,
    until: Time,
}

impl Downloads {
    /// The link's number; none if the link is none of ours.
    #[must_use]
    pub fn open_link(&self, token: &str) -> Option<GrantId> {
        self.0.links.open(token)
    }

    /// Uses a link. A request for the file from its beginning is a use, another range of it continues one.
    pub async fn fetch(&self, fetch: Fetch) -> Result<Answer, FetchError> {
        let asked = Asked {
            grant: fetch.grant,
            who: fetch.who,
            client: fetch.client,
            conditions: fetch.conditions,
            only_head: fetch.only_head,
            redirects: self.redirects(fetch.through_us),
        };
        let serving = match self.0.gate.ask(asked).await? {
            Decision::Serve(serving) => serving,
            Decision::NotModified { tag } => return Ok(Answer::NotModified { tag }),
            Decision::Unsatisfiable { size } => return Ok(Answer::Unsatisfiable { size }),
            Decision::Refused(refused) => return Err(refused.into()),
        };
        let body = if fetch.only_head { Ok(Body::Head) } else { self.body(&serving).await };
        match body {
            Ok(body) => Ok(Answer::File(Box::new(sent(*serving, body)))),
            Err(why) => {
                self.failed(&serving, &why).await?;
                Err(FetchError::Unavailable)
            }
        }
    }

    /// Which files are not sent by this program.
    fn redirects(&self, through_us: bool) -> &'static [SourceProvider] {
        match (self.0.options.accel_redirect.is_some(), through_us) {
            (true, true) => &[SourceProvider::Local],
            (true, false) => &[SourceProvider::Local, SourceProvider::S3],
            (false, true) => &[],
            (false, false) => &[SourceProvider::S3],
        }
    }

    async fn body(&self, serving: &Serving) -> Result<Body, String> {
        let source = &serving.source;
        match (serving.way, source.provider) {
            (Way::Redirect, SourceProvider::Local) => {
                let place = self.0.options.accel_redirect.as_deref().unwrap_or_default();
                Ok(Body::Internal(format!("{place}{}", source.source_url)))
            }
            (Way::Redirect, _) => self.sign(source).await.map(Body::Address).map_err(|error| error.to_string()),
            (Way::Stream, _) => {
                let range = serving.range.clone().unwrap_or(0..source.size);
                let length = range.end - range.start;
                let body = if source.provider.is_stored() {
                    self.stored(source, range).await.map_err(|error| error.to_string())?
                } else {
                    self.elsewhere(source, range).await.map_err(|error| error.to_string())?
                };
                let ends = serving.attempt.map(|attempt| (self.0.ends.clone(), attempt));
                Ok(Body::Stream(Metered { inner: body, ends, wanted: length, sent: 0, failed: None }.boxed()))
            }
        }
    }

    async fn stored(&self, source: &Served, range: Range<u64>) -> Result<ByteStream, StorageError> {
        let storage = self.storage(source.provider).ok_or(StorageError::NotFound)?;
        let key: ObjectKey = source.source_url.parse().map_err(|_| StorageError::NotFound)?;
        let length = range.end - range.start;
        let part = (range != (0..source.size)).then_some(range);
        let opened = storage.get(&key, part).await?;
        if opened.size.is_some_and(|size| size != source.size) {
            return Err(StorageError::Unavailable("the file has another length than it had".to_owned()));
        }
        Ok(exactly(opened.body, 0, length))
    }

    async fn elsewhere(&self, source: &Served, range: Range<u64>) -> Result<ByteStream, OriginError> {
        let token = self
            .token_of(source.id, source.sealed_token.as_deref())
            .map_err(|error| OriginError::Refused(error.to_string()))?;
        let length = range.end - range.start;
        let asked = (range != (0..source.size)).then(|| range.clone());
        let address = (source.provider, source.source_url.as_str());
        let opened = self.0.origin.reaching(source.by_vendor).open(address, token.as_deref(), asked).await?;
        // A host that cannot send a part sends all of it, from the beginning.
        let (expected, skip) = if opened.is_part { (length, 0) } else { (source.size, range.start) };
        if opened.length.is_some_and(|length| length != expected) {
            return Err(OriginError::Unavailable("the file has another length than it had".to_owned()));
        }
        Ok(exactly(opened.body, skip, length))
    }

    /// The storage's own address of a file; one that was made a moment ago does.
    async fn sign(&self, source: &Served) -> Result<String, StorageError> {
        let now = self.0.db.now();
        let known = self.signed().get(&source.id).cloned();
        if let Some(known) = known.filter(|known| known.revision == source.revision && known.until > now) {
            return Ok(known.url);
        }
        let storage = self.storage(source.provider).ok_or(StorageError::NotFound)?;
        let key: ObjectKey = source.source_url.parse().map_err(|_| StorageError::NotFound)?;
        let presented =
            Presented { disposition: disposition(&source.file_name), content_type: source.content_type.clone() };
        let url = storage.presign(&key, &presented, SIGNED).await?;
        let url = url.ok_or_else(|| StorageError::Refused("it has no addresses to give".to_owned()))?;
        let mut signed = self.signed();
        if signed.len() >= MOST_SIGNED {
            signed.clear();
        }
        signed.insert(source.id, Signed { revision: source.revision, url: url.clone(), until: now + SIGNED_AGAIN });
        Ok(url)
    }

    /// Nothing was sent: the use is given back, and somebody looks at the source.
    async fn failed(&self, serving: &Serving, why: &str) -> Result<(), DbError> {
        tracing::warn!(source = %serving.source.id, why, "a file that was asked for cannot be fetched");
        let source = serving.source.id;
        self.0
            .db
            .write(async |tx| {
                give_back(tx, serving, why).await?;
                tx.enqueue(&VerifySource { source }).await?;
                Ok(())
            })
            .await
    }
}

fn sent(serving: Serving, body: Body) -> Sent {
    let source = serving.source;
    Sent {
        product: serving.product,
        counts: serving.begins && !matches!(body, Body::Head),
        size: source.size,
        tag: source.tag(),
        disposition: disposition(&source.file_name),
        content_type: source.content_type,
        range: serving.range,
        body,
    }
}

/// `length` bytes of a stream after the first `skip`: no more, and an error if there are less.
fn exactly(body: ByteStream, skip: u64, length: u64) -> ByteStream {
    stream::unfold(Some((body, skip, length)), |state| async move {
        let (mut body, mut skip, left) = state?;
        if left == 0 {
            return None;
        }
        loop {
            let mut piece: Bytes = match body.next().await {
                Some(Ok(piece)) => piece,
                Some(Err(error)) => return Some((Err(error), None)),
                None => return Some((Err(StorageError::Unavailable("the file ended too early".to_owned())), None)),
            };
            let skipped = usize::try_from(skip).unwrap_or(usize::MAX).min(piece.len());
            piece = piece.slice(skipped..);
            skip -= skipped as u64;
            if piece.is_empty() {
                continue;
            }
            piece.truncate(usize::try_from(left).unwrap_or(usize::MAX).min(piece.len()));
            let left = left - piece.len() as u64;
            return Some((Ok(piece), Some((body, skip, left))));
        }
    })
    .boxed()
}

/// A body that knows how much of it was sent, and has that written down when it is dropped.
struct Metered {
    inner: ByteStream,
    ends: Option<(Batcher<End>, DownloadId)>,
    wanted: u64,
    sent: u64,
    failed: Option<String>,
}

impl Stream for Metered {
    type Item = Result<Bytes, StorageError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let next = std::task::ready!(this.inner.poll_next_unpin(cx));
        match &next {
            Some(Ok(piece)) => this.sent += piece.len() as u64,
            Some(Err(error)) => this.failed = Some(error.to_string()),
            None => {}
        }
        Poll::Ready(next)
    }
}

impl Drop for Metered {
    fn drop(&mut self) {
        let Some((ends, attempt)) = self.ends.take() else { return };
        let status = match &self.failed {
            // The last piece may be followed by an error that nobody waited for.
            _ if self.sent >= self.wanted => DownloadStatus::Delivered,
            Some(_) => DownloadStatus::Failed,
            None => DownloadStatus::Aborted,
        };
        metrics::counter!("mintreu_download_bytes_total").increment(self.sent);
        log::count(status);
        ends.submit(End { attempt, status, reason: self.failed.take(), sent: self.sent });
    }
}

/// Writes down how attempts ended; when the database is away for a moment, a moment later.
pub(super) async fn write_ends(db: crate::db::Db, ends: Vec<End>) {
    for pause in [1, 5, 0] {
        match db.write(async |tx| log::end(tx, &ends).await).await {
            Ok(()) => return,
            Err(error) if pause > 0 && error.is_transient() => tokio::time::sleep(Duration::from_secs(pause)).await,
            Err(error) => {
                // Housekeeping closes what is left open.
                tracing::warn!(%error, downloads = ends.len(), "how downloads ended could not be written down");
                return;
            }
        }
    }
}
