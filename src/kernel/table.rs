//! Cells of tables that people open with spreadsheets.
//!
//! Spreadsheets take a cell that begins with `=`, `+`, `-` or `@` for a formula, and a table of customers' texts could then
//! do things on its reader's machine. Such a text is written with an apostrophe before it, which spreadsheets take for
//! "this is a text".

use std::borrow::Cow;

/// What spreadsheets take for the beginning of a formula, also in the full width of East Asian keyboards, and the
/// apostrophe that keeps them from it.
const RISKY: &[char] = &['=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}', '\''];

/// A text as a cell that is taken for a text.
#[must_use]
pub fn cell(text: &str) -> Cow<'_, str> {
    if text.starts_with(RISKY) { format!("'{text}").into() } else { text.into() }
}

/// The text that such a cell was made from.
#[must_use]
pub fn text(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(text) if text.starts_with(RISKY) => text,
        _ => cell,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_formula_is_written_as_a_text_and_read_as_it_was() {
        for (given, written) in [
            ("=HYPERLINK(\"http://x\")", "'=HYPERLINK(\"http://x\")"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\n=1", "'\n=1"),
            ("'=1", "''=1"),
            ("''", "'''"),
            ("it's", "it's"),
            ("", ""),
        ] {
            assert_eq!(cell(given), written);
            assert_eq!(text(written), given);
        }
        assert_eq!(text("'quoted"), "'quoted", "an apostrophe that nobody needed stays");
    }

    proptest::proptest! {
        #[test]
        fn any_text_comes_back(given: String) {
            let written = cell(&given);
            proptest::prop_assert_eq!(text(&written), given.as_str());
            proptest::prop_assert!(!written.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']));
        }
    }
}
