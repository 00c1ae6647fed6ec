//! Why an operator does something.

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::problem::{Kind, Problem};

/// The longest reason, in characters.
const LONGEST: usize = 500;

/// A body that says why, and nothing else.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Reason", transform = must_be_given)]
pub struct Because {
    /// Why: it is kept in the audit trail.
    // One that is missing is refused as one that says nothing.
    #[serde(default)]
    #[schemars(length(min = 1, max = 500))]
    reason: String,
}

/// In the description of a body: its `reason` must be given. Serde takes a body without one, which is then refused as one
/// that says nothing.
pub(super) fn must_be_given(schema: &mut Schema) {
    let Some(body) = schema.as_object_mut() else { return };
    if let Some(reason) = body.get_mut("properties").and_then(|all| all.get_mut("reason")?.as_object_mut()) {
        reason.remove("default");
    }
    if let Value::Array(required) = body.entry("required").or_insert_with(|| Value::Array(Vec::new())) {
        required.push("reason".into());
    }
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
