//! Counts that the database does not have yet, cut into batches that follow each other in the journal.
//!
//! **Promise.** A batch says exactly what the journal holds between its two positions, plus what the disk refused in
//! between; each batch is flushed as a whole and once. Memory is bounded: past the limit a batch is only its two
//! positions, to be read back from the journal.

use std::{collections::VecDeque, sync::Arc};

use super::{
    count::Entry,
    tally::{Question, Tally},
};

/// What was recorded between two positions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) content: Content,
    /// Whether the disk has all of it; if not, memory is the only place.
    journaled: bool,
}

/// Where a batch's counts are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    /// Here.
    Memory(Tally),
    /// In the journal alone.
    Journal,
}

impl Batch {
    fn new(from: u64, content: Content) -> Self {
        Self { from, to: from, content, journaled: true }
    }

    /// What the journal holds between two positions.
    pub(crate) fn in_journal(from: u64, to: u64) -> Self {
        Self { from, to, content: Content::Journal, journaled: true }
    }

    /// Whether it can be read back from the journal.
    pub(crate) fn journaled(&self) -> bool {
        self.journaled
    }

    fn rows(&self) -> usize {
        match &self.content {
            Content::Memory(tally) => tally.len(),
            Content::Journal => 0,
        }
    }

    /// What it adds to a count; `None` if that is only known to the journal.
    pub(crate) fn count(&self, question: &Question<'_>) -> Option<i64> {
        match &self.content {
            Content::Memory(tally) => Some(tally.count(question)),
            Content::Journal => (self.from == self.to).then_some(0),
        }
    }
}

/// All batches that are not in the database, oldest first.
#[derive(Debug)]
pub(crate) struct Pending {
    sealed: VecDeque<Arc<Batch>>,
    sealed_rows: usize,
    current: Batch,
    batch_rows: usize,
    memory_rows: usize,
}

/// What came of adding a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Added {
    /// There is room for more.
    Kept,
    /// A batch is full: time to flush.
    Sealed,
    /// Counted, but its call will not be logged: neither the disk nor memory has room.
    CallDropped,
}

impl Pending {
    pub(crate) fn new(batch_rows: usize, memory_rows: usize) -> Self {
        let current = Batch::new(0, Content::Memory(Tally::default()));
        Self { sealed: VecDeque::new(), sealed_rows: 0, current, batch_rows: batch_rows.max(1), memory_rows }
    }

    /// Rows in memory.
    pub(crate) fn rows(&self) -> usize {
        self.sealed_rows + self.current.rows()
    }

    /// Adds a record that lies in the journal before the position `to`, or that the disk refused.
    pub(crate) fn add(&mut self, entry: &Entry<'_>, to: u64, journaled: bool) -> Added {
        if journaled != self.current.journaled {
            // What only memory has is never mixed with what can be read back.
            self.seal();
            self.current.journaled = journaled;
        }
        if !journaled && self.current.content == Content::Journal {
            self.current.content = Content::Memory(Tally::default());
        }
        self.current.to = to;
        // Neither the disk nor memory has room: equal keys still add up in place, calls do not.
        let cramped = !journaled && self.rows() >= self.memory_rows;
        match &mut self.current.content {
            Content::Journal => return Added::Kept,
            Content::Memory(tally) if cramped => {
                tally.add_count(entry);
                return if entry.call.is_some() { Added::CallDropped } else { Added::Kept };
            }
            Content::Memory(tally) => tally.add(entry),
        }
        if self.current.rows() < self.batch_rows {
            return Added::Kept;
        }
        self.seal();
        Added::Sealed
    }

    /// Closes the current batch and begins the next.
    pub(crate) fn seal(&mut self) {
        let to = self.current.to;
        if self.current.from == to {
            return;
        }
        self.sealed_rows += self.current.rows();
        let batch = std::mem::replace(&mut self.current, Batch::new(to, Content::Journal));
        match self.sealed.back_mut() {
            Some(last) if last.content == Content::Journal && batch.content == Content::Journal => {
                *last = Arc::new(Batch::in_journal(last.from, batch.to));
            }
            _ => self.sealed.push_back(Arc::new(batch)),
        }
        self.use_memory_again();
    }

    /// Adds up in memory what comes from now on, if nothing came yet that only the journal knows and there is room.
    fn use_memory_again(&mut self) {
        let untouched = self.current.from == self.current.to;
        if untouched && self.current.content == Content::Journal && self.rows() < self.memory_rows {
            self.current.content = Content::Memory(Tally::default());
        }
    }

    /// The oldest batch that is complete.
    pub(crate) fn oldest(&self) -> Option<Arc<Batch>> {
        self.sealed.front().cloned()
    }

