//! What a file is, told by its first bytes: what its sender or its name says does not count.

/// A kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileKind {
    /// Its media type.
    pub media_type: &'static str,
    /// Whether a browser or a computer would run it: a page, a script, a program.
    pub runs: bool,
}

/// What a file is; none if its beginning tells nothing, as that of plain text.
#[must_use]
pub fn kind_of(beginning: &[u8]) -> Option<FileKind> {
    let found = infer::get(beginning)?;
    let runs = matches!(found.matcher_type(), infer::MatcherType::App | infer::MatcherType::Text);
    Some(FileKind { media_type: found.mime_type(), runs })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_tells_what_a_file_is_and_whether_it_runs() {
        for (beginning, media_type, runs) in [
            (&b"\x89PNG\r\n\x1a\n"[..], "image/png", false),
            (b"PK\x03\x04", "application/zip", false),
            (b"<!DOCTYPE html>", "text/html", true),
            (b"\0asm\x01\0\0\0", "application/wasm", true),
        ] {
            assert_eq!(kind_of(beginning), Some(FileKind { media_type, runs }));
        }
        assert_eq!(kind_of(b"plain text"), None);
    }
}
