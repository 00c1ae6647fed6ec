//! How much of a limit is used: kept in memory between looks at the database.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{
    Usage,
    tally::{Period, Question},
};
use crate::{
    db::{Db, DbError},
    kernel::Time,
};

/// How long what was read is gone on counting from. What other replicas counted meanwhile is not in it.
const FRESH: Duration = Duration::from_secs(2);
/// How many counts are kept before those that are not fresh are dropped.
const MANY: usize = 50_000;

/// Counts of the present month, by subject and metric. Clones share them.
#[derive(Debug, Clone)]
pub struct Meter(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    usage: Usage,
    db: Db,
    counts: Mutex<HashMap<(String, &'static str), Counted>>,
}

#[derive(Debug, Clone, Copy)]
struct Counted {
    period: Time,
    read_at: Instant,
    count: i64,
    /// What was taken here since the entry was made.
    taken: i64,
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

    /// Takes so much, if there is so much left. In this process no two takers are given the same; replicas know of each
    /// other after a moment. Recording what was used is the caller's.
    pub async fn take(&self, take: &Take<'_>) -> Result<Metered, DbError> {
        let now = self.0.usage.now();
        let period = Period::Month.start(now);
        let key = (take.subject.to_owned(), take.metric);
        let before = {
            let mut counts = self.counts();
            match counts.get_mut(&key).filter(|counted| counted.period == period) {
                Some(counted) if counted.read_at.elapsed() < FRESH => return Ok(counted.take(take)),
                Some(counted) => counted.taken,
                None => 0,
            }
        };
        let Take { subject, metric, .. } = *take;
        let question = Question { subject, metric, endpoint: None, period: Period::Month, at: now };
        let read_at = Instant::now();
        let read = self.0.usage.current(&self.0.db, &question).await?;
        let mut counts = self.counts();
        if counts.len() >= MANY {
            counts.retain(|_, counted| counted.read_at.elapsed() < FRESH);
        }
        let taken = counts.get(&key).filter(|counted| counted.period == period).map_or(0, |counted| counted.taken);
        // What was taken while the database was read may be in what was read or not: it is counted once more, not less.
        let count = read.count.saturating_add(taken.saturating_sub(before));
        let counted = counts.entry(key).insert_entry(Counted { period, read_at, count, taken }).into_mut();
        Ok(counted.take(take))
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<(String, &'static str), Counted>> {
        self.0.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counted {
    fn take(&mut self, take: &Take<'_>) -> Metered {
        let amount = i64::from(take.amount);
        let after = self.count.saturating_add(amount);
        let fits = amount == 0 || take.limit.is_none_or(|limit| after <= limit);
        if fits {
            self.count = after;
            self.taken = self.taken.saturating_add(amount);
        }
        Metered { used: self.count, fits, resets_at: self.period.plus_months(1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_reached_and_not_passed() {
        let mut counted = Counted { period: Time::default(), read_at: Instant::now(), count: 8, taken: 0 };
        let take = |amount| Take { subject: "lic_1", metric: "api_calls", amount, limit: Some(10) };
        let used = |metered: Metered| (metered.used, metered.fits);
        assert_eq!(used(counted.take(&take(3))), (8, false), "more than is left is not taken in parts");
        assert_eq!(used(counted.take(&take(2))), (10, true));
        assert_eq!(used(counted.take(&take(0))), (10, true), "looking is free");
        assert_eq!(used(counted.take(&take(1))), (10, false));
        assert_eq!(used(counted.take(&Take { limit: None, ..take(5) })), (15, true));
        assert_eq!(counted.taken, 7);
    }
}
