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

/// An export on its way: a few hundred lines at a time.
#[derive(Debug)]
pub struct Exporting {
    filter: Filter,
    head: Head,
    after: i64,
    ended: bool,
}

impl Exporting {
    /// Begins an export of the entries that fit `filter`, up to the head that the chain has now.
    pub async fn begin(db: &Db, filter: Filter) -> Result<Self, AuditError> {
        let head = Head::read(db).await?.ok_or(AuditError::NoHead)?;
        Ok(Self { filter, head, after: 0, ended: false })
    }

    /// The next lines, and how many entries are in them; the head's is the last. None when there are no more.
    pub async fn next(&mut self, db: &Db, opener: Option<&Keyring>) -> Result<Option<(Vec<u8>, u64)>, ExportError> {
        if self.ended {
            return Ok(None);
        }
        let sql = format!(
            "{}{} ORDER BY e.seq LIMIT $14",
            select_placed!("e.seq > $12 AND e.seq <= $13"),
            self.filter.conditions()
        );
        let page: Vec<PlacedRow> = fetch_all!(
            db,
            bind_filter!(sqlx::query_as(AssertSqlSafe(sql.as_str())), self.filter)
                .bind(self.after)
                .bind(self.head.sequence)
                .bind(PAGE)
        )?;
        let mut lines = Vec::new();
        let Some(last) = page.last().and_then(|row| row.seq) else {
            self.ended = true;
            write_line(&mut lines, &LastLine { head: &self.head })?;
            return Ok(Some((lines, 0)));
        };
        self.after = last;
        let written = page.len() as u64;
        for row in page {
            write_line(&mut lines, &Record::of(row, opener))?;
        }
        Ok(Some((lines, written)))
    }
}

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
    let opener = (disclosure == Disclosure::Opened).then_some(keys);
    let (mut export, mut written) = (Exporting::begin(db, filter.clone()).await?, 0);
    while let Some((lines, entries)) = export.next(db, opener).await? {
        out.write_all(&lines)?;
        written += entries;
    }
    out.flush()?;
    Ok(written)
}

fn write_line(out: &mut impl io::Write, value: &impl serde::Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}
