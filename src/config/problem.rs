//! What is wrong with a configuration: one line for each problem, all of them at once.

use std::{fmt, path::Path, sync::Arc};

use super::Profile;

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// In `config.toml`, which is built in.
    Default,
    /// In what the profile changes.
    Profile(Profile),
    /// In a file, at a line counted from 1.
    File(Arc<Path>, usize),
    /// In an environment variable.
    Env(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Profile(profile) => write!(f, "profile {}", profile.name()),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Env(name) => f.write_str(name),
        }
    }
}

/// One thing that is wrong. Its text is one line: where, which key, what, and the mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it was written.
    pub origin: Origin,
    /// The key, such as `http.listen`; empty when it is about a whole file.
    pub key: String,
    /// What is wrong and how to mend it.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = if self.key.is_empty() { String::new() } else { format!("{}: ", self.key) };
        let line = format!("{}: {key}{}", self.origin, self.what);
        // Names and what libraries say can span lines; a problem is one.
        f.write_str(&line.split_whitespace().collect::<Vec<_>>().join(" "))
    }
}

/// Everything that is wrong with a configuration: at least one problem.
#[derive(Debug, thiserror::Error)]
pub struct ConfigError {
    /// The problems, in the order in which they were found.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl From<Problem> for ConfigError {
    fn from(problem: Problem) -> Self {
        Self { problems: vec![problem] }
    }
}

/// The environment variable that sets `key`.
#[must_use]
pub fn env_name(key: &str) -> String {
    format!("MINTREU__{}", key.to_uppercase().replace('.', "__"))
}

/// The known keys that `key` may have been meant to be: those that end alike, else the nearest by spelling.
pub(super) fn suggestions<'a>(key: &str, known: &[&'a str]) -> Vec<&'a str> {
    let nearest = known.iter().map(|name| (distance(key, name), *name)).min();
    if let Some((edits, name)) = nearest
        && edits <= 2
    {
        return vec![name];
    }
    let last = |name: &str| name.rsplit('.').next().is_some_and(|word| Some(word) == key.rsplit('.').next());
    let alike: Vec<&str> = known.iter().copied().filter(|name| last(name)).collect();
    if !alike.is_empty() && alike.len() <= 3 {
        return alike;
    }
    let word = key.rsplit('.').next().unwrap_or(key).len();
    nearest.filter(|(edits, _)| *edits <= word / 3).map(|(_, name)| name).into_iter().collect()
}

/// Levenshtein's distance: the fewest insertions, deletions and replacements between two texts.
fn distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.chars().count()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in right.chars().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = std::mem::replace(&mut row[j + 1], 0);
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_counts_single_edits() {
        for (left, right, edits) in
            [("", "abc", 3), ("listen", "listen", 0), ("listn", "listen", 1), ("kitten", "sitting", 3)]
        {
            assert_eq!(distance(left, right), edits);
            assert_eq!(distance(right, left), edits);
        }
    }

    #[test]
    fn a_key_without_its_section_is_found_by_its_last_word() {
        let known = ["http.listen", "metrics.listen", "database.url"];
        assert_eq!(suggestions("listen", &known), ["http.listen", "metrics.listen"]);
        assert_eq!(suggestions("db.url", &known), ["database.url"]);
        assert_eq!(suggestions("http.listne", &known), ["http.listen"]);
        assert!(suggestions("colour", &known).is_empty());
    }

    #[test]
    fn what_spans_lines_is_told_on_one() {
        let problem = Problem { origin: Origin::Default, key: "a.b".to_owned(), what: "x\n  y".to_owned() };
        assert_eq!(problem.to_string(), "default: a.b: x y");
    }
}
