//! How long texts may be, and what they may hold.

use crate::http::{Kind, Problem};

/// The longest names and the like, in bytes.
pub(super) const NAME: usize = 255;

/// A text of one to `longest` bytes without NUL, which PostgreSQL cannot keep.
pub(super) fn text<'t>(pointer: &str, text: &'t str, longest: usize) -> Result<&'t str, Problem> {
    if text.trim().is_empty() || text.len() > longest || text.contains('\0') {
        return Err(refused(pointer, format!("expected 1 to {longest} bytes of text without NUL")));
    }
    Ok(text)
}

/// The same, for a text that may be missing.
pub(super) fn optional<'t>(pointer: &str, value: Option<&'t str>, longest: usize) -> Result<Option<&'t str>, Problem> {
    value.map(|value| text(pointer, value, longest)).transpose()
}

/// What is wrong at one place of a body.
pub(super) fn refused(pointer: &str, detail: impl Into<String>) -> Problem {
    Problem::new(Kind::InvalidInput).error(pointer, detail)
}
