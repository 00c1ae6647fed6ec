//! The journal: what was recorded survives the process.
//!
//! **Promise.** When [`Journal::append`] has returned `Ok`, the record is in the operating system's page cache: a
//! process killed at any later moment loses nothing. A power cut loses at most what was appended since the last
//! [`sync`](Syncing::sync). Reading back gives every whole record in order, and never one that was not written.
//!
//! A journal is a row of segment files in a directory that one process at a time may use. **Every opening starts a
//! journal with a new id**, kept in each file's header; journals of earlier openings are read, never continued. So a
//! directory that was copied, renamed or restored from a backup cannot write two histories under one id, and the
//! database, which keeps one position per id, never takes one for the other.
//!
//! A position is an offset that counts the bytes of framed records across segments. It also grows over records that
//! the disk refused: such a gap is seen as the next segment's `base`.

mod open;
mod record;
mod segment;
#[cfg(test)]
mod tests;

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

pub(crate) use open::{Opened, Retired, segment_files};
pub(crate) use record::{frame, payloads};
use segment::{HEADER, Header};
pub(crate) use segment::{HeaderError, ReadError, Segment, SegmentReader};

use crate::id_type;

id_type!(JournalId, JournalMark, "ujr", "A usage journal: one opening of a journal directory.");

/// Why a journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another process has the directory.
    #[error("the usage journal {} is in use by another process: stop it, or give this one a directory of its own", .0.display())]
    InUse(PathBuf),
    /// The file system refused.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With which file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl JournalError {
    fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { what, path, source }
    }
}

/// The journal that is being written.
#[derive(Debug)]
pub(crate) struct Journal {
    dir: PathBuf,
    id: JournalId,
    /// Held for as long as the journal lives: one process per directory.
    _lock: File,
    /// Where records go; `None` after the disk refused, until a new segment could be made.
    active: Option<Active>,
    /// Segments that are complete, oldest first.
    closed: Vec<Segment>,
    /// Files that got records which were not synced yet, the active one aside.
    unsynced: Vec<Arc<File>>,
    next_number: u64,
    offset: u64,
    synced: u64,
}

#[derive(Debug)]
struct Active {
    file: Arc<File>,
    path: PathBuf,
    header: Header,
    /// Offset behind the last whole record in this file.
    end: u64,
}

impl Active {
    fn segment(&self) -> Segment {
        Segment { path: self.path.clone(), number: self.header.number, base: self.header.base, end: self.end }
    }
}

impl Journal {
    pub(crate) fn id(&self) -> JournalId {
        self.id
    }

    /// The position behind everything that was appended.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Bytes that a power cut would lose.
    pub(crate) fn unsynced_bytes(&self) -> u64 {
        self.offset - self.synced
    }

    /// Whether records reach the disk.
    pub(crate) fn writable(&self) -> bool {
        self.active.is_some()
    }

    /// Bytes on disk.
    pub(crate) fn bytes(&self) -> u64 {
        let active = self.active.iter().map(|active| active.end - active.header.base);
        self.closed.iter().map(|segment| segment.end - segment.base).chain(active).sum()
    }

    /// Completes frames with their checksums and appends them with one write, which is when a killed process no longer
    /// loses them.
    ///
    /// The offset grows in either case. After an error the segment ends before these frames and nothing is written
    /// until [`install`](Self::install) gives a new one: the caller keeps what the frames say.
    pub(crate) fn append(&mut self, frames: &mut [u8]) -> io::Result<()> {
        self.offset += frames.len() as u64;
        let Some(active) = &mut self.active else {
            return Err(io::Error::other("no segment can be written"));
        };
        record::stamp(frames, active.header.seed);
        match (&*active.file).write_all(frames) {
            Ok(()) => {
                active.end = self.offset;
                Ok(())
            }
            Err(error) => {
                // A part of the frames may be there. If even this fails, the reader finds a damaged record and cuts it.
                let _ = active.file.set_len(HEADER as u64 + active.end - active.header.base);
                self.close_active();
                Err(error)
            }
        }
    }

