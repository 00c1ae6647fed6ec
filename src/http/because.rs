//! Why an operator does something.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::problem::{Kind, Problem};

/// The longest reason, in characters.
const LONGEST: usize = 500;

/// A body that says why, and nothing else.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Reason")]
pub struct Because {
    /// Why: it is kept in the audit trail.
    // One that is missing is refused as one that says nothing.
    #[serde(default)]
    #[schemars(length(min = 1, max = 500), required)]
    reason: String,
}

impl Because {
    /// The reason, which says something.
    pub fn reason(&self) -> Result<&str, Problem> {
        reason(&self.reason)
    }
}

/// A reason that says something: it is kept in the audit trail.
pub fn reason(text: &str) -> Result<&str, Problem> {
    let text = text.trim();
    let odd = |c: char| c.is_control() && c != '\n';
    if text.is_empty() || text.chars().count() > LONGEST || text.contains(odd) {
        let detail = format!("say why, in 1 to {LONGEST} characters: it is kept in the audit trail");
        return Err(Problem::new(Kind::InvalidInput).error("#/reason", detail));
    }
    Ok(text)
}

/// A text that rows are looked for by. PostgreSQL takes no NUL in a text, not even to look for it.
pub fn sought<'a>(pointer: &str, text: Option<&'a str>) -> Result<Option<&'a str>, Problem> {
    const LONGEST: usize = 255;
    match text {
        Some(text) if text.len() > LONGEST || text.contains(char::is_control) => {
            let detail = format!("expected {LONGEST} bytes at most, without control characters");
            Err(Problem::new(Kind::InvalidParameter).error(pointer, detail))
        }
        text => Ok(text.map(str::trim).filter(|text| !text.is_empty())),
    }
}
