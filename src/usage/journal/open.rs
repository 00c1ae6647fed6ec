//! Opening a directory: what earlier processes left is checked and mended, then a new journal begins.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions, TryLockError},
    path::{Path, PathBuf},
};

use metrics::counter;

use super::{
    Journal, JournalError, JournalId, NewSegment, ReadError, Segment, SegmentReader,
    segment::{EXTENSION, HEADER, HeaderError},
    sync_dir,
};
use crate::kernel::IdSource;

/// A directory in use: the new journal, and those of earlier openings that may hold records the database lacks.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) journal: Journal,
    pub(crate) retired: Vec<Retired>,
}

/// A journal that is read, never continued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Retired {
    pub(crate) id: JournalId,
    pub(crate) segments: Vec<Segment>,
}

impl Retired {
    /// The position behind its last record.
    pub(crate) fn end(&self) -> u64 {
        self.segments.last().map_or(0, |segment| segment.end)
    }
}

impl Journal {
    /// Takes the directory for this process, mends what earlier ones left, and begins a journal.
    ///
    /// A damaged tail is cut to the last whole record. A file whose header is damaged is renamed to `*.damaged`. When
    /// damage lies before the end of a journal, its whole records are used and a copy is kept as `*.damaged`.
    pub(crate) fn open(dir: &Path, ids: &IdSource) -> Result<Opened, JournalError> {
        fs::create_dir_all(dir).map_err(JournalError::io("create", dir))?;
        let lock = lock(dir)?;
        let retired = leftovers(dir)?;
        let mut journal = Self {
            dir: dir.to_owned(),
            id: ids.next(),
            _lock: lock,
            active: None,
            closed: Vec::new(),
            unsynced: Vec::new(),
            next_number: 1,
            offset: 0,
            synced: 0,
        };
        let first = NewSegment { dir: dir.to_owned(), journal: journal.id, number: 0 };
        journal.install(first.create()?)?;
        Ok(Opened { journal, retired })
    }
}

fn lock(dir: &Path) -> Result<File, JournalError> {
    let path = dir.join("lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(JournalError::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(JournalError::InUse(dir.to_owned())),
        Err(TryLockError::Error(source)) => Err(JournalError::io("lock", &path)(source)),
    }
}

/// A segment file as found, and the first place where it is damaged.
struct Found {
    segment: Segment,
    damaged: bool,
    /// Bytes behind the last whole record.
    tail: u64,
}

fn leftovers(dir: &Path) -> Result<Vec<Retired>, JournalError> {
    let mut journals: BTreeMap<JournalId, BTreeMap<u64, Found>> = BTreeMap::new();
    for path in segment_files(dir)? {
        let Some((journal, found)) = inspect(&path)? else { continue };
        let segments = journals.entry(journal).or_default();
        // Two copies of one segment: the one with more whole records has all that the other has.
        let number = found.segment.number;
        let worse = match segments.remove(&number) {
            Some(other) if other.segment.end > found.segment.end => {
                segments.insert(number, other);
                Some(found)
            }
            other => {
                segments.insert(number, found);
                other
            }
        };
        if let Some(worse) = worse {
            set_aside(&worse.segment.path, "it is a second copy of another segment")?;
        }
    }
    let mut retired = Vec::new();
    for (id, found) in journals {
        let segments = mend(found)?;
        if !segments.is_empty() {
            retired.push(Retired { id, segments });
        }
    }
    sync_dir(dir)?;
    Ok(retired)
}