    fn close_active(&mut self) {
        if let Some(active) = self.active.take() {
            self.closed.push(active.segment());
            self.unsynced.push(active.file);
        }
    }

    /// The segment to make next, if the active one is full or missing.
    pub(crate) fn wants_segment(&mut self, segment_bytes: u64) -> Option<NewSegment> {
        let full = self.active.as_ref().is_none_or(|active| active.end - active.header.base >= segment_bytes);
        full.then(|| {
            let number = self.next_number;
            self.next_number += 1;
            NewSegment { dir: self.dir.clone(), journal: self.id, number }
        })
    }

    /// Makes a created file the active segment.
    pub(crate) fn install(&mut self, created: Created) -> Result<(), JournalError> {
        let header = Header::new(self.id, created.number, self.offset);
        (&created.file).write_all(&header.encode()).map_err(JournalError::io("write", &created.path)).inspect_err(
            |_| {
                let _ = fs::remove_file(&created.path);
            },
        )?;
        self.close_active();
        self.active = Some(Active { file: Arc::new(created.file), path: created.path, header, end: self.offset });
        Ok(())
    }

    /// The files that a sync has to reach; the sync itself happens without the journal's lock.
    pub(crate) fn syncing(&mut self) -> Option<Syncing> {
        let active = self.active.iter().map(|active| active.file.clone());
        let files: Vec<_> = self.unsynced.drain(..).chain(active).collect();
        (self.synced < self.offset && !files.is_empty()).then_some(Syncing { files, offset: self.offset })
    }

    /// Notes that everything up to `offset` is on stable storage.
    pub(crate) fn set_synced(&mut self, offset: u64) {
        self.synced = self.synced.max(offset);
    }

    /// The segments with records in `from..to`, oldest first.
    pub(crate) fn segments(&self, from: u64, to: u64) -> Vec<Segment> {
        let active = self.active.iter().map(Active::segment);
        let all = self.closed.iter().cloned().chain(active);
        all.filter(|segment| segment.end > from && segment.base < to).collect()
    }

    /// Takes the complete segments whose records all lie before `position` off the books; the caller deletes them.
    pub(crate) fn release(&mut self, position: u64) -> Vec<Segment> {
        let done = self.closed.iter().take_while(|segment| segment.end <= position).count();
        self.closed.drain(..done).collect()
    }

    /// Points the journal at a device that refuses writes, as a full disk does.
    #[cfg(test)]
    pub(crate) fn fill_disk(&mut self) {
        let full = OpenOptions::new().append(true).open("/dev/full").expect("the system has /dev/full");
        if let Some(active) = &mut self.active {
            active.file = Arc::new(full);
        }
    }
}

/// A segment that is wanted but does not exist yet.
#[derive(Debug)]
pub(crate) struct NewSegment {
    dir: PathBuf,
    journal: JournalId,
    number: u64,
}

/// An empty file for a segment.
#[derive(Debug)]
pub(crate) struct Created {
    file: File,
    path: PathBuf,
    number: u64,
}

impl NewSegment {
    /// Makes the file. Takes as long as the file system takes, so it is done without the journal's lock.
    pub(crate) fn create(self) -> Result<Created, JournalError> {
        let path = self.dir.join(Header::file_name(self.journal, self.number));
        let file =
            OpenOptions::new().create_new(true).append(true).open(&path).map_err(JournalError::io("create", &path))?;
        sync_dir(&self.dir)?;
        Ok(Created { file, path, number: self.number })
    }
}

/// Files on their way to stable storage.
#[derive(Debug)]
pub(crate) struct Syncing {
    files: Vec<Arc<File>>,
    offset: u64,
}

impl Syncing {
    /// Waits for the disk; returns the position up to which a power cut loses nothing now.
    pub(crate) fn sync(self) -> io::Result<u64> {
        self.files.iter().try_for_each(|file| file.sync_data())?;
        Ok(self.offset)
    }
}

/// Makes created, renamed and deleted names durable.
fn sync_dir(dir: &Path) -> Result<(), JournalError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(JournalError::io("sync", dir))
}
