//! What has been used so far: the database and what is still on its way there.

use super::{Usage, count::name, store, tally::Question};
use crate::db::{Db, DbError};

/// An answer to a [`Question`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Current {
    /// How much was used, as far as this process knows; other replicas' last seconds are not in it.
    pub count: i64,
    /// Whether all that this process recorded is in the count. It is not while a long outage of the database is being
    /// caught up from the journal.
    pub complete: bool,
}

/// How often the database is asked again because a flush happened in between.
const MOST_READS: usize = 4;

impl Usage {
    /// What was used: summaries in the database plus what this process has not flushed yet, each count once.
    ///
    /// A read of the database: for pages, and to seed the counters of a quota; not for every request.
    pub async fn current(&self, db: &Db, question: &Question<'_>) -> Result<Current, DbError> {
        let (subject, metric) = (name(question.subject), name(question.metric));
        let endpoint = question.endpoint.map(name);
        let question = Question { subject: &subject, metric: &metric, endpoint: endpoint.as_deref(), ..*question };
        let mut answer = Current { count: 0, complete: false };
        for _ in 0..MOST_READS {
            let (stored, position) = store::count(db, self.journal(), &question).await?;
            let (count, complete) = self.pending(&question, position.unwrap_or(0));
            answer = Current { count: stored.saturating_add(count.unwrap_or(0)), complete };
            if count.is_some() {
                break;
            }
        }
        Ok(answer)
    }

    /// What was recorded behind `position`, and whether that is all; `None` if some of it was flushed and forgotten
    /// meanwhile.
    fn pending(&self, question: &Question<'_>, position: u64) -> (Option<i64>, bool) {
        let (sealed, last) = {
            let state = self.shared.lock();
            let current = state.pending.current();
            (state.pending.sealed(), (current.from, current.count(question)))
        };
        let (last_from, last) = last;
        let begins = sealed.first().map_or(last_from, |batch| batch.from);
        if begins > position {
            return (None, false);
        }
        let open = sealed.iter().filter(|batch| batch.to > position);
        let counts = open.map(|batch| batch.count(question).filter(|_| batch.from >= position));
        let counts: Vec<_> = counts.chain([last]).collect();
        let sum = counts.iter().flatten().fold(0_i64, |sum, count| sum.saturating_add(*count));
        let caught_up = self.shared.retired.lock().unwrap_or_else(std::sync::PoisonError::into_inner).is_empty();
        (Some(sum), caught_up && counts.iter().all(Option::is_some))
    }
}
