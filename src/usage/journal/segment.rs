//! One file of a journal: a header that says what it is, then records.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use uuid::Uuid;

use super::{
    JournalId,
    record::{FRAME, MAX_PAYLOAD, checksum},
};

/// Bytes of a header: magic 8, version 4, journal id 16, segment number 8, offset of the first record 8, checksum 4.
pub(crate) const HEADER: usize = 48;
const MAGIC: &[u8; 8] = b"MTRUSAGE";
const VERSION: u32 = 1;

/// What a segment says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// The journal it belongs to, whatever the file or its directory is called.
    pub(crate) journal: JournalId,
    /// Its place in the journal, from 0.
    pub(crate) number: u64,
    /// The journal's offset at its first record.
    pub(crate) base: u64,
    /// The checksum of the header; the records' checksums start from it.
    pub(crate) seed: u32,
}

/// Why a file is not a segment that can be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HeaderError {
    #[error("it is shorter than a segment's header")]
    Short,
    #[error("it does not start like a usage journal")]
    Magic,
    #[error("its header is damaged (wrong checksum)")]
    Checksum,
    #[error("it has format {0}; this version reads format {VERSION}")]
    Version(u32),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Header {
    pub(crate) fn new(journal: JournalId, number: u64, base: u64) -> Self {
        let mut header = Self { journal, number, base, seed: 0 };
        header.seed = crc32fast::hash(&header.encode()[..HEADER - 4]);
        header
    }

    pub(crate) fn encode(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..28].copy_from_slice(self.journal.uuid().as_bytes());
        bytes[28..36].copy_from_slice(&self.number.to_le_bytes());
        bytes[36..44].copy_from_slice(&self.base.to_le_bytes());
        bytes[44..].copy_from_slice(&self.seed.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8; HEADER]) -> Result<Self, HeaderError> {
        if &bytes[..8] != MAGIC {
            return Err(HeaderError::Magic);
        }
        let seed = u32_at(bytes, 44);
        if crc32fast::hash(&bytes[..HEADER - 4]) != seed {
            return Err(HeaderError::Checksum);
        }
        match u32_at(bytes, 8) {
            VERSION => {}
            other => return Err(HeaderError::Version(other)),
        }
        let mut uuid = [0; 16];
        uuid.copy_from_slice(&bytes[12..28]);
        Ok(Self {
            journal: JournalId::from_uuid(Uuid::from_bytes(uuid)),
            number: u64_at(bytes, 28),
            base: u64_at(bytes, 36),
            seed,
        })
    }

    /// What a segment's file is called; for people, the header is what counts.
    pub(crate) fn file_name(journal: JournalId, number: u64) -> String {
        format!("{}-{number:010}.{EXTENSION}", journal.uuid())
    }
}

/// The file extension of segments in use; anything else in the directory is left alone.
pub(crate) const EXTENSION: &str = "journal";

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

/// A segment on disk whose records from `base` up to `end` are whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    pub(crate) number: u64,
    pub(crate) base: u64,
    pub(crate) end: u64,
}

/// Why reading cannot go on at some offset of a segment.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// The bytes from here on are no whole record.
    #[error("no whole record at offset {0}")]
    Damaged(u64),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Reads a segment's records in order.
pub(crate) struct SegmentReader {
    pub(crate) header: Header,
    file: BufReader<File>,
    /// Bytes of the file that were not read yet.
    left: u64,
    offset: u64,
    payload: Vec<u8>,
}

impl SegmentReader {
    pub(crate) fn open(path: &Path) -> Result<Self, HeaderError> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut file = BufReader::with_capacity(64 * 1024, file);
        let mut bytes = [0; HEADER];
        if length < HEADER as u64 {
            return Err(HeaderError::Short);
        }
        file.read_exact(&mut bytes)?;
        let header = Header::decode(&bytes)?;
        Ok(Self { header, file, left: length - HEADER as u64, offset: header.base, payload: Vec::new() })
    }

    /// The journal's offset behind the last record that was read.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Bytes from [`offset`](Self::offset) to the end of the file.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// The next record's payload; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<&[u8]>, ReadError> {
        if self.left == 0 {
            return Ok(None);
        }
        let damaged = ReadError::Damaged(self.offset);
        let mut frame = [0; FRAME];
        if self.left < FRAME as u64 {
            return Err(damaged);
        }
        self.file.read_exact(&mut frame)?;
        let (length, crc) = (u32_at(&frame, 0), u32_at(&frame, 4));
        let size = FRAME as u64 + u64::from(length);
        if length == 0 || length as usize > MAX_PAYLOAD || size > self.left {
            return Err(damaged);
        }
        self.payload.resize(length as usize, 0);
        self.file.read_exact(&mut self.payload)?;
        if checksum(self.header.seed, length.to_le_bytes(), &self.payload) != crc {
            return Err(damaged);
        }
        self.left -= size;
        self.offset += size;
        Ok(Some(&self.payload))
    }

    /// Goes to the record at `offset`, which must be the start of one.
    pub(crate) fn seek(&mut self, offset: u64) -> io::Result<()> {
        let ahead = offset.saturating_sub(self.offset).min(self.left);
        self.file.seek(SeekFrom::Current(i64::try_from(ahead).unwrap_or(i64::MAX)))?;
        self.offset += ahead;
        self.left -= ahead;
        Ok(())
    }
}
