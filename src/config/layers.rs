//! Layers of settings, one over the other, each value remembering where it was written.
//!
//! The keys of the built-in `config.toml` are the keys there are: a layer can replace a value, never add one.

use std::{collections::BTreeMap, fmt, path::Path, sync::Arc};

use toml::de::DeTable;

use super::problem::{Origin, Problem, env_name, suggestions};
use crate::kernel::secret::REDACTED;

/// A value as it was written. `Debug` does not show it: it may be a secret.
#[derive(Clone)]
pub(super) enum Raw {
    /// In a file, with the type that it has there.
    Toml(toml::Value),
    /// In the environment: a text that the wanted type parses.
    Text(String),
}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

/// A value and where it was written.
#[derive(Debug, Clone)]
pub(super) struct Leaf {
    pub(super) raw: Raw,
    pub(super) origin: Origin,
}

/// Values by key.
pub(super) type Leaves = BTreeMap<String, Leaf>;

/// The settings in effect.
#[derive(Debug, Clone)]
pub(super) struct Layers {
    defaults: Leaves,
    effective: Leaves,
}

impl Layers {
    /// The lowest layer, which says what keys there are.
    pub(super) fn new(defaults: Leaves) -> Self {
        Self { effective: defaults.clone(), defaults }
    }

    /// Puts a layer on top; what does not fit is left out and told.
    pub(super) fn overlay(&mut self, layer: Leaves, problems: &mut Vec<Problem>) {
        for (key, leaf) in layer {
            // A section's header with nothing under it says nothing.
            if matches!(&leaf.raw, Raw::Toml(toml::Value::Table(_))) && self.is_section(&key) {
                continue;
            }
            match self.misfit(&key, &leaf.origin) {
                None => {
                    self.effective.insert(key, leaf);
                }
                Some(what) => problems.push(Problem { origin: leaf.origin, key, what }),
            }
        }
    }

    fn is_section(&self, key: &str) -> bool {
        self.defaults.keys().any(|known| known.strip_prefix(key).is_some_and(|rest| rest.starts_with('.')))
    }

    /// Why a layer cannot set `key`, if so.
    fn misfit(&self, key: &str, origin: &Origin) -> Option<String> {
        if self.defaults.contains_key(key) {
            return None;
        }
        let name = |key: &str| if matches!(origin, Origin::Env(_)) { env_name(key) } else { key.to_owned() };
        let names = |keys: &mut dyn Iterator<Item = &str>| keys.map(name).collect::<Vec<_>>().join(", ");
        if self.is_section(key) {
            let inside = format!("{key}.");
            let keys = names(&mut self.keys().into_iter().filter(|known| known.starts_with(&inside)));
            return Some(format!("is a section, not a value; its keys are {keys}"));
        }
        if let Some(known) = self.keys().into_iter().find(|known| key.starts_with(&format!("{known}."))) {
            return Some(format!("{} is a value, not a section", name(known)));
        }
        let meant = suggestions(key, &self.keys());
        if !meant.is_empty() {
            let meant: Vec<String> = meant.into_iter().map(name).collect();
            return Some(format!("there is no such key; did you mean {}?", meant.join(" or ")));
        }
        let section = key.rsplit_once('.').map(|(section, _)| format!("{section}."));
        let mut siblings =
            self.keys().into_iter().filter(|known| section.as_ref().is_some_and(|section| known.starts_with(section)));
        let siblings = names(&mut siblings);
        Some(match section {
            Some(section) if !siblings.is_empty() => {
                format!("there is no such key; [{}] has {siblings}", section.trim_end_matches('.'))
            }
            _ => format!("there is no such key; the sections are {}", self.sections().join(", ")),
        })
    }

    /// The keys there are.
    pub(super) fn keys(&self) -> Vec<&str> {
        self.defaults.keys().map(String::as_str).collect()
    }

    fn sections(&self) -> Vec<&str> {
        let mut sections: Vec<&str> = self.keys().into_iter().filter_map(|key| Some(key.rsplit_once('.')?.0)).collect();
        sections.dedup();
        sections
    }

