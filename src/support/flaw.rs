//! What can be wrong with what somebody writes, and what the operations on tickets refuse.

use std::ops::RangeInclusive;

use crate::{catalog::Flaw, db::DbError};

/// The most characters of a subject.
pub const LONGEST_SUBJECT: usize = 200;
/// The most characters of a message.
pub const LONGEST_BODY: usize = 20_000;

/// Why something is not done to a ticket.
#[derive(Debug, thiserror::Error)]
pub enum TicketError {
    /// There is none, or none of theirs.
    #[error("there is no such ticket")]
    NotFound,
    /// It is over for good.
    #[error("the ticket is closed; open a new one, and name this one as `follow_up_of`")]
    Closed,
    /// What was sent cannot be.
    #[error("some fields are wrong")]
    Invalid(Vec<Flaw>),
    /// It is for operators.
    #[error("{0}")]
    Forbidden(&'static str),
    /// The database did not take it.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl TicketError {
    pub(super) fn flaw(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Invalid(vec![Flaw { pointer: pointer.into(), detail: detail.into() }])
    }
}

/// Gathers everything that is wrong, so that it is told at once.
#[derive(Debug, Default)]
pub(super) struct Flaws(Vec<Flaw>);

impl Flaws {
    pub(super) fn add(&mut self, field: &str, detail: impl Into<String>) {
        self.0.push(Flaw { pointer: format!("#/{field}"), detail: detail.into() });
    }

    pub(super) fn must(&mut self, holds: bool, field: &str, detail: &str) {
        if !holds {
            self.add(field, detail);
        }
    }

    /// A text of one line.
    pub(super) fn line(&mut self, field: &str, text: &str, most: usize) {
        self.length(field, text, 1..=most);
        self.must(!text.chars().any(char::is_control), field, "a line of text, without control characters");
        self.must(text.trim() == text, field, "without blanks at its ends");
    }

    /// A text of any number of lines.
    pub(super) fn text(&mut self, field: &str, text: &str, most: usize) {
        self.length(field, text, 1..=most);
        self.must(
            !text.chars().any(unwanted),
            field,
            "a text without control characters other than line ends and tabs",
        );
        self.must(text.is_empty() || !text.trim().is_empty(), field, "not blank");
    }

    fn length(&mut self, field: &str, text: &str, length: RangeInclusive<usize>) {
        // Bytes first: nothing counts the characters of what is far too long.
        if text.len() > length.end() * 4 || !length.contains(&text.chars().count()) {
            self.add(field, format!("{} to {} characters", length.start(), length.end()));
        }
    }

    pub(super) fn done(self) -> Result<(), Vec<Flaw>> {
        if self.0.is_empty() { Ok(()) } else { Err(self.0) }
    }
}

/// A control character that is none of those that part lines and words. NUL, which PostgreSQL cannot keep, is one.
pub(super) fn unwanted(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\r' | '\t')
}
