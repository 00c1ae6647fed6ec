//! The way of an archive's bytes into the storage: as they come, never more than some pieces in memory.

use bytes::Bytes;
use futures::{StreamExt, stream};
use tokio::sync::mpsc;

use super::{BuildError, zip::Zip};
use crate::{
    kernel::{Checksum, Time},
    storage::{ByteStream, StorageError},
};

/// How many pieces wait for the storage.
const WAITING: usize = 4;
/// Smaller ones wait for company.
const PIECE: usize = 64 << 10;

/// Takes what is packed.
pub(super) struct Sink {
    zip: Zip,
    waiting: Vec<u8>,
    sum: Checksum,
    size: u64,
    out: mpsc::Sender<Result<Bytes, StorageError>>,
}

/// What was packed.
#[derive(Debug)]
pub(super) struct Packed {
    pub(super) size: u64,
    pub(super) sha256: String,
}

impl Sink {
    /// A sink, and what comes out of it.
    pub(super) fn new(now: Time) -> (Self, ByteStream) {
        let (out, pieces) = mpsc::channel(WAITING);
        let sink = Self { zip: Zip::new(now), waiting: Vec::new(), sum: Checksum::new(), size: 0, out };
        let stream = stream::unfold(pieces, |mut pieces| async move { Some((pieces.recv().await?, pieces)) });
        (sink, stream.boxed())
    }

    pub(super) async fn begin(&mut self, name: &str) -> Result<(), BuildError> {
        let bytes = self.zip.begin(name);
        self.put(bytes).await
    }

    pub(super) async fn data(&mut self, bytes: &[u8]) -> Result<(), BuildError> {
        let bytes = self.zip.data(bytes)?;
        self.put(bytes).await
    }

    pub(super) async fn end(&mut self) -> Result<(), BuildError> {
        let bytes = self.zip.end()?;
        self.put(bytes).await
    }

    /// A whole file.
    pub(super) async fn file(&mut self, name: &str, content: &[u8]) -> Result<(), BuildError> {
        self.begin(name).await?;
        self.data(content).await?;
        self.end().await
    }

    /// Ends the archive.
    pub(super) async fn finish(mut self) -> Result<Packed, BuildError> {
        let zip = std::mem::replace(&mut self.zip, Zip::new(Time::default()));
        self.waiting.extend(zip.finish());
        self.flush().await?;
        Ok(Packed { size: self.size, sha256: self.sum.finish() })
    }

    /// The archive will not become whole: so the storage keeps nothing of it.
    pub(super) async fn abandon(self, why: &BuildError) {
        // Whoever does not listen any more has given up already.
        let _ = self.out.send(Err(StorageError::Source(why.to_string()))).await;
    }

    async fn put(&mut self, bytes: Vec<u8>) -> Result<(), BuildError> {
        self.waiting.extend(bytes);
        if self.waiting.len() >= PIECE { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), BuildError> {
        let piece = std::mem::take(&mut self.waiting);
        self.sum.update(&piece);
        self.size += piece.len() as u64;
        self.out.send(Ok(piece.into())).await.map_err(|_| BuildError::Unheard)
    }
}
