//! The configuration in effect, with where each value comes from, and without secrets.

use std::fmt::Write;

use serde::Serialize;

use super::{Config, Origin, layers};

/// A key, its value without secrets, and where it was written.
#[derive(Debug, Clone, Serialize)]
pub struct Setting {
    /// The key, such as `http.listen`.
    pub key: String,
    /// The value in effect, as it would be written in a file.
    pub value: toml::Value,
    /// Where it was written.
    pub origin: String,
}

impl Config {
    /// Every setting, in the order of `config.toml`.
    #[must_use]
    pub fn settings(&self) -> Vec<Setting> {
        let mut settings = Vec::new();
        if let Ok(table) = toml::Table::try_from(self) {
            flatten(table, "", &mut |key, value| {
                let origin = self.origin(&key).to_string();
                settings.push(Setting { key, value, origin });
            });
        }
        let order = layers::order(super::DEFAULT);
        settings.sort_by_key(|setting| order.iter().position(|key| *key == setting.key));
        settings
    }

    /// The same as TOML, with the origins as comments.
    #[must_use]
    pub fn show(&self) -> String {
        let (mut text, mut section) = (String::new(), String::new());
        for Setting { key, value, origin } in self.settings() {
            let (inside, name) = key.rsplit_once('.').unwrap_or(("", &key));
            if inside != section {
                inside.clone_into(&mut section);
                // Writing to a string cannot fail.
                let _ = writeln!(text, "\n[{section}]");
            }
            let line = format!("{name} = {value}");
            let _ = writeln!(text, "{line:<50}  # {origin}");
        }
        text
    }
}

fn flatten(table: toml::Table, prefix: &str, give: &mut dyn FnMut(String, toml::Value)) {
    for (name, value) in table {
        match value {
            toml::Value::Table(inner) => flatten(inner, &format!("{prefix}{name}."), give),
            value => give(format!("{prefix}{name}"), value),
        }
    }
}

impl Serialize for Origin {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
