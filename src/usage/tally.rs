//! Counts added up in memory, and the summary rows that they become.

use std::{collections::HashMap, fmt};

use chrono::{Datelike, NaiveDate};

use super::count::{Entry, Key, join};
use crate::kernel::{Time, UnknownName};

/// How long a summary row's period is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Period {
    /// From a full hour, UTC.
    Hour,
    /// From midnight, UTC.
    Day,
    /// From the first of a month, UTC.
    Month,
}

impl Period {
    /// All periods that are summed up.
    pub const ALL: [Self; 3] = [Self::Hour, Self::Day, Self::Month];

    /// As stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    /// When the period that contains `at` began.
    #[must_use]
    pub fn start(self, at: Time) -> Time {
        self.start_of_hour(super::count::hour_of(at))
    }

    /// When the period began that contains an hour, counted from the epoch.
    pub(crate) fn start_of_hour(self, hour: u32) -> Time {
        match self {
            Self::Hour => join(hour, 0),
            Self::Day => join(hour - hour % 24, 0),
            Self::Month => {
                let day = join(hour, 0).to_datetime().date_naive();
                let first = NaiveDate::from_ymd_opt(day.year(), day.month(), 1).unwrap_or(day);
                first.and_time(chrono::NaiveTime::MIN).and_utc().into()
            }
        }
    }
}

impl std::str::FromStr for Period {
    type Err = UnknownName;
    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let known = Self::ALL.into_iter().find(|period| period.as_str() == text);
        known.ok_or(UnknownName { known: &["hour", "day", "month"] })
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Counts per key, and the calls to log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    counts: HashMap<Box<[u8]>, i64>,
    calls: Vec<LoggedCall>,
    records: u64,
}

/// A call on its way to `api_usage_logs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LoggedCall {
    pub(crate) key: Box<[u8]>,
    pub(crate) at: Time,
    pub(crate) amount: i64,
    pub(crate) request_id: String,
    pub(crate) status: i32,
    pub(crate) duration_micros: i64,
    pub(crate) meta: Option<String>,
}

/// What is added to one row of `usage_summaries`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SummaryRow<'a> {
    pub(crate) subject: &'a str,
    pub(crate) metric: &'a str,
    pub(crate) period: Period,
    pub(crate) period_start: Time,
    pub(crate) endpoint: &'a str,
    pub(crate) count: i64,
}

impl Tally {
    /// Adds a record.
    pub(crate) fn add(&mut self, entry: &Entry<'_>) {
        self.add_count(entry);
        if let Some(call) = entry.call {
            let Some(key) = Key::decode(entry.key) else { return };
            self.calls.push(LoggedCall {
                key: entry.key.into(),
                at: join(key.hour, call.micros),
                amount: entry.amount,
                request_id: call.request_id.to_owned(),
                status: call.status.into(),
                duration_micros: call.duration_micros.into(),
                meta: call.meta.map(str::to_owned),
            });
        }
    }

    /// Adds a record's amount, not its call.
    pub(crate) fn add_count(&mut self, entry: &Entry<'_>) {
        self.records += 1;
        if let Some(count) = self.counts.get_mut(entry.key) {
            *count = count.saturating_add(entry.amount);
        } else {
            self.counts.insert(entry.key.into(), entry.amount);
        }
    }

    /// Rows' worth of memory: keys and calls.
    pub(crate) fn len(&self) -> usize {
        self.counts.len() + self.calls.len()
    }

    /// How many records were added.
    pub(crate) fn records(&self) -> u64 {
        self.records
    }

    /// The calls to log, in the order they were recorded.
    pub(crate) fn calls(&self) -> &[LoggedCall] {
        &self.calls
    }

    /// What was counted for one subject and metric in one period, at one endpoint or at all of them.
    pub(crate) fn count(&self, question: &Question<'_>) -> i64 {
        let start = question.period.start(question.at);
        let matches = |key: Key<'_>| {
            key.subject == question.subject
                && key.metric == question.metric
                && question.endpoint.is_none_or(|endpoint| endpoint == key.endpoint)
                && question.period.start_of_hour(key.hour) == start
        };
        let counts = self.counts.iter().filter(|(key, _)| Key::decode(key).is_some_and(matches));
        counts.fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// What the counts add to the summaries: one row per primary key, in the order of the primary key.
    ///
    /// The order keeps concurrent flushes of several replicas from waiting for each other in a circle.
    pub(crate) fn rows(&self) -> Vec<SummaryRow<'_>> {
        let mut rows: Vec<_> = self
            .counts
            .iter()
            .filter_map(|(key, count)| Some((Key::decode(key)?, *count)))
            .flat_map(|(Key { hour, subject, metric, endpoint }, count)| {
                Period::ALL.map(|period| {
                    let period_start = period.start_of_hour(hour);
                    SummaryRow { subject, metric, period, period_start, endpoint, count }
                })
            })
            .collect();
        rows.sort_unstable();
        rows.dedup_by(|next, kept| {
            let same = next.subject == kept.subject
                && next.metric == kept.metric
                && next.period == kept.period
                && next.period_start == kept.period_start
                && next.endpoint == kept.endpoint;
            if same {
                kept.count = kept.count.saturating_add(next.count);
            }
            same
        });
        rows
    }
}

