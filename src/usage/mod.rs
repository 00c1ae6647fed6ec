//! Metered usage: what each subject used of each metric, by hour, day and month.
//!
//! **Promise.** A count that was [recorded](Usage::record) is in the summaries exactly once. A killed process loses
//! none, a power cut at most what was recorded since the last fsync, a lost disk what was not flushed. Recording costs
//! no database write and waits for no disk.
//!
//! The way of a count: [`Usage::record`] appends it to the journal and adds it up in memory, as does
//! [`Usage::record_together`] for all tasks that record at the moment; the
//! [`Aggregator`] adds batches to `usage_summaries` and moves the journal's position in the same transaction.

mod aggregator;
mod config;
mod count;
mod current;
mod flush;
mod inspect;
mod journal;
mod meter;
mod pending;
mod record;
mod replay;
mod report;
mod store;
mod tally;
#[cfg(test)]
mod tests;

pub use aggregator::Aggregator;
pub use config::{Config, LogPolicy};
pub use count::{Call, Count, MAX_META, MAX_NAME};
pub use current::Current;
pub use flush::FlushError;
pub use inspect::{JournalContents, inspect};
pub use journal::{JournalError, JournalId};
pub use meter::{Meter, Metered, Take};
pub use record::{Status, Usage};
pub use replay::ReplayError;
pub use report::{MOST_SUMMARIES, Summary, SummaryFilter, summaries};
pub use tally::{Period, Question};
