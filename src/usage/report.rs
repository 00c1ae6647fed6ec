//! What was used, for operators: rows of the summaries.

use schemars::JsonSchema;
use serde::Serialize;
use sqlx::{AssertSqlSafe, FromRow};

use super::tally::Period;
use crate::{
    db::{Db, DbError, conditions},
    fetch_all,
    kernel::Time,
};

/// Which summaries.
#[derive(Debug, Clone)]
pub struct SummaryFilter {
    /// In how long periods.
    pub period: Period,
    /// Whose.
    pub subject: Option<String>,
    /// Of what.
    pub metric: Option<String>,
    /// Periods that begin at this time or later.
    pub from: Option<Time>,
    /// Periods that begin before this time.
    pub until: Option<Time>,
}

/// So much of something was used in a period, at all endpoints together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromRow, JsonSchema)]
#[schemars(rename = "UsageSummary")]
pub struct Summary {
    /// Whose.
    pub subject: String,
    /// Of what.
    pub metric: String,
    /// When the period began.
    pub period_start: Time,
    /// How much.
    pub count: i64,
}

/// How many summaries are told at most.
pub const MOST_SUMMARIES: i64 = 1_000;

/// What was used, the latest periods first, and in a period the most first. What the last seconds brought comes later.
pub async fn summaries(db: &Db, filter: &SummaryFilter) -> Result<Vec<Summary>, DbError> {
    let conditions = conditions(&[
        (filter.subject.is_some(), "subject = $2"),
        (filter.metric.is_some(), "metric = $3"),
        (filter.from.is_some(), "period_start >= $4"),
        (filter.until.is_some(), "period_start < $5"),
    ]);
    let text = format!(
        "SELECT subject, metric, period_start, CAST(SUM(count) AS BIGINT) AS count FROM usage_summaries
         WHERE period = $1{conditions} GROUP BY subject, metric, period_start
         ORDER BY period_start DESC, 4 DESC, subject, metric LIMIT $6"
    );
    fetch_all!(
        db,
        sqlx::query_as(AssertSqlSafe(text.as_str()))
            .bind(filter.period.as_str())
            .bind(filter.subject.as_deref())
            .bind(filter.metric.as_deref())
            .bind(filter.from)
            .bind(filter.until)
            .bind(MOST_SUMMARIES)
    )
}
