//! What all edits of the catalogue have in common: who makes them, what can be wrong with them, and how a patch is laid
//! over what is there.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use serde_path_to_error::Segment;

use crate::{
    audit::{Actor, Entry},
    db::DbError,
};

/// Who edits, for the audit trail.
#[derive(Debug, Clone)]
pub struct By {
    /// Who.
    pub actor: Actor,
    /// By which request.
    pub request_id: Option<String>,
}

impl By {
    /// Somebody, without a request.
    #[must_use]
    pub const fn actor(actor: Actor) -> Self {
        Self { actor, request_id: None }
    }

    /// An entry that holds of `before` and `after` what differs.
    pub(crate) fn entry<T: Serialize>(
        &self,
        action: &'static str,
        object: (&'static str, String),
        before: Option<&T>,
        after: Option<&T>,
    ) -> Entry {
        let (mut before, mut after) = (before.map(fields), after.map(fields));
        if let (Some(before), Some(after)) = (&mut before, &mut after) {
            before.retain(|name, value| after.get(name) != Some(value) || !after.contains_key(name));
            after.retain(|name, _| before.contains_key(name));
        }
        Entry::new(self.actor.clone(), action, object.0, object.1)
            .change(before.map(Value::Object), after.map(Value::Object))
            .request(self.request_id.clone())
    }
}

/// One thing that is wrong with what was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Flaw {
    /// Where: a JSON pointer as a URI fragment, `#/prices/USD`.
    pub pointer: String,
    /// What is wrong there.
    pub detail: String,
}

impl Flaw {
    pub(super) fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into() }
    }
}

/// Why an edit is not made; nothing of it is kept.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// There is no such thing.
    #[error("there is no such thing in the catalogue")]
    NotFound,
    /// Somebody else changed it since it was read.
    #[error("it was changed since you read it: read it again")]
    Stale,
    /// What was sent cannot be.
    #[error("some fields are wrong")]
    Invalid(Vec<Flaw>),
    /// Another one has this value of this field.
    #[error("another one has this {0} already")]
    Taken(&'static str),
    /// Its state, or what depends on it, does not allow this.
    #[error("{0}")]
    Refused(&'static str),
    /// The database did not take it.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl EditError {
    pub(crate) fn flaw(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Invalid(vec![Flaw::new(pointer, detail)])
    }

    /// What a write's refusal by the database means, where two edits raced past the checks before it.
    pub(crate) fn of_write(error: DbError, unique: &'static str, foreign: &'static str) -> Self {
        match error {
            DbError::Unique(_) => Self::Taken(unique),
            DbError::ForeignKey(_) => Self::Refused(foreign),
            error => Self::Db(error),
        }
    }
}

/// `value` as JSON fields.
pub(super) fn fields<T: Serialize>(value: &T) -> Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(fields)) => fields,
        // What is edited are structs of texts, numbers and maps with texts for keys.
        _ => Map::new(),
    }
}

/// `current` with a JSON merge patch ([RFC 7396](https://www.rfc-editor.org/rfc/rfc7396)) laid over it.
pub(crate) fn patched<T: Serialize + DeserializeOwned>(
    current: &T,
    patch: &Map<String, Value>,
) -> Result<T, EditError> {
    let mut whole = fields(current);
    for (name, value) in patch {
        if !whole.contains_key(name) {
            return Err(EditError::flaw(format!("#/{}", token(name)), "there is no such field"));
        }
        merge(whole.entry(name.clone()).or_insert(Value::Null), value);
    }
    whole.retain(|_, value| !value.is_null());
    parse(Value::Object(whole)).map_err(|flaw| EditError::Invalid(vec![flaw]))
}

fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else { return };
    for (name, value) in patch {
        if value.is_null() {
            target.remove(name);
        } else {
            merge(target.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}

/// What fields say, strictly.
pub(crate) fn parsed<T: DeserializeOwned>(fields: Map<String, Value>) -> Result<T, EditError> {
    parse(Value::Object(fields)).map_err(|flaw| EditError::Invalid(vec![flaw]))
}

/// Reads a value strictly, or tells where it does not fit.
pub(super) fn parse<T: DeserializeOwned>(value: Value) -> Result<T, Flaw> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let segments = error.path().iter().filter_map(|segment| match segment {
            Segment::Seq { index } => Some(format!("/{index}")),
            Segment::Map { key } => Some(format!("/{}", token(key))),
            Segment::Enum { .. } | Segment::Unknown => None,
        });
        let mut pointer = format!("#{}", segments.collect::<String>());
        let text = error.inner().to_string();
        for opening in ["missing field `", "unknown field `"] {
            if let Some(name) = text.strip_prefix(opening).and_then(|rest| rest.split('`').next()) {
                let last = format!("/{}", token(name));
                // The path of an unknown field leads to it, that of a missing one to what lacks it.
                if !pointer.ends_with(&last) {
                    pointer.push_str(&last);
                }
            }
        }
        Flaw::new(pointer, shorten(&text))
    })
}

/// A name as part of a pointer: short, and without what would break it. Names are the client's choice.
pub(super) fn token(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-._".contains(c) { c } else { '_' };
    name.chars().take(60).map(plain).collect()
}

fn shorten(text: &str) -> String {
    text.chars().take(200).filter(|c| !c.is_control()).collect()
}

/// A word to look for in names, as a pattern of `LIKE` with `\` as its escape.
pub(super) fn pattern(word: &str) -> String {
    let mut pattern = "%".to_owned();
    for character in word.to_lowercase().chars().filter(|c| *c != '\0') {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern + "%"
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Thing {
        name: String,
        #[serde(default)]
        note: Option<String>,
        #[serde(default)]
        meta: Map<String, Value>,
    }

    fn patch(patch: &Value) -> Result<Thing, Vec<Flaw>> {
        let thing =
            Thing { name: "a".to_owned(), note: Some("b".to_owned()), meta: fields(&json!({"x": 1, "y": {"z": 2}})) };
        patched(&thing, patch.as_object().expect("an object")).map_err(|error| match error {
            EditError::Invalid(flaws) => flaws,
            other => panic!("{other}"),
        })
    }

    #[test]
    fn a_patch_changes_what_it_names() {
        let thing = patch(&json!({"note": null, "meta": {"x": null, "y": {"w": 3}}})).expect("it fits");
        assert_eq!(thing.name, "a");
        assert_eq!(thing.note, None);
        assert_eq!(Value::Object(thing.meta), json!({"y": {"z": 2, "w": 3}}));
        assert_eq!(patch(&json!({})).expect("nothing to do").note.as_deref(), Some("b"));
    }

    #[test]
    fn what_does_not_fit_is_pointed_at() {
        for (change, pointer) in [
            (json!({"nmae": "x"}), "#/nmae"),
            (json!({"name": 7}), "#/name"),
            (json!({"name": null}), "#/name"),
            (json!({"meta": []}), "#/meta"),
        ] {
            assert_eq!(patch(&change).expect_err("refused")[0].pointer, pointer, "{change}");
        }
    }

    #[test]
    fn wildcards_stand_for_themselves() {
        assert_eq!(pattern("50%_\\"), "%50\\%\\_\\\\%");
    }
}
