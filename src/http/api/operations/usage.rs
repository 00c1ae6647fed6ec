//! `/api/admin/usage`: what was used, by hour, day or month.

use axum::extract::State;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    app::App,
    http::{Admin, Json, Kind, Problem, Query, sought},
    kernel::{Page, Time},
    usage::{self, MOST_SUMMARIES, Period, Summary, SummaryFilter},
};

/// Which summaries.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Which {
    /// By what; by day if nothing is said.
    #[schemars(extend("enum" = ["hour", "day", "month"]))]
    period: Option<String>,
    /// Of this subject.
    subject: Option<String>,
    /// Of this metric.
    metric: Option<String>,
    /// Periods that began at this time or later.
    from: Option<Time>,
    /// Periods that began before this time.
    until: Option<Time>,
}

/// `GET /api/admin/usage`: the latest periods first, a thousand rows at most; narrow `from` and `until` for others.
pub(super) async fn list(
    State(app): State<App>,
    _: Admin,
    Query(which): Query<Which>,
) -> Result<Json<Page<Summary>>, Problem> {
    let text =
        |pointer: &str, text: &Option<String>| Ok::<_, Problem>(sought(pointer, text.as_deref())?.map(str::to_owned));
    let period =
        which.period.as_deref().map_or(Ok(Period::Day), str::parse).map_err(|error: crate::kernel::UnknownName| {
            Problem::new(Kind::InvalidParameter).error("#/period", error.to_string())
        })?;
    let filter = SummaryFilter {
        period,
        subject: text("#/subject", &which.subject)?,
        metric: text("#/metric", &which.metric)?,
        from: which.from,
        until: which.until,
    };
    let data = usage::summaries(&app.db, &filter).await?;
    let has_more = i64::try_from(data.len()).is_ok_and(|rows| rows == MOST_SUMMARIES);
    Ok(Json(Page { data, has_more, next_cursor: None }))
}
