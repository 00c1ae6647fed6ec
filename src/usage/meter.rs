//! How much of a limit is used: kept in memory between looks at the database.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{
    Count, Usage,
    tally::{Period, Question},
};
use crate::{
    db::{Db, DbError},
    kernel::Time,
};

/// How long what was read is gone on counting from. What other replicas counted meanwhile is not in it.
const FRESH: Duration = Duration::from_secs(2);
/// How many counts are kept before those that nobody asks for at the moment are dropped.
const MANY: usize = 50_000;

/// Counts of the present month, by subject and metric. Clones share them.
#[derive(Debug, Clone)]
pub struct Meter(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    usage: Usage,
    db: Db,
    counts: Mutex<HashMap<(String, &'static str), Slot>>,
}

/// Held from the look at what was used until what is taken is recorded: then no count is in it twice, and none is
/// missing.
type Slot = Arc<tokio::sync::Mutex<Option<Counted>>>;

#[derive(Debug, Clone, Copy)]
struct Counted {
    period: Time,
    read_at: Instant,
    count: i64,
}

/// Where a count stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metered {
    /// How much was used in this month, with what was taken now.
    pub used: i64,
    /// Whether what was to be taken was taken; else the limit is in its way.
    pub fits: bool,
    /// When the month ends.
    pub resets_at: Time,
}

/// What is to be taken.
#[derive(Debug, Clone, Copy)]
pub struct Take<'a> {
    /// Whose.
    pub subject: &'a str,
    /// Of what.
    pub metric: &'static str,
    /// How much; nothing to look only.
    pub amount: u32,
    /// How much there is in a month; none for no limit.
    pub limit: Option<i64>,
}

impl Meter {
    /// A meter of what `usage` counts.
    #[must_use]
    pub fn new(usage: Usage, db: Db) -> Self {
        Self(Arc::new(Inner { usage, db, counts: Mutex::default() }))
    }

    /// Takes so much, if there is so much left, and then records `counts`. In this process no two takers are given the
    /// same; replicas know of each other after a moment.
    pub async fn take(&self, take: &Take<'_>, counts: &[Count<'_>]) -> Result<Metered, DbError> {
        let slot = self.slot(take);
        let mut slot = slot.lock().await;
        let now = self.0.usage.now();
        let period = Period::Month.start(now);
        let known = slot.filter(|counted| counted.period == period && counted.read_at.elapsed() < FRESH);
        let mut counted = if let Some(counted) = known {
            counted
        } else {
            let Take { subject, metric, .. } = *take;
            let question = Question { subject, metric, endpoint: None, period: Period::Month, at: now };
            let read_at = Instant::now();
            Counted { period, read_at, count: self.0.usage.current(&self.0.db, &question).await?.count }
        };
        let metered = counted.take(take);
        let recorded = (metered.fits && take.amount > 0).then(|| self.0.usage.record_together(counts));
        *slot = Some(counted);
        drop(slot);
        if let Some(recorded) = recorded {
            recorded.await;
        }
        Ok(metered)
    }

    fn slot(&self, take: &Take<'_>) -> Slot {
        let mut counts = self.0.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= MANY {
            // What is dropped is read again; what somebody holds must stay the one that others wait for.
            counts.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        Arc::clone(counts.entry((take.subject.to_owned(), take.metric)).or_default())
    }
}

impl Counted {
    fn take(&mut self, take: &Take<'_>) -> Metered {
        let amount = i64::from(take.amount);
        let after = self.count.saturating_add(amount);
        let fits = amount == 0 || take.limit.is_none_or(|limit| after <= limit);
        if fits {
            self.count = after;
        }
        Metered { used: self.count, fits, resets_at: self.period.plus_months(1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_reached_and_not_passed() {
        let mut counted = Counted { period: Time::default(), read_at: Instant::now(), count: 8 };
        let take = |amount| Take { subject: "lic_1", metric: "api_calls", amount, limit: Some(10) };
        let used = |metered: Metered| (metered.used, metered.fits);
        assert_eq!(used(counted.take(&take(3))), (8, false), "more than is left is not taken in parts");
        assert_eq!(used(counted.take(&take(2))), (10, true));
        assert_eq!(used(counted.take(&take(0))), (10, true), "looking is free");
        assert_eq!(used(counted.take(&take(1))), (10, false));
        assert_eq!(used(counted.take(&Take { limit: None, ..take(5) })), (15, true));
    }
}