    /// All complete batches.
    pub(crate) fn sealed(&self) -> Vec<Arc<Batch>> {
        self.sealed.iter().cloned().collect()
    }

    /// The batch that records are added to.
    pub(crate) fn current(&self) -> &Batch {
        &self.current
    }

    /// Forgets what lies before `position`, because the database has it.
    ///
    /// A batch that is cut in two goes on as what the journal holds behind the cut.
    pub(crate) fn confirm(&mut self, position: u64) {
        while let Some(batch) = self.sealed.pop_front() {
            if batch.to <= position || batch.from < position {
                self.sealed_rows -= batch.rows();
            }
            if batch.to > position {
                let rest = if batch.from < position { Arc::new(Batch::in_journal(position, batch.to)) } else { batch };
                self.sealed.push_front(rest);
                break;
            }
        }
        self.use_memory_again();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        kernel::Time,
        usage::{
            Period,
            count::{Call, Count, decode, encode},
        },
    };
    use std::time::Duration;

    fn add(pending: &mut Pending, endpoint: &str, to: u64, journaled: bool) -> Added {
        let call = Call { request_id: "r", status: 200, duration: Duration::ZERO, meta: None };
        let count = Count { subject: "s", metric: "m", endpoint, amount: 1, at: Time::default(), call: Some(call) };
        let mut bytes = Vec::new();
        encode(&count, !journaled, &mut bytes);
        pending.add(&decode(&bytes).expect("decodes"), to, journaled)
    }

    fn spans(pending: &Pending) -> Vec<(u64, u64, bool)> {
        pending.sealed.iter().map(|batch| (batch.from, batch.to, batch.content == Content::Journal)).collect()
    }

    #[test]
    fn past_the_limit_batches_stay_in_the_journal_and_become_one() {
        let mut pending = Pending::new(2, 4);
        for n in 1..=9 {
            add(&mut pending, &n.to_string(), n, true);
            if n == 6 {
                pending.seal();
            }
        }
        pending.seal();
        assert_eq!(spans(&pending), [(0, 2, false), (2, 4, false), (4, 9, true)]);
        pending.confirm(4);
        pending.confirm(5);
        assert_eq!(spans(&pending), [(5, 9, true)]);
        pending.confirm(9);
        assert_eq!(pending.oldest(), None);
    }

    #[test]
    fn what_the_disk_refused_is_counted_in_memory_whatever_its_size() {
        let mut pending = Pending::new(1, 3);
        for n in 1..=3 {
            add(&mut pending, &n.to_string(), n, true);
        }
        assert_eq!(add(&mut pending, "in the journal", 4, true), Added::Kept);
        assert_eq!(pending.current().content, Content::Journal);
        for n in 5..=9 {
            assert_eq!(add(&mut pending, &n.to_string(), n, false), Added::CallDropped);
        }
        add(&mut pending, "in the journal again", 10, true);
        pending.seal();
        let memory = [(0, 1, false), (1, 2, false), (2, 3, false)];
        assert_eq!(spans(&pending)[..3], memory);
        assert_eq!(spans(&pending)[3..], [(3, 4, true), (4, 9, false), (9, 10, true)]);
        let question =
            Question { subject: "s", metric: "m", endpoint: None, period: Period::Hour, at: Time::default() };
        let refused = &pending.sealed()[4];
        assert_eq!((refused.count(&question), refused.journaled()), (Some(5), false));
        pending.confirm(9);
        assert_eq!(pending.rows(), 0);
    }

    proptest::proptest! {
        /// Whatever the disk and the flusher do, batches follow each other without a gap and miss no record.
        #[test]
        fn every_record_is_in_one_batch(
            steps in proptest::collection::vec((0..4_u8, proptest::bool::weighted(0.7)), 1..60),
            batch_rows in 1..4_usize, memory_rows in 0..8_usize,
        ) {
            let mut pending = Pending::new(batch_rows, memory_rows);
            let mut position = 0;
            for (step, journaled) in steps {
                if step == 0 {
                    pending.seal();
                } else {
                    position += 1;
                    add(&mut pending, &position.to_string(), position, journaled);
                }
            }
            pending.seal();
            let mut at = 0;
            for batch in pending.sealed() {
                proptest::prop_assert_eq!(batch.from, at);
                at = batch.to;
                match &batch.content {
                    Content::Memory(tally) => proptest::prop_assert_eq!(tally.records(), batch.to - batch.from),
                    Content::Journal => proptest::prop_assert!(batch.journaled()),
                }
            }
            proptest::prop_assert_eq!(at, position);
            let rows: usize = pending.sealed().iter().map(|batch| batch.rows()).sum();
            proptest::prop_assert_eq!(rows, pending.rows());
        }
    }
}
