//! Which calls an endpoint is: a method and a pattern of paths.

use std::{fmt, str::FromStr};

/// The methods that an endpoint may be of; `*` is any.
pub const METHODS: [&str; 8] = ["*", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// The longest pattern and the longest path that fits one, in bytes.
const LONGEST: usize = 300;

/// Paths: `/v1/posts`, `/v1/posts/{id}` with any one part for a name in braces, `/v1/*` for all below.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    parts: Vec<Part>,
    /// Whether anything may follow.
    open: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Is(String),
    Any,
}

/// Why a text is no pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a path of 300 bytes at most such as /v1/posts, /v1/posts/{{id}} or /v1/*")]
pub struct PatternError;

/// What may stand between two slashes, as it is: without what needs an escape, which proxies may read in two ways.
fn is_plain(part: &str) -> bool {
    !part.is_empty()
        && part != "."
        && part != ".."
        && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~!$&'()+,;=:@".contains(&byte))
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let rest = text.strip_prefix('/').filter(|_| text.len() <= LONGEST).ok_or(PatternError)?;
        let (rest, open) = match rest.strip_suffix('*') {
            Some("") => ("", true),
            Some(rest) => (rest.strip_suffix('/').ok_or(PatternError)?, true),
            None => (rest, false),
        };
        let part = |part: &str| match part.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) if is_plain(name) => Ok(Part::Any),
            None if is_plain(part) => Ok(Part::Is(part.to_owned())),
            Some(_) | None => Err(PatternError),
        };
        let parts = if rest.is_empty() { Vec::new() } else { rest.split('/').map(part).collect::<Result<_, _>>()? };
        Ok(Self { text: text.to_owned(), parts, open })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Pattern {
    /// Whether a path is one of its. A path that can be read in two ways is none: with empty parts, dots or a backslash.
    /// What follows a question mark does not count; one slash at the end does not either.
    #[must_use]
    pub fn fits(&self, path: &str) -> bool {
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let Some(rest) = path.strip_prefix('/').filter(|_| path.len() <= LONGEST) else { return false };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let given: Vec<&str> = if rest.is_empty() { Vec::new() } else { rest.split('/').collect() };
        let sane = |part: &&str| {
            let lower = part.to_ascii_lowercase();
            let tricky = ["%2f", "%2e", "%5c", "%00"].iter().any(|escape| lower.contains(escape));
            !part.is_empty() && *part != "." && *part != ".." && !part.contains('\\') && !tricky
        };
        let long_enough = if self.open { given.len() >= self.parts.len() } else { given.len() == self.parts.len() };
        long_enough
            && given.iter().all(sane)
            && self.parts.iter().zip(&given).all(|(part, given)| match part {
                Part::Any => true,
                Part::Is(text) => text == given,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_fit_as_the_table_says() {
        for (pattern, path, fits) in [
            ("/v1/posts", "/v1/posts", true),
            ("/v1/posts", "/v1/posts/", true),
            ("/v1/posts", "/v1/posts?page=2", true),
            ("/v1/posts", "/v1/posts/1", false),
            ("/v1/posts", "/V1/posts", false),
            ("/v1/posts", "/v1//posts", false),
            ("/v1/posts/{id}", "/v1/posts/7", true),
            ("/v1/posts/{id}", "/v1/posts", false),
            ("/v1/posts/{id}", "/v1/posts/7/comments", false),
            ("/v1/posts/{id}", "/v1/posts/..", false),
            ("/v1/posts/{id}", "/v1/posts/%2e%2e", false),
            ("/v1/posts/{id}", "/v1/posts/a%2Fb", false),
            ("/v1/*", "/v1", true),
            ("/v1/*", "/v1/a/b/c", true),
            ("/v1/*", "/v1/../v2", false),
            ("/v1/*", "/v10", false),
            ("/*", "/", true),
            ("/*", "/anything", true),
            ("/", "/", true),
            ("/", "", false),
            ("/*", "anything", false),
        ] {
            let pattern: Pattern = pattern.parse().expect("a pattern");
            assert_eq!(pattern.fits(path), fits, "{pattern} {path}");
        }
    }

    #[test]
    fn other_texts_are_no_patterns() {
        for text in
            ["", "v1", "/v1//a", "/v1/", "/../a", "/v1/a*", "/v1/{}", "/v1/{a", "/v1/a b", "/%2e", "/a?b", "/*/a"]
        {
            assert_eq!(text.parse::<Pattern>(), Err(PatternError), "{text}");
        }
        assert_eq!(format!("/{}", "a".repeat(300)).parse::<Pattern>(), Err(PatternError));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(pattern: String, path: String) {
            if let Ok(pattern) = pattern.parse::<Pattern>() {
                let _ = pattern.fits(&path);
            }
            let open: Pattern = "/*".parse().expect("a pattern");
            let _ = open.fits(&path);
        }
    }
}