    /// The value of `key` that is in effect.
    pub(super) fn get(&self, key: &str) -> Option<&Leaf> {
        self.effective.get(key)
    }

    /// Everything that is in effect, by key.
    pub(super) fn effective(&self) -> &BTreeMap<String, Leaf> {
        &self.effective
    }

    /// Takes the default for `key` again; gives where the value was written that is dropped by this.
    pub(super) fn retreat(&mut self, key: &str) -> Option<Origin> {
        let default = self.defaults.get(key)?.clone();
        let dropped = self.effective.insert(key.to_owned(), default)?.origin;
        (dropped != Origin::Default).then_some(dropped)
    }
}

/// The values of a TOML text; `place` makes a line into an origin.
pub(super) fn parse_toml(text: &str, place: impl Fn(usize) -> Origin) -> Result<Leaves, Problem> {
    let line = |at: usize| 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count();
    let refused = |error: &toml::de::Error| Problem {
        origin: place(error.span().map_or(1, |span| line(span.start))),
        key: String::new(),
        what: format!("this is not TOML: {}", error.message()),
    };
    let values: toml::Table = text.parse().map_err(|error| refused(&error))?;
    let spans = DeTable::parse(text).map_err(|error| refused(&error))?;
    let mut leaves = Leaves::new();
    flatten(values, spans.get_ref(), "", &mut |key, value, at| {
        leaves.insert(key, Leaf { raw: Raw::Toml(value), origin: place(line(at)) });
    });
    Ok(leaves)
}

fn flatten(values: toml::Table, spans: &DeTable<'_>, prefix: &str, give: &mut dyn FnMut(String, toml::Value, usize)) {
    for (name, value) in values {
        let key = format!("{prefix}{name}");
        let found = spans.get_key_value(name.as_str());
        match (value, found.and_then(|(_, span)| span.get_ref().as_table())) {
            // An empty table is given as a value: whether it is a section is known to the layers.
            (toml::Value::Table(table), Some(inner)) if !table.is_empty() => {
                flatten(table, inner, &format!("{key}."), give);
            }
            (value, _) => give(key, value, found.map_or(0, |(name, _)| name.span().start)),
        }
    }
}

/// The keys of a TOML text in the order in which they are written.
pub(super) fn order(text: &str) -> Vec<String> {
    let leaves = parse_toml(text, |line| Origin::File(Path::new("").into(), line)).unwrap_or_default();
    let mut keys: Vec<(usize, String)> = leaves
        .into_iter()
        .map(|(key, leaf)| if let Origin::File(_, line) = leaf.origin { (line, key) } else { (0, key) })
        .collect();
    keys.sort();
    keys.into_iter().map(|(_, key)| key).collect()
}

/// The values of a file's text.
pub(super) fn parse_file(path: &Path, text: &str) -> Result<Leaves, Problem> {
    let path: Arc<Path> = path.into();
    parse_toml(text, |line| Origin::File(path.clone(), line))
}

/// The values among environment variables. `known` are the keys there are: a variable that names one with single
/// underscores is a mistake worth telling.
pub(super) fn parse_env(variables: &[(String, String)], known: &[&str], problems: &mut Vec<Problem>) -> Leaves {
    let mut leaves = Leaves::new();
    for (name, value) in variables {
        let origin = Origin::Env(name.clone());
        if let Some(key) = name.strip_prefix("MINTREU__") {
            let key = key.to_lowercase().replace("__", ".");
            leaves.insert(key, Leaf { raw: Raw::Text(value.clone()), origin });
        } else if let Some(single) = name.strip_prefix("MINTREU_")
            && let Some(key) = known.iter().find(|key| key.replace('.', "_") == single.to_lowercase())
        {
            let what = format!("is not read; did you mean {}?", env_name(key));
            problems.push(Problem { origin, key: String::new(), what });
        }
    }
    leaves
}
