//! What commands print: text for people, JSON for machines; errors in one line each.

use std::{
    fmt::Display,
    io::{self, Write},
    process::ExitCode,
};

use serde::Serialize;

use crate::{config::ConfigError, db::DbError};

/// How a command prints.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
}

/// Why a command ends with an exit code other than 0.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    lines: Vec<String>,
}

impl Failure {
    /// It could not be done.
    pub(crate) fn failed(error: impl Display) -> Self {
        Self { code: 1, lines: vec![error.to_string()] }
    }

    /// It could not be done, for each of these reasons.
    pub(crate) const fn lines(lines: Vec<String>) -> Self {
        Self { code: 1, lines }
    }

    /// The command line or the configuration is wrong.
    pub(crate) fn usage(error: impl Display) -> Self {
        Self { code: 2, lines: vec![error.to_string()] }
    }
}

impl Failure {
    /// The same, with this exit code.
    pub(crate) const fn ending_with(mut self, code: u8) -> Self {
        self.code = code;
        self
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.lines.join("; "))
    }
}

impl From<DbError> for Failure {
    fn from(error: DbError) -> Self {
        Self::failed(error)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self { code: 2, lines: error.problems.iter().map(ToString::to_string).collect() }
    }
}

/// The exit code of a check that found something wrong.
pub(crate) const FOUND: u8 = 3;

impl Output {
    pub(crate) const fn new(json: bool) -> Self {
        Self { json }
    }

    /// Prints a value: as JSON, or as `text` makes of it.
    pub(crate) fn print<T: Serialize>(self, value: &T, text: impl FnOnce(&T) -> String) -> Result<(), Failure> {
        let line = if self.json { serde_json::to_string_pretty(value).map_err(Failure::failed)? } else { text(value) };
        Self::line(&line)
    }

    /// Prints a line. Whoever reads may have gone (`| head`): then there is nobody to tell.
    pub(crate) fn line(line: &str) -> Result<(), Failure> {
        match writeln!(io::stdout().lock(), "{line}") {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::failed(error)),
            _ => Ok(()),
        }
    }

    /// Prints why the command failed and gives its exit code.
    pub(crate) fn fail(self, failure: &Failure) -> ExitCode {
        let mut stderr = io::stderr().lock();
        for line in &failure.lines {
            let line =
                if self.json { serde_json::json!({ "error": line }).to_string() } else { format!("error: {line}") };
            // Nobody is left to be told when stderr is closed.
            let _ = writeln!(stderr, "{line}");
        }
        ExitCode::from(failure.code)
    }
}

pub(crate) use crate::app::counted;

/// Rows in columns as wide as their widest cell.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = head.iter().map(|cell| cell.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let head: Vec<String> = head.iter().map(|cell| (*cell).to_owned()).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    std::iter::once(&head).chain(rows).map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_end_with_their_text() {
        let rows = vec![vec!["1".to_owned(), "long".to_owned()], vec!["22".to_owned(), "x".to_owned()]];
        assert_eq!(table(&["a", "b"], &rows), "a   b\n1   long\n22  x");
    }
}
