//! The way of an archive's bytes into the storage: as they are packed, never more than some pieces in memory.

use std::{
    io::{self, Write},
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use chrono::{Datelike, Timelike};
use futures::{StreamExt, stream};
use tokio::sync::mpsc;
use zip::{
    CompressionMethod, DateTime, ZipWriter,
    result::ZipError,
    write::{SimpleFileOptions, StreamWriter},
};

use super::BuildError;
use crate::{
    kernel::{Checksum, Time},
    storage::{ByteStream, StorageError},
};

/// How many pieces wait for the storage.
const WAITING: usize = 4;
/// Smaller ones wait for company.
const PIECE: usize = 64 << 10;
/// A file in the archive is its owner's.
const MODE: u32 = 0o600;
/// Longer names are cut: some systems cannot have them.
const LONGEST_NAME: usize = 200;

/// Takes what is to be packed. A single file stays below 4 GiB, for which every program can read what comes out; the archive as
/// a whole may be longer.
pub(super) struct Sink {
    // Boxed: it is large, and lives in the futures of those who write.
    zip: Box<ZipWriter<StreamWriter<Packing>>>,
    options: SimpleFileOptions,
    outlet: Outlet,
}

/// What was packed.
#[derive(Debug)]
pub(super) struct Packed {
    pub(super) size: u64,
    pub(super) sha256: String,
}

/// What was packed and is not on its way yet. The archive writes to it, and the outlet takes from it.
#[derive(Debug, Clone, Default)]
struct Packing(Arc<Mutex<Vec<u8>>>);

/// Sends what was packed, in pieces.
struct Outlet {
    packing: Packing,
    sum: Checksum,
    size: u64,
    out: mpsc::Sender<Result<Bytes, StorageError>>,
}

impl Packing {
    /// Everything, if it is at least this much.
    fn take(&self, least: usize) -> Option<Vec<u8>> {
        let mut bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (bytes.len() >= least).then(|| mem::take(&mut *bytes))
    }
}

impl Write for Packing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl From<ZipError> for BuildError {
    fn from(error: ZipError) -> Self {
        Self::Pack(error.to_string())
    }
}

impl Sink {
    /// A sink, and what comes out of it.
    pub(super) fn new(now: Time) -> (Self, ByteStream) {
        let (out, pieces) = mpsc::channel(WAITING);
        let packing = Packing::default();
        let zip = Box::new(ZipWriter::new_stream(packing.clone()));
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(changed(now))
            .unix_permissions(MODE);
        let sink = Self { zip, options, outlet: Outlet { packing, sum: Checksum::new(), size: 0, out } };
        let stream = stream::unfold(pieces, |mut pieces| async move { Some((pieces.recv().await?, pieces)) });
        (sink, stream.boxed())
    }

    /// Begins a file, which ends the one before.
    pub(super) async fn begin(&mut self, name: &str) -> Result<(), BuildError> {
        let name: String = name.chars().take(LONGEST_NAME).collect();
        self.zip.start_file(name, self.options)?;
        self.outlet.send(PIECE).await
    }

    /// The bytes of the file that was begun.
    pub(super) async fn data(&mut self, bytes: &[u8]) -> Result<(), BuildError> {
        self.zip.write_all(bytes).map_err(ZipError::from)?;
        self.outlet.send(PIECE).await
    }

    /// A whole file.
    pub(super) async fn file(&mut self, name: &str, content: &[u8]) -> Result<(), BuildError> {
        self.begin(name).await?;
        self.data(content).await
    }

    /// Ends the archive.
    pub(super) async fn finish(self) -> Result<Packed, BuildError> {
        let Self { zip, mut outlet, .. } = self;
        zip.finish()?;
        outlet.send(0).await?;
        Ok(Packed { size: outlet.size, sha256: outlet.sum.finish() })
    }

    /// The archive will not become whole: so the storage keeps nothing of it.
    pub(super) async fn abandon(self, why: &BuildError) {
        // Whoever does not listen any more has given up already.
        let _ = self.outlet.out.send(Err(StorageError::Source(why.to_string()))).await;
    }
}

impl Outlet {
    /// Sends what was packed, if it is at least this much.
    async fn send(&mut self, least: usize) -> Result<(), BuildError> {
        let Some(piece) = self.packing.take(least) else { return Ok(()) };
        self.sum.update(&piece);
        self.size += piece.len() as u64;
        self.out.send(Ok(piece.into())).await.map_err(|_| BuildError::Unheard)
    }
}

/// A time as archives have it: from 1980 to 2107, every other second.
fn changed(now: Time) -> DateTime {
    let now = now.to_datetime();
    let small = |number: u32| u8::try_from(number).unwrap_or_default();
    let year = u16::try_from(now.year()).unwrap_or_default();
    let (month, day) = (small(now.month()), small(now.day()));
    DateTime::from_date_and_time(year, month, day, small(now.hour()), small(now.minute()), small(now.second()))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read};

    use futures::{FutureExt, TryStreamExt};
    use zip::ZipArchive;

    use super::*;

    /// Bytes that cannot be packed any smaller.
    fn noise(length: usize) -> Vec<u8> {
        let mut state = 88_172_645_463_325_252_u64;
        std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[7]
        })
        .take(length)
        .collect()
    }

    fn noon() -> Time {
        "2026-03-01T12:34:57Z".parse().expect("a time")
    }

    #[tokio::test]
    async fn an_archive_is_packed_as_it_is_taken() {
        let (mut sink, stream) = Sink::new(noon());
        let noise = noise(3 << 20);
        let packing = async {
            sink.file("é/ü.txt", b"hello, ").await.expect("packed");
            sink.data(b"world").await.expect("packed");
            sink.begin("noise").await.expect("begun");
            for piece in noise.chunks(10_000) {
                sink.data(piece).await.expect("packed");
            }
            sink.begin(&"n".repeat(300)).await.expect("begun");
            sink.finish().await.expect("whole")
        };
        let (packed, pieces) = tokio::join!(packing, stream.try_collect::<Vec<Bytes>>());
        let pieces = pieces.expect("whole");
        assert!(pieces.len() > 20 && pieces.iter().all(|piece| piece.len() < 2 * PIECE), "{} pieces", pieces.len());
        let bytes = pieces.concat();
        let mut sum = Checksum::new();
        sum.update(&bytes);
        assert_eq!((packed.size, packed.sha256), (bytes.len() as u64, sum.finish()));

        let mut archive = ZipArchive::new(Cursor::new(bytes)).expect("an archive");
        assert_eq!(archive.len(), 3);
        let mut content = |name: &str| {
            let mut file = archive.by_name(name).expect("there");
            assert_eq!(file.unix_mode().map(|mode| mode & 0o777), Some(MODE));
            assert_eq!(
                file.last_modified(),
                Some(DateTime::from_date_and_time(2026, 3, 1, 12, 34, 56).expect("a date"))
            );
            let mut content = Vec::new();
            file.read_to_end(&mut content).expect("its checksum fits");
            content
        };
        assert_eq!(content("é/ü.txt"), b"hello, world");
        assert!(content("noise") == noise);
        assert_eq!(content(&"n".repeat(LONGEST_NAME)), b"");
    }

    #[tokio::test]
    async fn whoever_packs_waits_for_whoever_takes() {
        let (mut sink, mut stream) = Sink::new(noon());
        sink.begin("noise").await.expect("begun");
        let piece = noise(PIECE);
        let mut packed = 0;
        while sink.data(&piece).now_or_never().is_some() {
            packed += 1;
            // What waits, what is on its way and what is not yet: less than two of these in each.
            assert!(packed <= 2 * (WAITING + 2), "nobody takes anything, and it is kept in memory");
        }
        stream.next().await.expect("a piece").expect("whole");
        drop(stream);
        let more = noise(2 * PIECE);
        assert!(matches!(sink.data(&more).await, Err(BuildError::Unheard)), "nobody will take it");
    }

    #[tokio::test]
    async fn an_abandoned_archive_ends_with_an_error() {
        let (mut sink, stream) = Sink::new(noon());
        let packing = async {
            sink.file("noise", &noise(2 * PIECE)).await.expect("packed");
            sink.abandon(&BuildError::Pack("torn".to_owned())).await;
        };
        let ((), taken) = tokio::join!(packing, stream.collect::<Vec<_>>());
        let (last, before) = taken.split_last().expect("something was on its way");
        assert!(!before.is_empty() && before.iter().all(Result::is_ok));
        assert!(matches!(last, Err(StorageError::Source(why)) if why.contains("torn")), "{last:?}");
    }

    #[test]
    fn a_time_that_archives_cannot_have_is_their_first() {
        assert_eq!(changed(Time::from_micros(0)), DateTime::default());
        assert_eq!(changed("2200-01-01T00:00:00Z".parse().expect("a time")), DateTime::default());
    }
}
