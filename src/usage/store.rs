//! Usage in the database.
//!
//! **Promise.** A batch is added once: its rows and the journal's new position are one transaction, which only happens
//! if the position is where the caller believes it to be. A late, repeated or concurrent flush changes nothing.

use crate::{
    db::{AppendTable, Column, Db, DbError, Dialect, Tx},
    execute, fetch_one, fetch_optional,
};

use super::{
    count::Key,
    journal::JournalId,
    tally::{Question, SummaryRow, Tally},
};

static LOGS: AppendTable = AppendTable::new(
    "api_usage_logs",
    &[
        ("id", Column::Uuid),
        ("at", Column::Time),
        ("subject", Column::Text),
        ("metric", Column::Text),
        ("endpoint", Column::Text),
        ("amount", Column::Int),
        ("status", Column::Int),
        ("duration_micros", Column::Int),
        ("request_id", Column::Text),
        ("meta", Column::Text),
    ],
);

/// Why a batch was not added.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApplyError {
    /// The journal's position is not the expected one; nothing was changed.
    #[error("the journal's position in the database is not where this flush begins")]
    Stale,
    #[error(transparent)]
    Db(#[from] DbError),
}

/// A step of a journal: from the position that the database is believed to have, to the one it gets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    pub(crate) journal: JournalId,
    /// `None`: the database does not know the journal.
    pub(crate) expected: Option<u64>,
    pub(crate) to: u64,
}

/// How far a journal was counted; `None` if nothing of it was.
pub(crate) async fn position(db: &Db, journal: JournalId) -> Result<Option<u64>, DbError> {
    let sql = "SELECT position FROM usage_journals WHERE journal_id = $1";
    let position: Option<i64> = fetch_optional!(db, sqlx::query_scalar(sql).bind(journal))?;
    Ok(position.map(i64::cast_unsigned))
}

/// Adds a batch in a transaction of its own.
pub(crate) async fn apply(db: &Db, step: Step, tally: &Tally) -> Result<(), ApplyError> {
    db.write(async |tx| {
        // First, because it locks the journal's row: a concurrent flush waits here and then finds itself stale.
        advance(tx, step).await?;
        add_summaries(tx, &tally.rows()).await?;
        append_calls(tx, tally);
        Ok(())
    })
    .await
}

async fn advance(tx: &mut Tx, step: Step) -> Result<(), ApplyError> {
    let (now, to) = (tx.now(), step.to.cast_signed());
    let changed = if let Some(expected) = step.expected {
        let sql = "UPDATE usage_journals SET position = $1, updated_at = $2 WHERE journal_id = $3 AND position = $4";
        execute!(tx, sqlx::query(sql).bind(to).bind(now).bind(step.journal).bind(expected.cast_signed()))?
    } else {
        let sql = "INSERT INTO usage_journals (journal_id, position, updated_at) VALUES ($1, $2, $3) \
                   ON CONFLICT (journal_id) DO NOTHING";
        execute!(tx, sqlx::query(sql).bind(step.journal).bind(to).bind(now))?
    };
    if changed == 1 { Ok(()) } else { Err(ApplyError::Stale) }
}

/// A count stops at the largest number: an overflow would be an error that holds up every later batch.
macro_rules! upsert {
    ($select:literal) => {
        concat!(
            "INSERT INTO usage_summaries (subject, metric, period, period_start, endpoint, count) ",
            $select,
            " ON CONFLICT (subject, metric, period, period_start, endpoint) DO UPDATE SET count = CASE \
             WHEN usage_summaries.count > 9223372036854775807 - excluded.count THEN 9223372036854775807 \
             ELSE usage_summaries.count + excluded.count END"
        )
    };
}

const UPSERT_SQLITE: &str =
    upsert!("SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5 FROM json_each($1) WHERE TRUE");
const UPSERT_POSTGRES: &str = upsert!(
    "SELECT r->>0, r->>1, r->>2, TIMESTAMPTZ 'epoch' + (r->>3)::bigint * INTERVAL '1 microsecond', r->>4, (r->>5)::bigint \
     FROM jsonb_array_elements($1::jsonb) AS r"
);

async fn add_summaries(tx: &mut Tx, rows: &[SummaryRow<'_>]) -> Result<(), DbError> {
    let sql = match tx.dialect() {
        Dialect::Sqlite => UPSERT_SQLITE,
        Dialect::Postgres => UPSERT_POSTGRES,
    };
    let rows: Vec<_> = rows
        .iter()
        .map(|row| {
            (row.subject, row.metric, row.period.as_str(), row.period_start.as_micros(), row.endpoint, row.count)
        })
        .collect();
    let rows = serde_json::to_string(&rows).map_err(|error| DbError::from(sqlx::Error::Encode(error.into())))?;
    execute!(tx, sqlx::query(sql).bind(&rows))?;
    Ok(())
}

fn append_calls(tx: &mut Tx, tally: &Tally) {
    for call in tally.calls() {
        let Some(key) = Key::decode(&call.key) else { continue };
        let id = tx.new_id::<()>();
        tx.append(&LOGS, |row| {
            row.uuid(id.uuid()).time(call.at).text(key.subject).text(key.metric).text(key.endpoint);
            row.int(call.amount).int(i64::from(call.status)).int(call.duration_micros);
            row.text(call.request_id.as_str()).text(call.meta.as_deref());
        });
    }
}

/// What the database has counted, and the journal's position as of the same moment.
pub(crate) async fn count(db: &Db, journal: JournalId, question: &Question<'_>) -> Result<(i64, Option<u64>), DbError> {
    let sql = "SELECT CAST(COALESCE(SUM(count), 0) AS BIGINT), (SELECT position FROM usage_journals WHERE journal_id = $1) \
               FROM usage_summaries WHERE subject = $2 AND metric = $3 AND period = $4 AND period_start = $5 \
               AND ($6 IS NULL OR endpoint = $6)";
    let (count, position): (i64, Option<i64>) = fetch_one!(
        db,
        sqlx::query_as(sql)
            .bind(journal)
            .bind(question.subject)
            .bind(question.metric)
            .bind(question.period.as_str())
            .bind(question.period.start(question.at))
            .bind(question.endpoint)
    )?;
    Ok((count, position.map(i64::cast_unsigned)))
}
