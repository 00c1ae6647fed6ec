//! The trail as JSON lines: sealed entries in the order of the chain, the head in the last line.

use std::{collections::HashMap, io};

use serde::Serialize;
use uuid::Uuid;

use super::{
    AuditError, Disclosure, Filter, Head, Record,
    chain::KeptRow,
    seals::{Seal, entries_of, next_seals},
};
use crate::{
    db::{Db, DbError},
    kernel::seal::{Keyring, SealError, to_hex},
};

/// Why an export ended early.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The trail cannot be read.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The lines cannot be written.
    #[error("writing the export: {0}")]
    Write(#[from] io::Error),
}

impl From<DbError> for ExportError {
    fn from(error: DbError) -> Self {
        Self::Audit(error.into())
    }
}

/// A sealed entry.
#[derive(Serialize)]
struct Line<'a> {
    /// Its place in the chain.
    sequence: i64,
    #[serde(flatten)]
    record: Record,
    /// The key that hashed it.
    key_id: &'a str,
    /// The beginning of its hash.
    mac: String,
}

#[derive(Serialize)]
struct LastLine<'a> {
    head: &'a Head,
}

/// An export on its way: some hundreds of lines at a time.
#[derive(Debug)]
pub struct Exporting {
    filter: Filter,
    head: Head,
    after: i64,
    ended: bool,
}

impl Exporting {
    /// Begins an export of the entries that fit `filter`, up to the head that the chain has now.
    pub async fn begin(db: &Db, filter: Filter) -> Result<Self, AuditError> {
        let head = Head::read(db).await?.ok_or(AuditError::NoHead)?;
        Ok(Self { filter, head, after: 0, ended: false })
    }

    /// The next lines, and how many entries are in them; the head's is the last. None when there are no more.
    pub async fn next(&mut self, db: &Db, opener: Option<&Keyring>) -> Result<Option<(Vec<u8>, u64)>, ExportError> {
        if self.ended {
            return Ok(None);
        }
        let (mut lines, mut written) = (Vec::new(), 0);
        // Where nothing fits, it goes on to where something does.
        while written == 0 {
            let seals = next_seals(db, self.after, self.head.sequence).await?;
            let Some(last) = seals.last() else {
                self.ended = true;
                write_line(&mut lines, &LastLine { head: &self.head })?;
                break;
            };
            let mut found = entries_of(db, &seals, &self.filter).await?;
            for seal in &seals {
                written += self.lines_of(seal, &mut found, opener, &mut lines)?;
            }
            self.after = last.last_seq;
        }
        Ok(Some((lines, written)))
    }

    fn lines_of(
        &self,
        seal: &Seal,
        found: &mut HashMap<Uuid, KeptRow>,
        opener: Option<&Keyring>,
        lines: &mut Vec<u8>,
    ) -> Result<u64, ExportError> {
        let mut written = 0;
        for place in seal.places().ok_or(AuditError::Seal(SealError::Format))? {
            if place.sequence <= self.head.sequence
                && let Some(kept) = found.remove(&place.id)
            {
                let (record, key_id, mac) = (Record::of(kept, opener), seal.key_id.as_str(), to_hex(&place.tag));
                write_line(lines, &Line { sequence: place.sequence, record, key_id, mac })?;
                written += 1;
            }
        }
        Ok(written)
    }
}

/// Writes the sealed entries that fit `filter`, a line each, and then `{"head": {"sequence": …, "mac": …}}`.
///
/// Kept elsewhere, the head proves later that nothing up to it was changed: give it to [`verify`](super::verify).
/// Gives the number of entries. An export without the line of the head was cut short.
pub async fn export(
    db: &Db,
    keys: &Keyring,
    disclosure: Disclosure,
    filter: &Filter,
    out: &mut (impl io::Write + Send),
) -> Result<u64, ExportError> {
    let opener = (disclosure == Disclosure::Opened).then_some(keys);
    let (mut export, mut written) = (Exporting::begin(db, filter.clone()).await?, 0);
    while let Some((lines, entries)) = export.next(db, opener).await? {
        out.write_all(&lines)?;
        written += entries;
    }
    out.flush()?;
    Ok(written)
}

fn write_line(out: &mut impl io::Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}
