//! A flag as it is written down: JSON, validated before it is stored.

use std::{collections::BTreeMap, fmt, str::FromStr, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::compiled::Rules;

/// The type of a flag's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FlagKind {
    /// true or false.
    Boolean,
    /// A text.
    String,
    /// A number.
    Number,
    /// A JSON object.
    Object,
}

impl FlagKind {
    /// Its name, as in the definition and the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::String => "string",
            Self::Number => "number",
            Self::Object => "object",
        }
    }
}

impl fmt::Display for FlagKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The value of a variant.
#[derive(Debug, Clone, PartialEq)]
pub enum FlagValue {
    /// Of a boolean flag.
    Boolean(bool),
    /// Of a string flag.
    String(Arc<str>),
    /// Of a number flag.
    Number(f64),
    /// Of an object flag.
    Object(Arc<Value>),
}

impl FlagValue {
    pub(super) fn read(kind: FlagKind, value: &Value) -> Option<Self> {
        match (kind, value) {
            (FlagKind::Boolean, Value::Bool(truth)) => Some(Self::Boolean(*truth)),
            (FlagKind::String, Value::String(text)) => Some(Self::String(text.as_str().into())),
            (FlagKind::Number, Value::Number(number)) => number.as_f64().map(Self::Number),
            (FlagKind::Object, Value::Object(_)) => Some(Self::Object(Arc::new(value.clone()))),
            _ => None,
        }
    }

    /// The value as JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match self {
            Self::Boolean(truth) => Value::Bool(*truth),
            Self::String(text) => Value::String(text.as_ref().to_owned()),
            Self::Number(number) => serde_json::Number::from_f64(*number).map_or(Value::Null, Value::Number),
            Self::Object(value) => Value::clone(value),
        }
    }
}

/// What is wrong with a definition, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Flaw {
    /// A JSON pointer (RFC 6901) into the definition; empty for the whole of it.
    pub pointer: String,
    /// What is wrong there and what is right.
    pub detail: String,
}

impl Flaw {
    pub(super) fn at(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into() }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pointer.as_str() {
            "" => f.write_str(&self.detail),
            pointer => write!(f, "{pointer}: {}", self.detail),
        }
    }
}

/// A flag's definition.
///
/// ```json
/// {"type": "boolean", "default": "off", "variants": {"on": true, "off": false}, "rules": [
///   {"when": [{"attribute": "country", "op": "in", "value": ["FR", "DE"]}], "variant": "on"},
///   {"tenants": ["ten_…"], "split": [{"variant": "on", "percent": 20}, {"variant": "off", "percent": 80}]}]}
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "FlagDefinition")]
pub struct Definition {
    /// The type of its values.
    #[serde(rename = "type")]
    pub kind: FlagKind,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// A flag that is not enabled serves its default variant and asks no rule.
    #[serde(default = "enabled")]
    pub enabled: bool,
    /// The values by name; a boolean flag has `on` and `off` when it names none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variants: BTreeMap<String, Value>,
    /// The variant that is served when no rule applies.
    pub default: String,
    /// What splits are drawn with, instead of the flag's key: flags that share it draw the same lots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub salt: Option<String>,
    /// The first that applies decides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RuleDef>,
}

const fn enabled() -> bool {
    true
}

