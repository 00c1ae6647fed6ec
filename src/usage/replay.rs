//! Reading counts back from journal files.

use std::io::{self, ErrorKind};

use metrics::counter;

use super::{
    count::decode,
    journal::{HeaderError, ReadError, Segment, SegmentReader},
    tally::Tally,
};

/// Part of a journal, ready to be flushed: the counts up to the position `to`.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) tally: Tally,
    pub(super) to: u64,
}

/// Why a journal cannot be read back now.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the usage journal {path}: {source}")]
pub struct ReplayError {
    path: String,
    source: io::Error,
}

impl ReplayError {
    fn new(segment: &Segment, source: io::Error) -> Self {
        Self { path: segment.path.display().to_string(), source }
    }
}

/// Reads from `from` on, until `rows` rows are gathered or `to` is reached. Blocks.
///
/// Files were checked when the journal was opened. One that was damaged or deleted since is passed over with an error
/// in the log, so that it does not hold up what lies behind it.
pub(super) fn read_chunk(segments: &[Segment], from: u64, to: u64, rows: usize) -> Result<Chunk, ReplayError> {
    let mut tally = Tally::default();
    for segment in segments.iter().filter(|segment| segment.end > from && segment.base < to) {
        let mut reader = match SegmentReader::open(&segment.path) {
            Ok(reader) => reader,
            Err(HeaderError::Io(source)) if source.kind() != ErrorKind::NotFound => {
                return Err(ReplayError::new(segment, source));
            }
            Err(error) => {
                pass_over(segment, &error);
                continue;
            }
        };
        reader.seek(from).map_err(|source| ReplayError::new(segment, source))?;
        while reader.offset() < to {
            match reader.next() {
                Ok(None) => break,
                Ok(Some(payload)) => match decode(payload) {
                    Some(entry) => tally.add(&entry),
                    None => pass_over(segment, &"a record is whole but says nothing this version understands"),
                },
                Err(ReadError::Io(source)) => return Err(ReplayError::new(segment, source)),
                Err(error @ ReadError::Damaged(_)) => {
                    pass_over(segment, &error);
                    break;
                }
            }
            if tally.len() >= rows {
                return Ok(Chunk { to: reader.offset().min(to), tally });
            }
        }
    }
    Ok(Chunk { tally, to })
}

fn pass_over(segment: &Segment, error: &dyn std::fmt::Display) {
    counter!("mintreu_usage_journal_set_aside_total").increment(1);
    tracing::error!(path = %segment.path.display(), %error, "counts in a usage journal cannot be read back and are missing");
}
