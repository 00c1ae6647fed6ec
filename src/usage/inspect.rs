//! Looking into a journal directory without taking it.

use std::{collections::BTreeMap, path::Path};

use super::{
    JournalError, JournalId,
    count::decode,
    journal::{SegmentReader, segment_files},
};

/// What the files of one journal hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalContents {
    /// The journal.
    pub journal: JournalId,
    /// The position of the first record.
    pub from: u64,
    /// The position behind the last whole record.
    pub to: u64,
    /// Whole records.
    pub records: u64,
    /// The sum of their amounts.
    pub amount: i64,
}

/// Reads the journals in a directory, also while another process writes to it or after it was killed. Changes nothing.
///
/// What a record says is on its way to the database, or there already if the journal's position is past it.
pub fn inspect(dir: &Path) -> Result<Vec<JournalContents>, JournalError> {
    let mut journals: BTreeMap<JournalId, JournalContents> = BTreeMap::new();
    for path in segment_files(dir)? {
        // What is damaged, or was deleted meanwhile, holds nothing that can be told.
        let Ok(mut reader) = SegmentReader::open(&path) else { continue };
        let (journal, from) = (reader.header.journal, reader.header.base);
        let contents =
            journals.entry(journal).or_insert(JournalContents { journal, from, to: from, records: 0, amount: 0 });
        while let Ok(Some(payload)) = reader.next() {
            contents.records += 1;
            contents.amount = contents.amount.saturating_add(decode(payload).map_or(0, |entry| entry.amount));
        }
        contents.from = contents.from.min(from);
        contents.to = contents.to.max(reader.offset());
    }
    Ok(journals.into_values().collect())
}