/// A rule: it applies if everything that it names holds, and serves one variant or draws lots.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "FlagRule")]
pub struct RuleDef {
    /// Conditions on attributes; all must hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub when: Vec<ConditionDef>,
    /// The targeting keys that it applies to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<Vec<String>>,
    /// The tenants that it applies to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenants: Option<Vec<String>>,
    /// The variant that it serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// Or the shares that are drawn, in this order: a subject keeps its variant while the first share grows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<Vec<Share>>,
    /// What lots are drawn by.
    #[serde(default, skip_serializing_if = "is_targeting_key")]
    pub by: SplitBy,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out a reference")]
fn is_targeting_key(by: &SplitBy) -> bool {
    *by == SplitBy::TargetingKey
}

/// A share of a split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "FlagShare")]
pub struct Share {
    /// The variant that it serves.
    pub variant: String,
    /// How many of a hundred get it; up to three decimals.
    pub percent: f64,
}

/// What lots are drawn by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "FlagSplitBy")]
pub enum SplitBy {
    /// The targeting key: each subject for itself.
    #[default]
    TargetingKey,
    /// The tenant: all of its people together.
    Tenant,
}

/// A condition on one attribute. Without the attribute only `missing`, `not_equals` and `not_in` hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "FlagCondition")]
pub struct ConditionDef {
    /// Its name; `targetingKey` and `tenant` are always known.
    pub attribute: String,
    /// How it is compared.
    pub op: Op,
    /// With what.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub value: Value,
}

/// How an attribute is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are the field's own and say it")]
#[schemars(rename = "FlagOperator")]
pub enum Op {
    Equals,
    NotEquals,
    In,
    NotIn,
    StartsWith,
    EndsWith,
    LessThan,
    AtMost,
    GreaterThan,
    AtLeast,
    SemverEquals,
    SemverLessThan,
    SemverAtMost,
    SemverGreaterThan,
    SemverAtLeast,
    Exists,
    Missing,
}

impl Definition {
    /// Reads and validates a definition; all its flaws at once, if it parses.
    pub fn parse(json: &str) -> Result<Self, Vec<Flaw>> {
        let mut reader = serde_json::Deserializer::from_str(json);
        let definition: Self = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
            let detail = error.inner().to_string();
            vec![Flaw::at(pointer(error.path()), detail)]
        })?;
        reader.end().map_err(|error| vec![Flaw::at("", error.to_string())])?;
        let definition = definition.complete();
        // The salt has no part in what is valid.
        Rules::compile(&definition, "").map(|_| definition)
    }

    /// `truth` for everybody, without rules; what the flag is described by `now` stays. None if it is not a boolean one.
    #[must_use]
    pub fn for_everybody(truth: bool, now: Option<&Self>) -> Option<Self> {
        let (variants, description) = match now {
            Some(now) if now.kind == FlagKind::Boolean => (now.variants.clone(), now.description.clone()),
            Some(_) => return None,
            None => (BTreeMap::new(), String::new()),
        };
        let named = variants.iter().find(|(_, variant)| **variant == Value::Bool(truth)).map(|(name, _)| name.clone());
        let default = named.unwrap_or_else(|| if truth { "on" } else { "off" }.to_owned());
        let kind = FlagKind::Boolean;
        Some(Self { kind, description, enabled: true, variants, default, salt: None, rules: Vec::new() })
    }

    /// A boolean flag that names no variants has `on` and `off`.
    #[must_use]
    pub(super) fn complete(mut self) -> Self {
        if self.variants.is_empty() && self.kind == FlagKind::Boolean {
            self.variants = [("off".to_owned(), Value::Bool(false)), ("on".to_owned(), Value::Bool(true))].into();
        }
        self
    }

    /// The definition as JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        // Maps have text keys and numbers are finite, so there is nothing that JSON cannot say.
        serde_json::to_value(self).unwrap_or_default()
    }
}

impl FromStr for Definition {
    type Err = FlawedDefinition;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text).map_err(FlawedDefinition)
    }
}

/// Why a text is no definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlawedDefinition(pub Vec<Flaw>);

impl fmt::Display for FlawedDefinition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flaws: Vec<String> = self.0.iter().map(Flaw::to_string).collect();
        f.write_str(&flaws.join("; "))
    }
}

impl std::error::Error for FlawedDefinition {}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter()
        .map(|segment| match segment {
            Segment::Seq { index } => format!("/{index}"),
            Segment::Map { key } => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
            Segment::Enum { variant } => format!("/{variant}"),
            Segment::Unknown => "/?".to_owned(),
        })
        .collect()
}

/// Checks a key: what the world calls the flag.
pub(super) fn check_key(key: &str) -> Result<(), Flaw> {
    let valid = (1..=100).contains(&key.len())
        && key.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'))
        && key.as_bytes()[0].is_ascii_alphanumeric();
    let detail = "a flag's key is 1 to 100 characters of a-z, 0-9, `.`, `_` and `-`, and begins with a letter or digit";
    if valid { Ok(()) } else { Err(Flaw::at("", format!("`{key}`: {detail}"))) }
}