pub(crate) fn segment_files(dir: &Path) -> Result<Vec<PathBuf>, JournalError> {
    let entries = fs::read_dir(dir).map_err(JournalError::io("read", dir))?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(JournalError::io("read", dir))?.path();
        if path.extension().is_some_and(|extension| extension == EXTENSION) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// Reads a file to its last whole record. `None` when it is no segment that this version can read.
fn inspect(path: &Path) -> Result<Option<(JournalId, Found)>, JournalError> {
    let mut reader = match SegmentReader::open(path) {
        Ok(reader) => reader,
        Err(HeaderError::Io(source)) => return Err(JournalError::io("read", path)(source)),
        Err(HeaderError::Short) => {
            // The process died while it made the file; no record can be in it.
            let length = fs::metadata(path).map_err(JournalError::io("read", path))?.len();
            note_cut(path, length);
            fs::remove_file(path).map_err(JournalError::io("delete", path))?;
            return Ok(None);
        }
        Err(error @ HeaderError::Version(_)) => {
            tracing::warn!(path = %path.display(), %error, "a usage journal is left as it is; run the version that wrote it");
            return Ok(None);
        }
        Err(error) => {
            set_aside(path, &error.to_string())?;
            return Ok(None);
        }
    };
    let damaged = loop {
        match reader.next() {
            Ok(Some(_)) => {}
            Ok(None) => break false,
            Err(ReadError::Damaged(_)) => break true,
            Err(ReadError::Io(source)) => return Err(JournalError::io("read", path)(source)),
        }
    };
    let header = reader.header;
    let segment = Segment { path: path.to_owned(), number: header.number, base: header.base, end: reader.offset() };
    Ok(Some((header.journal, Found { segment, damaged, tail: reader.left() })))
}

/// Cuts damage off the segments of one journal; returns those with records, in order.
fn mend(found: BTreeMap<u64, Found>) -> Result<Vec<Segment>, JournalError> {
    let last = found.keys().next_back().copied();
    let mut segments: Vec<Segment> = Vec::new();
    for (number, Found { segment, damaged, tail }) in found {
        if segments.last().is_some_and(|before| segment.base < before.end) {
            set_aside(&segment.path, "its records overlap the segment before it")?;
            continue;
        }
        if damaged {
            if Some(number) != last {
                keep_copy(&segment.path)?;
            }
            cut(&segment, tail)?;
        }
        if segment.end == segment.base {
            fs::remove_file(&segment.path).map_err(JournalError::io("delete", &segment.path))?;
        } else {
            segments.push(segment);
        }
    }
    Ok(segments)
}

fn cut(segment: &Segment, tail: u64) -> Result<(), JournalError> {
    note_cut(&segment.path, tail);
    let file = OpenOptions::new().write(true).open(&segment.path).map_err(JournalError::io("open", &segment.path))?;
    file.set_len(HEADER as u64 + segment.end - segment.base)
        .and_then(|()| file.sync_all())
        .map_err(JournalError::io("cut", &segment.path))
}

fn note_cut(path: &Path, bytes: u64) {
    counter!("mintreu_usage_journal_truncated_bytes_total").increment(bytes);
    tracing::warn!(path = %path.display(), bytes, "a usage journal was cut to its last whole record");
}

fn damaged_name(path: &Path) -> PathBuf {
    (0..1_000_u32)
        .map(|copy| path.with_extension(if copy == 0 { "damaged".to_owned() } else { format!("{copy}.damaged") }))
        .find(|name| !name.exists())
        .unwrap_or_else(|| path.with_extension("damaged"))
}

fn set_aside(path: &Path, reason: &str) -> Result<(), JournalError> {
    let aside = damaged_name(path);
    fs::rename(path, &aside).map_err(JournalError::io("rename", path))?;
    counter!("mintreu_usage_journal_set_aside_total").increment(1);
    tracing::error!(path = %path.display(), aside = %aside.display(), reason, "a usage journal segment was set aside; its counts are missing");
    Ok(())
}

fn keep_copy(path: &Path) -> Result<(), JournalError> {
    let aside = damaged_name(path);
    fs::copy(path, &aside).and_then(|_| File::open(&aside)?.sync_all()).map_err(JournalError::io("copy", path))?;
    counter!("mintreu_usage_journal_set_aside_total").increment(1);
    tracing::error!(path = %path.display(), copy = %aside.display(), "a usage journal segment is damaged before its end; its counts after the damage are missing, a copy is kept");
    Ok(())
}
