//! The trail as JSON lines: sealed entries in the order of the chain, the head in the last line.

use std::io;

use sqlx::AssertSqlSafe;

use super::{
    AuditError, Disclosure, Filter, Head, Record,
    chain::{PlacedRow, select_placed},
    list::bind_filter,
};
use crate::{
    db::{Db, DbError},
    fetch_all,
    kernel::seal::Keyring,
};

/// Why an export ended early.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The trail cannot be read.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The lines cannot be written.
    #[error("writing the export: {0}")]
    Write(#[from] io::Error),
}

impl From<DbError> for ExportError {
    fn from(error: DbError) -> Self {
        Self::Audit(error.into())
    }
}

#[derive(serde::Serialize)]
struct LastLine<'a> {
    head: &'a Head,
}

const PAGE: i64 = 500;

/// Writes the sealed entries that fit `filter`, a line each, and then `{"head": {"sequence": …, "mac": …}}`.
///
/// Kept elsewhere, the head proves later that nothing up to it was changed: give it to [`verify`](super::verify).
/// Gives the number of entries. An export without the line of the head was cut short.
pub async fn export(
    db: &Db,
    keys: &Keyring,
    disclosure: Disclosure,
    filter: &Filter,
    out: &mut (impl io::Write + Send),
) -> Result<u64, ExportError> {
    let head = Head::read(db).await?.ok_or(AuditError::NoHead)?;
    let opener = (disclosure == Disclosure::Opened).then_some(keys);
    let sql =
        format!("{}{} ORDER BY e.seq LIMIT $10", select_placed!("e.seq > $8 AND e.seq <= $9"), filter.conditions());
    let (mut after, mut written) = (0_i64, 0);
    loop {
        let page: Vec<PlacedRow> = fetch_all!(
            db,
            bind_filter!(sqlx::query_as(AssertSqlSafe(sql.as_str())), filter)
                .bind(after)
                .bind(head.sequence)
                .bind(PAGE)
        )?;
        let Some(last) = page.last().and_then(|row| row.seq) else { break };
        after = last;
        for row in page {
            write_line(out, &Record::of(row, opener))?;
            written += 1;
        }
    }
    write_line(out, &LastLine { head: &head })?;
    out.flush()?;
    Ok(written)
}

fn write_line(out: &mut impl io::Write, value: &impl serde::Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}