/// Which count is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Whose.
    pub subject: &'a str,
    /// Of what.
    pub metric: &'a str,
    /// At one endpoint, or `None` for all together.
    pub endpoint: Option<&'a str>,
    /// In how long a period.
    pub period: Period,
    /// In the period that contains this time.
    pub at: Time,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::count::{Count, decode, encode};

    fn time(text: &str) -> Time {
        text.parse().expect("a time")
    }

    fn tally(counts: &[(&str, &str, u64)]) -> Tally {
        let mut tally = Tally::default();
        for (at, endpoint, amount) in counts {
            let mut bytes = Vec::new();
            let count = Count { subject: "s", metric: "m", endpoint, amount: *amount, at: time(at), call: None };
            encode(&count, false, &mut bytes);
            tally.add(&decode(&bytes).expect("decodes"));
        }
        tally
    }

    #[test]
    fn periods_begin_at_the_borders_of_utc() {
        for (at, hour, day, month) in [
            ("2024-02-29T23:59:59.999999Z", "2024-02-29T23:00:00Z", "2024-02-29T00:00:00Z", "2024-02-01T00:00:00Z"),
            ("2024-03-01T00:00:00Z", "2024-03-01T00:00:00Z", "2024-03-01T00:00:00Z", "2024-03-01T00:00:00Z"),
            ("2025-02-28T23:30:00-01:00", "2025-03-01T00:00:00Z", "2025-03-01T00:00:00Z", "2025-03-01T00:00:00Z"),
            ("2025-12-31T23:59:59Z", "2025-12-31T23:00:00Z", "2025-12-31T00:00:00Z", "2025-12-01T00:00:00Z"),
            ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
        ] {
            assert_eq!(Period::ALL.map(|period| period.start(time(at))), [time(hour), time(day), time(month)], "{at}");
        }
    }

    #[test]
    fn rows_are_unique_ordered_and_sum_to_the_same_in_every_period() {
        let tally = tally(&[
            ("2024-02-29T22:10:00Z", "a", 1),
            ("2024-02-29T22:50:00Z", "a", 2),
            ("2024-02-29T23:00:00Z", "a", 4),
            ("2024-03-01T00:00:00Z", "a", 8),
            ("2024-03-01T00:00:00Z", "b", 16),
        ]);
        let rows = tally.rows();
        assert!(rows.is_sorted());
        for period in Period::ALL {
            assert_eq!(rows.iter().filter(|row| row.period == period).map(|row| row.count).sum::<i64>(), 31);
        }
        let february = rows.iter().find(|row| row.period == Period::Month).expect("a month");
        assert_eq!((february.count, february.period_start), (7, time("2024-02-01T00:00:00Z")));
        assert_eq!(rows.len(), 4 + 3 + 3);
    }

    #[test]
    fn a_question_is_answered_for_one_endpoint_or_all() {
        let tally = tally(&[
            ("2024-02-29T22:10:00Z", "a", 1),
            ("2024-02-01T00:00:00Z", "b", 2),
            ("2024-03-01T00:00:00Z", "a", 4),
        ]);
        let ask = |endpoint, period| {
            tally.count(&Question { subject: "s", metric: "m", endpoint, period, at: time("2024-02-29T22:59:00Z") })
        };
        assert_eq!(ask(None, Period::Month), 3);
        assert_eq!(ask(Some("a"), Period::Month), 1);
        assert_eq!(ask(None, Period::Day), 1);
        assert_eq!(ask(Some("b"), Period::Day), 0);
    }

    #[test]
    fn a_count_stops_at_the_largest_number_instead_of_wrapping() {
        let max = i64::MAX.cast_unsigned();
        assert!(
            tally(&[("2024-02-29T22:10:00Z", "a", max), ("2024-02-29T23:10:00Z", "a", max)])
                .rows()
                .iter()
                .all(|row| row.count == i64::MAX)
        );
    }
}
